"""Repeated imports: twice is once, an interrupted import is completed, and journals are copied."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.imports.samples import (
    board_row,
    capture,
    only,
    query,
    recorded_row,
    seeded_row,
    session,
    write_lines,
)
from tests.store.samples import HEADER, tick_document
from tests.testing.killing import killed_at
from vectra_bot.errors import StoreError
from vectra_bot.fsio import files
from vectra_bot.imports.games import LEADERBOARD_KIND
from vectra_bot.imports.run import import_paths
from vectra_bot.journal import Entry, Journal, journal_directory
from vectra_bot.session.recovery.killed import recover_session, recover_store
from vectra_bot.store.maintenance.sessions import list_sessions
from vectra_bot.store.parquet.builder import build_parts

__all__ = ["capture", "session"]  # the fixtures


def test_twice_is_once(capture: Path, tmp_path: Path) -> None:
    """The same content under another name is recognised; other content in its session is refused."""
    first = only(import_paths(capture, tmp_path / "s"))
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(capture.read_bytes())

    again = only(import_paths(copy, tmp_path / "s"))

    assert again.already
    assert (again.imported, again.duplicates) == (0, first.imported)
    assert again.sessions == first.sessions
    assert len(list_sessions(tmp_path / "s")) == 1
    other = write_lines(tmp_path / "other.jsonl", [board_row()])
    with pytest.raises(StoreError, match="has other content"):
        import_paths(other, tmp_path / "s", session_id=first.sessions[0])


def run_until(path: Path, store: Path, at: int) -> bool:
    """Import in a separate process that dies at operation *at*; return whether it got that far."""
    imports = "from vectra_bot.imports.run import import_paths"
    return killed_at(at, imports, "import_paths(sys.argv[2], sys.argv[3])", path, store)


@pytest.mark.parametrize(
    "kind",
    [
        "capture",
        pytest.param("games", marks=pytest.mark.slow),
        pytest.param("parquet", marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_import_is_completed_by_repeating_it(
    kind: str, capture: Path, tmp_path: Path
) -> None:
    """Killed twice, then recovered: every row is there once, as without a kill."""
    path = capture
    if kind == "games":
        rows = [seeded_row(), recorded_row(), seeded_row()]
        path = write_lines(tmp_path / "g.jsonl", rows)
    elif kind == "parquet":
        path = tmp_path / "a.parquet"
        rows = {"game_id": ["g"] * 500, "tick": range(500), "price": [1.5] * 500}
        pq.write_table(pa.table(rows), path)
    operations: list[files.Op] = []
    with files.observing(operations.append):
        import_paths(path, tmp_path / "whole")
    store = tmp_path / "store"

    assert run_until(path, store, len(operations) // 3)
    # If only the parts are missing, the repeated import is shorter: it may end before it is killed.
    if kind == "games":
        run_until(path, store, len(operations) * 3 // 4)
    recover_store(store, recover=recover_session)
    found = only(import_paths(path, store))

    assert found.rows == found.imported + found.duplicates + found.bad
    sql = "SELECT * FROM game_tick ORDER BY seq"
    assert query(store, sql) == query(tmp_path / "whole", sql)
    assert len(list_sessions(store)) == 1


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    """Nothing is reported as imported, and a repeated import works."""
    path = write_lines(tmp_path / "l.jsonl", [board_row(n) for n in range(5)])
    store = tmp_path / "s"
    for at in range(1, 40, 4):
        left = at

        def refuse(op: files.Op) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise OSError(28, "No space left on device")

        try:
            with files.observing(refuse):
                import_paths(path, store)
        except StoreError as error:
            assert "No space left" in str(error)  # noqa: PT017 - late operations may not be reached
    found = only(import_paths(path, store))
    assert found.imported + found.duplicates == 5
    assert query(store, f"SELECT count(*) FROM system_event WHERE kind = '{LEADERBOARD_KIND}'") == [
        (5,)
    ]


def test_a_journal_is_copied_with_its_documents(session: Path, tmp_path: Path) -> None:
    """From its folder: entries and rows equal those of the original store; twice is once."""
    found = only(import_paths(session / "journals" / "S", tmp_path))

    assert (found.kind, found.bad, found.sessions) == ("journal", 0, ["S"])
    entries = list(Journal.open(session / "journals" / "S"))
    assert list(Journal.open(tmp_path / "journals" / "S")) == entries
    assert found.imported == len(entries)
    for kind in ("game_tick", "ws_event", "system_event"):
        sql = f"SELECT * FROM {kind} ORDER BY seq"
        assert query(tmp_path, sql) == query(session, sql)
    assert only(import_paths(session / "journals" / "S", tmp_path)).already
    with pytest.raises(StoreError, match="is of session 'S'"):
        import_paths(session / "journals" / "S", tmp_path, session_id="T")


def test_a_killed_session_is_finished_in_the_target(tmp_path: Path) -> None:
    """A journal without its end is imported, closed and readable; a corrupt one is refused as a whole."""
    source = tmp_path / "source"
    journal = Journal.create(journal_directory(source, "K"), {**HEADER, "session_id": "K"})
    journal.append([Entry.of_document(n, tick_document(n)) for n in range(1, 6)])
    journal.abandon()

    found = only(import_paths(source / "journals" / "K", tmp_path / "goal"))

    assert (found.imported, found.bad) == (6, 0)
    assert query(tmp_path / "goal", "SELECT count(*) FROM game_tick") == [(5,)]
    journal = Journal.resume(source / "journals" / "K")
    journal.close("over")
    build_parts(source / "journals" / "K", source)
    packed = min((source / "journals" / "K").glob("*.zst"))
    data = bytearray(packed.read_bytes())
    data[len(data) // 2] ^= 1
    packed.write_bytes(data)
    damaged = only(import_paths(source / "journals" / "K", tmp_path / "other"))
    assert damaged.imported == 0
    assert damaged.bad == damaged.rows > 0
    assert not (tmp_path / "other" / "journals" / "K").exists()


def test_a_whole_store_is_imported(session: Path, tmp_path: Path) -> None:
    """Journals are copied, and their parts are built, not imported a second time."""
    report = import_paths(session, tmp_path)

    assert report.ok
    assert [f.kind for f in report.files] == ["journal"]
    sql = "SELECT * FROM game_tick ORDER BY seq"
    assert query(tmp_path, sql) == query(session, sql)
