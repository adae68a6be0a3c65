"""Sessions that are interrupted, at every step and in every mode: what they leave on disk and open."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import vectra_bot
from tests.imports.samples import capture_of, seeded_row, write_lines
from tests.session.strategies import Busy
from vectra_bot.errors import InputError, StoreError, VectraError
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.fsio import files
from vectra_bot.imports.run import import_paths
from vectra_bot.models import DocType, Document
from vectra_bot.server import ExchangeServer
from vectra_bot.session import ReplayConfig, SessionConfig, replay_session, run_session
from vectra_bot.session.config import FlushFlag
from vectra_bot.session.recorder import RecordConfig, record_session
from vectra_bot.session.recovery.killed import recover_session, recover_store
from vectra_bot.store.maintenance.check import check_store
from vectra_bot.store.maintenance.sessions import is_running, list_sessions

MODES = ("run", "record", "replay", "import-frames", "import-games")
SETTLE_S = 5.0
# A full disk still allows what needs no space.
NEEDS_ROOM = ("create", "write", "truncate", "allocate", "mkdir")


class Sabotage(Exception):
    """Raised by a callback of the caller."""


class Recordings:
    """The inputs of the modes: a journal, its frames as a capture, and games."""

    def __init__(self, folder: Path) -> None:
        vectra_bot.run("watch", session_id="S", store=folder, games=1, seed=7, crowd=0)
        self.journal = folder / "journals" / "S"
        self.capture = capture_of(folder, folder / "frames.jsonl")
        self.games = write_lines(folder / "games.jsonl", [seeded_row()] * 3)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    """Return recordings of one short session."""
    return Recordings(tmp_path_factory.mktemp("recordings"))


async def _record(store: Path, **options: Any) -> None:
    """Record a fast server of the test."""
    config = ExchangeConfig(seed=5, crowd=5)
    async with ExchangeServer(config, speed=150.0) as server:
        given = {"seconds": 0.2, "session_id": "N", **options}
        await record_session(RecordConfig(venue=server.url, store=store, **given))


def play(mode: str, recordings: Recordings, store: Path, **options: Any) -> None:
    """Run session N of *store* in one of the modes, from its plan to its end."""
    given = {"store": store, "session_id": "N", **options}
    if mode == "run":
        paper = {"strategy": Busy, "games": 1, "seed": 7, "crowd": 0, **given}
        asyncio.run(run_session(SessionConfig(**paper)))
    elif mode == "record":
        asyncio.run(_record(**given))
    elif mode == "replay":
        asyncio.run(replay_session(ReplayConfig(**{"path": recordings.journal, **given})))
    else:
        games = mode == "import-games"
        import_paths(recordings.games if games else recordings.capture, **given)


def opened() -> dict[str, int]:
    """Return the open and running resources of this process, by kind and name."""
    found: dict[str, int] = {}
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names, some of them closed by now
        try:
            name = os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115
        except OSError:
            continue
        found[name.partition(":[")[0]] = found.get(name.partition(":[")[0], 0) + 1
    for thread in threading.enumerate():
        found[f"thread {thread.name}"] = found.get(f"thread {thread.name}", 0) + 1
    for task in Path("/proc/self/task").iterdir():
        try:
            children = (task / "children").read_text().split()
        except OSError:
            continue
        found["children"] = found.get("children", 0) + len(children)
    return found


@contextmanager
def leaving_nothing_open() -> Iterator[None]:
    """Check that the block leaves no file, socket, thread or process behind."""
    before = opened()
    yield
    deadline = time.monotonic() + SETTLE_S
    while (after := opened()) != before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert after == before


def left(store: Path) -> list[str]:
    """Return what session N has in the store."""
    folders = [store / "journals" / "N", store / "sessions" / "N"]
    folders += [store / f"doc_type={kind.value}" / "session_id=N" for kind in DocType]
    folders += list(store.glob("journals/.dropped-*"))
    return [folder.relative_to(store).as_posix() for folder in folders if folder.exists()]


@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_plan_writes_nothing(mode: str, recordings: Recordings, tmp_path: Path) -> None:
    """A session id that names no folder, or a store that is a file, is refused before anything is written."""
    occupied = tmp_path / "file"
    occupied.write_text("mine")
    with leaving_nothing_open():
        with pytest.raises(InputError, match="session id was"):
            play(mode, recordings, tmp_path / "store", session_id="../N")
        with pytest.raises(VectraError):
            play(mode, recordings, occupied)

    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file"]
    assert occupied.read_text() == "mine"


@pytest.mark.parametrize("mode", MODES)
def test_a_session_that_cannot_make_its_first_files_is_removed(
    mode: str, recordings: Recordings, tmp_path: Path
) -> None:
    """If the empty parts cannot be created, the session id stays free, and works afterwards."""
    blocked = tmp_path / "doc_type=player_action"
    blocked.write_text("in the way")
    with leaving_nothing_open(), pytest.raises(StoreError):
        play(mode, recordings, tmp_path)
    assert left(tmp_path) == []
    assert list_sessions(tmp_path) == []

    blocked.unlink()
    play(mode, recordings, tmp_path)
    assert list_sessions(tmp_path) == ["N"]
    assert check_store(tmp_path).problems == []


@pytest.mark.parametrize("mode", MODES)
def test_a_session_that_exists_is_not_touched(
    mode: str, recordings: Recordings, tmp_path: Path
) -> None:
    """An id that is taken is refused, and its session does not change."""
    vectra_bot.run("watch", session_id="N", store=tmp_path, games=1, seed=9, crowd=0)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    with leaving_nothing_open(), pytest.raises(StoreError, match="exists"):
        play(mode, recordings, tmp_path)

    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before


STEPS = {
    "lock": ("create", "lock", 0),
    "segment": ("create", "000001.log", 0),
    "header": ("write", "000001.log", 0),
    "empty part": ("write", ".part-000000.parquet.tmp", 1),
    "first input": ("write", "000001.log", 2),
    "input": ("write", "000001.log", 9),
    "part": ("write", ".part-000001.parquet.tmp", 3),
    "record of parts": ("create", ".000001.parts.json.tmp", 0),
    "compression": ("create", ".000001.log.zst.tmp", 0),
}
"""What fills the disk up: an operation on a file of that name, and how often it went well before."""
BEGINNING = ("lock", "segment", "header", "empty part", "first input")


def disk_that_is_full_from(kind: str, name: str, after: int) -> Callable[[files.Op], None]:
    """Return an observer that fails whatever needs space, from the given operation on."""
    left_over, full = after, False

    def refuse(op: files.Op) -> None:
        nonlocal left_over, full
        if (op.kind, op.path.name) == (kind, name):
            full, left_over = full or not left_over, left_over - 1
        if full and op.kind in NEEDS_ROOM:
            raise OSError(28, "No space left on device")

    return refuse


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("mode", MODES)
def test_a_disk_that_is_full_leaves_what_can_be_recovered(
    mode: str, step: str, recordings: Recordings, tmp_path: Path
) -> None:
    """At any point of a failure nothing stays open; a session without inputs is removed, others recover."""
    with (
        leaving_nothing_open(),
        files.observing(disk_that_is_full_from(*STEPS[step])),
        pytest.raises(StoreError, match="No space left"),
    ):
        play(mode, recordings, tmp_path)
    assert not is_running(tmp_path / "journals" / "N")
    assert (list_sessions(tmp_path) == []) == (step in BEGINNING)

    recover_store(tmp_path, recover=recover_session)
    assert check_store(tmp_path).problems == []
    assert (left(tmp_path) == []) == (step in BEGINNING)


def test_a_log_in_the_folder_of_a_session_survives_its_repetition(
    recordings: Recordings, tmp_path: Path
) -> None:
    """The exchange's log is opened under the session's lock; files of users are kept with the session."""
    notes = tmp_path / "sessions" / "N"
    play("run", recordings, tmp_path)
    notes.mkdir(parents=True, exist_ok=True)
    with leaving_nothing_open():
        play("run", recordings, tmp_path, exchange_log=notes / "requests.log")

    assert check_store(tmp_path).problems == []
    assert (notes / "requests.log").exists()


def test_a_run_that_breaks_off_is_recovered(recordings: Recordings, tmp_path: Path) -> None:
    """An exchange log on a full device ends the run; its process for parts ends too, its journal remains."""
    flush = FlushFlag()
    flush.ask()
    with leaving_nothing_open(), pytest.raises(InputError, match="No space left"):
        play("run", recordings, tmp_path, exchange_log=Path("/dev/full"), flush=flush)

    assert not is_running(tmp_path / "journals" / "N")
    assert recover_store(tmp_path, recover=recover_session) == ["N"]
    assert check_store(tmp_path).problems == []


def test_a_recording_whose_callback_raises_is_recovered(
    recordings: Recordings, tmp_path: Path
) -> None:
    """What the caller's callback raises is passed on, the connection is closed and the journal remains."""

    def told(_document: Document) -> None:
        raise Sabotage

    with leaving_nothing_open(), pytest.raises(Sabotage):
        play("record", recordings, tmp_path, told=told)

    assert recover_store(tmp_path, recover=recover_session) == ["N"]
    assert check_store(tmp_path).problems == []


@pytest.mark.parametrize("kind", ["capture", "journal"])
def test_a_recording_that_ends_in_something_else_leaves_no_session(
    kind: str, recordings: Recordings, tmp_path: Path
) -> None:
    """If a line or entry of a recording cannot be read, the session of its first half is not kept."""
    broken = tmp_path / "broken"
    (segment,) = recordings.journal.glob("*.log.zst")
    data = (recordings.capture if kind == "capture" else segment).read_bytes()
    middle = len(data) // 2
    broken.write_bytes(data[:middle] + b"\xff" * 64 + data[middle + 64 :])
    store = tmp_path / "store"
    with leaving_nothing_open(), pytest.raises(VectraError, match="broken"):
        play("replay", recordings, store, path=broken)

    assert left(store) == []


@pytest.mark.parametrize("mode", ["import-frames", "import-games"])
def test_an_import_that_breaks_off_is_done_again(
    mode: str, recordings: Recordings, tmp_path: Path
) -> None:
    """An exception of the caller's callback leaves nothing open; the next import completes the session."""

    def progress(_path: str, done: int, size: int) -> None:
        if done:
            raise Sabotage

    with leaving_nothing_open(), pytest.raises(Sabotage):
        play(mode, recordings, tmp_path, progress=progress)
    play(mode, recordings, tmp_path)

    assert list_sessions(tmp_path) == ["N"]
    assert check_store(tmp_path).problems == []


def _cancellable(mode: str, recordings: Recordings, store: Path) -> Awaitable[Any]:
    if mode == "run":
        return run_session(
            SessionConfig(strategy=Busy, seed=7, crowd=0, speed=50, store=store, session_id="N")
        )
    if mode == "record":
        return _record(store, seconds=60)
    config = ReplayConfig(path=recordings.journal, store=store, session_id="N")
    return replay_session(config)


@pytest.mark.parametrize("mode", ["run", "record", "replay"])
@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.3])
def test_a_cancelled_session_is_released(
    mode: str, after_s: float, recordings: Recordings, tmp_path: Path
) -> None:
    """If a session's task is cancelled, its journal is unlocked and nothing stays open."""

    async def cancel() -> None:
        task = asyncio.ensure_future(_cancellable(mode, recordings, tmp_path))
        await asyncio.sleep(after_s)
        task.cancel()
        await asyncio.wait([task])
        assert len(asyncio.all_tasks()) == 1

    with leaving_nothing_open():
        asyncio.run(cancel())

    assert not is_running(tmp_path / "journals" / "N")
    recover_store(tmp_path, recover=recover_session)
    if tmp_path.joinpath("journals").is_dir():
        assert check_store(tmp_path).problems == []
