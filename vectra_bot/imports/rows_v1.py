"""Conversion of rows of schema 1.0.0 to sessions of 2.0.0, with bounded memory.

A store of version 1.0.0 has many small files, one for each hundred rows. They are read in the order of
their dates and names, first for the names of sessions only, then for the rows of a few dozen sessions at
a time. A duplicate row (the same session, kind and number) is imported once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from vectra_bot.errors import InputError
from vectra_bot.imports.arrow import EnvelopeDefaults, batches_of, conform, match_names, open_file
from vectra_bot.imports.bulk import (
    SESSIONS_AT_ONCE,
    BulkSession,
    OpenSessions,
    digest_line,
    is_session_id,
    make_room,
)
from vectra_bot.imports.report import FileReport, Progress
from vectra_bot.imports.schema_v1 import REST_KIND, VERSION, Mapped, map_rows, trace_ids
from vectra_bot.imports.versions import Layout
from vectra_bot.models import DocType, Mode

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

VENUE: Final = "unknown"
"""Column ``venue`` of migrated rows: version 1.0.0 did not record it."""
SOURCE: Final = "migrate"
BATCH_ROWS: Final = 1 << 14
_NO_FILE: Final = "not a complete Parquet file of schema 1.0.0"
_CORRUPT: Final = "corrupt rows from here to the end of the file"
_NO_SESSION: Final = "session_id is missing or invalid"
_NO_SEQ: Final = "seq is missing or is not a whole number from 0 up"


@attrs.define
class _Numbers:
    """Numbers of one session and kind that were read."""

    last: int = -1
    known: list[np.ndarray[Any, Any]] = attrs.field(factory=list)

    def fresh(self, numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return which of *numbers* were not read before; of equal ones the first counts as new."""
        import numpy as np

        _, first = np.unique(numbers, return_index=True)
        new = np.zeros(len(numbers), dtype=bool)
        new[first] = True
        if len(numbers) and int(numbers.min()) <= self.last:
            for block in self.known:
                new &= ~np.isin(numbers, block)
        if np.any(new):
            self.known.append(numbers[new])
            self.last = max(self.last, int(numbers[new].max()))
        return new


@attrs.define
class _Rows:
    """Rows of one session, kind and file, with their numbers in the file.

    Attributes:
        file: its path below the store.
    """

    session: str
    kind: str
    file: str
    numbers: list[int] = attrs.field(factory=list)
    rows: list[dict[str, Any]] = attrs.field(factory=list)


@attrs.define
class OldRows:
    """All rows of schema 1.0.0 of one store, for conversion into another.

    Attributes:
        reports: one for each kind of row.
        sessions: the sessions they made.
    """

    source: Path
    layout: Layout
    target: Path
    progress: Progress
    reports: dict[str, FileReport] = attrs.field(factory=dict)
    sessions: list[str] = attrs.field(factory=list)
    sha256: str = ""
    _of_file: dict[Path, set[str]] = attrs.field(factory=dict)
    _seen: dict[tuple[str, str], _Numbers] = attrs.field(factory=dict)
    _damaged: set[Path] = attrs.field(factory=set)
    _total: int = 0
    _done: int = 0

    def run(self) -> None:
        """Write every session that is not in the target yet.

        Raises:
            StoreError: a session of that name has other content, or a write fails.
        """
        self._total = sum(path.stat().st_size for path in self.layout.old_files)
        self._look()
        for kind, files in self.layout.unknown.items():
            for path in files:
                reason = "a kind of document that schema 1.0.0 does not have"
                count = max(_rows_in(path), 1)
                self._report(kind).refuse(1, reason, kind, file=self._name(path), count=count)
        for start in range(0, len(self.sessions), SESSIONS_AT_ONCE):
            self._write(self.sessions[start : start + SESSIONS_AT_ONCE])

    def _look(self) -> None:
        """Find the sessions, and report the rows without one."""
        digest = hashlib.sha256()
        found: dict[str, None] = {}
        for kind, path in self._files():
            report, name = self._report(kind), self._name(path)
            try:
                digest.update(digest_line(path, self.source))
                named, nameless = _sessions_in(path)
            except (InputError, OSError) as error:
                count = max(1, _rows_in(path))
                report.refuse(1, _NO_FILE, str(error), file=name, count=count)
                continue
            for row, value in nameless:
                report.refuse(row, _NO_SESSION, value or "", file=name)
            self._of_file[path] = named
            found.update(dict.fromkeys(sorted(named)))
        self.sessions = list(found)
        self.sha256 = digest.hexdigest()

    def _files(self) -> Iterator[tuple[str, Path]]:
        for kind, files in self.layout.old.items():
            for path in files:
                yield kind, path

    def _name(self, path: Path) -> str:
        return path.relative_to(self.source).as_posix()

    def _report(self, kind: str) -> FileReport:
        if kind not in self.reports:
            name = str(self.source / f"doc_type={kind}")
            self.reports[kind] = FileReport(name, f"schema {VERSION}: {kind}")
        return self.reports[kind]

    def _write(self, names: list[str]) -> None:
        """Write the rows of a few sessions."""
        fresh = [name for name in names if make_room(self.target, name, self.sha256)]
        with OpenSessions(self.target) as writing:
            for name in fresh:
                about = {
                    "sha256": self.sha256,
                    "kind": f"schema {VERSION}",
                    "file": self.source.name,
                }
                writing.open(name, VENUE, about)
            for kind, path in self._files():
                mine = self._of_file.get(path, set()).intersection(names)
                if mine:
                    for rows in self._read(kind, path, mine):
                        self._take(rows, writing.by_id.get(rows.session))
                    self._done += path.stat().st_size
                    self.progress(str(self.source), min(self._done, self._total), self._total)
            for bulk in writing.by_id.values():
                bulk.close()

    def _read(self, kind: str, path: Path, mine: set[str]) -> Iterator[_Rows]:
        """Yield the rows of the sessions *mine* in a file, a bounded number at a time."""
        import pyarrow as pa

        name, first, total = self._name(path), 1, _rows_in(path)
        try:
            for batch in _batches(path):
                found: dict[str, _Rows] = {}
                for number, row in enumerate(_rows_of(batch), first):
                    session = row.get("session_id")
                    if session in mine:
                        rows = found.setdefault(session, _Rows(session, kind, name))
                        rows.numbers.append(number)
                        rows.rows.append(row)
                first += batch.num_rows
                yield from found.values()
        except (pa.ArrowException, OSError) as error:
            if path not in self._damaged:
                self._damaged.add(path)
                left = total - first + 1
                self._report(kind).refuse(first, _CORRUPT, str(error), file=name, count=left)

    def _take(self, rows: _Rows, bulk: BulkSession | None) -> None:
        """Write rows of one session and kind; they are in the target already if *bulk* is None."""
        import numpy as np
        import pyarrow as pa

        report = self._report(rows.kind)
        mapped = map_rows(rows.kind, rows.rows)
        numbers = np.array(rows.numbers, dtype=np.int64)
        usable = mapped.seq >= 0
        for index in np.flatnonzero(~usable):
            value = rows.rows[index].get("seq", "")
            report.refuse(rows.numbers[index], _NO_SEQ, value, file=rows.file)
        new = usable.copy()
        seen = self._seen.setdefault((rows.session, rows.kind), _Numbers())
        new[usable] = seen.fresh(mapped.seq[usable])
        report.repeat(int(np.sum(usable & ~new)))
        if rows.session not in report.sessions:
            report.sessions.append(rows.session)
        table = mapped.table.filter(pa.array(new))
        if mapped.doc_type is DocType.WS_EVENT and "raw_json" in table.column_names:
            table = _with_traces(table)
        envelope = EnvelopeDefaults(rows.session, VENUE, Mode.REPLAY, SOURCE)
        names = match_names(mapped.doc_type, table.column_names)
        made = conform(table, mapped.doc_type, names, envelope, numbers[new])
        for number, reason, value in made.bad:
            report.refuse(number, reason, value, file=rows.file)
        good = np.flatnonzero(new)[made.kept]
        if bulk is None:
            report.repeat(len(good))
            return
        _store(mapped, made.table, good, bulk)
        report.accept(len(good))
        report.documents[mapped.doc_type.value] += len(good)


def _store(
    mapped: Mapped, table: pa.Table, good: np.ndarray[Any, Any], session: BulkSession
) -> None:
    """Write documents in the order of their numbers, each followed by the values without a column."""
    import numpy as np
    import pyarrow as pa

    seq = mapped.seq[good]
    left = [n for n in range(len(good)) if mapped.rest[int(good[n])] is not None]
    rest = _rest_table(table, mapped, good, left)
    if mapped.doc_type is DocType.SYSTEM_EVENT:
        table = pa.concat_tables([table, rest.select(table.column_names)])
        seq = np.concatenate([seq, seq[left] + 1])
    else:
        session.write(DocType.SYSTEM_EVENT, rest, seq[left] + 1)
    order = np.argsort(seq, kind="stable")
    session.write(mapped.doc_type, table.take(pa.array(order)), seq[order])


def _rest_table(
    table: pa.Table, mapped: Mapped, good: np.ndarray[Any, Any], left: list[int]
) -> pa.Table:
    """Return the system events with the values that the documents at *left* have no column for."""
    import pyarrow as pa

    there = table.take(pa.array(left, pa.int64()))
    count = len(left)

    def all_of(text: str) -> pa.Array:
        return pa.repeat(pa.scalar(text), count)

    shared = ("mode", "venue", "source", "ts_ns", "game_id", "player_id")
    columns = {name: there.column(name) for name in shared}
    return pa.table(
        {
            **columns,
            "kind": all_of(REST_KIND),
            "severity": all_of("info"),
            "message": all_of(f"values without a column in {mapped.doc_type.value}"),
            "detail_json": pa.array([mapped.rest[int(good[n])] for n in left], pa.string()),
        }
    )


def _with_traces(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    raw = table.column("raw_json").combine_chunks()
    if not pa.types.is_string(raw.type):
        return table
    return table.append_column("trace_id", trace_ids(raw))


def _rows_in(path: Path) -> int:
    try:
        with open_file(path) as file:
            return int(file.metadata.num_rows)
    except InputError:
        return 0


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with open_file(path) as file:
        for group in range(file.num_row_groups):
            yield from batches_of(file, group, BATCH_ROWS)


def _rows_of(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Return a batch as rows; a text column with invalid UTF-8 becomes bytes."""
    names = batch.schema.names
    columns = [_values(column) for column in batch.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _values(column: pa.Array) -> list[Any]:
    import pyarrow as pa

    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        return list(column.cast(pa.binary()).to_pylist())


def _sessions_in(path: Path) -> tuple[set[str], list[tuple[int, str | None]]]:
    """Return the sessions in a file, and its rows without a valid one, with their values.

    Raises:
        InputError: it is not a complete file of schema 1.0.0.
    """
    import pyarrow as pa

    with open_file(path) as file:
        if "session_id" not in file.schema_arrow.names:
            raise InputError("there is no column session_id")
        try:
            column = file.read(columns=["session_id"]).column(0).combine_chunks()
            values = _values(column)
        except (pa.ArrowException, OSError) as error:
            raise InputError(str(error)) from error
    wrong = {value for value in set(values) if not is_session_id(value)}
    nameless = [(n, value) for n, value in enumerate(values, 1) if value in wrong]
    return {value for value in values if value not in wrong}, nameless
