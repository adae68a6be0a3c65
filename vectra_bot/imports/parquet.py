"""Import of foreign Parquet, by whole columns, so that ten million rows need no Python code per row.

The rows of a file or a folder become one session, or the sessions named by a column or folder
``session_id``. Of rows that name no session, those that the store has already, from whatever file, are
duplicates (:mod:`vectra_bot.imports.arrow.identity`). Row numbers (``seq``) are kept if they increase
within a session and kind; else the rows are renumbered in the order of the files. A folder is read twice:
first the names and numbers only, then everything; with very many sessions, once for each few dozen of
them, so that few files are open at a time; and another time if the store may have some of the rows.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs

from vectra_bot.clock import WallClock
from vectra_bot.errors import InputError
from vectra_bot.imports.arrow import (
    OWN,
    Conformed,
    EnvelopeDefaults,
    ForeignFile,
    Names,
    RowBatch,
    RowLedger,
    conform,
    foreign_file,
    groups_of,
    match_names,
    read_batches,
    row_digests,
    snake,
)
from vectra_bot.imports.bulk import (
    SESSIONS_AT_ONCE,
    BulkSession,
    OpenSessions,
    digest_line,
    is_session_id,
    make_room,
    session_of,
)
from vectra_bot.imports.config import SOURCE, ImportConfig, finished_event
from vectra_bot.imports.report import FileReport
from vectra_bot.journal import check_new_id
from vectra_bot.models import DocType, Mode
from vectra_bot.models.times import NS_PER_S
from vectra_bot.serde import record_to_row
from vectra_bot.store.parquet.schema import schema_of
from vectra_bot.venues.captures import RowClock
from vectra_bot.venues.captures.times import PayloadTimes, time_warnings

MAX_SESSIONS: Final = 4096
"""Limit of sessions in one folder of foreign Parquet; the rows of further ones are bad."""
_TOO_MANY: Final = f"more than {MAX_SESSIONS} sessions: import the folder in pieces"
_BAD_NAME: Final = (
    "session_id: use letters, digits, '.', '_' and '-', beginning with a letter or digit"
)


@attrs.define
class _Session:
    """One session of the imported rows."""

    session_id: str
    named: bool = False
    keeps_seq: bool = True
    last_seq: dict[DocType, int] = attrs.field(factory=dict)
    done: bool = False
    others: list[str] = attrs.field(factory=list)
    wanted: bool = False
    reports: dict[str, FileReport] = attrs.field(factory=dict)
    last_ns: int = 0


@attrs.define
class _Plan:
    """Result of the first pass over the files."""

    own: str
    sessions: dict[str | None, _Session] = attrs.field(factory=dict)

    def take(self, name: str | None, doc_type: DocType, seq: Any) -> None:
        """Record rows of session *name* with numbers *seq*, None if they have none."""
        import numpy as np

        session = self.sessions.get(name)
        if session is None:
            if len(self.sessions) >= MAX_SESSIONS:
                return
            session = self.sessions[name] = _Session(name or self.own, named=name is not None)
        last = session.last_seq.get(doc_type, -1)
        if name is None or seq is None or not bool(np.all(np.diff(seq, prepend=last) > 0)):
            session.keeps_seq = False
        elif len(seq):
            session.last_seq[doc_type] = int(seq[-1])


def import_parquet(paths: list[Path], root: Path, config: ImportConfig) -> list[FileReport]:
    """Import the Parquet files *paths*, which are at or below *root*, as one unit.

    Raises:
        StoreError: a session's id exists with other content, or a write fails.
    """
    return _Import(paths, root, config).run()


@attrs.define
class _Import:
    """One import of Parquet files."""

    paths: list[Path]
    root: Path
    config: ImportConfig
    sha256: str = ""
    files: list[ForeignFile] = attrs.field(factory=list)
    reports: list[FileReport] = attrs.field(factory=list)
    _names: dict[tuple[DocType, tuple[str, ...]], Names] = attrs.field(factory=dict)
    _counts: dict[str, Counter[str]] = attrs.field(factory=dict)
    _read: int = 0
    _total: int = 0
    _ledger: RowLedger = attrs.field(factory=RowLedger)

    def run(self) -> list[FileReport]:
        clock = WallClock()
        started = clock.monotonic_ns()
        folder = self.root if self.root.is_dir() else self.root.parent
        lines = b"".join(digest_line(path, folder) for path in self.paths)
        self.sha256 = hashlib.sha256(lines).hexdigest()
        self.files = [foreign_file(path) for path in self.paths]
        self.reports = [FileReport(str(path), "parquet") for path in self.paths]
        self._total = sum(path.stat().st_size for path in self.paths)
        plan = self._plan()
        self._compare(plan)
        for name, session in plan.sessions.items():
            sha256 = self._sha256_of(name)
            try:
                session.done = not sha256 or not make_room(
                    self.config.store, session.session_id, sha256
                )
            except InputError:
                session.done = False  # its rows are reported as bad when they are read
        chosen = list(plan.sessions)
        passes = [chosen[n : n + SESSIONS_AT_ONCE] for n in range(0, len(chosen), SESSIONS_AT_ONCE)]
        for number, names in enumerate(passes or [[]]):
            self._pass(plan, set(names), first=number == 0)
        known = plan.sessions.values()
        for report in self.reports:
            report.already = bool(known) and all(session.done for session in known)
            report.seconds = round((clock.monotonic_ns() - started) / NS_PER_S, 3)
        return self.reports

    # First pass.

    def _plan(self) -> _Plan:
        if self.config.session_id is not None:
            check_new_id(self.config.session_id)
            plan = _Plan(self.config.session_id)
            plan.sessions[None] = _Session(plan.own, keeps_seq=False)
            return plan
        plan = _Plan(session_of(self.sha256))
        ignored = FileReport("")
        for file in self.files:
            for batch in read_batches(file, ignored, only=("session_id", "seq")):
                seq = _numbers_of(batch)
                for name, rows in _sessions_of(file, batch):
                    plan.take(name, batch.doc_type, None if seq is None else seq[rows])
        return plan

    def _compare(self, plan: _Plan) -> None:
        """Find out which rows that name no session the store has; the session is named by the others."""
        if None not in plan.sessions or self.config.known.is_empty:
            return
        ignored = FileReport("")
        for file in self.files:
            for batch in read_batches(file, ignored):
                for name, rows in self._named(file, batch):
                    if name is None:
                        table = _chosen(batch, rows)
                        self._ledger.look(row_digests(table, batch.doc_type.value))
        self._ledger.compare(self.config.known.find(self._ledger.identities))
        session = plan.sessions[None]
        session.others = self._ledger.others
        if session.others and self.config.session_id is None:
            session.session_id = session_of(self._sha256_of(None))

    def _sha256_of(self, name: str | None) -> str:
        """Return the digest of a session's content, empty if the store has every row of it."""
        if name is not None or not self._ledger.others:
            return self.sha256
        new = self._ledger.new
        return hashlib.sha256(new.astype("<u8").tobytes()).hexdigest() if len(new) else ""

    def _named(self, file: ForeignFile, batch: RowBatch) -> Iterator[tuple[str | None, Any]]:
        """Yield the sessions of a batch's rows, as they will be stored."""
        for name, rows in _sessions_of(file, batch):
            yield (None if self.config.session_id is not None else name), rows

    # Second pass.

    def _pass(self, plan: _Plan, chosen: set[str | None], *, first: bool) -> None:
        """Write the rows of the sessions *chosen*."""
        with OpenSessions(self.config.store) as writing:
            for file, report in zip(self.files, self.reports, strict=True):
                # Unreadable files are reported once.
                told = report if first else FileReport(report.file)
                for batch in read_batches(file, told):
                    for name, rows in self._named(file, batch):
                        session = plan.sessions.get(name)
                        if session is None:
                            if first:
                                _refuse(report, batch.rows[rows], _TOO_MANY, str(name))
                        elif name in chosen:
                            ledger = self._ledger if name is None else None
                            self._write(session, (batch, rows), report, writing, ledger)
                    self._tell(file, batch)
                self._read += file.path.stat().st_size
            for session in (plan.sessions[name] for name in chosen):
                if session.session_id in writing.by_id:
                    self._close(session, writing.by_id[session.session_id])
        if None in chosen and (new := self._ledger.written()):
            self.config.known.add(plan.sessions[None].session_id, new)

    def _tell(self, file: ForeignFile, batch: RowBatch) -> None:
        part = file.path.stat().st_size * int(batch.rows[-1]) // max(batch.of_rows, 1)
        self.config.progress(str(self.root), min(self._read + part, self._total), self._total)

    def _write(
        self,
        session: _Session,
        chosen: tuple[RowBatch, Any],
        report: FileReport,
        writing: OpenSessions,
        ledger: RowLedger | None,
    ) -> None:
        """Write the chosen rows of a batch, except those that *ledger* knows."""
        import numpy as np

        batch, rows = chosen
        if not is_session_id(session.session_id):
            _refuse(report, batch.rows[rows], _BAD_NAME, session.session_id)
            return
        table = _chosen(batch, rows)
        names = self._match(batch.doc_type, table.column_names)
        report.kind = f"parquet:{batch.doc_type.value}"
        report.filled = sorted({*report.filled, *names.filled})
        unused = {name for name in names.unused if snake(name) not in OWN}
        report.unused = sorted({*report.unused, *unused})
        ids = f"{session.session_id}:{self.reports.index(report) + 1}"
        envelope = EnvelopeDefaults(
            ids, self.config.venue_name, Mode.REPLAY, SOURCE, self.config.utc_offset_s
        )
        made = conform(table, batch.doc_type, names, envelope, batch.rows[rows])
        self._times(report, made)
        known = np.zeros(len(made.kept), dtype=bool)
        if ledger is not None:
            known = ledger.take(table, batch.doc_type.value, made.kept)[made.kept]
        if session.done:
            known[:] = True
        report.repeat(int(known.sum()))
        if not known.all():
            self._store(session, batch, (rows[made.kept], made.table), known, writing)
            report.accept(int((~known).sum()))
            report.documents[batch.doc_type.value] += int((~known).sum())
        for row, reason, value in made.bad:
            report.refuse(row, reason, value)
        session.wanted = session.wanted or not session.others or not known.all()
        names_of = [*session.others, *([session.session_id] if session.wanted else [])]
        report.sessions += [name for name in names_of if name not in report.sessions]
        session.reports[report.file] = report

    def _store(
        self,
        session: _Session,
        batch: RowBatch,
        made: tuple[Any, Any],
        known: Any,
        writing: OpenSessions,
    ) -> None:
        """Write documents, *made* of the rows with these indices, except those that are known."""
        import pyarrow as pa
        import pyarrow.compute as pc

        rows, table = made
        if known.any():
            rows, table = rows[~known], table.filter(pa.array(~known))
        seq = _numbers_of(batch) if session.keeps_seq else None
        self._bulk(session, writing).write(
            batch.doc_type, table, None if seq is None else seq[rows]
        )
        session.last_ns = max(session.last_ns, pc.max(table.column("ts_ns")).as_py())

    def _times(self, report: FileReport, made: Conformed) -> None:
        """Add up what is to be said about the times of a file's rows."""
        counts = self._counts.setdefault(report.file, Counter())
        counts.update(zoneless=made.zoneless, dateless=made.dateless, undated=made.undated)
        report.undated = counts["undated"]
        report.dated_by_game = max(counts["dateless"] - counts["undated"], 0)
        clock = RowClock(utc_offset_s=self.config.utc_offset_s, zoneless=counts["zoneless"])
        report.warnings = time_warnings(clock, PayloadTimes())

    def _bulk(self, session: _Session, writing: OpenSessions) -> BulkSession:
        about = {
            "sha256": self.sha256 if session.named else self._sha256_of(None),
            "file": self.root.name,
            "kind": "parquet",
            "keeps_seq": session.keeps_seq,
        }
        return writing.open(session.session_id, self.config.venue_name, about)

    def _close(self, session: _Session, bulk: BulkSession) -> None:
        """End a session with a row that describes its origin."""
        import pyarrow as pa

        reports = session.reports.values()
        about = {
            "kind": "parquet",
            "file": self.root.name,
            "imported": bulk.rows,
            "bad": sum(report.bad for report in reports),
            "filled": sorted({name for report in reports for name in report.filled}),
            "unused": sorted({name for report in reports for name in report.unused}),
            "warnings": sorted({line for report in reports for line in report.all_warnings}),
        }
        row: dict[str, Any] = {
            **record_to_row(finished_event(about)),
            "mode": Mode.REPLAY.value,
            "venue": self.config.venue_name,
            "source": SOURCE,
            "ts_ns": session.last_ns,
        }
        fields = [field for field in schema_of(DocType.SYSTEM_EVENT) if field.name not in OWN]
        bulk.pause()
        bulk.write(DocType.SYSTEM_EVENT, pa.Table.from_pylist([row], pa.schema(fields)))
        bulk.close()

    def _match(self, doc_type: DocType, names: list[str]) -> Names:
        key = (doc_type, tuple(names))
        if key not in self._names:
            self._names[key] = match_names(doc_type, names)
        return self._names[key]


def _chosen(batch: RowBatch, rows: Any) -> Any:
    """Return the rows of a batch with these indices."""
    return batch.table if len(rows) == batch.table.num_rows else batch.table.take(rows)


def _refuse(report: FileReport, rows: Any, reason: str, value: str) -> None:
    for row in rows:
        report.refuse(int(row), reason, value)


def _named(batch: RowBatch, wanted: str) -> str | None:
    return next((name for name in batch.table.column_names if snake(name) == wanted), None)


def _sessions_of(file: ForeignFile, batch: RowBatch) -> Iterator[tuple[str | None, Any]]:
    """Yield the sessions of a batch's rows: a name, None for no name, and the rows' indices."""
    import numpy as np

    column = _named(batch, "session_id")
    if column is None:
        yield file.session_id, np.arange(batch.table.num_rows)
        return
    for value, rows in groups_of(batch.table.column(column)):
        yield (file.session_id if value is None else value), rows


def _numbers_of(batch: RowBatch) -> Any:
    """Return the rows' own numbers, None unless each row has one."""
    import pyarrow as pa

    column = _named(batch, "seq")
    if column is None:
        return None
    values = batch.table.column(column).combine_chunks()
    if not pa.types.is_integer(values.type) or values.null_count:
        return None
    try:
        numbers = values.cast(pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None
    return numbers if len(numbers) and numbers[0] >= 0 else None
