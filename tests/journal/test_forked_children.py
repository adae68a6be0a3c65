"""Children that a session's process forks: they keep nothing of it alive, and cannot act in its place."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.samples import HEADER, SESSION
from vectra_bot.errors import StoreError
from vectra_bot.fsio import forks
from vectra_bot.journal import Entry, Journal, SessionLock, journal_directory, read_journal
from vectra_bot.models import Frame
from vectra_bot.store.maintenance.sessions import drop_session
from vectra_bot.store.parquet.worker import PartsWorker


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.create(journal_directory(tmp_path, SESSION), HEADER)
    yield journal
    journal.abandon()


def _open_files(pid: int) -> set[str]:
    found = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(str(fd.readlink()))
    return found


@contextlib.contextmanager
def _child() -> Iterator[int]:
    """Fork a child that sleeps."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_child_has_no_file_of_the_session(journal: Journal) -> None:
    """Neither lock nor segments are open in it; the parent's still are."""
    journal.append([Entry.of_frame(1, Frame(1, "x"))])
    journal.roll()
    folder = str(journal.directory)
    assert any(name.startswith(folder) for name in _open_files(os.getpid()))
    deadline = time.monotonic() + 60
    while any(name.startswith(f"{folder}/000001") for name in _open_files(os.getpid())):
        assert time.monotonic() < deadline  # a thread compresses the closed segment
    with _child() as pid:
        while any(name.startswith(folder) for name in _open_files(pid)):
            assert time.monotonic() < deadline
    journal.append([Entry.of_frame(2, Frame(1, "y"))])
    journal.close("done")
    assert [entry.seq for entry in read_journal(journal.directory)] == [0, 1, 2, 3]


@pytest.mark.parametrize("act", ["append", "put", "sync", "roll"])
def test_child_that_returns_to_the_session_is_ended(
    act: str, journal: Journal, capfd: pytest.CaptureFixture[str]
) -> None:
    """It writes nothing and says why in one line; `close` and `abandon` there change nothing."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            journal.close("in the child")
            journal.abandon()
            if act == "append":
                journal.append([Entry.of_frame(1, Frame(1, "child"))])
            elif act == "put":
                journal.put(1, "frame", 1, Entry.of_frame(1, Frame(1, "child")).payload)
            else:
                getattr(journal, act)()
        os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == StoreError.exit_code
    error = capfd.readouterr().err
    assert error.startswith("error: a process forked by the one that writes session 's-1' returned")
    assert error.count("\n") == 1
    journal.append([Entry.of_frame(1, Frame(1, "parent"))])
    assert [e.seq for e in read_journal(journal.directory)] == [0, 1]
    with pytest.raises(StoreError):
        SessionLock(journal.directory)


def test_child_does_not_keep_the_process_that_builds_parts(
    journal: Journal, tmp_path: Path
) -> None:
    """That process ends with the session's, though a child lives that was forked while it ran."""
    read, write = os.pipe()
    owner = os.fork()
    if owner == 0:
        worker = PartsWorker(journal.directory, tmp_path)
        worker.closed(1)
        worker.wait()
        if os.fork() == 0:
            assert worker._child is None
            worker.abandon()
            os.write(write, b"%d " % os.getpid())
            signal.pause()
        assert worker._child is not None
        os.write(write, b"%d " % worker._child.pid)
        signal.pause()
    said = b""
    while said.count(b" ") < 2:
        said += os.read(read, 40)
    pids = {int(pid) for pid in said.split()}
    builder = next(
        pid for pid in pids if b"parquet.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    (child,) = pids - {builder}
    try:
        os.kill(owner, signal.SIGKILL)
        os.waitpid(owner, 0)
        os.kill(child, 0)
        deadline = time.monotonic() + 20
        while Path(f"/proc/{builder}").exists():
            state = Path(f"/proc/{builder}/stat").read_text().rpartition(")")[2].split()[0]
            if state in "ZX":
                break
            assert time.monotonic() < deadline, "it outlives the session"
            time.sleep(0.02)
    finally:
        os.kill(child, signal.SIGKILL)


def test_copy_of_a_socket_is_closed_in_the_child() -> None:
    """The peer sees the end of a connection when its owner ends, though a child lives."""
    ours, theirs = socket.socketpair()

    class Link:
        """A connection of the session."""

        def leave(self) -> None:
            forks.close_copy(ours.fileno())

    link = Link()
    forks.left_by_children(link)
    with _child(), theirs:
        ours.close()
        theirs.settimeout(10)
        assert theirs.recv(1) == b""
    del link


_OWNER = """
import multiprocessing, os, signal, sys, time
from vectra_bot.errors import StoreError
from vectra_bot.journal import Entry, Journal
from vectra_bot.models import Frame

def work():
    os.write(1, b"%d " % os.getpid())
    signal.pause()

if __name__ == "__main__":
    journal = Journal.create(sys.argv[1], {"session_id": "s", "mode": "paper", "venue": "embedded"})
    journal.append([Entry.of_frame(1, Frame(1, "x"))])
    multiprocessing.get_context(sys.argv[2]).Process(target=work, daemon=False).start()
    os.read(0, 1)
    journal.append([Entry.of_frame(2, Frame(1, "x"))])
    if sys.argv[3] == "close":
        journal.close("done")
    elif sys.argv[3] == "abandon":
        journal.abandon()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("end", ["kill", "close", "abandon"])
def test_workers_that_outlive_a_session(method: str, end: str, tmp_path: Path) -> None:
    """Alive at kill -9, at a clean end or at a drop, they do not make the session look as if it ran."""
    directory = journal_directory(tmp_path, "s")
    script = tmp_path / "owner.py"
    script.write_text(_OWNER)
    owner = subprocess.Popen(
        [sys.executable, str(script), str(directory), method, end],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert owner.stdin is not None
    assert owner.stdout is not None
    said = b""
    while not said.endswith(b" "):
        said += os.read(owner.stdout.fileno(), 20)
    worker = int(said)
    try:
        owner.stdin.write(b".")
        owner.stdin.close()
        assert owner.wait(30) == -signal.SIGKILL
        os.kill(worker, 0)
        if end == "close":
            SessionLock(directory).release()
        else:
            Journal.resume(directory).close("recovered")
        os.kill(worker, 0)
        reader = read_journal(directory)
        assert [entry.seq for entry in reader] == [0, 1, 2, 3]
        assert reader.clean
        drop_session(tmp_path, "s")
        assert not directory.exists()
        os.kill(worker, 0)
    finally:
        os.kill(worker, signal.SIGKILL)
        owner.stdout.close()
