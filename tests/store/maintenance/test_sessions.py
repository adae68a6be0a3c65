"""Killed sessions are found and cleaned up, and a drop leaves nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.samples import HEADER, SESSION, TS, small_session
from vectra_bot.errors import InputError, JournalError, StoreError, UnknownNameError
from vectra_bot.fsio import files
from vectra_bot.journal import (
    Entry,
    Journal,
    Segment,
    compress_segment,
    journal_directory,
    never_began,
)
from vectra_bot.journal.segments import content_of
from vectra_bot.models import DocType
from vectra_bot.session.hosting import hosted_journal
from vectra_bot.store.api import folder_to_write, store_place
from vectra_bot.store.maintenance.sessions import (
    copied_from,
    drop_session,
    is_running,
    list_sessions,
    repair_store,
    unfinished_sessions,
)
from vectra_bot.store.parquet.builder import begin_session, build_parts, manifest_path, part_path
from vectra_bot.store.parquet.compaction import compact_all
from vectra_bot.store.parquet.manifest import MANIFEST, part_folder


def _session(store: Path, session_id: str) -> Journal:
    header = {**HEADER, "session_id": session_id}
    journal = Journal.create(journal_directory(store, session_id), header)
    if session_id == SESSION:
        journal.append(small_session())
    return journal


def test_killed_sessions_are_found(tmp_path: Path) -> None:
    """Only sessions that were begun, not closed and are not running need recovery."""
    killed, running, closed = (_session(tmp_path, name) for name in ("killed", "running", "closed"))
    killed.abandon()
    closed.close("done")
    journal_directory(tmp_path, "never-begun").mkdir()
    assert unfinished_sessions(tmp_path) == [killed.directory]
    assert is_running(running.directory)
    assert not is_running(killed.directory)
    resumed = Journal.resume(killed.directory)
    resumed.close("recovered")
    running.abandon()
    assert unfinished_sessions(tmp_path) == [running.directory]
    assert list_sessions(tmp_path) == ["closed", "killed", "never-begun", "running"]


def test_corrupt_session_does_not_block_the_others(tmp_path: Path) -> None:
    """A corrupt journal is reported; the other sessions' parts are built."""
    good, bad, torn = (_session(tmp_path, name) for name in (SESSION, "bad", "torn"))
    good.close("done")
    bad.append(small_session())
    bad.close("done")
    torn.append(small_session())
    torn.sync()
    torn.append([Entry.of(8, "input", TS, {"input": {}})])  # preceded by the mark for entry 7
    torn.abandon()
    compress_segment(bad.directory / "000001.log").write_bytes(b"not zstd")
    content = bytearray((torn.directory / "000001.log").read_bytes())
    content[200] ^= 1
    (torn.directory / "000001.log").write_bytes(content)
    repaired = repair_store(tmp_path)
    assert any("session_id=s-1" in name for name in repaired.built)
    assert [message for message in repaired.failed if "bad" in message and "\n" not in message]
    assert repaired.unfinished == (bad.directory, torn.directory)
    with pytest.raises(JournalError, match="is corrupt"):
        Journal.resume(torn.directory)


def test_store_without_sessions_is_in_order(tmp_path: Path) -> None:
    """An empty or missing store has nothing to repair."""
    assert unfinished_sessions(tmp_path / "none") == []
    repaired = repair_store(tmp_path / "none")
    assert (repaired.built, repaired.removed, repaired.unfinished) == ((), (), ())


def test_repair_builds_what_a_killed_process_did_not(tmp_path: Path) -> None:
    """Parts of closed segments are built, temporary files removed; a second repair changes nothing."""
    journal = _session(tmp_path, SESSION)
    begin_session(tmp_path, SESSION)
    journal.close("done")
    half = part_path(tmp_path, DocType.PLAYER_ACTION, SESSION, 1).with_name(".part.parquet.tmp")
    half.write_bytes(b"half")
    repaired = repair_store(tmp_path)
    assert "doc_type=player_action/session_id=s-1/part-000001.parquet" in repaired.built
    assert [Path(name).name for name in repaired.removed] == [".part.parquet.tmp"]
    assert manifest_path(journal.directory, 1).exists()
    again = repair_store(tmp_path)
    assert (again.built, again.removed) == ((), ())


def test_repair_skips_running_sessions(tmp_path: Path) -> None:
    """A session that is being written keeps its files unchanged."""
    journal = _session(tmp_path, SESSION)
    journal.roll()
    assert repair_store(tmp_path).built == ()
    journal.abandon()
    repaired = repair_store(tmp_path)
    assert repaired.built
    assert repaired.unfinished == (journal.directory,)


def test_dropped_session_is_gone(tmp_path: Path) -> None:
    """Journal and parts of a dropped session are removed; others stay."""
    for name in (SESSION, "other"):
        journal = _session(tmp_path, name)
        journal.close("done")
        build_parts(journal.directory, tmp_path)
    drop_session(tmp_path, SESSION)
    left = [path for path in tmp_path.rglob("*") if SESSION in path.name]
    assert left == []
    assert list_sessions(tmp_path) == ["other"]
    with pytest.raises(UnknownNameError, match="no session is named 'othr': did you mean other"):
        drop_session(tmp_path, "othr")


def test_running_session_cannot_be_dropped(tmp_path: Path) -> None:
    """A session that is being written is not dropped."""
    journal = _session(tmp_path, SESSION)
    with pytest.raises(StoreError, match="being written"):
        drop_session(tmp_path, SESSION)
    assert journal.directory.is_dir()
    journal.abandon()


def test_half_dropped_session_is_removed_by_repair(tmp_path: Path) -> None:
    """A drop that was killed after its first step is completed by the next repair."""
    journal = _session(tmp_path, SESSION)
    journal.close("done")
    build_parts(journal.directory, tmp_path)
    journal.directory.rename(journal.directory.with_name(f".dropped-{SESSION}"))
    assert list_sessions(tmp_path) == []
    assert repair_store(tmp_path).removed == (f".dropped-{SESSION}",)
    assert list(tmp_path.rglob("*.parquet")) == []
    assert list((tmp_path / "journals").iterdir()) == []


def test_garbage_in_one_session_does_not_stop_the_repair(tmp_path: Path) -> None:
    """Invalid manifests, and a corrupt first line, are reported; the rest is repaired."""
    for name in ("garbage", "list", "names", "line", SESSION):
        journal = _session(tmp_path, name)
        journal.append(small_session()[:6] if name != SESSION else [])
        journal.close("done") if name != "line" else journal.abandon()
    root = tmp_path / "journals"
    garbage = {"garbage": b"\xff{\n", "list": b"00000000 []\n", "names": b'00000000 {"a": 1}\n'}
    for name, content in garbage.items():
        folder = part_folder(tmp_path, DocType.GAME_TICK, name)
        folder.mkdir(parents=True)
        (folder / MANIFEST).write_bytes(content)
    first = root / "line" / "000001.log"
    first.write_bytes(b"x" + first.read_bytes()[1:])

    repaired = repair_store(tmp_path)
    assert len(repaired.failed) == 4
    for name in ("garbage", "list", "names", "line"):
        assert [line for line in repaired.failed if name in line and "\n" not in line]
    assert any(f"session_id={SESSION}" in path for path in repaired.built)
    # The content of its files is unknown: nothing is built beside them.
    assert not any("session_id=list" in path for path in repaired.built)
    assert repaired.unfinished == (root / "line",)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, True),
        ({"000001.log": b""}, True),
        ({"000001.log": b"VJE2\1"}, True),
        ({"000001.log": b"01234567 {"}, False),
        ({"000001.log": b"garbage\n"}, False),
        ({"000001.log": b"garbage", "000002.log": b""}, False),
    ],
)
def test_only_a_journal_without_entry_never_began(
    tmp_path: Path, files: dict[str, bytes], expected: bool
) -> None:
    """A session that never began has no valid entry; anything more is corruption, and is kept."""
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert never_began(tmp_path) is expected


def test_reader_survives_a_writer_that_truncates_its_file(tmp_path: Path) -> None:
    """Truncating a mapped file would crash the process that reads it."""
    path = tmp_path / "000001.log"
    path.write_bytes(b"VJE2" + bytes(1 << 20))
    with content_of(Segment(1, path)) as data:
        os.truncate(path, 16)
        assert len(data) == 4 + (1 << 20)
        assert data.find(b"x") < 0


def _repair_elsewhere(store: Path) -> str:
    code = (
        "import sys; from vectra_bot.store.maintenance.sessions import repair_store; "
        "found = repair_store(sys.argv[1]); print(found.built, found.removed, found.unfinished)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(store)], capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def test_no_other_process_recovers_a_session_that_is_just_ending(tmp_path: Path) -> None:
    """A repair skips a session whose journal is closed while its parts are still being built."""
    journal = _session(tmp_path, SESSION)
    begin_session(tmp_path, SESSION)
    repairs: list[str] = []

    def observe(op: files.Op) -> None:
        if op.kind == "sync" and op.path.name.startswith(".part-000001") and not repairs:
            repairs.append(_repair_elsewhere(tmp_path))

    with journal.closing("done"), files.observing(observe):
        built = build_parts(journal.directory, tmp_path)
        assert is_running(journal.directory)
    assert repairs == ["() () ()"]
    assert not is_running(journal.directory)
    assert all((tmp_path / part.path).exists() for part in built)
    assert _repair_elsewhere(tmp_path) == "() () ()"


def test_no_session_begins_while_its_name_is_being_dropped(tmp_path: Path) -> None:
    """The rest of an interrupted drop would remove the rows of a new session of that name."""

    class Killed(BaseException):
        pass

    def kill(op: files.Op) -> None:
        if op.kind == "rename" and "doc_type=" in str(op.path):
            raise Killed

    journal = _session(tmp_path, SESSION)
    begin_session(tmp_path, SESSION)
    journal.close("done")
    build_parts(journal.directory, tmp_path)
    with pytest.raises(Killed), files.observing(kill):
        drop_session(tmp_path, SESSION)
    with pytest.raises(StoreError, match="being dropped"):
        _session(tmp_path, SESSION)
    repair_store(tmp_path)
    assert not list(tmp_path.glob("doc_type=*/*"))
    _session(tmp_path, SESSION).close("done")


def _closed(store: Path, session_id: str = SESSION) -> Path:
    journal = _session(store, session_id)
    journal.close("done")
    build_parts(journal.directory, store)
    return journal.directory


def test_drop_deletes_links_and_not_what_they_lead_to(tmp_path: Path) -> None:
    """Of a session's linked folders the links are deleted; an interrupted drop can be finished."""
    store, outside = tmp_path / "store", tmp_path / "outside"
    directory = _closed(store)
    (store / "sessions").mkdir()
    links = [
        directory,
        part_folder(store, DocType.GAME_TICK, SESSION),
        store / "sessions" / SESSION,
        store / "compacting" / SESSION,
    ]
    for number, link in enumerate(links):
        target = outside / str(number)
        link.parent.mkdir(exist_ok=True)
        outside.mkdir(exist_ok=True)
        if link.exists():
            link.rename(target)
        else:
            target.mkdir()
        (target / "mine.txt").write_text("mine")
        link.symlink_to(target)
    missing = part_folder(store, DocType.SERVER_STATE, SESSION)
    files.remove_tree(missing)
    missing.symlink_to(outside / "missing")
    drop_session(store, SESSION)
    assert [path for path in store.rglob("*") if SESSION in path.name] == []
    assert [len(list(outside.glob(f"{number}/mine.txt"))) for number in range(4)] == [1] * 4
    assert list((outside / "1").glob("*.parquet"))
    with pytest.raises(UnknownNameError):
        drop_session(store, SESSION)


def test_removal_of_a_linked_tree_removes_the_link(tmp_path: Path) -> None:
    """A tree is removed without following links, also if its root is one."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    files.remove_tree(tmp_path / "link")
    assert [path.name for path in tmp_path.rglob("*")] == ["real", "file"]


def test_store_with_a_linked_folder_is_not_written(tmp_path: Path) -> None:
    """Drop, repair, compaction and import refuse a store with a folder elsewhere, before any change."""
    store = tmp_path / "store"
    _closed(store)
    _session(store, "killed").abandon()
    folder = store / "doc_type=game_tick"
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    before = sorted(tmp_path.rglob("*"))
    for action in (
        lambda: drop_session(store, SESSION),
        lambda: compact_all(store),
        lambda: store_place(store),
        lambda: folder_to_write(store),
    ):
        with pytest.raises(StoreError, match="game_tick is a symbolic link to"):
            action()
    repaired = repair_store(store)
    assert (repaired.built, repaired.removed, repaired.unfinished) == ((), (), ())
    assert "is a symbolic link to" in repaired.failed[0]
    assert sorted(tmp_path.rglob("*")) == before


def test_orphan_rows_are_not_mixed_with_a_new_session(tmp_path: Path) -> None:
    """A session whose journal is gone keeps its files: a new one of that name is refused."""
    directory = _closed(tmp_path)
    header = {**HEADER, "session_id": SESSION}
    shutil.rmtree(directory)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreError, match="no journal"), hosted_journal(tmp_path, header):
        pass
    assert sorted(tmp_path.rglob("*")) == before


def test_journal_without_its_segments_is_not_empty(tmp_path: Path) -> None:
    """Lost segments leave records of their parts: such a session began, and is not replaced."""
    directory = _closed(tmp_path)
    for path in directory.glob("*.log*"):
        path.unlink()
    assert not never_began(directory)
    assert unfinished_sessions(tmp_path) == [directory]
    with pytest.raises(InputError):
        Journal.resume(directory)


def test_copied_journal_builds_nothing(tmp_path: Path) -> None:
    """A journal under another name than its session's is refused: its rows would be the other's."""
    killed = _session(tmp_path, SESSION)
    killed.roll()
    killed.abandon()
    copy = killed.directory.with_name("copy")
    shutil.copytree(killed.directory, copy)
    repaired = repair_store(tmp_path)
    assert repaired.unfinished == (killed.directory,)
    (line,) = repaired.failed
    assert line.startswith(f"{copy} is the journal of session {SESSION!r}")
    assert copied_from(copy) == SESSION
    assert copied_from(killed.directory) == ""
