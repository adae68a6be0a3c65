"""Checks of a store: every journal, manifest, file, byte and row; each problem comes with advice.

Nothing is changed. Of a session that is being written, its closed segments and the parts in its
manifests are checked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from vectra_bot.errors import StoreError, UnknownNameError
from vectra_bot.models import DocType
from vectra_bot.store.links import REMEDY, links_in
from vectra_bot.store.maintenance.access import access_notes
from vectra_bot.store.maintenance.check_parts import (
    RECOVER,
    FolderCheck,
    Problem,
    SeenNumbers,
    check_folder,
)
from vectra_bot.store.maintenance.foreign import Skipped, foreign_in_journal, foreign_in_store
from vectra_bot.store.maintenance.replacement import REPLACING, is_left, replacements
from vectra_bot.store.maintenance.sessions import one_line
from vectra_bot.store.parquet.manifest import MANIFEST
from vectra_bot.store.tree import Tree, open_tree

if TYPE_CHECKING:
    from vectra_bot.store.maintenance.check_journal import JournalCheck

KINDS: Final = {
    "journal_damaged": "an entry of a journal is corrupt",
    "journal_gap": "a segment of a journal is missing",
    "session_unfinished": "a session was killed and not recovered since",
    "segment_unbuilt": "a closed segment has no parts yet",
    "record_damaged": "the record of the parts built from a segment cannot be read",
    "manifest_missing": "files have no manifest",
    "manifest_damaged": "a manifest cannot be read",
    "part_missing": "a file that a manifest names is missing",
    "part_damaged": "a file differs from its manifest",
    "part_unlisted": "a file is in no manifest",
    "session_copied": "a folder has the files or rows of another session: it was copied or renamed",
    "rows_overlap": "two files have the same range of rows",
    "rows_unordered": "the rows of a file are not in ascending order",
    "rows_twice": "two rows have the same number",
    "rows_missing": "a journal has documents that are in no file",
    "rows_unknown": "files have rows that are not in their journal",
    "temporary_left": "a temporary file was left by a killed process",
    "drop_unfinished": "dropping a session was interrupted",
    "compaction_unfinished": "a compaction was interrupted",
    "replacement_unfinished": "a repetition of a session, which was to replace it, was interrupted",
    "session_unknown": "whether a session is being written cannot be determined",
    "unreadable": "a file or folder cannot be read",
    "folder_linked": "a folder or file of the store is a symbolic link, or on another device",
    "schema_old": "documents of schema 1.0.0, which views cannot read before a migration",
}
"""Every kind of problem; part of the public interface."""

Progress = Callable[[str, int, int], None]
"""Callback for progress: the current step, how much is done, and the total."""

READABLE: Final = "give this user permission to read the store, then vectra-bot store check"
_TRIES: Final = 3


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Report nothing."""


@define
class CheckReport:
    """What a check found.

    Attributes:
        sessions: ids of the sessions that were checked.
        running: those of them that are being written.
        segments, entries: of journals, as far as they could be read.
        parts, rows, bytes: as listed in the manifests.
        bytes_read: of part files, for their checksums.
        skipped: what is in the store and not part of it; it was not checked.
        notes: what is not a problem but may not be intended: other users can read files.
    """

    store: str
    quick: bool
    sessions: list[str] = field(factory=list)
    running: list[str] = field(factory=list)
    segments: int = 0
    entries: int = 0
    parts: int = 0
    rows: int = 0
    bytes: int = 0
    bytes_read: int = 0
    problems: list[Problem] = field(factory=list)
    skipped: list[Skipped] = field(factory=list)
    notes: list[str] = field(factory=list)

    @property
    def ok(self) -> bool:
        """Whether there is no problem, nothing is left to do, and everything was checked."""
        return not (self.problems or self.skipped)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready data."""
        counts = {
            name: getattr(self, name)
            for name in ("segments", "entries", "parts", "rows", "bytes", "bytes_read")
        }
        return {
            "store": self.store,
            "ok": self.ok,
            "quick": self.quick,
            "sessions": self.sessions,
            "running": self.running,
            **counts,
            "problems": [problem.to_json() for problem in self.problems],
            "skipped": [skipped.to_json() for skipped in self.skipped],
            "notes": self.notes,
        }


def check_store(
    store: str | Path,
    *,
    sessions: Collection[str] = (),
    quick: bool = False,
    journals: bool = True,
    progress: Progress = no_progress,
) -> CheckReport:
    """Check a store on a disk, or one in an object store by its address.

    Args:
        store: root of the store.
        sessions: only these; all of them if empty.
        quick: do not read the content of files: sizes, footers, manifests and names only.
        journals: compare every entry of every journal with its row, unless *quick*.
        progress: called with the progress.

    Raises:
        InputError: there is no store.
        UnknownNameError: it has no such session.
    """
    tree, root = open_tree(store)
    report = CheckReport(store=str(store), quick=quick)
    found = sessions_of(tree)
    for name in sessions:
        if name not in found:
            raise UnknownNameError("session", name, found)
    report.sessions = sorted(sessions) if sessions else sorted(found)
    for done, session_id in enumerate(report.sessions):
        progress(f"check {session_id}", done, len(report.sessions))
        _check_settled(
            _Session(tree, root, session_id, found[session_id], quick, journals and not quick),
            report,
        )
    if root is not None:
        report.problems += _linked(root)
        report.notes += access_notes(root)
        report.problems += [
            Problem(
                "replacement_unfinished", f"a repetition of session {name!r} was interrupted",
                RECOVER, path=f"{REPLACING}/{name}",
            )
            for name in replacements(root)
            if is_left(root, name)
        ]  # fmt: skip
    if not sessions:
        report.problems += _leftovers(tree)
        report.skipped += foreign_in_store(tree)
    progress("check", len(report.sessions), len(report.sessions))
    return report


def sessions_of(tree: Tree) -> dict[str, list[DocType]]:
    """Return the sessions that have a journal or files, each with the kinds of documents it has files of."""
    found: dict[str, list[DocType]] = {
        name: [] for name in tree.names("journals", directories=True) if not name.startswith(".")
    }
    for doc_type in DocType:
        for name in tree.names(f"doc_type={doc_type.value}", directories=True):
            if name.startswith("session_id="):
                found.setdefault(name.removeprefix("session_id="), []).append(doc_type)
    return found


@define
class _Session:
    """One session of a store during the checks."""

    tree: Tree
    root: Path | None
    session_id: str
    doc_types: list[DocType]
    quick: bool
    read_journal: bool
    running: bool = False
    unknown: bool = False
    folders: list[FolderCheck] = field(factory=list)
    journal: JournalCheck | None = None
    skipped: list[Skipped] = field(factory=list)
    _manifests: dict[DocType, bytes] = field(factory=dict)

    def check(self) -> list[Problem]:
        """Check everything and return the problems."""
        try:
            return self._check()
        except (StoreError, OSError) as error:
            if self.tree.is_remote:
                raise
            return [Problem("unreadable", one_line(error), READABLE, self.session_id, self._place)]

    @property
    def _place(self) -> str:
        return f"journals/{self.session_id}"

    def _check(self) -> list[Problem]:
        journal_dir = None if self.root is None else self.root / self._place
        has_journal = journal_dir is not None and journal_dir.is_dir()
        problems: list[Problem] = []
        if journal_dir is not None and has_journal:
            problems += self._find_writer(journal_dir)
        if self.root is not None:
            problems += _linked(self.root, self.session_id)
        self._manifests = self._read_manifests()
        seen = SeenNumbers()
        self.folders = [
            check_folder(
                self.tree, self.session_id, doc_type,
                quick=self.quick, running=self.running, seen=seen,
            )
            for doc_type in self.doc_types
        ]  # fmt: skip
        problems += [problem for folder in self.folders for problem in folder.problems]
        self.skipped = foreign_in_journal(self.tree, self.session_id)
        self.skipped += [skipped for folder in self.folders for skipped in folder.skipped]
        if journal_dir is not None and has_journal:
            from vectra_bot.store.maintenance.check_journal import check_journal

            self.journal = check_journal(
                self.tree, journal_dir, self.folders, read=self.read_journal, running=self.running
            )
            problems += self.journal.problems
        return problems

    def _find_writer(self, journal_dir: Path) -> list[Problem]:
        """Find out whether the session is being written; if that is unknown, it is checked as if it were."""
        from vectra_bot.journal import writer_of

        writer = writer_of(journal_dir)
        self.running, self.unknown = writer is not False, writer is None
        if not self.unknown:
            return []
        path = f"{self._place}/lock"
        what = f"whether session {self.session_id!r} is being written cannot be determined"
        message = f"{what}: {path} cannot be read"
        return [Problem("session_unknown", message, READABLE, self.session_id, path)]

    def moved(self) -> bool:
        """Return whether another process changed the session's files since the check began."""
        return self._read_manifests() != self._manifests

    def _read_manifests(self) -> dict[DocType, bytes]:
        found = {}
        for doc_type in self.doc_types:
            try:
                path = f"doc_type={doc_type.value}/session_id={self.session_id}/{MANIFEST}"
                found[doc_type] = self.tree.read(path)
            except OSError:
                continue  # missing, or reported as unreadable
        return found


def _check_settled(session: _Session, report: CheckReport) -> None:
    """Check a session; retry if its files were replaced during the check."""
    problems = session.check()
    for _ in range(_TRIES - 1):
        if not problems or not session.moved():
            break
        session.tree.look_again()
        problems = session.check()
    report.problems += problems
    report.skipped += session.skipped
    if session.running and not session.unknown:
        report.running.append(session.session_id)
    for folder in session.folders:
        parts = folder.sound + folder.lost
        report.parts += len(parts)
        report.rows += sum(part.rows for part in parts)
        report.bytes += sum(part.bytes for part in parts)
        report.bytes_read += folder.bytes_read
    if session.journal is not None:
        report.segments += session.journal.segments
        report.entries += session.journal.entries


def _linked(root: Path, session_id: str = "") -> list[Problem]:
    """Return the folders of a store, or those of a session, that are elsewhere."""
    then = "the session is not repaired" if session_id else "no session starts, nothing is repaired"
    return [
        Problem("folder_linked", f"{at.path} is {at.why}: {then}", REMEDY, session_id, at.path)
        for at in links_in(root, session_id)
    ]


def _leftovers(tree: Tree) -> list[Problem]:
    """Return what killed processes and older releases left outside the sessions."""
    problems = [
        Problem(
            "drop_unfinished", f"session {name.removeprefix('.dropped-')!r} was not dropped completely",
            RECOVER, name.removeprefix(".dropped-"), f"journals/{name}",
        )
        for name in tree.names("journals", directories=True)
        if name.startswith(".dropped-")
    ]  # fmt: skip
    problems += [
        Problem(
            "compaction_unfinished", f"a compaction of session {name!r} was interrupted",
            RECOVER, name, f"compacting/{name}",
        )
        for name in tree.names("compacting", directories=True)
    ]  # fmt: skip
    for folder in tree.names("", directories=True):
        if folder.startswith("doc_type="):
            old = [n for n in tree.names(folder, directories=True) if n.startswith("date=")]
            if old:
                problems.append(
                    Problem(
                        "schema_old", f"{folder} has {len(old)} days of schema 1.0.0",
                        "vectra-bot store migrate", path=folder,
                    )
                )  # fmt: skip
    return problems
