"""Migration of a store of an earlier release to the current schema.

Rows of 1.0.0 become sessions of 2.0.0 (:mod:`vectra_bot.imports.schema_v1`). With another target, only
that store is written. In place, a new tree is built beside the store, including copies of its 2.0.0
sessions, and then replaces it atomically; the old tree remains beside it as ``STORE.v1-backup``. After a
kill at any point the store's name has the old store or the new one, and the same command continues.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count, takewhile
from pathlib import Path
from typing import Any, Final

import attrs

from vectra_bot.errors import InputError, StoreError
from vectra_bot.fsio import copy_file, copy_folder, files
from vectra_bot.fsio.modes import is_shared
from vectra_bot.imports.journals import staged_journal
from vectra_bot.imports.report import FileReport, Progress, all_good, no_progress, totals
from vectra_bot.imports.rows_v1 import OldRows
from vectra_bot.imports.schema_v1 import VERSION
from vectra_bot.imports.versions import Layout, check_wanted, layout_of
from vectra_bot.models import SCHEMA_VERSION
from vectra_bot.store.api import folder_to_write, share
from vectra_bot.store.maintenance.sessions import is_running
from vectra_bot.store.remote.address import local_folder

BUILDING: Final = ".v2-building"
BACKUP: Final = ".v1-backup"
MARK: Final = "migration.json"
"""Marks a completely built tree until the old one is renamed."""


@attrs.frozen
class MigrationReport:
    """Result of a migration.

    Attributes:
        source: the store that was read.
        target: the store that has the rows now.
        found: schemas in the source.
        files: outcome of the rows of 1.0.0, one report for each kind of row.
        sessions: sessions made from rows of 1.0.0.
        copied: sessions of 2.0.0 that were copied unchanged.
        backup: path of the old tree, None if there is none.
        finished: an interrupted migration had been built and only had to be renamed.
    """

    source: str
    target: str
    found: tuple[str, ...]
    files: list[FileReport]
    sessions: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    backup: str | None = None
    finished: bool = False

    @property
    def ok(self) -> bool:
        """Whether every row is accounted for and none is bad."""
        return all_good(self.files)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready data."""
        data = attrs.asdict(self, recurse=False)
        data["files"] = [report.to_json() for report in self.files]
        data["schema_version"] = SCHEMA_VERSION
        data["totals"] = totals(self.files)
        data["manifests"] = 0  # every folder of 2.0.0 has one already
        data["ok"] = self.ok
        return data


def migrate_store(
    path: Path | str,
    target: Path | str | None = None,
    *,
    to: str = SCHEMA_VERSION,
    keep_backup: bool = True,
    progress: Progress = no_progress,
) -> MigrationReport:
    """Migrate the store at *path* to the current schema, in place or into *target*.

    Args:
        path: root of the store.
        target: another store to write to, created if missing; the store itself if None or the same.
        to: the required schema; only the current one is written.
        keep_backup: keep the old tree of a store that is migrated in place.
        progress: called with a path, bytes done and bytes in total.

    Raises:
        InputError: there is no store at *path*.
        StoreError: it is newer than this program or is being written, a session's id exists in the
            target, or a write fails; *path* is unchanged.
    """
    check_wanted(to)
    source = local_folder(path)
    if not source.is_dir() and not (_building(source) / MARK).exists():
        raise InputError(f"no store at {source}: give the folder with the doc_type= folders")
    goal = source if target is None else folder_to_write(target)
    if goal != source and not (goal.exists() and goal.samefile(source)):
        return _into(source, goal, progress)
    done = _finished(source, keep_backup=keep_backup)
    if done is not None:
        return done
    layout = _usable(source)
    if not layout.old_files:
        return _report(source, source, layout)
    return _in_place(source, layout, keep_backup=keep_backup, progress=progress)


def _usable(store: Path) -> Layout:
    """Return the layout of a store that no process writes to."""
    layout = layout_of(store)
    running = [s for s in layout.sessions if is_running(store / "journals" / s)]
    if running:
        raise StoreError(
            f"session {running[0]!r} of {store} is being written: migrate the store after it ended"
        )
    if not (layout.old_files or layout.sessions):
        raise InputError(f"{store} is not a store: it has neither doc_type= folders nor journals")
    return layout


def _into(source: Path, goal: Path, progress: Progress) -> MigrationReport:
    """Write everything into another store; the source is only read."""
    layout = _usable(source)
    if goal.exists() and not goal.is_dir():
        raise InputError(f"target was {str(goal)!r}, which is not a folder: give a folder's path")
    if goal.is_dir():
        layout_of(goal)  # refuses a newer one
    rows = OldRows(source, layout, goal, progress)
    rows.run()
    copied = [s for s in layout.sessions if _copy_session(source, goal, s)]
    return _report(source, goal, layout, rows, copied=tuple(copied))


def _report(
    source: Path, target: Path, layout: Layout, rows: OldRows | None = None, **facts: Any
) -> MigrationReport:
    """Return the result of a migration; *rows* are those of 1.0.0 that it wrote."""
    found = (VERSION,) * bool(layout.old_files) + (SCHEMA_VERSION,) * bool(layout.sessions)
    return MigrationReport(
        source=str(source),
        target=str(target),
        found=found,
        files=[] if rows is None else list(rows.reports.values()),
        sessions=() if rows is None else tuple(rows.sessions),
        **facts,
    )


def _in_place(
    store: Path, layout: Layout, *, keep_backup: bool, progress: Progress
) -> MigrationReport:
    building = _building(store)
    with files.store_errors(f"cannot build the new store {building}"):
        if building.exists():
            files.remove_tree(building)
        files.make_directories(building)
    if is_shared(store):
        share(building)
    rows = OldRows(store, layout, building, progress)
    rows.run()
    for session_id in layout.sessions:
        _copy_session(store, building, session_id)
    _copy_rest(store, building)
    mark = {"source": str(store), "schema_version": SCHEMA_VERSION}
    files.write_durably(building / MARK, json.dumps(mark).encode())
    backup = _swap(store, building, keep_backup=keep_backup)
    copied = tuple(layout.sessions)
    return _report(store, store, layout, rows, copied=copied, backup=backup)


def _swap(store: Path, building: Path, *, keep_backup: bool) -> str | None:
    """Rename the new tree to the store's name, and the old one to its backup's."""
    with files.store_errors(f"cannot replace {store} by the new store"):
        if not store.exists() or not files.exchange(store, building):
            # Between these two the store has no name; the next migration continues from here.
            if store.exists():
                files.rename(store, _backup_name(store))
            files.rename(building, store)
        files.sync_directory(store.parent)
    return _put_away(store, building, keep_backup=keep_backup)


def _put_away(store: Path, old: Path, *, keep_backup: bool) -> str | None:
    """Rename the old tree, or remove it; then the migration is complete."""
    backup = None
    with files.store_errors(f"cannot rename or remove the old tree {old}"):
        if old.exists():
            backup = _backup_name(store)
            files.rename(old, backup)
            files.sync_directory(store.parent)
        else:
            backup = _last_backup(store)
        files.unlink(store / MARK)
        files.sync_directory(store)
        if not keep_backup and backup is not None:
            files.remove_tree(backup)
            backup = None
    return None if backup is None else str(backup)


def _finished(store: Path, *, keep_backup: bool) -> MigrationReport | None:
    """Finish a migration that was interrupted after building its tree; None if there is none."""
    building = _building(store)
    if (store / MARK).exists():
        backup = _put_away(store, building, keep_backup=keep_backup)
    elif (building / MARK).exists():
        backup = _swap(store, building, keep_backup=keep_backup)
    else:
        return None
    layout = layout_of(store)
    return _report(
        store, store, layout, copied=tuple(layout.sessions), backup=backup, finished=True
    )


def _building(store: Path) -> Path:
    return store.with_name(store.name + BUILDING)


def _backups(store: Path) -> Iterator[Path]:
    """Yield the names of backups, in the order of their use."""
    first = store.with_name(store.name + BACKUP)
    yield first
    for number in count(2):
        yield first.with_name(f"{first.name}-{number}")


def _backup_name(store: Path) -> Path:
    """Return an unused name for the old tree."""
    return next(path for path in _backups(store) if not path.exists())


def _last_backup(store: Path) -> Path | None:
    found = [None, *takewhile(Path.exists, _backups(store))]
    return found[-1]


def _copy_session(source: Path, goal: Path, session_id: str) -> bool:
    """Copy a session of 2.0.0 unchanged; return whether it was not in the target before.

    Its journal is copied last: without one the copy is incomplete.
    """
    journal = goal / "journals" / session_id
    if journal.is_dir():
        return False
    for folder in sorted(source.glob(f"doc_type=*/session_id={session_id}")):
        copy_folder(folder, goal / folder.relative_to(source))
    notes = source / "sessions" / session_id
    if notes.is_dir():
        copy_folder(notes, goal / "sessions" / session_id)
    old = source / "journals" / session_id
    if old.is_dir():
        with staged_journal(
            journal, f"cannot copy the journal of session {session_id!r}"
        ) as staged:
            copy_folder(old, staged)
    return True


def _copy_rest(source: Path, goal: Path) -> None:
    """Copy the files in the store's root that are not rows."""
    for path in sorted(source.iterdir()):
        if path.is_file():
            copy_file(path, goal / path.name)
