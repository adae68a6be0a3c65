"""Locks between processes: they end with their process, and are found with reading permission only."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vectra_bot.fsio import locks
from vectra_bot.fsio.locks import FileLock, is_locked
from vectra_bot.journal import Journal, journal_directory
from vectra_bot.store.parquet.swapping import swapping_alone
from vectra_bot.store.remote.upload import upload_lock


def _taken(path: Path) -> FileLock:
    lock = FileLock.of(path)
    assert lock is not None
    lock.sign()
    return lock


def _fork_in_c() -> int:
    """Fork as a library does, of which Python is not notified."""
    return int(ctypes.PyDLL(None).fork())


@contextlib.contextmanager
def _forked(fork: Callable[[], int] = os.fork) -> Iterator[int]:
    """Fork a child that sleeps."""
    child = fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.parametrize("fork", [os.fork, _fork_in_c])
@pytest.mark.parametrize("what", ["journal", "swap", "upload"])
def test_lock_ends_though_a_forked_child_lives(
    what: str, fork: Callable[[], int], tmp_path: Path
) -> None:
    """Each lock of a store is free again when its owner releases it, whatever its children do."""
    directory = journal_directory(tmp_path, "s")
    header = {"session_id": "s", "mode": "paper", "venue": "embedded"}
    journal = Journal.create(directory, header, segment_bytes=1 << 16)
    path = {"journal": directory / "lock", "swap": directory, "upload": directory / "uploading"}[
        what
    ]
    with _forked(), contextlib.ExitStack() as stack:
        if what == "journal":
            stack.callback(journal.abandon)
        else:
            journal.abandon()
            owned = swapping_alone(tmp_path, "s") if what == "swap" else upload_lock(directory)
            stack.enter_context(owned)
        with _forked(fork):
            assert is_locked(path)
            stack.close()
            assert is_locked(path) is False


@pytest.mark.parametrize("fork", [os.fork, _fork_in_c])
def test_lock_ends_with_a_killed_owner(fork: Callable[[], int], tmp_path: Path) -> None:
    """After `kill -9` of the owner the lock is free, though a child that it forked lives on."""
    path = tmp_path / "lock"
    read, write = os.pipe()
    owner = os.fork()
    if owner == 0:
        _taken(path)
        if fork() == 0:
            os.write(write, str(os.getpid()).encode())
        signal.pause()
    child = int(os.read(read, 20))
    try:
        assert is_locked(path)
        os.kill(owner, signal.SIGKILL)
        os.waitpid(owner, 0)
        os.kill(child, 0)
        assert is_locked(path) is False
        again = _taken(path)
        assert is_locked(path)
        assert FileLock.of(path) is None
        again.release()
        assert is_locked(path) is False
    finally:
        os.kill(child, signal.SIGKILL)


def test_lock_of_a_living_owner_is_not_replaced(tmp_path: Path) -> None:
    """Whatever the file of a taken lock says, only a process that is known to have died loses it."""
    path = tmp_path / "lock"
    lock = _taken(path)
    signed = path.read_bytes()
    assert signed.startswith(f"{os.getpid()} ".encode())
    gone = signed.replace(str(os.getpid()).encode(), b"4194305", 1)  # above the highest number
    boot = signed.split()[2]
    for text in (b"", b"nonsense", gone.replace(boot, b"another-boot"), signed):
        path.write_bytes(text)
        assert is_locked(path)
        assert FileLock.of(path) is None
    path.write_bytes(gone)
    assert is_locked(path) is False
    lock.release()
    assert not path.exists()


def test_lock_without_a_name_is_not_replaced(tmp_path: Path) -> None:
    """A lock taken for a moment removes the name of an owner that died, and writes none."""
    path = tmp_path / "lock"
    lock = _taken(path)
    gone = path.read_bytes().replace(str(os.getpid()).encode(), b"4194305", 1)
    lock.release()
    path.write_bytes(gone)
    brief = FileLock.of(path)
    assert brief is not None
    assert path.read_bytes() == b""
    assert is_locked(path)
    assert FileLock.of(path) is None
    brief.release()


def test_lock_of_a_folder_ends_with_a_killed_owner(tmp_path: Path) -> None:
    """A forked child does not keep a lock whose file names nobody."""
    (tmp_path / "journals" / "s").mkdir(parents=True)
    read, write = os.pipe()
    owner = os.fork()
    if owner == 0:
        with swapping_alone(tmp_path, "s"):
            if os.fork() == 0:
                os.write(write, str(os.getpid()).encode())
            signal.pause()
    child = int(os.read(read, 20))
    try:
        assert is_locked(tmp_path / "journals" / "s")
        os.kill(owner, signal.SIGKILL)
        os.waitpid(owner, 0)
        assert is_locked(tmp_path / "journals" / "s") is False
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("fork", [os.fork, _fork_in_c])
def test_forked_child_cannot_release_the_lock(fork: Callable[[], int], tmp_path: Path) -> None:
    """A child that calls release leaves its parent's lock as it is."""
    lock = _taken(tmp_path / "lock")
    child = fork()
    if child == 0:
        lock.release()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert is_locked(tmp_path / "lock")
    lock.release()
    lock.release()
    assert is_locked(tmp_path / "lock") is False


def test_looking_does_not_take_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that looks neither writes nor keeps a lock, and a shared lock is not an owner."""
    path = tmp_path / "lock"
    assert is_locked(path) is False
    assert is_locked(path / "below") is False
    path.touch()
    path.chmod(0o400)
    opened: list[int] = []
    real = os.open
    monkeypatch.setattr(locks.os, "open", lambda p, flags: opened.append(flags) or real(p, flags))
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert is_locked(path) is False
    assert opened == [os.O_RDONLY]
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert is_locked(path)


@pytest.mark.parametrize("error", [PermissionError(), OSError(5, "I/O error")])
def test_what_cannot_be_determined_is_not_locked(
    error: OSError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that cannot be opened or tried is neither locked nor free."""
    path = tmp_path / "lock"
    path.touch()

    def refuse(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(locks.fcntl, "flock", refuse)
        assert is_locked(path) is None
    monkeypatch.setattr(locks.os, "open", refuse)
    assert is_locked(path) is None
