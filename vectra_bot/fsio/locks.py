"""Locks of files between processes.

A lock ends with the process that took it: on release, on exit and on ``kill -9``. The system ties it to the
open file, which a forked child shares with its parent; so a child closes its copies, and a release ends the
lock itself, not only this process's copy. Python is not notified if a library forks: so the file of a lock
also names its owner, and if the owner has died, the lock counts as free and its file is replaced.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vectra_bot.fsio import files
from vectra_bot.fsio.posix import fcntl

_PROC: Final = Path("/proc")
_LOOKS: Final = 3
_PAUSE_S: Final = 0.005

_taken: Final[set[FileLock]] = set()


class FileLock:
    """An exclusive lock on an open file, or on an open directory."""

    def __init__(self, fd: int) -> None:
        """Take over *fd*, which is closed by :meth:`release`; the lock is not taken yet."""
        self._fd = fd
        self._owner = os.getpid()
        _taken.add(self)

    @property
    def fd(self) -> int:
        """The file's descriptor, -1 after the release and in a forked child."""
        return self._fd

    @classmethod
    def of(cls, path: Path) -> FileLock | None:
        """Take the lock on the file at *path*, created if missing; return None if another process has it.

        Raises:
            OSError: the file cannot be opened, or the file system has no locks.
        """
        with _gate(path.parent.parent):
            lock = cls(files.open_file(path))
            try:
                taken = lock.take()
                if not taken and _owner_died(path):
                    lock.release()
                    files.unlink(path)  # only children of the owner have it open
                    lock = cls(files.open_file(path))
                    taken = lock.take()
                if taken:
                    lock._sign()
                    return lock
            except BaseException:
                lock.release()
                raise
            lock.release()
            return None

    def _sign(self) -> None:
        """Name this process in the file; on a full disk the lock is taken all the same."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, _signature(os.getpid()), 0)

    def take(self) -> bool:
        """Take the lock; return False if another process has it.

        Raises:
            OSError: the file system has no locks.
        """
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Release the lock and close the file; harmless if called twice, or in a forked child."""
        fd, self._fd = self._fd, -1
        _taken.discard(self)
        if fd >= 0:
            if self._owner == os.getpid():
                _unlock(fd)
            os.close(fd)

    def _leave(self) -> None:
        """Close the copy of the file in a forked child: the lock remains the parent's."""
        fd, self._fd = self._fd, -1
        with contextlib.suppress(OSError):
            os.close(fd)


def is_locked(path: Path) -> bool | None:
    """Return whether a process has the lock on *path*, None if that cannot be determined.

    Nothing is written, and reading permission is enough.
    """
    try:
        fd = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return None
    try:
        # Shared: several concurrent checks do not mistake each other for an owner.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return not _owner_died(path)
    except OSError:
        return None
    else:
        _unlock(fd)
        return False
    finally:
        os.close(fd)


@contextlib.contextmanager
def _gate(folder: Path) -> Iterator[None]:
    """Let one process at a time take or replace locks below *folder*."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # a file system that locks no folders
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        _unlock(fd)
        os.close(fd)


def _signature(pid: int) -> bytes:
    """Return what identifies a process while the system runs; empty if it has ended or cannot be seen."""
    try:
        # The name of the program is in parentheses and may contain any character.
        state, *fields = _PROC.joinpath(str(pid), "stat").read_text().rpartition(")")[2].split()
        boot = _PROC.joinpath("sys/kernel/random/boot_id").read_text().strip()
        space = _PROC.joinpath("self/ns/pid").readlink()
    except (OSError, ValueError):
        return b""
    return b"" if state in "ZX" else f"{pid} {fields[18]} {boot} {space}\n".encode()


def _owner_died(path: Path) -> bool:
    """Return whether the process that the file of a taken lock names has ended."""
    own = _signature(os.getpid()).split()
    for _ in range(_LOOKS):
        try:
            named = path.read_bytes().split()
        except OSError:
            return False
        known = bool(own) and len(named) == len(own) and named[0].isdigit()
        if not known or named[2:] != own[2:]:
            return False  # unknown, or of another system
        if _signature(int(named[0])).split() == named:
            return False
        # A process that has just taken the lock may not have signed yet.
        threading.Event().wait(_PAUSE_S)
    return True


def _unlock(fd: int) -> None:
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_UN)


def _leave_all() -> None:
    for lock in _taken:
        lock._leave()  # noqa: SLF001
    _taken.clear()


os.register_at_fork(after_in_child=_leave_all)

__all__ = ["FileLock", "is_locked"]
