"""Who can read a store: a note about files that other users of the machine can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from vectra_bot.fsio.modes import is_shared


def access_notes(store: Path) -> list[str]:
    """Return a note if other users can read something in *store*; nothing is changed.

    In a store made with ``--shared``, only what everybody can read is noted.
    """
    shared = is_shared(store)
    others = stat.S_IROTH | stat.S_IWOTH if shared else stat.S_IRWXG | stat.S_IRWXO
    enter = stat.S_IXOTH if shared else stat.S_IXGRP | stat.S_IXOTH
    if not store.stat().st_mode & enter:
        return []
    found: list[str] = []
    for folder, folders, names in os.walk(store):
        # What is in a folder that nobody else can enter is not read by anybody else.
        folders[:] = [n for n in folders if _mode(Path(folder, n)) & enter]
        found += [
            str(Path(folder, n).relative_to(store))
            for n in names
            if _mode(Path(folder, n)) & others
        ]
    if not found:
        return []
    count = f"{len(found)} file{'s' * (len(found) != 1)}"
    advice = f"chmod -R {'o=' if shared else 'go='} {store} if that is not intended"
    return [f"other users can read {count} of the store, such as {min(found)}: {advice}"]


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


__all__ = ["access_notes"]
