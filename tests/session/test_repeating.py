"""Repeating a run under the id of its stored session: the earlier one whole, or the new one complete."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import vectra_bot
from tests.session.strategies import Busy
from tests.store.samples import memory_folder
from vectra_bot.errors import StoreError
from vectra_bot.fsio import Op, disk, files
from vectra_bot.journal import Entry, SessionLock, read_journal, write_journal
from vectra_bot.session.config import SessionConfig, StopFlag
from vectra_bot.session.runner import run_session
from vectra_bot.store.maintenance.check import check_store
from vectra_bot.store.maintenance.replacement import replacement_folder, replacing
from vectra_bot.store.maintenance.sessions import repair_store

RUN: dict[str, Any] = {"seed": 7, "crowd": 0, "session_id": "S"}


def content(store: Path) -> dict[str, bytes]:
    """Return every file of the session by its name; not what is being written or replaced."""
    return {
        path.relative_to(store).as_posix(): path.read_bytes()
        for path in sorted(store.rglob("*"))
        if path.is_file() and not path.is_relative_to(store / ".replacing") and path.name != "lock"
    }


def rows(store: Path) -> Counter[tuple[str, int]]:
    """Return how often each row of the store is in it, for everyone who reads by patterns."""
    found: Counter[tuple[str, int]] = Counter()
    for path in store.glob("doc_type=*/**/*.parquet"):
        kind = path.relative_to(store).parts[0]
        found.update((kind, seq) for seq in pq.read_table(path)["seq"].to_pylist())
    return found


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a store with a session of one game, and one with a session of two games and a plugin's log."""
    folder = tmp_path_factory.mktemp("stores")
    vectra_bot.run(Busy, store=folder / "old", games=1, **RUN)
    vectra_bot.run(Busy, store=folder / "new", games=2, enable_plugins=["session-log"], **RUN)
    old = folder / "old"
    for name in ("journals/S/mine.txt", "doc_type=game_tick/session_id=S/mine.txt"):
        (old / name).write_text("of a user")
    (old / "sessions/S/deep").mkdir(parents=True)
    (old / "sessions/S/deep/mine.txt").write_text("of a plugin")
    return folder / "old", folder / "new"


def place(new: Path, store: Path, fatal: int) -> None:
    """Replace session S of *store* by that of *new*; end the process before step *fatal*."""
    steps = 0

    def observe(op: Op) -> None:
        nonlocal steps
        steps += 1
        if steps == fatal:
            os._exit(1)

    with files.observing(observe), replacing(store, "S") as repetition:
        shutil.copytree(new, repetition.folder, dirs_exist_ok=True)
        repetition.commit()


@pytest.mark.parametrize("swaps", [True, False])
@pytest.mark.parametrize("every", [12, pytest.param(2, marks=pytest.mark.slow)])
def test_crash_at_each_step_of_the_replacement(
    every: int, swaps: bool, stores: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repair leaves the old session or the new one, whole, and users' files; each row is there once."""
    if not swaps:
        monkeypatch.setattr(disk, "exchange_call", lambda: None)
    old, new = stores
    kept = {name: data for name, data in content(old).items() if name.endswith("mine.txt")}
    before, after = content(old), {**content(new), **kept}
    seen, died, fatal = [], 1, 1
    while died:
        with memory_folder() as folder:
            store = Path(folder) / "store"
            shutil.copytree(old, store)
            pid = os.fork()
            if pid == 0:
                place(new, store, fatal)
                os._exit(0)
            died = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert max(rows(store).values()) == 1, fatal
            if replacement_folder(store, "S").is_dir():
                assert died
                kinds = {problem.kind for problem in check_store(store, quick=True).problems}
                assert "replacement_unfinished" in kinds
                assert ".replacing/S" in repair_store(store).removed
            found = content(store)
            assert found in (before, after), fatal
            seen.append(found == after)
            assert not list((store / ".replacing").glob("*"))
            assert not list(store.rglob(".*.tmp"))
            assert check_store(store, quick=every > 1).problems == []
        fatal += every
    # A repetition that is complete is never taken back.
    assert sorted(seen) == seen
    assert set(seen) == {True, False}
    assert fatal > 100


class Stopped(Busy):
    """Like Busy, and its session is asked to stop after some ticks of some runs."""

    def on_game_tick(self, tick: Any, game: Any) -> None:
        super().on_game_tick(tick, game)
        if FLAGS and game.tick == 20:
            FLAGS[-1].set("SIGINT")


FLAGS: list[StopFlag] = []


def run(store: Path, **options: Any) -> Any:
    """Run the session once, stopped if a flag is given."""
    given = {"strategy": Stopped, "store": store, "games": 2, **RUN, **options}
    FLAGS[:] = [given["stop"]] if "stop" in given else []
    try:
        return asyncio.run(run_session(SessionConfig(**given)))
    finally:
        FLAGS.clear()


def test_stopped_repetition_leaves_the_earlier_session(store: Path) -> None:
    """The complete session keeps every file; the report says that the new one was removed."""
    run(store)
    before = content(store)
    report = run(store, stop=StopFlag())
    assert report.ended == (
        "stopped: SIGINT; the earlier session is longer: it was kept, and this one removed"
    )
    assert content(store) == before
    assert not (store / ".replacing").exists()
    assert (report.store, report.journal) == (str(store), str(store / "journals" / "S"))


def test_longer_repetition_replaces_a_stopped_session(store: Path) -> None:
    """Whatever ended it: the shorter one is a part of it. Files that its plugin wrote are replaced."""
    assert run(store, stop=StopFlag(), enable_plugins=["session-log"]).ended == "stopped: SIGINT"
    log = store / "sessions" / "S" / "session.log"
    (store / "sessions" / "S" / "note.txt").write_text("mine")
    first, part = log.read_text(), rows(store)
    report = run(store, enable_plugins=["session-log"])
    assert report.ended == "games played"
    assert part.total() < rows(store).total()
    assert log.read_text().count("finished") == first.count("finished") == 1
    assert (store / "sessions" / "S" / "note.txt").read_text() == "mine"
    assert check_store(store).problems == []


def test_failed_repetition_leaves_the_earlier_session(store: Path) -> None:
    """A full disk, at any moment of it."""
    run(store)
    before = content(store)
    left = 0

    def full(op: Op) -> None:
        nonlocal left
        if ".replacing" in op.path.parts and op.kind in ("write", "create", "allocate", "mkdir"):
            left -= 1
            if left < 0:
                raise OSError(28, "No space left on device")

    for calls in (0, 2, 7, 19):
        left = calls
        with files.observing(full), pytest.raises(StoreError, match="No space left"):
            run(store)
        assert content(store) == before
    repair_store(store)
    assert not (store / ".replacing").exists()
    assert run(store).ended == "games played"
    assert {**content(store)}.keys() == before.keys()


def test_two_repetitions_at_once(store: Path) -> None:
    """The second is refused, and takes nothing from the first; a repair does not either."""
    run(store)
    with replacing(store, "S") as first:
        (first.folder / "journals").mkdir()
        with pytest.raises(StoreError, match="is being written by another process"):
            run(store)
        assert repair_store(store).removed == ()
        assert check_store(store).problems == []
        assert (first.folder / "journals").is_dir()
    assert not replacement_folder(store, "S").exists()


def test_session_in_use_is_replaced_later(store: Path, stores: tuple[Path, Path]) -> None:
    """A complete repetition of a session that another process uses waits for the next recovery."""
    shutil.copytree(stores[0], store)
    lock = SessionLock(store / "journals" / "S")
    with pytest.raises(StoreError, match="is being written by another process"):
        place(stores[1], store, 0)
    assert rows(store) == rows(stores[0])
    lock.release()
    assert repair_store(store).failed == ()
    assert rows(store) == rows(stores[1])


def test_another_release_is_another_run(store: Path) -> None:
    """A session of another version of the program is not replaced, whatever else is equal."""
    run(store)
    log = store / "journals" / "S" / "000001.log"
    entries = list(read_journal(log.parent))
    header = entries[0].data["header"]
    header["versions"]["vectra-bot"] = "0.0.1"
    entries[0] = Entry.of(0, "header", entries[0].ts_ns, {"header": header})
    for path in log.parent.glob("*.log*"):
        path.unlink()
    write_journal(log, entries)
    with pytest.raises(StoreError, match=r"is another run \(versions.vectra-bot was '\"0.0.1\"'"):
        run(store)
