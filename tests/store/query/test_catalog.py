"""Opening a store: a view per kind, tables and frames, corrupt files skipped, other stores unharmed."""

from __future__ import annotations

import shutil
import sys
import threading
import time
import warnings
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.samples import (
    HEADER,
    SESSION,
    action_document,
    memory_folder,
    small_session,
    sol,
    state_document,
    tick_document,
)
from tests.store.stores import write_documents, write_ticks
from vectra_bot.errors import InputError, StoreError, UnknownNameError, UsageError
from vectra_bot.fsio import files
from vectra_bot.journal import Journal, journal_directory
from vectra_bot.models import ActionType, DocType, Document, MLEpisode
from vectra_bot.serde import document_columns
from vectra_bot.store import tree
from vectra_bot.store.location import default_store
from vectra_bot.store.parquet.builder import begin_session, build_parts
from vectra_bot.store.parquet.manifest import MANIFEST, part_folder, read_manifest, write_manifest
from vectra_bot.store.parquet.schema import schema_of
from vectra_bot.store.parquet.writer import part_path
from vectra_bot.store.query.catalog import Catalog, CorruptRowsWarning, open_store
from vectra_bot.store.query.results import CorruptFile

COUNT = "SELECT count(*), count(DISTINCT seq) FROM game_tick"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store with three parts of two ticks each, an action and a statement of cash."""
    root = tmp_path / "store"
    write_ticks(root, lambda seq: tick_document(seq, 1 + seq / 8), 3)
    write_documents(
        root,
        [
            action_document("a-1", ActionType.BUY, "0.1", before="1", after="0.9"),
            state_document("0.9", "-0.1", None),
        ],
        first_seq=7,
    )
    return root


def _quiet(root: Path) -> tuple[Catalog, list[CorruptFile]]:
    """Open a store; skipped files go to a list."""
    told: list[CorruptFile] = []
    return open_store(root, on_corrupt=told.append), told


def test_every_kind_has_a_view_even_without_files(store: Path) -> None:
    """Views of kinds without files are empty but have all their columns."""
    with open_store(store) as catalog:
        for doc_type in DocType:
            result = catalog.sql(f"SELECT * FROM {doc_type.value}")
            assert list(result.columns) == [c.name for c in document_columns(doc_type)]
            assert len(catalog.sql(f"DESCRIBE {doc_type.value}").rows) == len(result.columns)
        assert len(catalog.sql("SHOW TABLES").rows) == len(DocType)


def test_empty_views_have_the_types_of_full_ones(tmp_path: Path, store: Path) -> None:
    """A query gets the same column types whether or not a kind has rows."""
    bare = tmp_path / "bare"
    (bare / "doc_type=ws_event").mkdir(parents=True)
    with open_store(bare) as empty, open_store(store) as full:
        for name in ("player_action", "game_tick", "server_state", "other_player"):
            types = f"SELECT column_name, column_type FROM (DESCRIBE {name})"
            assert empty.sql(types).rows == full.sql(types).rows


def test_only_the_kinds_in_a_query_are_read(store: Path) -> None:
    """A corrupt file of another kind is not noticed; naming the kind in any case notices it."""
    part_path(store, DocType.PLAYER_ACTION, SESSION, 1).write_bytes(b"PAR1")
    catalog, told = _quiet(store)
    with catalog:
        assert catalog.sql(COUNT).rows == [(6, 6)]
        assert told == []
        assert catalog.sql('SELECT * FROM "Player_Action"').rows == []
        assert [one.doc_type for one in told] == [DocType.PLAYER_ACTION]


def test_text_that_makes_a_name_finds_the_rows(store: Path) -> None:
    """Functions that take a view's name as text see a prepared view."""
    with open_store(store) as catalog:
        assert len(catalog.sql("FROM query_table('game_' || 'tick')").rows) == 6


def test_tables_and_frames_have_the_same_rows(store: Path) -> None:
    """Relation, Arrow, batches, polars and pandas agree, amounts exact, columns chosen."""
    wanted = ["seq", "price", "session_id"]
    expected = [(seq, 1 + seq / 8, SESSION) for seq in range(1, 7)]
    with open_store(store) as catalog:
        relation = catalog.relation("game_tick").project("seq, price, session_id").order("seq")
        assert relation.fetchall() == expected
        table = catalog.arrow(DocType.GAME_TICK, wanted)
        assert table.schema.names == wanted
        assert sorted(zip(*table.to_pydict().values(), strict=True)) == expected
        with catalog.batches("game_tick", wanted, rows=4) as batches:
            sizes = [batch.num_rows for batch in batches]
        assert sum(sizes) == 6
        assert 1 < len(sizes) <= 6
        amounts = catalog.arrow("SELECT amount, price FROM player_action, game_tick LIMIT 1")
        assert amounts.schema.field("amount").type == pa.decimal128(38, 9)
        assert amounts.column("amount").to_pylist() == [sol("0.1")]
        assert catalog.arrow("ml_episode").num_rows == 0
    with pytest.raises(UnknownNameError, match="no doc type is named 'game_tic'"):
        open_store(store).relation("game_tic")


def test_frames_need_their_packages(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package is a one-line error that names the extra; an installed one gives exact amounts."""
    with open_store(store) as catalog:
        for name, method in (("polars", catalog.polars), ("pandas", catalog.pandas)):
            with monkeypatch.context() as without:
                without.setitem(sys.modules, name, None)
                with pytest.raises(UsageError, match=rf"^{name} is not .*'vectra-bot\[frames\]'$"):
                    method("game_tick")
            pytest.importorskip(name)
            frame: Any = method("player_action", ["amount", "seq"])
            assert list(frame["amount"]) == [Decimal("0.100000000")]
            assert list(frame.columns) == ["amount", "seq"]


def test_sessions_with_any_id_can_be_queried_together(tmp_path: Path) -> None:
    """Session ids that look like numbers or dates remain text, in views and in SQL over the folder."""
    for session_id in ("123", "2024-01-01", "x"):
        write_documents(tmp_path, [tick_document(1)], session_id)
    with open_store(tmp_path) as catalog:
        found = catalog.sql("SELECT session_id, typeof(session_id) FROM game_tick ORDER BY 1").rows
        assert catalog.sessions == ("123", "2024-01-01", "x")
    assert found == [("123", "VARCHAR"), ("2024-01-01", "VARCHAR"), ("x", "VARCHAR")]
    raw = f"SELECT count(DISTINCT session_id) FROM '{tmp_path}/doc_type=game_tick/**/*.parquet'"
    assert duckdb.sql(raw).fetchall() == [(3,)]


def test_times_come_back_in_utc(tmp_path: Path) -> None:
    """Zoned times are aware, to the microsecond."""
    started = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)
    zero = Decimal(0)
    episode = MLEpisode(
        "e", SESSION, "g-1", "me", started, started, 1, 250, "rug", zero, zero, zero, 1, 1, 0, zero,
        None, None, 0, zero, zero,
    )  # fmt: skip
    write_documents(
        tmp_path,
        [Document(doc_type=DocType.ML_EPISODE, record=episode, ts_ns=1, source="engine")],
    )
    with open_store(tmp_path) as catalog:
        ((value, amount),) = catalog.sql("SELECT started_at, final_pnl FROM ml_episode").rows
    assert value == started
    assert value.utcoffset().total_seconds() == 0
    assert amount == zero


@pytest.mark.parametrize("name", ["it's [1]*?", "späti"])
def test_odd_paths_work(tmp_path: Path, store: Path, name: str) -> None:
    """Quotes and pattern characters in a store's path are taken literally."""
    shutil.copytree(store, tmp_path / name)
    with open_store(tmp_path / name) as catalog:
        assert catalog.sql(COUNT).rows == [(6, 6)]
        raw = "FROM read_parquet('~/rugs_data/events_parquet/doc_type=game_tick/**/*.parquet')"
        assert len(catalog.sql(raw).rows) == 6


def test_an_open_catalog_sees_what_is_added(store: Path) -> None:
    """Every query sees the store as it is when it begins."""
    with open_store(store) as catalog:
        assert catalog.sql(COUNT).rows == [(6, 6)]
        write_documents(store, [tick_document(7)], number=4, first_seq=9)
        assert catalog.sql(COUNT).rows == [(7, 7)]


# --- corruption --------------------------------------------------------------------------------------


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("harm", "reason"),
    [(_cut, "bytes instead of"), (_flip, "CRC32"), (_remove, "the file is missing")],
)
def test_corrupt_parts_are_skipped_and_reported(store: Path, harm: Any, reason: str) -> None:
    """The rows of a corrupt file are reported by their range; the others are queried."""
    path = part_path(store, DocType.GAME_TICK, SESSION, 2)
    (part,) = [p for p in read_manifest(path.parent) if p.name == path.name]
    harm(path)
    catalog, told = _quiet(store)
    with catalog:
        result = catalog.sql("SELECT seq FROM game_tick ORDER BY seq")
        assert result.rows == [(1,), (2,), (5,), (6,)]
        assert catalog.sql(COUNT).rows == [(4, 4)]
        (damaged,) = catalog.corrupt
    assert told == [damaged] == list(result.corrupt)
    assert (damaged.doc_type, damaged.session_id) == (DocType.GAME_TICK, SESSION)
    assert (damaged.first_seq, damaged.last_seq, damaged.rows) == (3, 4, 2)
    assert reason in damaged.reason
    assert str(damaged).startswith(f"{part.path}: {damaged.reason} (2 rows, seq 3 to 4)")


def test_a_corrupt_manifest_is_reported_and_files_are_read_whole(store: Path) -> None:
    """Without a manifest a file is read only if every page has its checksum."""
    folder = part_folder(store, DocType.GAME_TICK, SESSION)
    manifest = folder / MANIFEST
    manifest.write_bytes(b"x" + manifest.read_bytes()[1:])
    _flip(folder / "part-000003.parquet")
    catalog, told = _quiet(store)
    with catalog:
        assert catalog.sql("SELECT seq FROM game_tick ORDER BY seq").rows == [
            (1,),
            (2,),
            (3,),
            (4,),
        ]
    assert [one.path.rpartition("/")[2] for one in told] == [
        f"session_id={SESSION}",
        "part-000003.parquet",
    ]
    assert MANIFEST in told[0].reason
    assert told[0].rows == -1


@cache
def _written() -> dict[str, bytes]:
    """Return the files of a folder with two parts of two ticks, and their manifest."""
    with memory_folder() as name:
        write_ticks(Path(name), lambda seq: tick_document(seq, seq / 7), 2)
        folder = part_folder(name, DocType.GAME_TICK, SESSION)
        return {path.name: path.read_bytes() for path in folder.iterdir()}


@settings(max_examples=40)
@given(data=st.data())
def test_no_corruption_gives_a_value_that_was_never_written(data: st.DataObject) -> None:
    """Bits flipped or ends cut anywhere, in files and manifests: rows are as written, or reported as lost."""
    victim = data.draw(st.sampled_from(sorted(_written())))
    content = bytearray(_written()[victim])
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, 8 * len(content) - 1))
        content[place // 8] ^= 1 << place % 8
    else:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    with memory_folder() as name:
        folder = part_folder(name, DocType.GAME_TICK, SESSION)
        folder.mkdir(parents=True)
        for file, whole in _written().items():
            (folder / file).write_bytes(content if file == victim else whole)
        catalog, told = _quiet(Path(name))
        with catalog:
            rows = catalog.sql("SELECT seq, tick, price FROM game_tick ORDER BY seq").rows
    lost = {seq for one in told for seq in range(one.first_seq, one.last_seq + 1)}
    assert rows == [(seq, seq, seq / 7) for seq in range(1, 5) if seq not in lost]
    assert victim == MANIFEST or len(told) == 1


def test_a_warning_names_a_skipped_file(store: Path) -> None:
    """Without a callback, each corrupt file is one warning, however often it is skipped."""
    _remove(part_path(store, DocType.GAME_TICK, SESSION, 2))
    with open_store(store) as catalog:
        with pytest.warns(CorruptRowsWarning, match="part-000002.parquet: the file is missing"):
            catalog.sql(COUNT)
        with warnings.catch_warnings(action="error"):
            assert catalog.sql(COUNT).rows == [(4, 4)]


def test_a_file_without_a_manifest_line_is_read_and_counted(store: Path) -> None:
    """A crash between a file's rename and its manifest line, or a missing manifest, loses no row."""
    folder = part_folder(store, DocType.GAME_TICK, SESSION)
    write_manifest(store, folder.relative_to(store), read_manifest(folder)[:2])
    with open_store(store) as catalog:
        assert catalog.sql(COUNT).rows == [(6, 6)]
    (folder / MANIFEST).unlink()
    with open_store(store) as catalog:
        assert catalog.sql(COUNT).rows == [(6, 6)]
        assert catalog.corrupt == ()


def test_no_row_is_seen_twice(store: Path) -> None:
    """Parts that a merged file replaced, left by a crash, are skipped."""
    folder = part_folder(store, DocType.GAME_TICK, SESSION)
    parts = sorted(folder.glob("part-*.parquet"))
    pq.write_table(pa.concat_tables(map(pq.read_table, parts)), folder / "data.parquet")
    (folder / MANIFEST).unlink()
    catalog, told = _quiet(store)
    with catalog:
        assert catalog.sql(COUNT).rows == [(6, 6)]
    assert [(one.path[-19:], one.first_seq) for one in told] == [
        (path.name, 2 * index + 1) for index, path in enumerate(parts)
    ]


def test_foreign_files_and_old_schemas_have_the_current_types(store: Path) -> None:
    """Missing columns are null, types are the schema's; what does not fit is skipped and reported."""
    old = store / "doc_type=game_tick" / "date=2025-12-01"
    old.mkdir()
    columns = {
        "session_id": ["old"],
        "seq": [1],
        "game_id": ["g-0"],
        "price": ["1.25"],
        "tick": [3],
    }
    pq.write_table(pa.table(columns), old / "a.parquet")
    pq.write_table(pa.table({**columns, "price": ["dear"]}), old / "b.parquet")
    (old / "c.parquet").write_bytes(b"PAR1 and so on")
    catalog, told = _quiet(store)
    with catalog:
        row = catalog.sql(
            "SELECT seq, price, tick, phase, schema_version, doc_type, ts_ns FROM game_tick "
            "WHERE session_id = 'old'"
        ).rows
        assert row == [(1, 1.25, 3, None, "1.0.0", "game_tick", None)]
        assert catalog.sql("SELECT typeof(price), count(*) FROM game_tick GROUP BY 1").rows == [
            ("DOUBLE", 7)
        ]
    assert [one.path.rpartition("/")[2] for one in told] == ["b.parquet", "c.parquet"]
    assert "do not fit schema 2.0.0" in told[0].reason
    assert "not a complete Parquet file" in told[1].reason


def test_a_column_that_a_later_version_added_is_null_before(store: Path) -> None:
    """A file of this schema without one of its columns can still be read."""
    write_ticks(store / "other", tick_document, 1, session_id="s-2")
    folder = part_folder(store, DocType.GAME_TICK, "s-2")
    folder.mkdir()
    table = pq.read_table(part_path(store / "other", DocType.GAME_TICK, "s-2", 1))
    pq.write_table(table.drop_columns(["backfilled"]), folder / "part-000001.parquet")
    with open_store(store) as catalog:
        found = catalog.sql("SELECT count(*), count(backfilled) FROM game_tick").rows
    assert found == [(8, 6)]


def test_a_newer_schema_is_refused(store: Path) -> None:
    """Rows of an unknown schema are refused, listed or not."""
    folder = part_folder(store, DocType.GAME_TICK, SESSION)
    line = (folder / MANIFEST).read_bytes()
    schema = schema_of(DocType.GAME_TICK).with_metadata({"vectra.schema_version": "3.0.0"})
    pq.write_table(schema.empty_table(), folder / "part-000009.parquet")
    with open_store(store) as catalog:
        with pytest.raises(StoreError, match=r"part-000009.* has schema version 3\.0\.0.*upgrade"):
            catalog.sql(COUNT)
        assert catalog.sql("SELECT count(*) FROM player_action").rows == [(1,)]
    (folder / "part-000009.parquet").unlink()
    (folder / MANIFEST).write_bytes(line)
    part = read_manifest(folder)[0]
    newer = attrs.evolve(part, schema_version="2.1.0")
    write_manifest(store, folder.relative_to(store), [newer])
    with open_store(store) as catalog, pytest.raises(StoreError, match=r"2\.1\.0.*upgrade"):
        catalog.sql(COUNT)


# --- a store that changes ----------------------------------------------------------------------------


@pytest.mark.parametrize("merged", ["data.parquet", "part-000001.parquet"])
def test_a_query_is_retried_if_a_folder_is_replaced(
    store: Path, tmp_path: Path, merged: str
) -> None:
    """A swap of the folder in the middle of any query: every result has every row, once."""
    folder = part_folder(store, DocType.GAME_TICK, SESSION)
    small, one = tmp_path / "small", tmp_path / "one"
    shutil.copytree(folder, small)
    write_ticks(one, tick_document, 1, each=6)
    large = part_folder(one, DocType.GAME_TICK, SESSION)
    (part,) = read_manifest(large)
    (large / part.name).rename(large / merged)
    renamed = attrs.evolve(part, path=part.path.replace(part.name, merged))
    write_manifest(one, large.relative_to(one), [renamed])
    turns, swapped = threading.Semaphore(0), threading.Semaphore(1)

    def swap() -> None:
        for turn in range(60):
            turns.acquire()
            swapped.release()
            fresh = tmp_path / f"fresh-{turn}"
            shutil.copytree(small if turn % 2 else large, fresh)
            assert files.exchange(fresh, folder)
            shutil.rmtree(fresh)

    thread = threading.Thread(target=swap)
    thread.start()
    with open_store(store) as catalog:
        for _ in range(60):
            swapped.acquire()  # at most one swap waits for its turn
            turns.release()
            assert catalog.sql(COUNT).rows == [(6, 6)]
        thread.join()
        assert catalog.corrupt == ()


def test_a_store_that_never_rests_is_read_all_the_same(store: Path, tmp_path: Path) -> None:
    """Folders that are replaced faster than a query ends are read from memory."""
    folder = part_folder(store, DocType.GAME_TICK, SESSION)
    shapes = [tmp_path / "three", part_folder(tmp_path / "six", DocType.GAME_TICK, SESSION)]
    shutil.copytree(folder, shapes[0])
    for number in range(11, 17):
        seq = number - 10
        write_documents(tmp_path / "six", [tick_document(seq)], number=number, first_seq=seq)
    done = threading.Event()

    def swap() -> None:
        turn = 0
        while not done.is_set():
            turn += 1
            fresh = tmp_path / f"fresh-{turn}"
            shutil.copytree(shapes[turn % 2], fresh)
            assert files.exchange(fresh, folder)
            shutil.rmtree(fresh)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        with open_store(store) as catalog:
            for _ in range(20):
                assert catalog.sql(COUNT).rows == [(6, 6)]
                assert catalog.arrow("game_tick", ["seq", "session_id"]).num_rows == 6
    finally:
        done.set()
        thread.join()


def test_no_other_folder_gets_the_number_of_one_that_is_held(tmp_path: Path) -> None:
    """Otherwise a folder that was replaced twice looks like the one that was listed."""
    there = tree.Tree(tmp_path)
    (tmp_path / "folder").mkdir()
    with there.held("folder") as identity:
        assert identity == there.identity("folder")
        (tmp_path / "folder").rmdir()
        others = [f"other-{n}" for n in range(50)]
        for name in others:
            (tmp_path / name).mkdir()
        assert identity not in [there.identity(name) for name in others]
    with there.held("folder") as identity:
        assert identity is None


def test_a_query_is_tried_a_bounded_number_of_times(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query whose files vanish in each attempt is retried often and for a while, then it fails."""
    catalog, told = _quiet(store)
    source: Any = catalog._source
    prepare, tries = source.prepare, []
    path = part_path(store, DocType.GAME_TICK, SESSION, 1)
    data = path.read_bytes()
    patience = 3

    def prepare_and_lose(connection: Any, kinds: Any) -> None:
        tries.append(1)
        path.write_bytes(data)
        prepare(connection, kinds)
        if len(tries) < patience:
            path.unlink()

    source.prepare = prepare_and_lose
    with catalog:
        assert catalog.sql(COUNT).rows == [(6, 6)]
        assert len(tries) == 3
        tries.clear()
        patience = sys.maxsize
        started = time.monotonic()
        monkeypatch.setattr(tree, "PATIENCE_S", 0.25)
        with pytest.raises(StoreError, match="changed during each attempt to read it"):
            catalog.sql(COUNT)
    assert time.monotonic() - started >= 0.25
    assert len(tries) >= tree.ATTEMPTS
    assert told == []


def test_a_dropped_session_is_not_an_error(store: Path) -> None:
    """A session that is dropped between two queries is not in the results, without an error."""
    write_documents(store, [tick_document(1)], "s-2")
    with open_store(store) as catalog:
        assert catalog.sql(COUNT).rows == [(7, 6)]
        shutil.rmtree(part_folder(store, DocType.GAME_TICK, "s-2"))
        assert catalog.sql(COUNT).rows == [(6, 6)]


def test_no_store_is_one_line(store: Path, tmp_path: Path) -> None:
    """A path that is not a store gives one line with advice."""
    with pytest.raises(InputError, match="no store at"):
        open_store(tmp_path / "none")
    with pytest.raises(InputError, match="it has no doc_type= folder"):
        open_store(store / "doc_type=game_tick")


def test_default_store_is_the_seeds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """$VECTRA_STORE is the default store; without it the path of the schema's SQL is."""
    monkeypatch.delenv("VECTRA_STORE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_store() == tmp_path / "rugs_data" / "events_parquet"
    monkeypatch.setenv("VECTRA_STORE", str(tmp_path / "other"))
    assert default_store() == tmp_path / "other"


def _unbuilt_session(root: Path, session_id: str) -> Journal:
    header = {**HEADER, "session_id": session_id}
    journal = Journal.create(journal_directory(root, session_id), header, segment_bytes=1 << 16)
    journal.append(small_session())
    return journal


def test_killed_session_is_reported_not_silently_empty(store: Path) -> None:
    """Rows that only a killed session's journal has are missing from a result, and the result says so."""
    journal = _unbuilt_session(store, SESSION)
    catalog, told = _quiet(store)
    with catalog:
        assert catalog.sql(COUNT).corrupt == ()  # it is being written
        journal.abandon()
        result = catalog.sql("SELECT * FROM bbc_round")
        assert result.rows == []
        (report,) = result.corrupt
        assert (report.session_id, report.path) == (SESSION, f"journals/{SESSION}")
        assert "was killed and not recovered since" in report.reason
        assert "from segment 1 on" in report.reason
        assert catalog.latency_panel().corrupt == result.corrupt == catalog.corrupt
        assert list(catalog.stream(COUNT))
        assert catalog.arrow("game_tick").num_rows == 6
        assert told == [report]
        assert catalog.sql("SELECT 1").corrupt == ()
    with pytest.warns(CorruptRowsWarning, match="was killed"), open_store(store) as plain:
        plain.sql(COUNT)


def test_recovered_session_is_reported_no_more(tmp_path: Path) -> None:
    """After the recovery, and for a journal that never began, a query is complete."""
    journal = _unbuilt_session(tmp_path, SESSION)
    journal.abandon()
    (tmp_path / "journals" / "never-begun").mkdir()
    begin_session(tmp_path, SESSION)
    with _quiet(tmp_path)[0] as catalog:
        assert catalog.sql(COUNT).corrupt
        Journal.resume(journal.directory).close("done")
        build_parts(journal.directory, tmp_path)
        assert catalog.sql(COUNT).corrupt == ()
        assert catalog.sql(COUNT).rows == [(1, 1)]


def test_corrupt_file_is_named_by_the_latency_panel(store: Path) -> None:
    """A panel from sketches names the files it skips, as SQL does."""
    path = part_path(store, DocType.PLAYER_ACTION, SESSION, 1)
    path.write_bytes(path.read_bytes()[:-1])
    catalog, told = _quiet(store)
    with catalog:
        (corrupt,) = catalog.latency_panel().corrupt
    assert told == [corrupt]
    assert corrupt.path == path.relative_to(store).as_posix()


def test_copied_file_outside_the_sessions_adds_no_row(store: Path) -> None:
    """A copy of a session's file elsewhere below its kind is skipped and named; a foreign file is read."""
    top = store / "doc_type=game_tick"
    (top / "mine" / "deep").mkdir(parents=True)
    copy = top / "mine" / "deep" / "copy.parquet"
    shutil.copy(part_path(store, DocType.GAME_TICK, SESSION, 2), copy)
    catalog, told = _quiet(store)
    with catalog:
        assert catalog.sql(COUNT).rows == [(6, 6)]
        (skipped,) = told
        assert skipped.path == "doc_type=game_tick/mine/deep/copy.parquet"
        assert f"session {SESSION!r}, which has its own folder" in skipped.reason
        shutil.rmtree(part_folder(store, DocType.GAME_TICK, SESSION))
        assert catalog.sql(COUNT).rows == [(2, 2)]
