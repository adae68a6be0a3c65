"""The steps of ``vectra-bot store recover``; imported only when it runs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from vectra_bot.errors import StoreError, VectraError
from vectra_bot.journal import CORRUPT_SUFFIX, never_began, read_journal, salvage
from vectra_bot.models import DocType
from vectra_bot.session.recovery.process import PATIENT_LIMIT_S, RecoveryProcess
from vectra_bot.store.links import links_in, refuse_links
from vectra_bot.store.maintenance.check import Progress, check_store
from vectra_bot.store.maintenance.check_journal import SALVAGE
from vectra_bot.store.maintenance.check_parts import Problem
from vectra_bot.store.maintenance.foreign import Skipped
from vectra_bot.store.maintenance.rebuild import rebuild_session
from vectra_bot.store.maintenance.sessions import (
    is_running,
    list_sessions,
    one_line,
    refuse_copied,
    repair_store,
)
from vectra_bot.store.remote.address import RemoteStore
from vectra_bot.store.remote.upload import upload_all

# These need a copy of what was lost, or the option that accepts the loss.
_OF_JOURNALS: Final = ("journal_damaged", "journal_gap")
# Rows that exist only in files are never discarded unless requested.
_NOT_OF_FILES: Final = (
    *_OF_JOURNALS, "session_unfinished", "schema_old", "rows_unknown", "session_copied",
    "session_unknown", "unreadable", "folder_linked",
)  # fmt: skip


@define
class RecoveryReport:
    """The result of a recovery.

    Attributes:
        salvaged: corrupt journals whose intact entries were kept.
        finished: killed sessions that were recovered and closed.
        built: missing files that were built; ``rebuilt``: files that were lost or corrupt.
        removed: incomplete files, and remains of interrupted drops and swaps.
        uploaded: files uploaded to the store's address.
        running: sessions that are being written.
        journal_bytes: size of the journals of the recovered and rebuilt sessions.
        failed: errors, one line each.
        problems: what a check still finds.
        skipped: what is in the store and not part of it; it was neither checked nor repaired.
    """

    store: str
    salvaged: list[dict[str, Any]] = field(factory=list)
    finished: list[str] = field(factory=list)
    built: list[str] = field(factory=list)
    rebuilt: list[str] = field(factory=list)
    removed: list[str] = field(factory=list)
    uploaded: list[dict[str, Any]] = field(factory=list)
    running: list[str] = field(factory=list)
    journal_bytes: int = 0
    bytes_read: int = 0
    failed: list[str] = field(factory=list)
    problems: list[Problem] = field(factory=list)
    skipped: list[Skipped] = field(factory=list)

    @property
    def ok(self) -> bool:
        """Return whether no problem is left and nothing was skipped, except sessions being written."""
        return not (self.failed or self.problems or self.skipped)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-serializable data."""
        lists = ("problems", "skipped")
        names = [name for name in RecoveryReport.__annotations__ if name not in lists]
        return {
            "ok": self.ok,
            **{name: getattr(self, name) for name in names},
            **{name: [each.to_json() for each in getattr(self, name)] for name in lists},
        }


def recover_all(
    root: Path,
    *,
    remote: RemoteStore | None,
    sessions: Collection[str],
    progress: Progress,
    salvage: bool,
    rebuild: bool,
    quick: bool,
) -> RecoveryReport:
    """Repair what can be repaired in the store in *root*; upload it if it is the spool of *remote*.

    Args:
        root: the store, or a spool; it may be missing.
        remote: the store whose spool it is.
        sessions: limit the steps that work on sessions to these; all if empty.
        progress: called with the progress.
        salvage: keep the intact entries of corrupt journals.
        rebuild: rebuild every file of the sessions.
        quick: skip the checksums.

    Raises:
        UnknownNameError: a session does not exist.
    """
    report = RecoveryReport(str(root) if remote is None else remote.url)
    if root.is_dir():
        _Recovery(root, report, tuple(sessions), progress, quick=quick).run(salvage, rebuild)
    if remote is not None:
        sent = upload_all(
            root, remote, progress=lambda name, n, all_: progress(f"upload {name}", n, all_)
        )
        report.uploaded = [
            {"session_id": u.session_id, "parts": u.parts, "bytes": u.bytes, "removed": u.removed}
            for u in sent.uploaded
            if u.parts or u.removed
        ]
        report.failed += sent.failed
    return report


class _Recovery:
    """One recovery in progress."""

    def __init__(
        self,
        root: Path,
        report: RecoveryReport,
        wanted: tuple[str, ...],
        progress: Progress,
        *,
        quick: bool,
    ) -> None:
        self._root = root
        self._report = report
        self._wanted = wanted
        self._progress = progress
        self._quick = quick
        self._touched: set[str] = set()
        self._unfinished: set[str] = set()
        self._forget = False

    def run(self, salvage_too: bool, rebuild: bool) -> None:
        """Run all steps, each after those it depends on; none if a folder of the store is elsewhere."""
        if elsewhere := links_in(self._root):
            self._report.failed = [str(link.error(self._root)) for link in elsewhere]
            self._report.problems = self._look()
            return
        if salvage_too:
            self._salvage()
        self._progress("repair", 0, 0)
        repair = repair_store(self._root)
        self._report.built = list(repair.built)
        self._report.removed = list(repair.removed)
        with RecoveryProcess(limit_s=PATIENT_LIMIT_S) as process:
            for directory in repair.unfinished:
                if not self._wanted or directory.name in self._wanted:
                    self._try(directory.name, self._finish, process, directory)
        problems = self._look()
        folders = _folders_of(problems)
        self._forget = rebuild
        if rebuild:
            folders = dict.fromkeys(self._wanted or list_sessions(self._root))
        for number, (session_id, doc_types) in enumerate(folders.items()):
            if session_id in self._unfinished:
                continue  # a full disk, or a corrupt journal: rebuilding its files fails as well
            self._progress(f"rebuild {session_id}", number, len(folders))
            self._try(session_id, self._rebuild, session_id, doc_types)
        if folders:
            # What could not be repaired because of a corrupt file may be possible now.
            repair = repair_store(self._root)
        self._report.failed = list(dict.fromkeys([*self._report.failed, *repair.failed]))
        self._report.problems = self._look() if folders else problems
        self._report.problems += self._damaged_journals()
        self._report.journal_bytes = sum(
            path.stat().st_size
            for name in self._touched
            for path in (self._root / "journals" / name).glob("*.log*")
        )

    def _try(self, session_id: str, action: Callable[..., None], *arguments: Any) -> None:
        """Run an action for one session; an error in it must not affect the others."""
        try:
            action(*arguments)
        except (VectraError, OSError) as error:
            line = one_line(error)
            self._report.failed.append(line if session_id in line else f"{session_id}: {line}")
        else:
            self._touched.add(session_id)

    def _look(self, *, journals: bool = False) -> list[Problem]:
        found = check_store(
            self._root, sessions=self._wanted, quick=self._quick and not journals,
            journals=journals, progress=self._progress,
        )  # fmt: skip
        self._report.running = found.running
        self._report.skipped = found.skipped
        self._report.bytes_read += found.bytes_read
        return found.problems

    def _damaged_journals(self) -> list[Problem]:
        """Return the errors that make journals unreadable, unless they are problems already."""
        kinds = (*_OF_JOURNALS, "unreadable")
        known = {p.session_id for p in self._report.problems if p.kind in kinds}
        found: list[Problem] = []
        names = [] if self._quick else list(self._wanted or list_sessions(self._root))
        for number, name in enumerate(names):
            directory = self._root / "journals" / name
            if name in known or not directory.is_dir() or is_running(directory):
                continue
            self._progress(f"read journal {name}", number, len(names))
            try:
                if not never_began(directory):
                    for _ in read_journal(directory):
                        pass
            except (VectraError, OSError) as error:
                message, place = " ".join(str(error).split()), f"journals/{name}"
                found.append(Problem("journal_damaged", message, SALVAGE, name, place))
        return found

    def _salvage(self) -> None:
        damaged = {p.session_id for p in self._look(journals=True) if p.kind in _OF_JOURNALS}
        for session_id in sorted(damaged):
            self._progress(f"salvage {session_id}", 0, 0)
            self._try(session_id, self._salvage_one, session_id)

    def _salvage_one(self, session_id: str) -> None:
        refuse_links(self._root, session_id)
        kept = salvage(self._root / "journals" / session_id)
        lost = [list(gap) for gap in kept.lost]
        self._report.salvaged.append({"session_id": session_id, "entries": kept.kept, "lost": lost})

    def _finish(self, process: RecoveryProcess, directory: Path) -> None:
        self._progress(f"finish {directory.name}", 0, 0)
        self._unfinished.add(directory.name)
        process.recover(directory, self._root)
        self._unfinished.discard(directory.name)
        self._report.finished.append(directory.name)

    def _rebuild(self, session_id: str, doc_types: Collection[DocType] | None) -> None:
        directory = self._root / "journals" / session_id
        refuse_links(self._root, session_id)
        if not directory.is_dir():
            raise StoreError(
                f"session {session_id!r} has no journal to rebuild its files from: restore the files "
                "from a copy, or drop the session"
            )
        if is_running(directory):
            return
        refuse_copied(directory)
        if not self._forget and any(directory.glob(f"*{CORRUPT_SUFFIX}*")):
            raise StoreError(
                f"the journal of session {session_id!r} lost entries: files rebuilt from it would lack rows "
                "that the present ones have; give --rebuild to rebuild them anyway"
            )
        parts = rebuild_session(directory, self._root, doc_types)
        self._report.rebuilt += [part.path for part in parts]


def _folders_of(problems: list[Problem]) -> dict[str, Collection[DocType] | None]:
    """Return the document types to rebuild, by session; None for all types."""
    found: dict[str, set[DocType] | None] = {}
    for problem in problems:
        if problem.kind in _NOT_OF_FILES or not problem.session_id:
            continue
        before = found.setdefault(problem.session_id, set())
        if problem.doc_type is None or before is None:
            found[problem.session_id] = None
        else:
            before.add(problem.doc_type)
    return dict(found)
