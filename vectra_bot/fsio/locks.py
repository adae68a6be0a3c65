"""Locks of files between processes.

A lock ends with the process that took it: on release, on exit and on ``kill -9``. The system ties it to the
open file, which a forked child shares with its parent; so a child closes its copies, and a release ends the
lock itself, not only this process's copy.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from vectra_bot.fsio.posix import fcntl

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
        return True
    except OSError:
        return None
    else:
        _unlock(fd)
        return False
    finally:
        os.close(fd)


def _unlock(fd: int) -> None:
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_UN)


def _leave_all() -> None:
    for lock in _taken:
        lock._leave()  # noqa: SLF001
    _taken.clear()


os.register_at_fork(after_in_child=_leave_all)

__all__ = ["FileLock", "is_locked"]
