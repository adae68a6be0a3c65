"""Atomic replacement of a folder that readers see by one that was built in staging.

A new folder of one kind and session is built under ``STORE/compacting/SESSION/KIND``, which no
``doc_type=`` pattern matches, with its manifest, and synced. Then the two folders swap names: a reader
finds the old folder or the new one, never a mix, and no row twice. Where the system cannot swap names,
the old folder is first moved to staging and then replaced: for an instant a pattern finds neither.

After a crash the folder in place is always whole, and :func:`finish_swaps` removes what is in staging;
only if nothing is in place is the old folder moved back.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vectra_bot.errors import StoreError
from vectra_bot.fsio import files
from vectra_bot.fsio.locks import FileLock
from vectra_bot.fsio.modes import keep_modes
from vectra_bot.models import DocType
from vectra_bot.store.parquet.manifest import is_part_file, part_folder

STAGING: Final = "compacting"
"""The staging folder of a store, for folders that will replace others."""

_OLD: Final = ".old"


def staging_folder(store: Path, doc_type: DocType, session_id: str) -> Path:
    """Return the staging path of the new folder of one kind of document of a session."""
    return store / STAGING / session_id / doc_type.value


def swap_in(store: Path, doc_type: DocType, session_id: str) -> None:
    """Swap the staged folder into place, and remove the old one.

    All files of the new folder, and their names, must be synced.

    Raises:
        StoreError: a write fails; the folder in place, old or new, is whole.
    """
    new = staging_folder(store, doc_type, session_id)
    place = part_folder(store, doc_type, session_id)
    with files.store_errors(f"cannot put {new} in place of {place}"):
        if place.is_dir():
            keep_modes(new, place)
        if not place.is_dir():
            files.make_directories(place.parent)
            _move(new, place)
        elif files.exchange(new, place):
            files.sync_directory(place.parent)
            files.sync_directory(new.parent)
        else:
            old = new.with_name(new.name + _OLD)
            _move(place, old)
            _move(new, place)
    finish_swaps(store, session_id, {doc_type})


def _move(source: Path, target: Path) -> None:
    files.rename(source, target)
    files.sync_directory(target.parent)
    files.sync_directory(source.parent)


def finish_swaps(store: Path, session_id: str, doc_types: set[DocType] | None = None) -> list[str]:
    """Remove what compactions and rebuilds of a session left in staging; return the removed names.

    Args:
        store: root of the store.
        session_id: the session.
        doc_types: only folders of these; all, and the session's staging folder, if None.

    Raises:
        StoreError: a write fails.
    """
    aside = store / STAGING / session_id
    if not aside.is_dir():
        return []
    cleared = []
    with files.store_errors(f"cannot clear {aside}"):
        for doc_type in DocType if doc_types is None else doc_types:
            _bring_back(store, doc_type, session_id)
            # The process that swapped the names may have been killed before it synced them.
            places = part_folder(store, doc_type, session_id).parent
            if places.is_dir():
                files.sync_directory(places)
        files.sync_directory(aside)
        names = None if doc_types is None else {doc_type.value for doc_type in doc_types}
        for path in sorted(aside.iterdir()):
            if names is None or path.name.removesuffix(_OLD) in names:
                _keep_foreign(store, session_id, path)
                files.remove_tree(path)
                cleared.append(path.relative_to(store).as_posix())
        if not any(aside.iterdir()):
            files.rmdir(aside)
    return cleared


def _keep_foreign(store: Path, session_id: str, old: Path) -> None:
    """Move what is not the store's from a folder that was replaced into the one in its place."""
    kinds = {doc_type.value for doc_type in DocType}
    kind = old.name.removesuffix(_OLD)
    if kind not in kinds or old.is_symlink() or not old.is_dir():
        return
    place = part_folder(store, DocType(kind), session_id)
    for path in sorted(old.iterdir()):
        target = place / path.name
        if not is_part_file(path.name) and place.is_dir() and not target.exists():
            _move(path, target)


def _bring_back(store: Path, doc_type: DocType, session_id: str) -> None:
    """Undo the half of a swap that left no folder in place."""
    place = part_folder(store, doc_type, session_id)
    new = staging_folder(store, doc_type, session_id)
    old = new.with_name(new.name + _OLD)
    if old.is_dir() and not place.is_dir():
        _move(old, place)


@contextlib.contextmanager
def swapping_alone(store: Path, session_id: str) -> Iterator[None]:
    """Lock the swapping of a session's folders; the system releases the lock if the process dies.

    Raises:
        StoreError: another process has the lock.
    """
    journal_dir = store / "journals" / session_id
    held = journal_dir if journal_dir.is_dir() else store
    with files.store_errors(f"cannot lock {held}"):
        lock = FileLock(os.open(held, os.O_RDONLY | os.O_DIRECTORY))
    try:
        with files.store_errors(f"cannot lock {held}"):
            taken = lock.take()
        if not taken:
            raise StoreError(
                f"the files of session {session_id!r} are being compacted or rebuilt by another "
                "process; wait for it to end"
            )
        yield
    finally:
        lock.release()
