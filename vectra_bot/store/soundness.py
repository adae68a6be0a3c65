"""Whether a Parquet file is whole: by its CRC32, or by reading all of it; each file once per process."""

from __future__ import annotations

import os
import re
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from vectra_bot.models import SCHEMA_VERSION, DocType
from vectra_bot.store.parquet.schema import check_version, schema_of, sql_columns
from vectra_bot.store.query.statements import one_line, sql_text

if TYPE_CHECKING:
    import pyarrow as pa

V = TypeVar("V")

_CHUNK: Final = 1 << 20
_PATTERN = re.compile(r"[*?\[]")
_KNOWN_FILES: Final = 200_000
_FIRST_VERSION: Final = "1.0.0"
"""The schema of files that do not say theirs."""

_known_crc: OrderedDict[Any, int] = OrderedDict()
_known_contents: OrderedDict[Any, Contents] = OrderedDict()


@attrs.frozen
class Contents:
    """What is in a file that no manifest describes.

    Attributes:
        rows: how many, -1 if unknown.
        first_seq, last_seq: their range, -1 if unknown or none.
        fault: why it cannot be read, None if it can.
        odd: its columns that are not as the present schema has them, with the SQL that makes them so.
        state: of the file, see :func:`state_of`.
    """

    rows: int = -1
    first_seq: int = -1
    last_seq: int = -1
    fault: str | None = None
    odd: tuple[tuple[str, str], ...] = ()
    state: tuple[int, ...] = ()


def state_of(found: os.stat_result) -> tuple[int, ...]:
    """Return inode, size and times of a file: while they are the same, so are its bytes.

    An inode is used again, and a copy keeps the time of its original, but not that of the last change.
    """
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _remember(known: OrderedDict[Any, V], key: Any, value: V) -> V:
    known[key] = value
    if len(known) > _KNOWN_FILES:
        known.popitem(last=False)
    return value


def crc32_of(path: Path, state: tuple[int, ...], fd: int) -> int:
    """Return the CRC32 of the file behind *fd*, which is closed.

    Args:
        path: its name; together with *state* (see :func:`state_of`) it says whether the file is known.
        state: of the file.
        fd: where to read it from.
    """
    key = (path, state)
    try:
        if key in _known_crc:
            return _known_crc[key]
        crc, buffer = 0, bytearray(min(state[1], _CHUNK) + 1)
        view = memoryview(buffer)
        while count := os.readv(fd, [buffer]):
            crc = zlib.crc32(view[:count], crc)
        return _remember(_known_crc, key, crc)
    finally:
        os.close(fd)


def contents_of(path: Path, doc_type: DocType) -> Contents:
    """Return what is in a file, after all of it was read and every page's checksum compared.

    Raises:
        StoreError: its schema is newer than this program's.
    """
    try:
        found = path.stat()
    except OSError as error:
        return Contents(fault=f"the file cannot be read: {error.strerror or error}")
    state = state_of(found)
    key = (path, doc_type, state)
    if key not in _known_contents:
        contents = attrs.evolve(_read_whole(path, doc_type), state=state)
        return _remember(_known_contents, key, contents)
    return _known_contents[key]


def _read_whole(path: Path, doc_type: DocType) -> Contents:
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = last = -1
    rows = 0
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            schema = file.schema_arrow
            version = _version(schema)
            for batch in file.iter_batches():
                rows += batch.num_rows
                low, high = _seq_range(batch)
                first = low if first < 0 else min(first, low)
                last = max(last, high)
    except (pa.ArrowException, OSError, ValueError) as error:
        return Contents(fault=f"it is no whole Parquet file: {one_line(error)}")
    check_version(version, str(path))
    odd = _odd_columns(path, doc_type, schema, version)
    fault = _cast_fault(path, odd) if rows else None
    return Contents(rows, first, last, fault, odd)


def _seq_range(batch: pa.RecordBatch) -> tuple[int, int]:
    import pyarrow as pa
    import pyarrow.compute as pc

    index = batch.schema.get_field_index("seq")
    if index < 0 or not pa.types.is_integer(batch.schema.field(index).type):
        return -1, -1
    found = pc.min_max(batch.column(index)).as_py()
    return (-1, -1) if found["min"] is None else (found["min"], found["max"])


def _version(schema: pa.Schema) -> str:
    stated = (schema.metadata or {}).get(b"vectra.schema_version")
    return _FIRST_VERSION if stated is None else stated.decode("utf-8", "replace")


def _odd_columns(
    path: Path, doc_type: DocType, schema: pa.Schema, version: str
) -> tuple[tuple[str, str], ...]:
    """Return the columns that SQL must make: those of another type, and those that are missing."""
    expected = schema_of(doc_type)
    session = next((p[11:] for p in path.parts[::-1] if p.startswith("session_id=")), None)
    literals = {"doc_type": doc_type.value, "schema_version": version, "session_id": session}
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
    """Return whether DuckDB gives both the same type."""
    import pyarrow as pa

    if pa.types.is_dictionary(expected):
        expected = expected.value_type
    if pa.types.is_dictionary(given):
        given = given.value_type
    if pa.types.is_string(expected):
        return bool(pa.types.is_string(given) or pa.types.is_large_string(given))
    return bool(given.equals(expected))


def _cast_fault(path: Path, odd: tuple[tuple[str, str], ...]) -> str | None:
    """Return why values of another type cannot become what the schema says, None if all can."""
    import duckdb

    casts = [text for _, text in odd if text.startswith("CAST")]
    if not casts:
        return None
    counts = ", ".join(f"count({text})" for text in casts)
    source = f"read_parquet({sql_text(glob_text(path))}, hive_partitioning = false)"
    try:
        with duckdb.connect() as connection:
            connection.execute(f"SELECT {counts} FROM {source}")  # noqa: S608 - our own names
    except duckdb.Error as error:
        return f"its values do not fit schema {SCHEMA_VERSION}: {one_line(error)}"
    return None


def glob_text(path: Path | str) -> str:
    """Return *path* so that DuckDB takes its characters as they are, not as a pattern."""
    return _PATTERN.sub(r"[\g<0>]", str(path))
