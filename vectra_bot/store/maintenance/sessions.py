"""The sessions of a store: list them, find the killed ones, drop one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

from vectra_bot.errors import StoreError, UnknownNameError, VectraError
from vectra_bot.fsio import files
from vectra_bot.journal import (
    DROPPED,
    SessionBusyError,
    SessionLock,
    cut_tail,
    dropped_directory,
    journal_directory,
    list_segments,
    never_began,
    read_header,
    read_segment,
    writer_of,
)
from vectra_bot.models import DocType
from vectra_bot.store.links import links_in
from vectra_bot.store.maintenance.replacement import (
    REPLACING,
    is_pending,
    replacements,
    settle_replacement,
)
from vectra_bot.store.parquet.builder import Part, build_parts, manifest_path
from vectra_bot.store.parquet.compaction import finish_compaction
from vectra_bot.store.parquet.swapping import STAGING


def list_sessions(store: str | Path) -> list[str]:
    """Return the ids of all sessions that have a journal in *store*, sorted."""
    journals = Path(store) / "journals"
    if not journals.is_dir():
        return []
    return sorted(
        path.name for path in journals.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def known_sessions(store: Path, names: Iterable[str]) -> list[str]:
    """Return *names*, each once.

    Raises:
        UnknownNameError: the store has no such session.
    """
    known = list_sessions(store)
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if name not in known:
            raise UnknownNameError("session", name, known)
    return wanted


def is_running(journal_dir: Path) -> bool:
    """Return whether a process has the session's lock now; False if that cannot be determined."""
    return writer_of(journal_dir) is True


def copied_from(journal_dir: Path) -> str:
    """Return the session of a journal's header if its folder has another name, else "".

    Then the folder was copied or renamed, and its documents have the other session's id.
    """
    try:
        named = str(read_header(journal_dir)["session_id"])
    except (VectraError, OSError, KeyError):
        return ""  # other checks report why
    return "" if named == journal_dir.name else named


def refuse_copied(journal_dir: Path) -> None:
    """Check that a journal's folder has the name of its session.

    Raises:
        StoreError: it was copied or renamed.
    """
    if named := copied_from(journal_dir):
        raise StoreError(
            f"{journal_dir} is the journal of session {named!r}: it was copied or renamed; nothing was "
            "changed: move it out of the store, or back to its own name"
        )


def lost_its_journal(store: Path, session_id: str) -> bool:
    """Return whether a session has files, which are made after its first entry, and an empty journal.

    Raises:
        StoreError: its journal cannot be read.
    """
    directory = journal_directory(store, session_id)
    return directory.is_dir() and bool(_part_folders(store, session_id)) and never_began(directory)


def refuse_orphans(store: Path, session_id: str) -> None:
    """Check that no session without a journal has this name: a new one would mix its rows with the old ones.

    Raises:
        StoreError: there are files of such a session.
    """
    directory = journal_directory(store, session_id)
    if dropped_directory(directory).is_dir():
        return  # the journal's own checks
    lost = lost_its_journal(store, session_id)
    if lost or (not directory.is_dir() and _part_folders(store, session_id)):
        raise StoreError(
            f"session {session_id!r} has rows in {store} but {'an empty' if lost else 'no'} journal: give "
            "another --session-id or --store, or drop it"
        )


def was_closed(journal_dir: Path) -> bool:
    """Return whether the journal ends with a close entry.

    Raises:
        InputError, JournalError: its last segment is corrupt.
    """
    segments = list_segments(journal_dir)
    # Only closed segments have parts, and the last one is closed only by a close entry.
    if segments and manifest_path(journal_dir, segments[-1].number).exists():
        return True
    for segment in reversed(segments):
        reader = read_segment(segment)
        entries = sum(1 for _ in reader)
        if entries:
            return reader.clean
    return False


def unfinished_sessions(store: str | Path) -> list[Path]:
    """Return the journals of sessions that were killed: begun, not closed, and not being written.

    Finish one with ``Journal.resume``, ``close`` and then :func:`build_parts`. A corrupt journal is
    included: resuming it raises the reason.
    """
    root = Path(store) / "journals"
    return [root / name for name in list_sessions(store) if _is_unfinished(root / name)]


def _is_unfinished(journal_dir: Path) -> bool:
    try:
        if was_closed(journal_dir):
            return False
        return not never_began(journal_dir) and not is_running(journal_dir)
    except (VectraError, OSError):
        return True


@attrs.frozen
class Repair:
    """Result of :func:`repair_store`.

    Attributes:
        built: part files written, relative to the store.
        removed: temporary files and remains of dropped sessions that were deleted.
        failed: why sessions could not be repaired, one line each.
        unfinished: journals of killed sessions, which only a session can finish.
    """

    built: tuple[str, ...]
    removed: tuple[str, ...]
    failed: tuple[str, ...]
    unfinished: tuple[Path, ...]


def repair_store(store: str | Path) -> Repair:
    """Clean up after killed processes: parts, compression, drops, replacements, temporary files.

    Sessions that are being written are skipped, and a session that cannot be repaired does not block the
    others. Harmless if there is nothing to do. A store with linked folders is not changed, nor is a session.
    """
    root = Path(store)
    built: list[str] = []
    failed: list[str] = []
    removed: list[str] = []
    if elsewhere := links_in(root):
        return Repair((), (), (str(elsewhere[0].error(root)),), ())
    _finish_drops_and_replacements(root, removed, failed)
    for session_id in list_sessions(root):
        directory = root / "journals" / session_id
        if is_pending(root, session_id):
            continue  # its folders are of two sessions
        try:
            if elsewhere := links_in(root, session_id):
                if not _is_in_order(root, session_id):
                    failed.append(str(elsewhere[0].error(root)))
                continue
            with _lock_if_free(root, session_id) as locked:
                if locked:
                    removed += _remove_temporary(root, session_id)
                    # First: a folder may be in staging, and a manifest may have lost a line.
                    removed += finish_compaction(directory, root)
                    built += [part.path for part in _lacking_parts(directory, root)]
        except (VectraError, OSError) as error:
            failed.append(_one_line(session_id, error))
    unfinished = [
        path
        for path in unfinished_sessions(root)
        if not (links_in(root, path.name) or copied_from(path))
    ]
    return Repair(tuple(built), tuple(removed), tuple(failed), tuple(unfinished))


def _finish_drops_and_replacements(root: Path, removed: list[str], failed: list[str]) -> None:
    for dropped in _pending_drops(root):
        try:
            _remove_parts_and(root, dropped)
            removed.append(dropped.name)
        except (VectraError, OSError) as error:
            failed.append(_one_line(dropped.name, error))
    for session_id in replacements(root):
        try:
            if settle_replacement(root, session_id):
                removed.append(f"{REPLACING}/{session_id}")
        except (VectraError, OSError) as error:
            failed.append(_one_line(session_id, error))


def one_line(error: BaseException) -> str:
    """Return the message of an error as one line."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"cannot read {error.filename}: {error.strerror}; check its permissions and the disk"
    return " ".join(str(error).split())


def _one_line(session_id: str, error: Exception) -> str:
    text = one_line(error)
    return text if session_id in text else f"session {session_id!r}: {text}"


def _lacking_parts(directory: Path, store: Path) -> list[Part]:
    if _has_all_parts(directory) or never_began(directory):
        return []
    refuse_copied(directory)
    if not was_closed(directory):
        # A power loss may have torn a segment before the last: then the journal ends there.
        cut_tail(directory)
    return build_parts(directory, store)


def _has_all_parts(directory: Path) -> bool:
    return all(
        manifest_path(directory, segment.number).exists() and not segment.is_raw
        for segment in list_segments(directory)
    )


@contextlib.contextmanager
def _lock_if_free(store: Path, session_id: str) -> Iterator[bool]:
    """Lock a session; yield False if it is being written, or cannot be locked and needs nothing.

    Raises:
        StoreError: there is something to do, and the session cannot be locked: the store is read-only or
            belongs to another user.
    """
    try:
        lock = SessionLock(store / "journals" / session_id)
    except SessionBusyError:
        yield False
        return
    except StoreError:
        if _is_in_order(store, session_id):
            yield False
            return
        raise
    try:
        yield True
    finally:
        lock.release()


def _is_in_order(store: Path, session_id: str) -> bool:
    """Return whether a session has all parts and no remains of a killed process; nothing is changed."""
    directory = store / "journals" / session_id
    whole = never_began(directory) or _has_all_parts(directory)
    return whole and not (_temporary(store, session_id) or (store / STAGING / session_id).exists())


def _part_folders(store: Path, session_id: str) -> list[Path]:
    """Return the session's folders of parts; a link to one is a folder, even if its target is missing."""
    folders = (store / f"doc_type={d.value}" / f"session_id={session_id}" for d in DocType)
    return [folder for folder in folders if folder.is_dir() or folder.is_symlink()]


def _temporary(store: Path, session_id: str) -> list[Path]:
    """Return temporary files of a killed process."""
    folders = [store / "journals" / session_id, *_part_folders(store, session_id)]
    return [path for folder in folders for path in sorted(folder.glob(f".*{files.TEMPORARY}"))]


def _remove_temporary(store: Path, session_id: str) -> list[str]:
    found = _temporary(store, session_id)
    for path in found:
        files.unlink(path)
    return [path.relative_to(store).as_posix() for path in found]


def drop_session(store: str | Path, session_id: str) -> None:
    """Delete a session's journal and parts permanently.

    The journal's directory is renamed first, atomically: from then on the session is gone. After a kill,
    :func:`repair_store` or another drop completes the deletion. Of a folder or file of the session that is
    a link, the link is deleted: nothing outside the store is.

    Raises:
        UnknownNameError: the store has no such session.
        StoreError: the session is being written, a folder of the store is elsewhere, or a write fails.
    """
    root = Path(store)
    directory = journal_directory(root, session_id)
    dropped = dropped_directory(directory)
    for elsewhere in [*links_in(root), *(e for e in links_in(root, session_id) if not e.is_link)]:
        raise elsewhere.error(root)
    if directory.is_symlink():
        with files.store_errors(f"cannot drop {directory}"):
            files.unlink(directory)
            files.sync_directory(directory.parent)
    elif directory.is_dir():
        lock = SessionLock(directory)
        try:
            with files.store_errors(f"cannot drop {directory}"):
                files.rename(directory, dropped)
                files.sync_directory(dropped.parent)
        finally:
            lock.release()
    elif not dropped.is_dir() and not _part_folders(root, session_id):
        raise UnknownNameError("session", session_id, list_sessions(root))
    _remove_parts_and(root, dropped)


def _pending_drops(store: Path) -> list[Path]:
    journals = store / "journals"
    return sorted(journals.glob(f"{DROPPED}*")) if journals.is_dir() else []


def _remove_parts_and(store: Path, dropped: Path) -> None:
    session_id = dropped.name.removeprefix(DROPPED)
    staging = store / STAGING / dropped.name
    with files.store_errors(f"cannot remove session {session_id!r} from {store}"):
        if dropped.is_dir():
            # A killed process may not have synced this: the journal must not come back without rows.
            files.sync_directory(dropped.parent)
        for folder in _part_folders(store, session_id):
            # Moved out of the tree atomically: a glob sees all of its documents or none.
            files.make_directories(staging)
            files.rename(folder, staging / f"{folder.parent.name}.{len(list(staging.iterdir()))}")
            files.sync_directory(folder.parent)
        files.remove_tree(staging)
        files.remove_tree(store / STAGING / session_id)
        files.remove_tree(store / "sessions" / session_id)  # what its plugins wrote
        # The marker of the drop is removed last. What a killed process moved or removed before may not
        # be synced yet: all of it is synced now.
        kinds = (store / f"doc_type={doc_type.value}" for doc_type in DocType)
        for above in (*kinds, store / STAGING, store / "sessions"):
            if above.is_dir():
                files.sync_directory(above)
        if dropped.is_dir():
            files.remove_tree(dropped)
            files.sync_directory(dropped.parent)
