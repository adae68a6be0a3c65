"""Locks of files between processes.

A lock ends with the process that took it: on release, on exit and on ``kill -9``. The system ties it to the
open file, which a forked child shares with its parent; so a child closes its copies, and a release ends the
lock itself, not only this process's copy. Python is not notified if a library forks: so the file of a lock
that is kept for long also names its owner, and if the owner has died, the lock counts as free and its file
is replaced. The name is not synced: it means nothing after a power failure.

The system ties a lock to a file and not to its name. If somebody removes or replaces the file, another
process can lock a new one: an owner that is to notice asks :meth:`FileLock.is_named`.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vectra_bot.fsio import files, forks
from vectra_bot.fsio.posix import fcntl

_PROC: Final = Path("/proc")
_LOOKS: Final = 3
_PAUSE_S: Final = 0.005

_taken: Final[set[FileLock]] = set()  # also those that nothing refers to: they are still locked


class FileLock:
    """An exclusive lock on an open file, or on an open directory.

    Attributes:
        orphans: whether children of an owner that died may have files of it open.
    """

    def __init__(self, fd: int, path: Path | None = None) -> None:
        """Take over *fd*, which is closed by :meth:`release`; the lock is not taken yet.

        Args:
            fd: descriptor of the file.
            path: its name, if the file exists for the lock alone and is removed with it.
        """
        self._fd = fd
        self._path = path
        self._owner = os.getpid()
        self._signed = False
        self.orphans = False
        _taken.add(self)
        forks.left_by_children(self)

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
            lock = cls(files.open_file(path), path)
            try:
                taken = lock.take()
                if not taken and _owner_died(path):
                    lock._close()
                    files.unlink(path)  # only children of the owner have it open
                    lock = cls(files.open_file(path), path)
                    taken = lock.take()
                    lock.orphans = True
                if taken and lock.is_named():
                    lock._clear()
                    return lock
            except BaseException:
                lock._close()
                raise
            lock._close()
            return None

    def is_named(self) -> bool:
        """Return whether the name that the lock was taken under is still this file's."""
        if self._path is None or self._fd < 0:
            return False
        try:
            return os.path.samestat(os.fstat(self._fd), self._path.stat())
        except OSError:
            return False

    def sign(self) -> None:
        """Name this process in the file; on a full disk the lock is taken anyway."""
        with contextlib.suppress(OSError):
            self._clear()
            self._signed = True
            os.pwrite(self._fd, _signature(os.getpid()), 0)

    def _clear(self) -> None:
        """Remove the name of a process that had the lock before."""
        if os.fstat(self._fd).st_size:
            os.ftruncate(self._fd, 0)

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

    def release(self, *, keep: bool = False) -> None:
        """Release the lock, close the file, and remove it if it exists for the lock alone.

        Harmless if called twice, or in a forked child.

        Args:
            keep: keep the file, so that the lock can be taken again on a full disk.
        """
        try:
            if not keep and self._owner == os.getpid() and self.is_named():
                assert self._path is not None
                with contextlib.suppress(OSError):  # what cannot be removed is at least released
                    files.unlink(self._path)
        finally:
            self._close()

    def _close(self) -> None:
        """Release the lock and close the file, which keeps its name."""
        fd, self._fd = self._fd, -1
        _taken.discard(self)
        if fd >= 0:
            if self._owner == os.getpid():
                if self._signed:
                    with contextlib.suppress(OSError):
                        os.ftruncate(fd, 0)
                unlock_file(fd)
            os.close(fd)

    def leave(self) -> None:
        """Close the copy of the file in a forked child: the lock remains the parent's."""
        fd, self._fd = self._fd, -1
        _taken.discard(self)
        if fd >= 0:
            os.close(fd)


def lock_file(fd: int) -> bool:
    """Lock an open file until it is closed; return False if another process has its lock.

    Where the file system has no locks, the file counts as locked: then only another lock protects it.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def unlock_file(fd: int) -> None:
    """End the lock of an open file, also for forked children that have it open; harmless without one."""
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_UN)


def is_locked(path: Path) -> bool | None:
    """Return whether a process has the lock on *path*, None if that cannot be determined.

    Nothing is written, and reading permission is enough.
    """
    locked = is_file_locked(path)
    return not _owner_died(path) if locked else locked


def is_file_locked(path: Path) -> bool | None:
    """Return the same of a file that names no owner: forked children of a dead one may still lock it."""
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
        return True
    except OSError:
        return None
    else:
        unlock_file(fd)
        return False
    finally:
        os.close(fd)


@contextlib.contextmanager
def _gate(folder: Path) -> Iterator[None]:
    """Let one process at a time take or replace locks below *folder*."""
    gate = FileLock(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
    try:
        with contextlib.suppress(OSError):  # a file system that locks no folders
            fcntl.flock(gate.fd, fcntl.LOCK_EX)
        yield
    finally:
        gate.release()


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
        # A process that has just taken the lock may not have cleared the name yet.
        threading.Event().wait(_PAUSE_S)
    return True


__all__ = ["FileLock", "is_file_locked", "is_locked", "lock_file", "unlock_file"]
