"""Putting a folder that was built aside in the place of the one that readers see, in one step.

A new folder of one kind and session is built under ``STORE/compacting/SESSION/KIND``, which no
``doc_type=`` pattern matches, with its manifest, all of it on the disk. Then the two folders exchange their
names: a reader finds the old folder or the new one, never a mix, and no row twice. Where the system cannot
exchange names, the old folder first moves aside and the new one takes its place: for an instant a pattern
finds neither.

After a crash the folder in place is whole in any case, and :func:`finish_swaps` clears what is aside; only if
nothing is in place does the old folder come back.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vectra_bot.errors import StoreError
from vectra_bot.fsio import files
from vectra_bot.fsio.posix import fcntl
from vectra_bot.models import DocType
from vectra_bot.store.parquet.manifest import part_folder

STAGING: Final = "compacting"
"""The folder of a store in which folders are built that are to take another's place."""

_OLD: Final = ".old"


def staging_folder(store: Path, doc_type: DocType, session_id: str) -> Path:
    """Return where the new folder of one kind of document of a session is built."""
    return store / STAGING / session_id / doc_type.value


def swap_in(store: Path, doc_type: DocType, session_id: str) -> None:
    """Let the folder that was built aside take its place, and remove the one that had it.

    All files of the new folder must be on the disk, and their names in it.

    Raises:
        StoreError: the disk refuses; whichever folder is in place is whole.
    """
    new = staging_folder(store, doc_type, session_id)
    place = part_folder(store, doc_type, session_id)
    with files.store_errors(f"cannot put {new} in the place of {place}"):
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
    """Clear what compactions and rebuilds of a session left aside; return the names of it.

    Args:
        store: root of the store.
        session_id: the session.
        doc_types: only what belongs to these; all, and the session's folder aside, if None.

    Raises:
        StoreError: the disk refuses.
    """
    aside = store / STAGING / session_id
    if not aside.is_dir():
        return []
    cleared = []
    with files.store_errors(f"cannot clear {aside}"):
        for doc_type in DocType if doc_types is None else doc_types:
            _bring_back(store, doc_type, session_id)
            # Whoever exchanged the names may have been killed before he forced that to the disk.
            places = part_folder(store, doc_type, session_id).parent
            if places.is_dir():
                files.sync_directory(places)
        files.sync_directory(aside)
        names = None if doc_types is None else {doc_type.value for doc_type in doc_types}
        for path in sorted(aside.iterdir()):
            if names is None or path.name.removesuffix(_OLD) in names:
                files.remove_tree(path)
                cleared.append(path.relative_to(store).as_posix())
        if not any(aside.iterdir()):
            files.rmdir(aside)
    return cleared


def _bring_back(store: Path, doc_type: DocType, session_id: str) -> None:
    """Undo the half of a swap that left nothing in place."""
    place = part_folder(store, doc_type, session_id)
    new = staging_folder(store, doc_type, session_id)
    old = new.with_name(new.name + _OLD)
    if old.is_dir() and not place.is_dir():
        _move(old, place)


@contextlib.contextmanager
def swapping_alone(store: Path, session_id: str) -> Iterator[None]:
    """Hold the right to swap folders of a session; the system takes it back when the process dies.

    Raises:
        StoreError: another process holds it.
    """
    journal_dir = store / "journals" / session_id
    held = journal_dir if journal_dir.is_dir() else store
    with files.store_errors(f"cannot lock {held}"):
        fd = os.open(held, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoreError(
            f"the files of session {session_id!r} are being compacted or rebuilt by another process; "
            "wait for it to end"
        ) from None
    else:
        yield
    finally:
        os.close(fd)
