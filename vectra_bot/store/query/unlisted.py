"""Files without a manifest line: each is read whole once, with page checksums, before a query.

A crash came between the rename of a file and its manifest line, or another program wrote it: its columns
or their types may then differ from the current schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import attrs

from vectra_bot.models import SCHEMA_VERSION, DocType
from vectra_bot.store.parquet.schema import check_version, schema_of, sql_columns
from vectra_bot.store.query.arrow_scan import plain_schema
from vectra_bot.store.query.database import connected, sql_text
from vectra_bot.store.query.statements import one_line
from vectra_bot.store.tree import FileState, Tree

if TYPE_CHECKING:
    import pyarrow as pa

_FIRST_VERSION: Final = "1.0.0"
"""The schema of files without a version."""

_SESSION = re.compile(r"(?:^|/)session_id=([^/]*)/[^/]*$")


@attrs.frozen
class Contents:
    """Content of a file without a manifest line.

    Attributes:
        rows: how many, -1 if unknown.
        first_seq, last_seq: their range, -1 if unknown or none.
        fault: why it cannot be read, None if it can.
        odd: its columns that differ from the current schema, with the SQL that converts them.
        schema: its schema as read by pyarrow, with plain texts; None if it cannot be read.
        sessions: the sessions that its rows name.
    """

    rows: int = -1
    first_seq: int = -1
    last_seq: int = -1
    fault: str | None = None
    odd: tuple[tuple[str, str], ...] = ()
    schema: pa.Schema | None = attrs.field(default=None, eq=False)
    sessions: frozenset[str] = frozenset()


def session_of(path: str) -> str:
    """Return the session of a file's folder, empty if the folder names none."""
    match = _SESSION.search(path)
    return match[1] if match else ""


@attrs.define
class _Seen:
    """Summary of a file's batches."""

    rows: int = 0
    first: int = -1
    last: int = -1
    sessions: set[Any] = attrs.field(factory=set)

    def add(self, batch: pa.RecordBatch) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        self.rows += batch.num_rows
        index = batch.schema.get_field_index("seq")
        if index >= 0 and pa.types.is_integer(batch.schema.field(index).type):
            found = pc.min_max(batch.column(index)).as_py()
            if found["min"] is not None:
                self.first = found["min"] if self.first < 0 else min(self.first, found["min"])
                self.last = max(self.last, found["max"])
        index = batch.schema.get_field_index("session_id")
        if index >= 0:
            self.sessions |= set(pc.unique(batch.column(index)).to_pylist())


def contents_of(tree: Tree, path: str, doc_type: DocType) -> Contents:
    """Return the content of a file, after reading all of it and verifying every page checksum.

    Raises:
        FileNotFoundError: it is missing.
        StoreError: its schema is newer than this program's, or the server does not answer.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    seen = _Seen()
    try:
        with tree.open(path) as file, tree.asking(path):
            parquet = pq.ParquetFile(file, page_checksum_verification=True)
            schema = parquet.schema_arrow
            version = _version(schema)
            for batch in parquet.iter_batches():
                seen.add(batch)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        return Contents(fault=f"it is not a complete Parquet file: {one_line(error)}")
    check_version(version, tree.full(path))
    session = session_of(path)
    others = sorted(map(str, seen.sessions - {session})) if session else []
    fault = f"its rows are of session {others[0]!r}: it was copied or renamed" if others else None
    odd = _odd_columns(path, doc_type, schema, version)
    sessions = frozenset(map(str, seen.sessions))
    return Contents(seen.rows, seen.first, seen.last, fault, odd, plain_schema(schema), sessions)


def is_rows(name: str) -> bool:
    """Return whether a file of this name has rows; file managers leave ``._part-000001.parquet``."""
    return name.endswith(".parquet") and not name.startswith(".")


def outside_files(tree: Tree, folder: str) -> Iterator[tuple[str, FileState]]:
    """Yield the Parquet files below a kind's *folder* that are in no session's folder."""
    for name, state in sorted(tree.files(folder).items()):
        if is_rows(name):
            yield f"{folder}/{name}", state
    for name in tree.names(folder, directories=True):
        if not name.startswith("session_id="):
            yield from outside_files(tree, f"{folder}/{name}")


def _version(schema: pa.Schema) -> str:
    stated = (schema.metadata or {}).get(b"vectra.schema_version")
    return _FIRST_VERSION if stated is None else stated.decode("utf-8", "replace")


def _odd_columns(
    path: str, doc_type: DocType, schema: pa.Schema, version: str
) -> tuple[tuple[str, str], ...]:
    """Return the columns that need SQL: those of another type, and missing ones."""
    expected = schema_of(doc_type)
    literals = {
        "doc_type": doc_type.value,
        "schema_version": version,
        "session_id": session_of(path) or None,
    }
    odd = []
    for name, kind in sql_columns(doc_type):
        index = schema.get_field_index(name)
        if index < 0:
            text = literals.get(name)
            odd.append((name, f"{'NULL' if text is None else sql_text(text)}::{kind}"))
        elif not _same_type(schema.field(index).type, expected.field(name).type):
            odd.append((name, f'CAST("{name}" AS {kind})'))
    return tuple(odd)


def _same_type(given: pa.DataType, expected: pa.DataType) -> bool:
    """Return whether DuckDB maps both to the same type."""
    import pyarrow as pa

    if pa.types.is_dictionary(expected):
        expected = expected.value_type
    if pa.types.is_dictionary(given):
        given = given.value_type
    if pa.types.is_string(expected):
        return bool(pa.types.is_string(given) or pa.types.is_large_string(given))
    return bool(given.equals(expected))


def cast_fault(dataset: Any, odd: tuple[tuple[str, str], ...]) -> str | None:
    """Return why values of another type cannot be converted to the schema, None if all can."""
    import duckdb

    casts = [text for _, text in odd if text.startswith("CAST")]
    if not casts:
        return None
    counts = ", ".join(f"count({text})" for text in casts)
    try:
        with connected() as connection:
            connection.register("file", dataset)
            connection.execute(f"SELECT {counts} FROM file")  # noqa: S608 - our own names
    except duckdb.Error as error:
        return f"its values do not fit schema {SCHEMA_VERSION}: {one_line(error)}"
    return None
