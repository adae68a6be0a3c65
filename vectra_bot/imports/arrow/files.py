"""Foreign Parquet: the files, the kind of document in each, and its rows in batches.

A file is anything that Parquet readers can open: written by a data frame library, by DuckDB, by another
program. Its kind of document is given by a folder ``doc_type=KIND`` above it, by a column ``doc_type``
(rows of several kinds may be in one file), or else by its columns, if they fit one kind only. A folder
``session_id=ID`` or a column ``session_id`` gives the session of the rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from vectra_bot.errors import InputError
from vectra_bot.imports.arrow.columns import convert
from vectra_bot.imports.arrow.conform import flat
from vectra_bot.imports.arrow.names import match_names, snake
from vectra_bot.imports.report import FileReport
from vectra_bot.models import DocType
from vectra_bot.serde import document_columns

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH_ROWS: Final = 1 << 17
BATCH_BYTES: Final = 64 << 20
MAGIC: Final = b"PAR1"
_KINDS: Final = {kind.value: kind for kind in DocType}
_KINDS["candleflip_round"] = DocType.CANDLEFLIP_ROUND
_NO_KIND: Final = "unknown kind of document: add a column doc_type"
_ENVELOPE: Final = frozenset(
    ("session_id", "seq", "doc_type", "schema_version", "mode", "venue", "source", "ts_ns")
)


@attrs.frozen
class RowBatch:
    """Rows of one kind of document from a file.

    Attributes:
        rows: number in the file, from 1, of each row of the table.
        of_rows: rows of the whole file.
    """

    doc_type: DocType
    table: pa.Table
    rows: Any
    of_rows: int


@attrs.frozen
class ForeignFile:
    """A Parquet file from another program or another store.

    Attributes:
        doc_type: the kind named by its folder, None if none.
        session_id: the session named by its folder.
    """

    path: Path
    doc_type: DocType | None = None
    session_id: str | None = None


def batches_of(
    opened: pq.ParquetFile, group: int, most: int, columns: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Return the rows of a row group, at most *most* at a time; fewer if texts are long."""
    about = opened.metadata.row_group(group)
    bytes_per_row = int(about.total_byte_size) // max(int(about.num_rows), 1) + 1
    size = max(1, min(most, BATCH_BYTES // bytes_per_row))
    yield from opened.iter_batches(size, row_groups=[group], columns=columns)


def is_parquet(path: Path) -> bool:
    """Return whether a file begins like Parquet."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def foreign_file(path: Path) -> ForeignFile:
    """Return the kind and session named by the folders above a Parquet file."""
    found: dict[str, str] = {}
    for part in path.parts[:-1]:
        key, equals, value = part.partition("=")
        if equals:
            found[key] = value
    return ForeignFile(path, _KINDS.get(found.get("doc_type", "")), found.get("session_id"))


def open_file(path: Path) -> pq.ParquetFile:
    """Open a Parquet file; corrupt pages are found when they are read.

    Raises:
        InputError: it is not a Parquet file, or its footer is corrupt; the text has Arrow's message.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError((str(error).splitlines() or [type(error).__name__])[0]) from error


def kind_by_columns(names: list[str]) -> DocType | None:
    """Return the kind of document with columns called *names*, None if they fit none or several.

    A match with the schema's own name counts more than one with another name.
    """
    scores: dict[DocType, int] = {}
    for kind in DocType:
        found = match_names(kind, names)
        if not found.lacking:
            own = {c.name for c in document_columns(kind)} - _ENVELOPE - {"game_id", "player_id"}
            scores[kind] = sum(
                2 if name == snake(source) else 1
                for name, source in found.found.items()
                if name in own
            )
    leading = [kind for kind, score in scores.items() if score == max(scores.values())]
    return leading[0] if len(leading) == 1 else None


def read_batches(
    file: ForeignFile, report: FileReport, *, only: Collection[str] | None = None
) -> Iterator[RowBatch]:
    """Yield a file's rows in bounded batches; rows that cannot be read are added to *report*.

    One row group after another: corruption affects the rest of its group only. With *only*, just those
    columns are read and the ones that determine the kind of document.
    """
    try:
        opened = open_file(file.path)
    except InputError as error:
        reason = "not a complete Parquet file"
        report.refuse(1, reason, f"{file.path} is {reason}: {error}")
        return
    with opened:
        yield from _Reading(file, report, opened, only).run()


@attrs.define
class _Reading:
    """The reading of one file."""

    file: ForeignFile
    report: FileReport
    opened: pq.ParquetFile
    only: Collection[str] | None
    _kind: DocType | None = None
    _kind_column: str | None = None
    _columns: list[str] | None = None
    _names: str = ""

    def run(self) -> Iterator[RowBatch]:
        schema = self.opened.schema_arrow
        names = flat(schema.empty_table()).column_names
        self._names = ", ".join(names)
        self._kind_column = next((n for n in schema.names if snake(n) == "doc_type"), None)
        self._kind = self.file.doc_type or kind_by_columns(names)
        if self.only is not None:
            wanted = {*self.only, "doc_type"}
            # At least one column, so that the rows are counted.
            self._columns = [n for n in schema.names if snake(n) in wanted] or schema.names[:1]
        first = 1
        for group in range(self.opened.num_row_groups):
            rows = self.opened.metadata.row_group(group).num_rows
            yield from self._group(group, first, rows)
            first += rows

    def _group(self, group: int, first: int, rows: int) -> Iterator[RowBatch]:
        import pyarrow as pa

        done = 0
        batches = batches_of(self.opened, group, BATCH_ROWS, self._columns)
        while done < rows:
            try:
                batch = next(batches)
            except (pa.ArrowException, OSError, ValueError, StopIteration) as error:
                reason = "corrupt rows from here to the end of their row group"
                self.report.refuse(first + done, reason, str(error), count=rows - done)
                return
            yield from self._by_kind(flat(pa.Table.from_batches([batch])), first + done)
            done += batch.num_rows

    def _by_kind(self, table: pa.Table, first: int) -> Iterator[RowBatch]:
        """Yield the rows of *table* kind by kind."""
        import numpy as np

        total = self.opened.metadata.num_rows
        numbers = np.arange(first, first + table.num_rows, dtype=np.int64)
        if self._kind_column is None:
            if self._kind is None:
                self.report.refuse(first, _NO_KIND, self._names, count=len(numbers))
            else:
                yield RowBatch(self._kind, table, numbers, total)
            return
        for value, chosen in groups_of(table.column(self._kind_column)):
            kind = self.file.doc_type if value is None else _KINDS.get(value)
            rows = numbers[chosen]
            if kind is None:
                for row in rows:
                    self.report.refuse(int(row), "doc_type is not in schema 2.0.0", value or "")
            else:
                whole = len(rows) == len(numbers)
                yield RowBatch(kind, table if whole else table.take(chosen), rows, total)


def groups_of(column: pa.ChunkedArray) -> list[tuple[str | None, Any]]:
    """Return the distinct texts of a column in order of appearance, each with its rows' indices.

    Values that are neither text nor a whole number count as the empty text.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    made = convert(column.combine_chunks(), "text")
    texts = made.values
    if made.bad is not None:
        texts = pc.if_else(pa.array(made.bad), "", texts)
    merged = texts.dictionary_encode()
    values = merged.dictionary.to_pylist()
    codes = merged.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    if not len(codes):
        return []
    if (codes == codes[0]).all():
        return [(values[codes[0]] if codes[0] >= 0 else None, np.arange(len(codes)))]
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=codes[order][:1] - 1))
    found = []
    for begin, end in zip(starts, [*starts[1:], len(order)], strict=True):
        code = codes[order[begin]]
        found.append((values[code] if code >= 0 else None, order[begin:end]))
    return sorted(found, key=lambda pair: int(pair[1][0]))
