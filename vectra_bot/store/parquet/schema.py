"""The Parquet schema of every kind of document, and the encodings of its columns."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from vectra_bot.errors import StoreError
from vectra_bot.models import SCHEMA_VERSION, DocType
from vectra_bot.serde import Column, document_columns

if TYPE_CHECKING:
    import pyarrow as pa

UNITS: Final = {
    "sol": "SOL or units of the position, 9 decimals",
    "price": "SOL per unit, IEEE double",
    "utc": "UTC",
}
"""Units of each column kind; in the metadata of the fields."""

# Readers that make columns of folder names (pyarrow, polars) give them dictionary type, like the file.
FOLDER_COLUMNS: Final = ("session_id", "doc_type")
"""Columns that are in folder names as well."""

# Long texts that rarely repeat as a whole.
_LONG_TEXTS = ("raw_json", "detail_json", "source_data", "message")
# Random texts, mostly unique: matches found by compression are accidental and make them longer.
_UNIQUE = ("action_id", "alert_id", "episode_id", "trace_id", "trade_id")
# 5 MB of trades: zstd 9 gives 41.7 B a row in 0.03 s, 15 gives 41.2 in 0.1 s, 19 gives 40.3 in 0.4 s.
_PART_LEVEL: Final = 1
_COMPACTED_LEVEL: Final = 15
# Scanned for exact quantiles: DuckDB reads dictionaries fastest, a higher level does not shrink it.
_LATENCY: Final = "_latency_ms"
_LATENCY_LEVEL: Final = 3
# Frames of 9 kB: level 1 gives 8.0 % at 1,080 MB/s, 9 gives 7.4 % at 180, 15 gives 7.2 % at 24.
_TEXT_LEVEL: Final = 9
# Row-group statistics only where they let a reader skip rows; each takes bytes in every footer.
_STATISTICS = ("seq", "ts_ns", "game_id", "tick")


def arrow_type(column: Column) -> pa.DataType:
    import pyarrow as pa

    if column.name in FOLDER_COLUMNS:
        return pa.dictionary(pa.int32(), pa.string())
    types = {
        "sol": pa.decimal128(38, 9),
        "price": pa.float64(),
        "double": pa.float64(),
        "int": pa.int64(),
        "bool": pa.bool_(),
        "utc": pa.timestamp("us", tz="UTC"),
    }
    return types.get(column.kind, pa.string())


@cache
def fields_of(doc_type: DocType) -> tuple[pa.Field, ...]:
    """Return the fields of *doc_type*'s part files, with units in their metadata."""
    import pyarrow as pa

    fields = []
    for column in document_columns(doc_type):
        metadata = {"kind": column.kind}
        if column.kind in UNITS:
            metadata["unit"] = UNITS[column.kind]
        fields.append(
            pa.field(
                column.name, arrow_type(column), nullable=not column.required, metadata=metadata
            )
        )
    return tuple(fields)


@cache
def schema_of(doc_type: DocType) -> pa.Schema:
    """Return the schema of *doc_type*'s part files, with version and units in its metadata."""
    from importlib.metadata import version

    import pyarrow as pa

    return pa.schema(
        fields_of(doc_type),
        metadata={
            "vectra.schema_version": SCHEMA_VERSION,
            "vectra.doc_type": doc_type.value,
            "vectra.writer": f"vectra-bot {version('vectra-bot')}",
        },
    )


def completed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return *table* with the columns of *schema*; null where it lacks one, as files of earlier versions do.

    Raises:
        ValueError: it lacks a column that is never null, or a value does not fit its column.
    """
    import pyarrow as pa

    known = set(table.column_names)
    for index, column in enumerate(schema):
        if column.name not in known and column.nullable:
            table = table.add_column(index, column, pa.nulls(table.num_rows, column.type))
    return table.cast(schema)


@cache
def sql_columns(doc_type: DocType) -> tuple[tuple[str, str], ...]:
    """Return names and DuckDB types of *doc_type*'s columns."""
    types = {
        "sol": "DECIMAL(38,9)",
        "price": "DOUBLE",
        "double": "DOUBLE",
        "int": "BIGINT",
        "bool": "BOOLEAN",
        "utc": "TIMESTAMPTZ",
    }
    return tuple(
        (column.name, types.get(column.kind, "VARCHAR")) for column in document_columns(doc_type)
    )


def check_version(given: str, what: str) -> None:
    """Refuse rows of a schema that is newer than this program's, or an invalid version.

    Args:
        given: ``MAJOR.MINOR.PATCH``; the patch number is ignored.
        what: the file or folder, for the message.

    Raises:
        StoreError: the version is newer in its first or second number, or invalid.
    """
    known = tuple(map(int, SCHEMA_VERSION.split(".")))
    try:
        found = tuple(map(int, given.split(".")))
    except ValueError:
        found = ()
    if len(found) != len(known):
        raise StoreError(
            f"{what} has the invalid schema version {given!r}; "
            "restore it, or rebuild the session's files with `vectra-bot store recover`"
        )
    if found[:2] > known[:2]:
        raise StoreError(
            f"{what} has schema version {given}, this vectra-bot reads up to "
            f"{SCHEMA_VERSION}: upgrade vectra-bot to read it"
        )


@cache
def writer_options(doc_type: DocType, *, compacted: bool = False) -> dict[str, Any]:
    """Return pyarrow's writer options for *doc_type*: encodings, compression, checksums.

    Args:
        doc_type: what the rows are.
        compacted: whether size matters more than writing time.
    """
    columns = document_columns(doc_type)
    encodings = {column.name: encoding for column in columns if (encoding := _encoding(column))}
    # Everything else uses a dictionary, for texts with few values; a bool is a bit.
    dictionary = [c.name for c in columns if c.name not in encodings and c.kind != "bool"]
    names = [column.name for column in columns]
    return {
        "compression": "zstd",
        "compression_level": {name: _level(name) if compacted else _PART_LEVEL for name in names},
        "use_dictionary": dictionary,
        "column_encoding": encodings,
        "write_statistics": [name for name in _STATISTICS if name in names],
        "write_page_checksum": True,
        "data_page_size": 16 << 20,
        "version": "2.6",
    }


def _level(name: str) -> int:
    """Return the zstd level for a column of a compacted file."""
    if name in _UNIQUE:
        return _PART_LEVEL
    if name.endswith(_LATENCY):
        return _LATENCY_LEVEL
    return _TEXT_LEVEL if name in _LONG_TEXTS else _COMPACTED_LEVEL


def _encoding(column: Column) -> str | None:
    """Return the encoding of the values of a column before compression, None for a dictionary.

    Each is readable by DuckDB and gave the smallest files for recorded prices and trades: delta encoding
    for numbers that grow by small steps, byte stream split for other numbers, delta-length byte arrays for
    unique texts. An amount takes 16 bytes, which DuckDB cannot read byte-split; zstd compresses its
    zeros.
    """
    if column.name in _UNIQUE:
        return "DELTA_LENGTH_BYTE_ARRAY"
    if column.name in _LONG_TEXTS or column.kind == "sol":
        return "PLAIN"
    if column.kind == "utc" or column.name in ("seq", "ts_ns") or column.name.endswith("_ts"):
        return "DELTA_BINARY_PACKED"
    if column.kind in ("int", "price", "double") and not column.name.endswith(_LATENCY):
        return "BYTE_STREAM_SPLIT"
    return None
