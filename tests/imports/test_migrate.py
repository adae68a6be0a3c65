"""Migration: a test for each released schema, and for mixtures."""

from __future__ import annotations

import os
import shutil
import stat
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from tests.imports.released import v1
from tests.imports.released.reading import detail_of, rows_of, tree_of
from tests.imports.released.v1 import old
from tests.store.samples import HEADER, tick_document
from tests.store.stores import write_documents
from vectra_bot.errors import InputError, StoreError
from vectra_bot.fsio.modes import SHARED_MARK, is_shared
from vectra_bot.imports.migrate import BACKUP, BUILDING, MARK, migrate_store
from vectra_bot.imports.schema_v1 import map_rows
from vectra_bot.journal import Entry, Journal, journal_directory
from vectra_bot.models import DocType
from vectra_bot.store.maintenance.sessions import list_sessions
from vectra_bot.store.parquet.builder import build_parts
from vectra_bot.store.parquet.manifest import part_folder, read_manifest, write_manifest
from vectra_bot.store.query.catalog import open_store

__all__ = ["old"]  # the fixture


def write_session(store: Path, **header: str) -> None:
    """Write session `listed` of five ticks, closed, with its parts."""
    directory = journal_directory(store, "listed")
    journal = Journal.create(directory, {**HEADER, "session_id": "listed", **header})
    journal.append([Entry.of_document(n, tick_document(n)) for n in range(1, 6)])
    journal.close("over")
    build_parts(directory, store)


# --- 1.0.0 -------------------------------------------------------------------------------------------


def test_every_kind_of_1_0_0_becomes_documents(old: Path) -> None:
    """Every row is imported; prices are the doubles of their text, amounts exact."""
    report = migrate_store(old)

    assert report.ok
    assert report.found == ("1.0.0",)
    assert sorted(f.kind.removeprefix("schema 1.0.0: ") for f in report.files) == sorted(v1.KINDS)
    assert {f.rows for f in report.files} == {1, 2}
    assert [tick["price"] for tick in rows_of(old, "game_tick")] == [1.0, 1.061531247396796]
    assert [state["cash"] for state in rows_of(old, "server_state")] == [
        Decimal("1.234567891"), Decimal("0.068904608")
    ]  # fmt: skip
    (frame,) = rows_of(old, "ws_event")
    assert (frame["direction"], frame["trace_id"]) == ("out", v1.TRACE)
    (action,) = rows_of(old, "player_action")
    assert (action["action_type"], action["actor"], action["state"]) == (
        "BUY",
        "human",
        "UNRESOLVED",
    )
    assert action["timestamps_confirmed_ts"] is action["outcome_success"] is None
    (flip,) = rows_of(old, "candleflip")
    assert flip["round_id"] == "r-1"


def test_values_without_a_column_follow_the_document(old: Path) -> None:
    """Documents and system events together have every value of each old row."""
    before = {row["seq"]: row for row in v1.one_of_each()}

    migrate_store(old)

    events = rows_of(old, "system_event")
    rest = {e["seq"] - 1: detail_of(e) for e in events if e["kind"] == "migrate.row"}
    states = rows_of(old, "server_state")
    assert rest[states[1]["seq"]]["cash"] == "0.06890460799999999"
    ticks = rows_of(old, "game_tick")
    assert [rest[tick["seq"]]["raw_json"] for tick in ticks] == [
        before[2]["raw_json"], before[3]["raw_json"]
    ]  # fmt: skip
    by_kind = {event["kind"]: detail_of(event) for event in events}
    assert by_kind["ui.button"]["sequence_id"] == "q-1"
    assert by_kind["game.finished"]["recorded"]["prices"] == [1, 1.01, 0.02]
    numbers = [row["seq"] for kind in DocType for row in rows_of(old, kind.value)]
    assert len(numbers) == len(set(numbers))


def test_order_of_rows_is_kept_over_kinds_and_files(tmp_path: Path) -> None:
    """New numbers keep the order of the old ones, across many files and several days."""
    store = tmp_path / "store"
    rows = [v1.tick(n, n, str(1 + n)) if n % 2 else v1.frame(n) for n in range(1, 60)]
    rows[30]["ts"] = "2025-12-18T00:00:01"
    v1.write(store, rows, rows_per_file=7)

    migrate_store(store)

    with open_store(store) as catalog:
        found = catalog.sql(
            "SELECT doc_type FROM (SELECT seq, doc_type FROM game_tick UNION ALL "
            "SELECT seq, doc_type FROM ws_event) ORDER BY seq"
        ).rows
    assert [kind for (kind,) in found] == [row["doc_type"] for row in rows]
    assert len(read_manifest(store / "doc_type=game_tick" / "session_id=v1-session")) == 1


def test_invalid_rows_are_reported(tmp_path: Path) -> None:
    """Bad rows are counted with file, row and reason; the others are migrated, a duplicate once."""
    store = tmp_path / "store"
    rows = [
        v1.tick(1, 0, "1"),
        v1.tick(2, 1, "NaN"),
        v1.tick(3, 2, "1,5"),
        v1.tick(1, 0, "1"),
        v1.row("game_tick", None, game_id="g", tick=1, price="1"),
        v1.row("game_tick", 6, "../../etc", game_id="g", tick=1, price="1"),
        {**v1.tick(7, 1, "2"), "ts": "2025-12-17 at noon"},
        {**v1.tick(8, 1, "2"), "game_id": None},
    ]
    v1.write(store, rows)
    v1.write(store, [v1.row("dream", 9)])
    damaged = store / "doc_type=ws_event" / "date=2025-12-17" / "x.parquet"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"PAR1 and no more")

    report = migrate_store(store)

    by_kind = {f.kind.removeprefix("schema 1.0.0: "): f for f in report.files}
    ticks = by_kind["game_tick"]
    assert (ticks.rows, ticks.imported, ticks.duplicates, ticks.bad) == (8, 1, 1, 6)
    assert all(f.adds_up for f in report.files)
    assert {bad.row for bad in ticks.bad_rows} == {2, 3, 5, 6, 7, 8}
    assert all("date=2025-12-17" in bad.file for bad in ticks.bad_rows)
    assert by_kind["dream"].bad == by_kind["ws_event"].bad == 1
    assert not report.ok


def test_the_old_tree_is_kept_as_it_was(old: Path) -> None:
    """In place, the old files remain beside the store, byte for byte, unless --no-backup is given."""
    before = tree_of(old)

    report = migrate_store(old)

    backup = old.with_name(old.name + BACKUP)
    assert report.backup == str(backup)
    assert tree_of(backup) == before
    assert not list(old.parent.glob(f"*{BUILDING}"))
    assert not (old / MARK).exists()
    shutil.rmtree(old)
    backup.rename(old)
    assert migrate_store(old, keep_backup=False).backup is None
    assert not backup.exists()


def test_a_shared_store_remains_shared_and_another_becomes_private(
    old: Path, tmp_path: Path
) -> None:
    """The new tree has the marker of the old one, and the modes that follow from it."""
    shutil.copytree(old, tmp_path / "shared")
    (tmp_path / "shared" / SHARED_MARK).touch()
    before = os.umask(0o027)
    try:
        for store in (old, tmp_path / "shared"):
            migrate_store(store)
    finally:
        os.umask(before)
    modes = [
        {stat.S_IMODE(path.stat().st_mode) for path in store.rglob("*") if path.is_file()}
        for store in (old, tmp_path / "shared")
    ]

    assert modes == [{0o600}, {0o640}]
    assert is_shared(tmp_path / "shared" / "journals")


def test_into_another_store_only_that_one_is_written(old: Path, tmp_path: Path) -> None:
    """The source is unchanged; a repeated migration adds nothing."""
    before = tree_of(old)
    goal = tmp_path / "goal"

    first = migrate_store(old, goal)
    again = migrate_store(old, goal)

    assert tree_of(old) == before
    assert first.ok
    assert again.ok
    assert sum(f.duplicates for f in again.files) == sum(f.imported for f in first.files) == 12
    assert sum(f.imported for f in again.files) == 0
    assert len(rows_of(goal, "game_tick")) == 2


def test_a_mixed_tree_keeps_what_is_new(old: Path) -> None:
    """Sessions of 2.0.0 are kept beside the migrated ones."""
    write_documents(old, [tick_document(n) for n in range(5)], "listed")

    report = migrate_store(old)

    assert set(report.found) == {"1.0.0", "2.0.0"}
    assert report.copied == ("listed",)
    ticks = rows_of(old, "game_tick")
    assert sum(tick["session_id"] == "listed" for tick in ticks) == 5
    assert len(ticks) == 7
    assert not list(old.glob("doc_type=*/date=*"))


def test_a_current_session_is_copied_completely(old: Path, tmp_path: Path) -> None:
    """Files, journal and manifest are in the other store; the source is unchanged."""
    write_session(old)
    before, goal = tree_of(old), tmp_path / "goal"

    report = migrate_store(old, goal)

    assert tree_of(old) == before
    assert report.copied == ("listed",)
    assert "listed" in list_sessions(goal)
    entries = list(Journal.open(old / "journals" / "listed"))
    assert list(Journal.open(goal / "journals" / "listed")) == entries
    folder = Path("doc_type=game_tick") / "session_id=listed"
    assert read_manifest(goal / folder) == read_manifest(old / folder)


def test_numbers_that_cannot_be_kept_make_no_wrong_ones() -> None:
    """An old number beyond the range of the new ones is rejected."""
    rows = [v1.tick(seq, 1, "1") for seq in (0, 1)]
    rows[1]["seq"] = 2**62

    mapped = map_rows("game_tick", rows)

    assert mapped.seq.tolist() == [5, -1]


# --- 2.0.0 as it is ----------------------------------------------------------------------------------


def test_a_store_of_the_current_schema_is_unchanged(tmp_path: Path) -> None:
    """Not a byte of it changes."""
    write_documents(tmp_path, [tick_document(n) for n in range(5)])
    before = tree_of(tmp_path)

    report = migrate_store(tmp_path)

    assert tree_of(tmp_path) == before
    assert (report.found, report.ok, report.files) == (("2.0.0",), True, [])


# --- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["3.0.0", "2.1.0"])
def test_a_newer_store_is_refused(tmp_path: Path, version: str) -> None:
    """The error has the version found, the version supported and what to do; nothing is written."""
    (part,) = write_documents(tmp_path, [tick_document(1)], "S")
    folder = part_folder(tmp_path, DocType.GAME_TICK, "S")
    write_manifest(tmp_path, folder, [attrs.evolve(part, schema_version=version)])
    before = tree_of(tmp_path)

    with pytest.raises(StoreError, match=f"{version}.* 2.0.0: upgrade"):
        migrate_store(tmp_path)

    assert tree_of(tmp_path) == before


def test_a_newer_journal_is_refused(tmp_path: Path) -> None:
    """The schema is detected from a journal alone as well."""
    write_session(tmp_path, schema_version="2.7.0")

    with pytest.raises(StoreError, match=r"2\.7\.0"):
        migrate_store(tmp_path)


def test_a_downgrade_is_refused(old: Path) -> None:
    """Only the current schema is written."""
    before = tree_of(old)

    with pytest.raises(
        StoreError, match=r"1\.0\.0: this program writes 2\.0\.0 and does not downgrade"
    ):
        migrate_store(old, to="1.0.0")

    assert tree_of(old) == before


def test_no_store_and_a_store_in_use_are_refused(old: Path, tmp_path: Path) -> None:
    """The error names what is missing, or which session is in use."""
    with pytest.raises(InputError, match="no store at"):
        migrate_store(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="is not a store"):
        migrate_store(tmp_path / "empty")
    header = {"session_id": "live", "mode": "paper", "venue": "embedded"}
    journal = Journal.create(journal_directory(old, "live"), header)
    try:
        with pytest.raises(StoreError, match=r"'live' of .* is being written"):
            migrate_store(old)
    finally:
        journal.abandon()


def test_a_session_name_that_is_taken_is_refused(old: Path, tmp_path: Path) -> None:
    """Rows of another session are never mixed in."""
    goal = tmp_path / "goal"
    write_documents(goal, [tick_document(1)], "v1-session")

    with pytest.raises(StoreError, match="'v1-session' has rows"):
        migrate_store(old, goal)
