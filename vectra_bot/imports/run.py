"""Import of recordings, captures, journals and foreign Parquet into a store, with every row accounted for.

The kind of a path is determined from its content. The id of a session is derived from the content as
well, so that a repeated import is recognised, and an incomplete one left by a kill is redone from the
start.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from vectra_bot.errors import InputError, UsageError
from vectra_bot.fsio import copy_folder
from vectra_bot.imports.arrow import is_parquet
from vectra_bot.imports.config import ImportConfig, ImportReport
from vectra_bot.imports.journals import import_journal, is_journal
from vectra_bot.imports.parquet import import_parquet
from vectra_bot.imports.report import FileReport, Progress, no_progress
from vectra_bot.imports.text import TextImport
from vectra_bot.journal import list_segments
from vectra_bot.session.shell import in_event_loop
from vectra_bot.store.api import folder_to_write
from vectra_bot.store.parquet.manifest import MANIFEST
from vectra_bot.venues.captures import TextFile

_BINARY = "not a recording: binary data of no known format"
_EMPTY = "none"


def import_paths(
    paths: Sequence[Path | str] | Path | str,
    store: Path | str,
    *,
    session_id: str | None = None,
    venue: str | None = None,
    utc_offset_s: int = 0,
    progress: Progress = no_progress,
) -> ImportReport:
    """Import files and folders into *store*.

    Args:
        paths: captures, recordings, journals, Parquet files, or folders of them.
        store: root of the store; created if missing.
        session_id: name of the session, if the import makes only one; else derived from the content.
        venue: column ``venue`` of the documents if the recording does not name it.
        utc_offset_s: offset of times that have no zone, in seconds east of UTC.
        progress: called with a path, bytes done and bytes in total.

    Raises:
        InputError: a path does not exist, or a folder is a store to migrate.
        ConfigError: a session id was given for an import that makes several sessions.
        StoreError: a session's id exists with other content, or a write fails.
        UsageError: called inside a running event loop.
    """
    if in_event_loop():
        raise UsageError(
            "import_paths() was called inside a running event loop: call it in a thread, "
            "await asyncio.to_thread(import_paths, ...)"
        )
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    config = ImportConfig(
        store=folder_to_write(store),
        session_id=session_id,
        venue=venue,
        utc_offset_s=utc_offset_s,
        progress=progress,
    )
    if len(given) > 1:
        config.own_id()
    reports: list[FileReport] = []
    for path in given:
        reports += _import(Path(path).expanduser(), config)
    return ImportReport(str(config.store), reports)


def _import(path: Path, config: ImportConfig) -> list[FileReport]:
    if not path.exists():
        raise InputError(f"{str(path)!r} does not exist: give files or folders to import")
    if path.is_dir():
        return _import_folder(path, config)
    return _import_file(path, config)


def _import_file(path: Path, config: ImportConfig) -> list[FileReport]:
    if is_parquet(path):
        return import_parquet([path], path, config)
    if is_journal(path):
        return [import_journal(path, config)]
    text = TextFile(path)
    if text.is_binary:
        report = FileReport(str(path), _EMPTY)
        report.refuse(1, _BINARY, text.head[:40].decode("latin-1"))
        return [report]
    return [TextImport(text, config).run()]


def _import_folder(path: Path, config: ImportConfig) -> list[FileReport]:
    """Import a journal's folder, a store, or all files below a folder."""
    if _has_segments(path):
        return [import_journal(path, config)]
    if any(path.glob("doc_type=*/date=*")):
        raise InputError(
            f"{path} is a store of schema 1.0.0: use vectra-bot store migrate {path} --into STORE"
        )
    if os.path.realpath(path) == os.path.realpath(config.store):
        raise InputError(f"{path} is the store itself: give another --store")
    if (path / "journals").is_dir():
        return _import_store(path, config)
    files = _files_in(path)
    if len(files) > 1 and any(file.suffix != ".parquet" for file in files):
        config.own_id()
    parquet = [file for file in files if file.suffix == ".parquet"]
    reports = import_parquet(parquet, path, config) if parquet else []
    for file in files:
        if file.suffix != ".parquet" and file.name != MANIFEST:
            reports += _import_file(file, config)
    return reports


def _import_store(path: Path, config: ImportConfig) -> list[FileReport]:
    """Import another store: its journals, with the files of plugins, and the parts without a journal."""
    journals = [p for p in sorted((path / "journals").iterdir()) if _has_segments(p)]
    if len(journals) > 1:
        config.own_id()
    reports = []
    for journal in journals:
        report = import_journal(journal, config)
        reports.append(report)
        notes = path / "sessions" / journal.name
        if notes.is_dir() and report.imported:
            copy_folder(notes, config.store / "sessions" / journal.name)
    known = {journal.name for journal in journals}
    parquet = [
        file
        for folder in sorted(path.glob("doc_type=*"))
        for file in _files_in(folder)
        if file.suffix == ".parquet" and file.parent.name.removeprefix("session_id=") not in known
    ]
    return [*reports, *import_parquet(parquet, path, config)] if parquet else reports


def _files_in(path: Path) -> list[Path]:
    """Return the files below a folder, except hidden ones, sorted."""
    return sorted(p for p in path.rglob("*") if p.is_file() and not _is_hidden(p, path))


def _has_segments(path: Path) -> bool:
    return path.is_dir() and any(path.glob("[0-9]*.log*")) and bool(list_segments(path))


def _is_hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)
