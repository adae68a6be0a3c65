"""Where a session's journal stands, and the lock that makes one process its only writer."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path
from typing import Final

from vectra_bot.errors import InputError, StoreError
from vectra_bot.fsio import files
from vectra_bot.fsio.posix import fcntl
from vectra_bot.journal.segments import LOCK_NAME

_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# A reader that looks whether somebody writes holds the lock for an instant.
_TRIES: Final = 5
_PAUSE_S: Final = 0.002


def journal_directory(store: str | Path, session_id: str) -> Path:
    """Return where the journal of a session stands.

    Raises:
        InputError: *session_id* cannot be the name of a directory.
    """
    if _SESSION_ID.fullmatch(session_id) is None:
        raise InputError(
            f"session id was {session_id!r}: use letters, digits, '.', '_' and '-', at most 128, "
            "beginning with a letter or digit"
        )
    return Path(store) / "journals" / session_id


DROPPED: Final = ".dropped-"
"""Before the name of a journal's directory whose session is being dropped."""


def dropped_directory(directory: Path) -> Path:
    """Return what the *directory* of a journal is called while its session is being dropped."""
    return directory.with_name(DROPPED + directory.name)


# Lock files that this process holds without writing: whoever repairs a session reads what stands still.
_still: set[tuple[int, int]] = set()


def is_being_written(path: Path) -> bool:
    """Return whether the session that a segment or directory belongs to is being written.

    It is not while this process holds its lock for something else than a journal.
    """
    directory = path if path.is_dir() else path.parent
    try:
        fd = os.open(directory / LOCK_NAME, os.O_RDONLY)
    except OSError:
        return False
    try:
        # Shared: several that ask at one time do not take each other for a writer.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _identity(fd) not in _still
    finally:
        os.close(fd)
    return False


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


class SessionLock:
    """The right to write one session's directory; the system takes it back when the process dies."""

    def __init__(self, directory: Path) -> None:
        """Take the lock.

        Raises:
            StoreError: another process holds it.
        """
        with files.store_errors(f"cannot lock {directory}"):
            self._fd = files.open_file(directory / LOCK_NAME)
            if not self._taken():
                os.close(self._fd)
                raise StoreError(
                    f"the session in {directory} is being written by another process; "
                    "wait for it to end, or choose another session id"
                )
            _still.add(_identity(self._fd))

    def write(self) -> None:
        """Say that from now on the session is written under this lock."""
        _still.discard(_identity(self._fd))

    def _taken(self) -> bool:
        for last in range(_TRIES):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if last < _TRIES - 1:
                    threading.Event().wait(_PAUSE_S)
            else:
                return True
        return False

    def rest(self) -> None:
        """Say that the session is not written any more, though the lock is held."""
        if self._fd >= 0:
            _still.add(_identity(self._fd))

    def release(self) -> None:
        """Give the lock back; harmless if called twice."""
        if self._fd >= 0:
            _still.discard(_identity(self._fd))
            os.close(self._fd)
            self._fd = -1
