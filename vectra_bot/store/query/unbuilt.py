"""Sessions whose last documents are only in their journal, because their process was killed.

Only names and locks are looked at, until a session needs to be reported.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from vectra_bot.errors import VectraError
from vectra_bot.store.query.results import CorruptFile

_NAME: Final = re.compile(r"(\d{6,})\.(log|log\.zst|log\.gz|parts\.json)")
_TAIL: Final = "its documents from segment {} on are in no file"
_KILLED: Final = f"the session was killed and not recovered since: {_TAIL}"
_UNKNOWN: Final = f"{_TAIL}, and whether it is being written cannot be determined"


class UnbuiltSessions:
    """Finds them; a complete journal is looked at once while its folder is unchanged."""

    def __init__(self, store: Path) -> None:
        self._journals = store / "journals"
        self._complete: dict[str, int] = {}

    def look(self) -> tuple[CorruptFile, ...]:
        """Return one report for each session, by its name; not sessions that are being written."""
        try:
            with os.scandir(self._journals) as entries:
                names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
        except OSError:
            return ()  # a store without journals
        found = []
        for name in names:
            reason = self._reason(name)
            if reason:
                found.append(CorruptFile(None, name, f"journals/{name}", reason))
        return tuple(found)

    def _reason(self, name: str) -> str:
        folder = self._journals / name
        try:
            changed = folder.stat().st_mtime_ns
            if self._complete.get(name) == changed:
                return ""
            if _first_unbuilt(folder) is None:
                self._complete[name] = changed
                return ""
            writer = _writer_of(folder)
            # Again: the session may have ended since.
            first = _first_unbuilt(folder)
            if writer or first is None or _is_empty(folder):
                return ""
        except (FileNotFoundError, NotADirectoryError):
            return ""  # dropped, or not a journal
        except OSError as error:
            return f"the journal cannot be read: {error.strerror or error}"
        return (_KILLED if writer is False else _UNKNOWN).format(first)


def _first_unbuilt(folder: Path) -> int | None:
    """Return the number of the first segment without a record of its parts."""
    segments: set[int] = set()
    built: set[int] = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            match = _NAME.fullmatch(entry.name)
            if match is not None:
                (built if match[2] == "parts.json" else segments).add(int(match[1]))
    return min(segments - built, default=None)


def _writer_of(folder: Path) -> bool | None:
    from vectra_bot.journal import writer_of

    return writer_of(folder)


def _is_empty(folder: Path) -> bool:
    from vectra_bot.journal import never_began
    from vectra_bot.store.maintenance.sessions import lost_its_journal

    try:
        return never_began(folder) and not lost_its_journal(folder.parent.parent, folder.name)
    except VectraError:
        return False
