"""Commands as functions: verify a file; check, recover and compact a store, import files; control a session.

Each calls the code of its command, returns the object that the command prints as JSON
(``report.to_json()``), and raises the same errors. A problem that was found is part of the report and not an
error. Nothing is imported before it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vectra_bot.errors import UsageError
from vectra_bot.store.location import default_store, local, located

if TYPE_CHECKING:
    from vectra_bot.conformance.findings import Verification
    from vectra_bot.imports import ImportReport
    from vectra_bot.session.recovery.stores import RecoveryReport
    from vectra_bot.store.maintenance.check import CheckReport
    from vectra_bot.store.parquet.compaction import CompactionReport

    Progress = Callable[[str, int, int], None]


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Report nothing."""


def verify(file: Path | str) -> Verification:
    """Verify a capture file against the law, bit for bit, as ``vectra-bot verify`` does.

    Args:
        file: seeded games, recorded prices, trades, leaderboard rows, a capture of frames, or a journal; the
            kind is recognized by content, plain or gzipped. :func:`verify_seed` computes the game of a seed.

    Returns:
        Counts by name, and every difference; ``ok`` says whether there is none.

    Raises:
        InputError: the file cannot be read, a row lacks what its kind needs, or no frame shows a seed.
        JournalError: the journal is corrupt.
    """
    from vectra_bot.conformance.verification import verify_file

    return verify_file(file)


def check_store(
    store: Path | str | None = None,
    *,
    sessions: Collection[str] = (),
    quick: bool = False,
    progress: Progress = no_progress,
) -> CheckReport:
    """Check every journal, manifest, file and row of a store and change nothing.

    Args:
        store: folder or address of the store; the default store if None.
        sessions: ids of the sessions to check; all if empty.
        quick: check sizes, footers and names only; hash and read nothing.
        progress: called with what is checked, how much of it is done, and the total.

    Returns:
        What was checked; ``problems`` lists what is wrong, ``ok`` says whether the list is empty.

    Raises:
        InputError: there is no store.
        UnknownNameError: it has no such session.
        StoreError: the store cannot be read.
    """
    from vectra_bot.store.maintenance.check import check_store as check

    place = str(default_store() if store is None else store)
    return check(place, sessions=sessions, quick=quick, progress=progress)


def recover_store(
    store: Path | str | None = None,
    *,
    sessions: Collection[str] = (),
    salvage: bool = False,
    rebuild: bool = False,
    quick: bool = False,
    progress: Progress = no_progress,
) -> RecoveryReport:
    """Recover sessions that were killed, and rebuild missing or corrupt files from the journals.

    Args:
        store: folder or address of the store; the default store if None. Of an address, what the local
            spool has not uploaded yet is uploaded.
        sessions: ids of the sessions to recover; all if empty.
        salvage: keep the valid entries of a corrupt journal; the others are lost.
        rebuild: rebuild all files of the sessions, corrupt or not.
        quick: look for corruption by sizes and footers only; hash nothing.
        progress: called with what is done, how much of it is done, and the total.

    Returns:
        What was done; ``failed`` and ``problems`` list what is left, ``ok`` says whether both are empty.

    Raises:
        InputError: there is no store.
        UnknownNameError: it has no such session.
        StoreError: the store cannot be read or written.
    """
    from vectra_bot.session.recovery.stores import recover_all

    place = located(store)
    remote = None if isinstance(place, Path) else place
    return recover_all(
        place if isinstance(place, Path) else place.spool,
        remote=remote,
        sessions=sessions,
        progress=progress,
        salvage=salvage,
        rebuild=rebuild,
        quick=quick,
    )


def compact_store(
    store: Path | str | None = None,
    *,
    sessions: Collection[str] = (),
    progress: Progress = no_progress,
) -> CompactionReport:
    """Merge the files of closed sessions: one file of each kind of document remains.

    Args:
        store: folder of the store; the default store if None.
        sessions: ids of the sessions to compact; all closed ones if empty.
        progress: called with what is compacted, how many folders are done, and the total.

    Returns:
        What was compacted; ``skipped`` and ``failed`` list what was not, and why.

    Raises:
        InputError: there is no store, or it is not a folder.
        UnknownNameError: it has no such session.
        StoreError: the store cannot be read.
    """
    from vectra_bot.store.maintenance.sessions import known_sessions
    from vectra_bot.store.parquet.compaction import compact_all

    root = local(store)
    wanted = known_sessions(root, sessions) if sessions else None
    return compact_all(root, wanted, progress=progress)


def import_files(
    paths: Sequence[Path | str] | Path | str,
    store: Path | str | None = None,
    *,
    session_id: str | None = None,
    venue: str | None = None,
    utc_offset: str = "+00:00",
    shared: bool = False,
    progress: Progress = no_progress,
) -> ImportReport:
    """Import captures, recordings, journals and foreign Parquet files, or folders of them.

    Args:
        paths: one or several files or folders.
        store: folder of the store, created if missing; the default store if None.
        session_id: id of the session; derived from the content if None.
        venue: column ``venue`` of the documents, where the recording does not name it.
        utc_offset: zone of times that are written without one, such as ``-05:00``.
        shared: make a new store whose files follow the umask; without it they are this user's only.
        progress: called with a path, the bytes that are done, and the bytes in all.

    Returns:
        One report per file: rows imported, duplicate and bad; ``ok`` says whether no row is bad, no frame
        quarantined or unknown, and no game failed.

    Raises:
        InputError: a path does not exist, or the store is not a folder.
        ConfigError: an id was given for what makes several sessions, or the offset is invalid.
        StoreError: the id is in use, or a write fails.
        UsageError: called inside a running event loop.
    """
    from vectra_bot.imports import import_paths
    from vectra_bot.session.shell import in_event_loop
    from vectra_bot.store.api import folder_to_write, share
    from vectra_bot.venues.captures import parse_offset

    if in_event_loop():
        raise UsageError(
            "import_files() was called inside a running event loop: "
            "await asyncio.to_thread(vectra_bot.import_files, ...) there"
        )
    store = default_store() if store is None else store
    if shared:
        share(folder_to_write(store))
    return import_paths(
        paths,
        store,
        session_id=session_id,
        venue=venue,
        utc_offset_s=parse_offset(utc_offset),
        progress=progress,
    )


def control_session(
    request: str,
    session: str | None = None,
    *,
    store: Path | str | None = None,
    reason: str = "",
) -> dict[str, Any]:
    """Send a request to a running session, as ``vectra-bot status``, ``halt`` and the others do.

    It is answered also while a callback of the session's strategy hangs.

    Args:
        request: ``status``, ``halt``, ``resume``, ``reduce``, ``flatten``, ``stop``, ``arm``, ``disarm``,
            ``beat``, or ``acknowledge`` with an alert's id as *reason*.
        session: id of the session; the only one that runs if None.
        store: folder of its store; the default ones if None.
        reason: why; kept in the journal.

    Returns:
        What the command prints as JSON; ``done`` says whether the session has done it.

    Raises:
        InputError: no such session runs, several run and none was named, or it refused the request.
        StoreError: there is no such store.
    """
    from vectra_bot.session.control import ask, find_session

    return ask(find_session(session, store), request, reason)


__all__ = [
    "check_store",
    "compact_store",
    "control_session",
    "import_files",
    "recover_store",
    "verify",
]
