"""The directory of a session's journal, and the lock that makes one process its only writer."""

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
# A reader that checks for a writer has the lock for an instant.
_TRIES: Final = 5
_PAUSE_S: Final = 0.002


def journal_directory(store: str | Path, session_id: str) -> Path:
    """Return the directory of a session's journal.

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
"""Prefix of a journal's directory while its session is being dropped."""


def dropped_directory(directory: Path) -> Path:
    """Return the name of the *directory* of a journal while its session is being dropped."""
    return directory.with_name(DROPPED + directory.name)


# Lock files that this process has without writing: a repair reads files that do not change.
_still: set[tuple[int, int]] = set()


def is_being_written(path: Path) -> bool:
    """Return whether the session that a segment or directory belongs to is being written.

    False while this process has the lock for another purpose than writing the journal.
    """
    directory = path if path.is_dir() else path.parent
    try:
        fd = os.open(directory / LOCK_NAME, os.O_RDONLY)
    except OSError:
        return False
    try:
        # Shared: several concurrent checks do not mistake each other for a writer.
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
    """The exclusive right to write one session's directory; released by the system if the process dies."""

    def __init__(self, directory: Path) -> None:
        """Take the lock.

        Raises:
            StoreError: another process has it.
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
        """Record that the session is written under this lock from now on."""
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
        """Record that the session is no longer written, though the lock is kept."""
        if self._fd >= 0:
            _still.add(_identity(self._fd))

    def release(self) -> None:
        """Release the lock; harmless if called twice."""
        if self._fd >= 0:
            _still.discard(_identity(self._fd))
            os.close(self._fd)
            self._fd = -1
