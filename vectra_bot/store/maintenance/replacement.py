"""Replacement of a session by a repetition of the same run: in one step, once the repetition is complete.

The repetition is written as a separate store, which no query reads::

    STORE/.replacing/SESSION/lock        of the process that makes it
                             journals/SESSION, doc_type=KIND/session_id=SESSION, sessions/SESSION
                             complete    it replaces the session in place: what it consists of
                             replaced    it has: what is still here is the earlier session

Without the file ``complete`` a crash leaves the earlier session as it was. From then on it is finished
forwards: the folders exchange their names one by one, the journal last, under the locks of the earlier
session. A new folder has a mark in it until the end, so that an exchanged pair is recognized. Files that are
not the store's, and files of plugins that the repetition did not write, are kept.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from attrs import field, frozen

from vectra_bot.fsio import files
from vectra_bot.fsio.locks import FileLock, is_locked
from vectra_bot.journal import (
    SessionBusyError,
    SessionLock,
    journal_directory,
    list_segments,
    read_segment,
    writer_of,
)
from vectra_bot.models import DocType
from vectra_bot.store.maintenance.foreign import is_journal_file
from vectra_bot.store.parquet.manifest import is_part_file
from vectra_bot.store.parquet.segment_record import read_segment_record
from vectra_bot.store.parquet.swapping import swapping_alone

REPLACING: Final = ".replacing"
"""The folder of a store with sessions that will replace others; readers of whole folders skip its name."""

_LOCK: Final = "lock"
_COMPLETE: Final = "complete"
_REPLACED: Final = "replaced"
_MARK: Final = f".new{files.TEMPORARY}"
_OLD: Final = ".old"
_TRIES: Final = 5
_PAUSE_S: Final = 0.002


def replacement_folder(store: Path, session_id: str) -> Path:
    """Return the store that a repetition of a session is written to."""
    return store / REPLACING / session_id


def is_pending(store: Path, session_id: str) -> bool:
    """Return whether a complete repetition has not been exchanged with the session yet."""
    return (replacement_folder(store, session_id) / _COMPLETE).exists()


@frozen
class Replacement:
    """A repetition in progress; made by :func:`replacing`.

    Attributes:
        store: root of the store.
        session_id: the session.
        folder: the store that the repetition is written to.
    """

    store: Path
    session_id: str
    folder: Path = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "folder", replacement_folder(self.store, self.session_id))

    def is_shorter(self) -> bool:
        """Return whether the repetition has fewer entries than the session in place.

        Raises:
            StoreError: a journal is corrupt.
        """
        new, old = (journal_directory(each, self.session_id) for each in (self.folder, self.store))
        return old.is_dir() and last_entry(new) < last_entry(old)

    def commit(self) -> None:
        """Let the repetition, which must be closed, replace the session when the block ends.

        Raises:
            StoreError: a write fails; the session in place remains.
        """
        names = [name for name in _names(self.session_id) if (self.folder / name).is_dir()]
        with files.store_errors(f"cannot complete {self.folder}"):
            _sync_tree(self.folder / "sessions")
            for name in names:
                files.write_durably(self.folder / name / _MARK, b"")
            files.write_durably(self.folder / _COMPLETE, json.dumps(names).encode())


@contextlib.contextmanager
def replacing(store: Path, session_id: str) -> Iterator[Replacement]:
    """Yield where to write a repetition of a session; afterwards it is in place if committed, else removed.

    Raises:
        SessionBusyError: another process repeats the session, or uses it when it is to be replaced: then
            the next recovery of the store replaces it.
        StoreError: a write fails.
    """
    replacement = Replacement(store, session_id)
    lock = _locked(replacement.folder, create=True)
    if lock is None:
        raise SessionBusyError(
            f"session {session_id!r} in {store} is being written by another process: wait for it to end, "
            "or give another --session-id or --store"
        )
    try:
        lock.sign()
        _settle(store, session_id)
        try:
            yield replacement
        finally:
            # If a thread that nobody waits for still writes it, the next recovery removes it.
            if not writer_of(journal_directory(replacement.folder, session_id)):
                _settle(store, session_id)
    finally:
        lock.release()
        _remove_empty(replacement.folder)


def settle_replacement(store: Path, session_id: str) -> bool:
    """Finish or remove the repetition of a session if its process died; return whether there was one.

    Raises:
        StoreError: a write fails, or the session is being used by another process.
    """
    folder = replacement_folder(store, session_id)
    lock = _locked(folder)
    if lock is None:
        return False
    try:
        _settle(store, session_id)
    finally:
        lock.release()
        _remove_empty(folder)
    return True


def replacements(store: Path) -> list[str]:
    """Return the sessions with a repetition, also one that is running."""
    above = store / REPLACING
    return sorted(path.name for path in above.iterdir() if path.is_dir()) if above.is_dir() else []


def is_left(store: Path, session_id: str) -> bool:
    """Return whether the process of a repetition died."""
    folder = replacement_folder(store, session_id)
    return folder.is_dir() and is_locked(folder / _LOCK) is False


def last_entry(directory: Path) -> int:
    """Return the number of a journal's last entry, -1 if it has none.

    Raises:
        StoreError: its end is corrupt.
    """
    for segment in reversed(list_segments(directory)):
        record = read_segment_record(directory, segment.number)
        if record is not None and record.last_seq >= 0:
            return record.last_seq
        reader = read_segment(segment)
        for _ in reader:
            pass
        if reader.last_seq >= 0:
            return reader.last_seq
    return -1


def _locked(folder: Path, *, create: bool = False) -> FileLock | None:
    """Return the lock of a repetition, None if it is running, or if there is none and none is to be made."""
    for _ in range(_TRIES):
        if create:
            files.make_directories(folder)
        if not folder.is_dir():
            return None
        with files.store_errors(f"cannot lock {folder}"), contextlib.suppress(FileNotFoundError):
            lock = FileLock.of(folder / _LOCK)
            if lock is not None:
                return lock
        threading.Event().wait(_PAUSE_S)  # a repair may be about to remove the folder
    return None


def _names(session_id: str) -> list[str]:
    """Return the folders of a session relative to its store, the journal last."""
    kinds = [f"doc_type={kind.value}/session_id={session_id}" for kind in DocType]
    return [*kinds, f"sessions/{session_id}", f"journals/{session_id}"]


def _settle(store: Path, session_id: str) -> None:
    """Bring a repetition to its end: into place if it is complete, else away; its lock is taken."""
    folder = replacement_folder(store, session_id)
    with files.store_errors(f"cannot replace session {session_id!r} in {store}"):
        if (folder / _COMPLETE).exists():
            _exchange_all(store, session_id)
            files.rename(folder / _COMPLETE, folder / _REPLACED)
            files.sync_directory(folder)
        if (folder / _REPLACED).exists():
            for name in _names(session_id):
                for old in (folder / name, folder / f"{name}{_OLD}"):
                    _keep_others(old, store / name, _test_of(name))
                files.unlink(store / name / _MARK)
        for path in sorted(folder.iterdir()):
            if path.name in (_LOCK, _REPLACED):
                continue
            if path.is_dir():
                files.remove_tree(path)
            else:
                files.unlink(path)
        files.unlink(folder / _REPLACED)


def _exchange_all(store: Path, session_id: str) -> None:
    folder = replacement_folder(store, session_id)
    new = set(json.loads((folder / _COMPLETE).read_bytes()))
    with contextlib.ExitStack() as held:
        journal = store / "journals" / session_id
        if journal.is_dir():
            held.callback(SessionLock(journal).release)
        held.enter_context(swapping_alone(store, session_id))
        for name in _names(session_id):
            place, aside = store / name, folder / name
            if name in new:
                _exchange(aside, place)
            elif place.exists() and not name.startswith("sessions/"):
                files.make_directories(aside.parent)
                _move(place, aside)


def _exchange(new: Path, place: Path) -> None:
    """Put a new folder in its place, and the old one in its own; nothing is done twice."""
    if not (new / _MARK).exists():
        return
    files.make_directories(place.parent)
    there = place.exists() or place.is_symlink()
    if there and not files.exchange(new, place):
        _move(place, new.with_name(new.name + _OLD))
        there = False
    if there:
        files.sync_directory(place.parent)
        files.sync_directory(new.parent)
    else:
        _move(new, place)


def _move(source: Path, target: Path) -> None:
    files.rename(source, target)
    files.sync_directory(target.parent)
    files.sync_directory(source.parent)


def _test_of(name: str) -> Callable[[str], bool]:
    """Return whether a file of a session's folder is the store's, by the folder's name."""
    if name.startswith("journals/"):
        return is_journal_file
    return is_part_file if name.startswith("doc_type=") else lambda file: file == _MARK


def _keep_others(old: Path, place: Path, is_ours: Callable[[str], bool]) -> None:
    """Move what is not the store's, and has no new version, from an old folder to the one in its place."""
    if old.is_symlink() or not old.is_dir():
        return
    for path in sorted(old.iterdir()):
        target = place / path.name
        if is_ours(path.name):
            continue
        if path.is_dir() and target.is_dir():
            _keep_others(path, target, is_ours)
        elif place.is_dir() and not target.exists():
            _move(path, target)


def _sync_tree(folder: Path) -> None:
    """Sync files that plugins wrote."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_symlink():
            continue
        if path.is_dir():
            files.sync_directory(path)
        elif path.is_file():
            files.sync_path(path)


def _remove_empty(folder: Path) -> None:
    """Remove the folders of a repetition, unless there is something in them."""
    for path in (folder, folder.parent):
        with contextlib.suppress(OSError):
            files.rmdir(path)


__all__ = [
    "REPLACING",
    "Replacement",
    "is_left",
    "is_pending",
    "last_entry",
    "replacement_folder",
    "replacements",
    "replacing",
    "settle_replacement",
]
