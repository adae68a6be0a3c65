"""Modes of new files and folders: this user's only, unless their store was made to be shared.

Whatever the umask, a new file has mode 0600 and a new folder 0700. A store made with ``--shared`` has a
marker in its folder; below it new files and folders follow the umask of the process that writes them. The
mode of what exists is never changed.
"""

from __future__ import annotations

import os
import stat
from itertools import islice
from pathlib import Path
from typing import Final

SHARED_MARK: Final = ".vectra-shared"
"""Name of the file in the folder of a store that several users share."""

_DEPTH: Final = 8  # folders between a file and its store, at most
_WORLD_WRITES: Final = 0o002


def file_mode(path: Path) -> int:
    """Return the mode, before the umask, of a new file at *path*."""
    shared = path.name == SHARED_MARK or is_shared(path.parent)
    return 0o666 if shared else 0o600


def folder_mode(path: Path) -> int:
    """Return the mode, before the umask, of a new folder at *path*."""
    return 0o777 if is_shared(path.parent) else 0o700


def is_shared(folder: Path) -> bool:
    """Return whether *folder* is in a store that several users share.

    A marker of another user in a folder that everybody can write, such as ``/tmp``, does not count.
    """
    folder = folder.absolute()
    for place in (folder, *islice(folder.parents, _DEPTH)):
        try:
            mark = (place / SHARED_MARK).lstat()
            trusted = mark.st_uid in (0, os.geteuid()) or not place.stat().st_mode & _WORLD_WRITES
        except OSError:
            continue
        if trusted:
            return True
    return False


def keep_modes(new: Path, old: Path) -> None:
    """Give a folder that will replace *old*, and its files, the modes that their owner chose there.

    Raises:
        OSError: a mode cannot be changed.
    """
    modes = [stat.S_IMODE(path.lstat().st_mode) for path in sorted(old.iterdir()) if path.is_file()]
    for path in new.iterdir() if modes else ():
        _set(path, modes[0])
    _set(new, stat.S_IMODE(old.stat().st_mode))


def _set(path: Path, mode: int) -> None:
    if stat.S_IMODE(path.stat().st_mode) != mode:
        path.chmod(mode)


__all__ = ["SHARED_MARK", "file_mode", "folder_mode", "is_shared", "keep_modes"]
