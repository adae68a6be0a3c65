"""What a query reads of a store's files: only what it needs, verified, and no copied folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import attrs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.store.samples import SESSION, tick_document
from tests.store.stores import write_frames, write_ticks
from vectra_bot.errors import InputError
from vectra_bot.models import DocType
from vectra_bot.store.maintenance.check import check_store
from vectra_bot.store.parquet.manifest import (
    MANIFEST,
    Part,
    part_folder,
    read_manifest,
    write_manifest,
)
from vectra_bot.store.parquet.pages import frame_digests
from vectra_bot.store.query.catalog import Catalog, CorruptRowsWarning, open_store
from vectra_bot.store.query.dataset import SMALL, StoreDataset
from vectra_bot.store.query.whole import WHOLE
from vectra_bot.store.tree import Tree

FRAMES = 800
NUMBERS = "SELECT count(seq), sum(seq), min(event_name) FROM ws_event"


@pytest.fixture
def large(tmp_path: Path) -> tuple[Path, Part]:
    """Return a store with one large file, and its manifest line."""
    part = write_frames(tmp_path, FRAMES)
    assert part.bytes > SMALL
    return tmp_path, part


def _opened(store: Path, whole: int) -> Catalog:
    """Return a store whose kinds are read by DuckDB up to *whole* bytes, and else scanned by Arrow."""
    return Catalog(str(store), StoreDataset(Tree(store), whole), roots=[str(store)])


def _read_bytes() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])


def test_a_query_reads_the_columns_that_it_needs(large: tuple[Path, Part]) -> None:
    """A count comes from the manifest; two short columns of a large file are a small part of it."""
    store, part = large
    with _opened(store, 0) as catalog:
        catalog.sql(NUMBERS)  # everything is loaded now
    with _opened(store, 0) as catalog:
        before = _read_bytes()
        assert catalog.sql("SELECT count(*) FROM ws_event").rows == [(FRAMES,)]
        assert _read_bytes() - before < part.bytes / 100
        before = _read_bytes()
        assert catalog.sql(NUMBERS).rows == [
            (FRAMES, FRAMES * (FRAMES + 1) // 2, "gameStateUpdate")
        ]
        assert _read_bytes() - before < part.bytes / 10


def _page_header(data: bytes) -> int:
    metadata = pq.ParquetFile(pa.BufferReader(data)).metadata.row_group(0)
    columns = [metadata.column(n) for n in range(metadata.num_columns)]
    (column,) = [column for column in columns if column.path_in_schema == "seq"]
    return int(column.data_page_offset) + 1


def _page(data: bytes) -> int:
    return _page_header(data) + 60


def _footer(data: bytes) -> int:
    return len(data) - int.from_bytes(data[-8:-4], "little") + 40


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (_page_header, "CRC32 of the page headers"),
        (_page, "CRC32"),
        (_footer, "CRC32 of the footer"),
    ],
)
@pytest.mark.parametrize("listed", ["with frame", "without frame"])
@pytest.mark.parametrize("whole", [0, WHOLE])
def test_a_flipped_bit_of_a_large_file_is_seen(
    large: tuple[Path, Part], place: Callable[[bytes], int], reason: str, listed: str, whole: int
) -> None:
    """In a page, a page's header or the footer: the file is skipped and reported, the others are read."""
    store, part = large
    write_frames(store, 3, "s-2")
    if whole:
        reason = "wrong CRC32"
    if listed == "without frame":  # like earlier manifests
        bare = attrs.evolve(part, footer_crc32=None, headers_crc32=None)
        write_manifest(store, part.folder, [bare])
        reason = "CRC32"
    data = bytearray((store / part.path).read_bytes())
    data[place(data)] ^= 2
    (store / part.path).write_bytes(data)
    with _opened(store, whole) as catalog:
        with pytest.warns(CorruptRowsWarning, match=reason):
            result = catalog.sql(NUMBERS)
        assert result.rows == [(3, 6, "gameStateUpdate")]
        (damaged,) = result.corrupt
        assert (damaged.path, damaged.rows, damaged.first_seq) == (part.path, FRAMES, 1)


def test_rows_are_not_returned_before_their_file_was_verified(
    large: tuple[Path, Part],
) -> None:
    """A stream larger than memory begins after every byte was compared."""
    store, part = large
    data = bytearray((store / part.path).read_bytes())
    data[len(data) // 2] ^= 1
    (store / part.path).write_bytes(data)
    with open_store(store) as catalog, pytest.warns(CorruptRowsWarning, match="CRC32"):
        assert list(catalog.stream("SELECT seq FROM ws_event", rows=10)) == []
    with open_store(store) as catalog, pytest.warns(CorruptRowsWarning, match="CRC32"):
        assert catalog.relation("ws_event").fetchall() == []


def test_pages_are_in_sequence(large: tuple[Path, Part]) -> None:
    """Following the page headers ends at the footer; in a truncated file it does not."""
    store, part = large
    data = (store / part.path).read_bytes()

    def read_at(place: int, count: int) -> bytes:
        return data[place : place + count]

    assert frame_digests(read_at, len(data)) == (part.footer_crc32, part.headers_crc32)
    for size in (0, 3, 11, len(data) - 1):
        with pytest.raises(ValueError, match="footer"):
            frame_digests(lambda place, count, size=size: data[:size][place : place + count], size)


def test_a_query_may_begin_before_the_rows_of_the_last_are_fetched(tmp_path: Path) -> None:
    """An unread stream, or a result with more rows, blocks no other query."""
    write_ticks(tmp_path, tick_document, 2)
    with open_store(tmp_path) as catalog:
        assert len(catalog.sql("FROM game_tick", max_rows=1).rows) == 1
        stream = catalog.stream("SELECT seq FROM game_tick ORDER BY 1", rows=1)
        assert next(iter(stream)) == [(1,)]
        write_frames(tmp_path, 3)
        assert catalog.sql(NUMBERS).rows == [(3, 6, "gameStateUpdate")]


# --- copied and renamed folders -------------------------------------------------------------------------


@pytest.mark.parametrize("manifest", ["copied too", "removed", "rewritten"])
def test_a_copied_session_is_never_read(tmp_path: Path, manifest: str) -> None:
    """`cp -r` of a session's folder changes no sum; queries warn about it, a check reports it."""
    write_ticks(tmp_path, tick_document, 2)
    folder = part_folder(tmp_path, DocType.GAME_TICK, SESSION)
    copy = part_folder(tmp_path, DocType.GAME_TICK, "copy")
    shutil.copytree(folder, copy)
    if manifest == "removed":
        (copy / MANIFEST).unlink()
    elif manifest == "rewritten":
        path = copy.relative_to(tmp_path).as_posix()
        parts = [attrs.evolve(p, path=f"{path}/{p.name}") for p in read_manifest(folder)]
        write_manifest(tmp_path, copy, parts)
    report = check_store(tmp_path)
    kinds = {problem.kind for problem in report.problems}
    assert kinds == {"manifest_missing" if manifest == "removed" else "session_copied"}
    assert "session_id=copy" in report.problems[0].message
    if manifest != "rewritten":  # only a check reads rows of a file with a valid manifest line
        with open_store(tmp_path) as catalog:
            with pytest.warns(CorruptRowsWarning, match="session_id=copy.*copied or renamed"):
                assert catalog.sql("SELECT sum(tick), count(*) FROM game_tick").rows == [(10, 4)]
            assert catalog.sql("SELECT count(*) FROM game_tick").rows == [(4,)]


def test_a_renamed_session_is_reported(tmp_path: Path) -> None:
    """The rows of a renamed folder are skipped until it has its name again."""
    write_ticks(tmp_path, tick_document, 2)
    folder = part_folder(tmp_path, DocType.GAME_TICK, SESSION)
    folder.rename(folder.with_name("session_id=renamed"))
    with open_store(tmp_path) as catalog, pytest.warns(CorruptRowsWarning, match="4 rows"):
        assert catalog.sql("SELECT count(*) FROM game_tick").rows == [(0,)]


# --- names of files in SQL --------------------------------------------------------------------------


def test_names_of_files_are_replaced_by_views(tmp_path: Path) -> None:
    """All of a kind or of one session, as text or in a function; other files are not read."""
    write_ticks(tmp_path, tick_document, 2)
    write_ticks(tmp_path, tick_document, 1, session_id="s-2")
    with open_store(tmp_path) as catalog:
        for name, rows in (
            ("doc_type=game_tick/**/*.parquet", 6),
            ("doc_type=game_tick/*/*.parquet", 6),
            ("doc_type=game_tick/session_id=s-2/*.parquet", 2),
        ):
            for table in (f"'{tmp_path}/{name}'", f"read_parquet('{tmp_path}/{name}')"):
                assert catalog.sql(f"SELECT count(*) FROM {table} AS t").rows == [(rows,)]
        with pytest.raises(InputError, match="and nothing else"):
            catalog.sql(f"FROM '{tmp_path}/doc_type=game_tick/session_id=s-2/part-000001.parquet'")


def test_a_condition_on_a_text_excludes_row_groups_without_such_a_row(
    large: tuple[Path, Part],
) -> None:
    """Statistics exclude a row group without the game: none of its columns is read."""
    store, part = large
    text = "SELECT sum(length(raw_json)), count(*) FROM ws_event WHERE game_id = '{}'"
    with _opened(store, 0) as catalog:
        assert catalog.sql(text.format("zzz")).rows == [(None, 0)]  # everything is loaded now
        before = _read_bytes()
        assert catalog.sql(text.format("zzzz")).rows == [(None, 0)]
        assert _read_bytes() - before < part.bytes / 10


def test_texts_are_grouped_by_their_codes(large: tuple[Path, Part]) -> None:
    """Repeated texts are scanned as codes, also beside files with other codes and rows without a text."""
    store, _ = large
    write_frames(store, 3, "s-2")
    with _opened(store, 0) as catalog:
        text = "SELECT event_name, session_id, player_id, count(*) FROM ws_event GROUP BY ALL ORDER BY 4"
        assert catalog.sql(text).rows == [
            ("gameStateUpdate", "s-2", None, 3),
            ("gameStateUpdate", SESSION, None, FRAMES),
        ]
        schema = catalog.arrow("ws_event", ["event_name"]).schema
        assert schema.field("event_name").type == pa.string()
