"""Where a session's journal stands, and the lock that makes one process its only writer."""

from __future__ import annotations

import fcntl
import os
import re
import threading
from pathlib import Path
from typing import Final

from vectra_bot.errors import InputError, StoreError
from vectra_bot.store import files
from vectra_bot.store.segments import LOCK_NAME

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

    def release(self) -> None:
        """Give the lock back; harmless if called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
