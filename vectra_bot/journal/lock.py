"""The directory of a session's journal, and the lock that makes one process its only writer."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path
from typing import Final

from vectra_bot.errors import InputError, StoreError
from vectra_bot.fsio import files
from vectra_bot.fsio.locks import FileLock, is_file_locked, is_locked
from vectra_bot.journal.segments import LOCK_NAME, find_segments

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


class LockLostError(StoreError):
    """Another program removed or replaced the lock of a running session; the session ended."""


# Lock files that this process has without writing: a repair reads files that do not change.
_still: set[tuple[int, int]] = set()


def writer_of(directory: Path) -> bool | None:
    """Return whether a process writes the journal in *directory*, None if that cannot be determined.

    Reading permission is enough. A writer is found by its segment too: its lock may have been removed.
    """
    locked = is_locked(directory / LOCK_NAME)
    return True if not locked and _writes_a_segment(directory) else locked


def _writes_a_segment(directory: Path) -> bool:
    try:
        segments = find_segments(directory)
    except OSError:
        return False
    return any(segment.is_raw and is_file_locked(segment.path) for segment in segments)


def is_being_written(path: Path) -> bool:
    """Return whether the session that a segment or directory belongs to is being written.

    False while this process has the lock for another purpose than writing the journal, and if it cannot be
    determined.
    """
    directory = path if path.is_dir() else path.parent
    return writer_of(directory) is True and not _is_still(directory / LOCK_NAME)


def _is_still(lock: Path) -> bool:
    try:
        status = lock.stat()
    except OSError:
        return False
    return (status.st_dev, status.st_ino) in _still


class SessionLock:
    """The exclusive right to write one session's directory; released by the system if the process dies.

    Attributes:
        path: its file.
    """

    def __init__(self, directory: Path) -> None:
        """Take the lock.

        Raises:
            SessionBusyError: another process has it, or writes a segment without it.
            StoreError: it cannot be taken.
        """
        self.path = directory / LOCK_NAME
        with files.store_errors(f"cannot lock {directory}"):
            lock = _take(self.path)
        if lock is not None and not lock.orphans and _writes_a_segment(directory):
            lock.release()
            lock = None
        if lock is None:
            raise SessionBusyError(
                f"the session in {directory} is being written by another process; "
                "wait for it to end, or choose another session id"
            )
        self._lock = lock
        status = os.fstat(lock.fd)
        self._key = status.st_dev, status.st_ino
        _still.add(self._key)

    def is_ours(self) -> bool:
        """Return whether the lock is still the file of that name: a removed one excludes nobody."""
        return self._lock.is_named()

    def write(self) -> None:
        """Record that the session is written under this lock from now on."""
        self._lock.sign()
        _still.discard(self._key)

    def rest(self) -> None:
        """Record that the session is no longer written, though the lock is kept."""
        if self._lock.fd >= 0:
            _still.add(self._key)

    def release(self, *, keep: bool = False) -> None:
        """Release the lock, and remove its file unless *keep*; harmless if called twice."""
        if self._lock.fd >= 0:
            _still.discard(self._key)
            self._lock.release(keep=keep)


def _take(path: Path) -> FileLock | None:
    for _ in range(_TRIES - 1):
        lock = FileLock.of(path)
        if lock is not None:
            return lock
        threading.Event().wait(_PAUSE_S)
    return FileLock.of(path)
