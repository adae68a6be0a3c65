"""Folders of a store that are elsewhere: symbolic links, and folders on another device.

A store changes its files by atomic renames between its folders, and deletes below them. So all of them must
be real folders of one file system; only the path of the store itself may be a link. Queries read linked
folders; everything that writes refuses them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import attrs

from vectra_bot.errors import StoreError
from vectra_bot.models import DocType

REMEDY: Final = "move the folder itself there, or link or mount the whole store"
_TOPS: Final = ("journals", "compacting", ".replacing", "sessions")


@attrs.frozen
class Elsewhere:
    """A folder or file of a store that is not in the store.

    Attributes:
        path: its name, relative to the store.
        why: where it is.
        is_link: whether it is a symbolic link, which can be deleted without its target.
    """

    path: str
    why: str
    is_link: bool

    def error(self, store: Path) -> StoreError:
        """Return the error of an action that needs it to be in *store*."""
        return StoreError(f"{store / self.path} is {self.why}; nothing was changed: {REMEDY}")


def links_in(store: Path, session_id: str = "") -> list[Elsewhere]:
    """Return the folders of *store* that are elsewhere: those for all sessions, or those of one session."""
    tops = [*_TOPS, *(f"doc_type={doc_type.value}" for doc_type in DocType)]
    if session_id:
        names = [
            f"{top}/{'session_id=' if top.startswith('doc_type=') else ''}{session_id}"
            for top in tops
        ]
        found = [_elsewhere(store, name) for name in names]
        whole = [name for name, link in zip(names, found, strict=True) if link is None]
        found += [link for name in whole for link in _linked_files(store, name)]
    else:
        found = [_elsewhere(store, name) for name in tops]
    return [link for link in found if link is not None]


def refuse_links(store: Path, session_id: str = "") -> None:
    """Check that the folders of *store* are in it, and those of a session if one is given.

    Raises:
        StoreError: one is a symbolic link or on another device.
    """
    for link in [*links_in(store), *(links_in(store, session_id) if session_id else ())]:
        raise link.error(store)


def _elsewhere(store: Path, name: str) -> Elsewhere | None:
    path = store / name
    try:
        if path.is_symlink():
            return Elsewhere(name, f"a symbolic link to {path.readlink()}", is_link=True)
        if path.stat().st_dev != store.stat().st_dev:
            return Elsewhere(name, "on another device than the store", is_link=False)
    except OSError:
        pass  # missing, or unreadable: its user reports that
    return None


def _linked_files(store: Path, name: str) -> list[Elsewhere | None]:
    folder = store / name
    if name.startswith("sessions/"):
        return []  # files of plugins are not ours
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_symlink())
    except OSError:
        return []
    return [_elsewhere(store, f"{name}/{inside}") for inside in names]
