"""Remote stores return the same as local ones, whatever happens to their objects meanwhile."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.store.remote.s3_server import S3Server
from tests.store.remote.samples import (
    TICKS,
    at_once,
    compacting_process,
    listed,
    record,
    remote,
    server,
    ticks_of,
    url,
)
from tests.store.samples import memory_folder
from vectra_bot.errors import InputError, StoreError
from vectra_bot.models import DocType
from vectra_bot.store.location import SEED_PATH
from vectra_bot.store.parquet.compaction import compact_all
from vectra_bot.store.parquet.manifest import MANIFEST, part_folder, read_manifest
from vectra_bot.store.query.catalog import CorruptRowsWarning, open_store
from vectra_bot.store.query.queries import QUERIES
from vectra_bot.store.remote.objects import Objects
from vectra_bot.store.remote.upload import Uploader
from vectra_bot.store.tree import RemoteTree

S = "s-1"
KINDS = (DocType.GAME_TICK, DocType.PLAYER_ACTION)


__all__ = ["at_once", "server", "url"]  # the fixtures


@pytest.fixture
def folder() -> Iterator[Path]:
    with memory_folder() as folder:
        yield Path(folder)


def test_every_query_returns_the_same_as_over_the_local_store(folder: Path, url: str) -> None:
    for name in ("s-1", "s-2", "s-3"):
        record(folder / "spool", name, 2, url=url)
    with open_store(folder / "spool") as local, open_store(url) as there:
        assert there.sessions == local.sessions == ("s-1", "s-2", "s-3")
        for query in QUERIES:
            one, other = there.run(query.name), local.run(query.name)
            assert one.columns == other.columns
            # Not every query has a total order.
            assert sorted(one.rows, key=repr) == sorted(other.rows, key=repr), query.name
        for kind in KINDS:
            everything = f"SELECT * FROM {kind.value} ORDER BY session_id, seq"
            assert there.sql(everything) == local.sql(everything)
            types = f"SELECT column_name, column_type FROM (DESCRIBE {kind.value})"
            assert there.sql(types) == local.sql(types)
            assert there.arrow(kind).num_rows == local.arrow(kind).num_rows > 0
        files = f"SELECT count(*) FROM '{SEED_PATH}/doc_type=game_tick/**/*.parquet'"
        assert there.sql(files).rows == [(3 * 2 * TICKS,)]
        root = url.partition("?")[0]
        assert there.sql(files.replace(SEED_PATH, root)).rows == [(3 * 2 * TICKS,)]
        assert not there.corrupt
        with pytest.raises(InputError):
            there.sql(f"SELECT * FROM read_parquet('{folder}/spool/**/*.parquet')")


def test_only_files_that_pass_the_conditions_are_fetched(
    folder: Path, url: str, server: S3Server
) -> None:
    for name in ("s-1", "s-2", "s-3"):
        record(folder / "spool", name, 2, url=url)
    parts = [
        part
        for name in ("s-1", "s-3")
        for part in read_manifest(part_folder(folder / "spool", DocType.GAME_TICK, name))
    ]
    for part in parts:  # reading one of these fails
        Objects(remote(url)).write(part.path, bytes(part.bytes))
    with open_store(url) as catalog:
        text = "SELECT count(*) FROM game_tick WHERE session_id = 's-2' AND seq > 7"
        assert catalog.sql(text).rows == [(TICKS - 1,)]
        assert not catalog.corrupt
        with pytest.warns(CorruptRowsWarning, match="CRC32"):
            assert len(ticks_of(catalog)) == 2 * TICKS
        assert {one.path for one in catalog.corrupt} == {part.path for part in parts}


def test_a_count_comes_from_the_manifests(folder: Path, url: str, server: S3Server) -> None:
    record(folder / "spool", S, 2, url=url)
    with open_store(url) as catalog:
        assert catalog.sql("SELECT count(*) FROM game_tick").rows == [(2 * TICKS,)]
        server.spoil(0, 0)
        assert catalog.sql("SELECT count(*) FROM game_tick").rows == [(2 * TICKS,)]
        counted = "SELECT session_id, count(*) FROM game_tick GROUP BY 1"
        assert catalog.sql(counted).rows == [(S, 2 * TICKS)]
        assert server.seen() == 2  # the listing, for each of both


def test_a_query_sees_what_was_uploaded_meanwhile(folder: Path, url: str) -> None:
    ticks = record(folder / "spool", "s-1", 1, url=url)
    with open_store(url) as catalog:
        assert ticks_of(catalog) == ticks
        ticks += record(folder / "spool", "s-2", 2, url=url)
        assert ticks_of(catalog) == ticks
        compact_all(folder / "spool")
        for name in ("s-1", "s-2"):
            Uploader(folder / "spool", url).upload(name)
        assert ticks_of(catalog) == ticks


def test_files_that_go_between_the_list_and_the_scan(folder: Path, url: str) -> None:
    """A query is retried; a relation that was created before then shows the new files."""
    ticks = record(folder / "spool", S, 3, url=url)
    with open_store(url) as catalog:
        listing: Any = catalog._source._listing
        settled = listing.settled

        def compacted_meanwhile(doc_type: DocType) -> object:
            kind = settled(doc_type)
            compact_all(folder / "spool")
            Uploader(folder / "spool", url).upload(S)
            return kind

        relation = catalog.relation("game_tick")
        listing.settled = compacted_meanwhile
        assert ticks_of(catalog) == ticks
        assert not catalog.corrupt
        assert len(relation.fetchall()) == len(ticks)


def test_an_object_that_goes_after_it_was_opened_is_missing(folder: Path, url: str) -> None:
    record(folder / "spool", S, 1, url=url)
    part = read_manifest(part_folder(folder / "spool", DocType.GAME_TICK, S))[0].path
    stored, tree = Objects(remote(url)), RemoteTree(remote(url))

    def removed_first(chunks: Iterator[bytes]) -> int:
        stored.delete(part)
        return sum(map(len, chunks))

    data = stored.read(part) or b""
    with pytest.raises(FileNotFoundError):
        stored.fetch(part, removed_first)
    stored.write(part, data)
    with tree.open(part) as stream:
        stored.delete(part)
        with pytest.raises(FileNotFoundError), tree.asking(part):
            stream.read_buffer()


@pytest.mark.slow
def test_a_reader_beside_compactions_sees_every_row_once(folder: Path, url: str) -> None:
    names = [f"s-{n}" for n in range(4)]
    ticks = [tick for name in names for tick in record(folder / "spool", name, 3, url=url)]
    process = compacting_process(folder / "spool", url, names)
    rounds = 0
    try:
        with open_store(url) as catalog:
            while process.is_alive() or not rounds:
                assert ticks_of(catalog) == ticks
                assert not catalog.corrupt
                rounds += 1
            process.join()
            assert process.exitcode == 0
            assert ticks_of(catalog) == ticks
            assert {len(names)} == {
                sum(part.doc_type is kind for part in listed(url)) for kind in KINDS
            }
    finally:
        process.kill()


@pytest.mark.parametrize("damage", ["flipped", "longer", "shorter", "missing", "other"])
def test_corrupt_objects_are_skipped_and_reported(folder: Path, url: str, damage: str) -> None:
    ticks = record(folder / "spool", S, 3, url=url)
    stored = Objects(remote(url))
    part = read_manifest(part_folder(folder / "spool", DocType.GAME_TICK, S))[1]
    data = bytearray(stored.read(part.path) or b"")
    if damage == "flipped":
        data[len(data) // 2] ^= 4
    elif damage == "longer":
        data += b"x"
    elif damage == "shorter":
        del data[-1:]
    elif damage == "other":
        data[:] = bytes(len(data))
    if damage == "missing":
        stored.delete(part.path)
    else:
        stored.write(part.path, bytes(data))
    with open_store(url) as catalog:
        what = f"{part.path}.*{TICKS} rows, seq {part.first_seq} to"
        with pytest.warns(CorruptRowsWarning, match=what):
            result = catalog.sql("SELECT session_id, seq FROM game_tick ORDER BY ALL")
        kept = [tick for tick in ticks if not part.first_seq <= tick[1] <= part.last_seq]
        assert result.rows == kept
        (named,) = result.corrupt
        assert (named.path, named.rows, named.session_id) == (part.path, TICKS, S)
        assert (named.first_seq, named.last_seq) == (part.first_seq, part.last_seq)
        # Restored, it is read by the same catalog.
        stored.write(part.path, (folder / "spool" / part.path).read_bytes())
        if damage not in ("flipped", "other"):
            assert ticks_of(catalog) == ticks
    with open_store(url) as catalog:
        assert ticks_of(catalog) == ticks


def test_all_corrupt_files_are_found_at_once(folder: Path, url: str) -> None:
    ticks = record(folder / "spool", S, 9, url=url)
    stored = Objects(remote(url))
    parts = read_manifest(part_folder(folder / "spool", DocType.GAME_TICK, S))
    for part in parts[1:]:
        stored.write(part.path, bytes(part.bytes))
    with open_store(url) as catalog:
        with pytest.warns(CorruptRowsWarning):
            assert ticks_of(catalog) == ticks[:TICKS]
        assert [one.path for one in catalog.corrupt] == [part.path for part in parts[1:]]


@pytest.mark.parametrize("cut", [1, 40, 300])
def test_a_corrupt_manifest_is_reported(folder: Path, url: str, cut: int) -> None:
    record(folder / "spool", S, 2, url=url)
    ticks = record(folder / "spool", "s-2", 2, url=url)
    stored = Objects(remote(url))
    name = f"doc_type=game_tick/session_id={S}/{MANIFEST}"
    stored.write(name, (stored.read(name) or b"")[:-cut])
    with open_store(url) as catalog, pytest.warns(CorruptRowsWarning, match="its manifest"):
        assert ticks_of(catalog) == ticks


def test_objects_that_no_manifest_lists_are_not_read(folder: Path, url: str) -> None:
    ticks = record(folder / "spool", S, 2, url=url)
    part = read_manifest(part_folder(folder / "spool", DocType.GAME_TICK, S))[0]
    data = (folder / "spool" / part.path).read_bytes()
    Objects(remote(url)).write(part.path.replace("part-000001", "part-000009"), data)
    with open_store(url) as catalog:
        assert ticks_of(catalog) == ticks
        assert not catalog.corrupt


def test_a_server_that_does_not_answer_is_one_clear_error(
    folder: Path, url: str, server: S3Server
) -> None:
    ticks = record(folder / "spool", S, 2, url=url)
    with open_store(url) as catalog:
        for after in range(4):
            server.spoil(after, 10_000)
            with pytest.raises(StoreError, match="HTTP status 503") as caught:
                catalog.sql("SELECT sum(price) FROM game_tick")
            assert "\n" not in str(caught.value)
            server.spoil(0, 0)
        server.spoil(2, 3)
        assert ticks_of(catalog) == ticks


@pytest.mark.slow
def test_a_query_that_ends_early_leaves_nothing_behind(folder: Path, url: str) -> None:
    record(folder / "spool", S, 6, url=url)
    with open_store(url) as catalog:
        for _ in range(20):
            assert len(catalog.sql("SELECT * FROM game_tick LIMIT 1").rows) == 1
            reader = catalog.batches("game_tick", rows=2)
            assert reader.read_next_batch().num_rows == 2
            del reader


def test_no_store_is_one_clear_error(server: S3Server, url: str) -> None:
    with pytest.raises(InputError, match="no store at s3://"):
        open_store(url)
    with pytest.raises(InputError, match="no store at s3://no-such-bucket/"):
        open_store(url.replace("s3://bucket/", "s3://no-such-bucket/"))


_USER = """
import sys
from vectra_bot.store.query.catalog import open_store
catalog = open_store(sys.argv[1])
print(catalog.sql("SELECT count(*) FROM game_tick").rows[0][0])
held = catalog.batches("game_tick", rows=1)  # open at the end, like the catalog
held.read_next_batch()
{}
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", ["", "raise KeyboardInterrupt", "del held, catalog"])
def test_a_process_that_used_a_remote_store_ends_by_itself(
    folder: Path, url: str, end: str
) -> None:
    record(folder / "spool", S, 2, url=url)
    done = subprocess.run(
        [sys.executable, "-c", _USER.format(end), url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == f"{2 * TICKS}\n"
    codes = {"": 0, "raise KeyboardInterrupt": -2, "del held, catalog": 0}
    assert done.returncode == codes[end]
    if "Keyboard" not in end:
        assert done.stderr == ""
