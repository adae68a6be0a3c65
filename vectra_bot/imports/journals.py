"""Import of our journals into another store: files are copied, parts are rebuilt.

The copy is made beside the journals of the store and then renamed atomically. A killed session is
finished as in its own store.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from vectra_bot.errors import InputError, JournalError, StoreError, VectraError
from vectra_bot.fsio import copy_file, files
from vectra_bot.imports.config import ImportConfig
from vectra_bot.imports.report import FileReport
from vectra_bot.journal import (
    Entry,
    journal_directory,
    list_segments,
    read_header,
    read_journal,
)
from vectra_bot.models import DocType
from vectra_bot.session.recovery.killed import recover_session
from vectra_bot.store.maintenance.sessions import is_running, was_closed
from vectra_bot.store.parquet.builder import begin_session, build_parts

STAGED: Final = ".importing-"
QUARANTINED_KIND: Final = "frame.quarantined"
UNKNOWN_KIND: Final = "wire.unknown_event"


def is_journal(path: Path) -> bool:
    """Return whether a folder or a file is a journal that begins with its header."""
    try:
        if path.is_dir() and not list_segments(path):
            return False
        read_header(path)
    except (VectraError, OSError):
        return False
    return True


def import_journal(path: Path, config: ImportConfig) -> FileReport:
    """Copy the journal at *path*, a folder or one file, into the store.

    The rows of the report are the journal's entries.

    Raises:
        StoreError: the store has another session of that name, or a write fails.
    """
    report = FileReport(str(path), "journal")
    if path.is_dir() and is_running(path):
        raise StoreError(f"the session in {path} is being written: import it after it ended")
    header = _read_through(path, config, report)
    if header is None:
        return report
    session_id = str(header["session_id"])
    if config.session_id not in (None, session_id):
        report.imported, report.rows = 0, 0
        raise StoreError(
            f"the journal is of session {session_id!r}, not {config.session_id!r}: "
            "its documents have that id; omit --session-id"
        )
    report.sessions.append(session_id)
    target = journal_directory(config.store, session_id)
    if target.is_dir():
        _check_same(target, header)
        report.already = True
        report.duplicates, report.imported = report.imported, 0
    else:
        _copy(path, target)
    if not was_closed(target):
        recover_session(target, config.store)
    begin_session(config.store, session_id)
    build_parts(target, config.store)
    return report


def _read_through(path: Path, config: ImportConfig, report: FileReport) -> dict[str, Any] | None:
    """Read the whole journal; return its header, None if it cannot be imported."""
    header: dict[str, Any] | None = None
    try:
        reader = read_journal(path)
        for entry in reader:
            if entry.kind == "header" and header is None:
                header = entry.data["header"]
            elif entry.kind == "doc":
                _count(entry, report)
            report.accept()
    except (JournalError, InputError) as error:
        read = report.rows
        report.rows = report.imported = report.quarantined = report.unknown = report.failed = 0
        report.documents.clear()
        reason = "the journal is corrupt: repair it in its own store, then import it"
        report.refuse(read + 1, reason, str(error), count=read + 1)
        return None
    if reader.torn:
        report.refuse(report.rows + 1, "truncated: an incomplete entry at the end")
    config.progress(str(path), 1, 1)
    return header


def _count(entry: Entry, report: FileReport) -> None:
    """Count a document, and what its session could not decode, did not know or found wrong."""
    if entry.data["doc_type"] != DocType.SYSTEM_EVENT.value:
        report.documents[entry.data["doc_type"]] += 1
        return
    document = entry.document()
    report.count(document)
    kind = getattr(document.record, "kind", "")
    report.quarantined += kind == QUARANTINED_KIND
    report.unknown += kind == UNKNOWN_KIND


def _check_same(target: Path, header: dict[str, Any]) -> None:
    known = read_header(target)
    if {**known, "journal_version": 0} != {**header, "journal_version": 0}:
        raise StoreError(
            f"{target} has another session of that name: drop it, or import into another store"
        )


def _copy(path: Path, target: Path) -> None:
    """Copy the segments of a journal to *target* atomically."""
    with staged_journal(target, f"cannot import {path}") as staged:
        if path.is_dir():
            for segment in list_segments(path):
                copy_file(segment.path, staged / segment.path.name)
        else:
            suffix = path.suffix if path.suffix in (".zst", ".gz") else ""
            copy_file(path, staged / f"000001.log{suffix}")


@contextlib.contextmanager
def staged_journal(target: Path, failing: str) -> Iterator[Path]:
    """Yield an empty folder for the files of a journal, which is then renamed to *target* atomically.

    *failing* is the beginning of an error message.

    Raises:
        StoreError: a write fails; *target* does not exist then.
    """
    staged = target.with_name(STAGED + target.name)
    with files.store_errors(failing):
        if staged.exists():
            files.remove_tree(staged)
        files.make_directories(staged)
        yield staged
        files.rename(staged, target)
        files.sync_directory(target.parent)
