"""The directory of a session's journal, and the lock that makes one process its only writer."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Final

from vectra_bot.errors import InputError, StoreError
from vectra_bot.fsio import files
from vectra_bot.fsio.locks import FileLock, is_locked
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


class SessionBusyError(StoreError):
    """Another process writes the session."""


# Lock files that this process has without writing: a repair reads files that do not change.
_still: set[tuple[int, int] | None] = set()


def writer_of(directory: Path) -> bool | None:
    """Return whether a process has the lock of the journal in *directory*, None if that cannot be determined.

    Reading permission is enough.
    """
    return is_locked(directory / LOCK_NAME)


def is_being_written(path: Path) -> bool:
    """Return whether the session that a segment or directory belongs to is being written.

    False while this process has the lock for another purpose than writing the journal, and if it cannot be
    determined.
    """
    directory = path if path.is_dir() else path.parent
    return writer_of(directory) is True and _identity(directory / LOCK_NAME) not in _still


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


class SessionLock:
    """The exclusive right to write one session's directory; released by the system if the process dies."""

    def __init__(self, directory: Path) -> None:
        """Take the lock.

        Raises:
            SessionBusyError: another process has it.
            StoreError: it cannot be taken.
        """
        with files.store_errors(f"cannot lock {directory}"):
            lock = _take(directory / LOCK_NAME)
        if lock is None:
            raise SessionBusyError(
                f"the session in {directory} is being written by another process; "
                "wait for it to end, or choose another session id"
            )
        self._lock = lock
        self._key = _identity(directory / LOCK_NAME)
        _still.add(self._key)

    def write(self) -> None:
        """Record that the session is written under this lock from now on."""
        _still.discard(self._key)

    def rest(self) -> None:
        """Record that the session is no longer written, though the lock is kept."""
        if self._lock.fd >= 0:
            _still.add(self._key)

    def release(self) -> None:
        """Release the lock; harmless if called twice."""
        if self._lock.fd >= 0:
            _still.discard(self._key)
            self._lock.release()


def _take(path: Path) -> FileLock | None:
    for _ in range(_TRIES - 1):
        lock = FileLock.of(path)
        if lock is not None:
            return lock
        threading.Event().wait(_PAUSE_S)
    return FileLock.of(path)
