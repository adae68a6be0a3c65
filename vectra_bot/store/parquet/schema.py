"""The explicit Parquet schema of every kind of document, and how its columns are encoded."""

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
"""What the numbers of a column kind mean; stands in the fields' metadata."""

# Readers that take folder names as columns (pyarrow, polars) give them dictionary type: the file agrees.
FOLDER_COLUMNS: Final = ("session_id", "doc_type")
"""Columns that stand in the names of folders as well."""

# Long texts that hardly ever repeat as a whole.
_LONG_TEXTS = ("raw_json", "detail_json", "source_data", "message")
# Random texts, each there once or twice: a search for repeats finds false ones and makes them longer.
_UNIQUE = ("action_id", "alert_id", "episode_id", "trace_id", "trade_id")
# Of 5 MB of trades zstd 9 leaves 41.7 B a row in 0.03 s, 15 leaves 41.2 in 0.1 s, 19 leaves 40.3 in 0.4 s.
_PART_LEVEL: Final = 1
_COMPACTED_LEVEL: Final = 15
# What exact quantiles scan: a dictionary is what DuckDB reads fastest, more effort makes it no smaller.
_LATENCY: Final = "_latency_ms"
_LATENCY_LEVEL: Final = 3
# Frames of 9 kB: level 1 leaves 8.0 % at 1,080 MB/s, 9 leaves 7.4 % at 180, 15 leaves 7.2 % at 24.
_TEXT_LEVEL: Final = 9
# Row-group statistics only where they let a reader skip; each costs bytes in every footer.
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
    """Refuse rows of a schema that is newer than this program's, or that is no version at all.

    Args:
        given: ``MAJOR.MINOR.PATCH``; another patch number is read.
        what: the file or folder, for the message.

    Raises:
        StoreError: the version is newer in its first or second number.
    """
    known = tuple(map(int, SCHEMA_VERSION.split(".")))
    try:
        found = tuple(map(int, given.split(".")))
    except ValueError:
        found = ()
    if len(found) != len(known):
        raise StoreError(
            f"{what} has schema version {given!r}, which is none; "
            "restore it, or build the session's files again with `vectra-bot store recover`"
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
        compacted: whether size counts more than the time that writing takes.
    """
    columns = document_columns(doc_type)
    encodings = {column.name: encoding for column in columns if (encoding := _encoding(column))}
    # A dictionary is what remains for texts of few values; a bool is a bit as it is.
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
    """Return how hard zstd tries on a column of a compacted file."""
    if name in _UNIQUE:
        return _PART_LEVEL
    if name.endswith(_LATENCY):
        return _LATENCY_LEVEL
    return _TEXT_LEVEL if name in _LONG_TEXTS else _COMPACTED_LEVEL


def _encoding(column: Column) -> str | None:
    """Return how the values of a column are laid out before compression, None for a dictionary.

    Each is what DuckDB can read and what came out smallest over recorded prices and trades: numbers that
    grow by small steps as differences, other numbers byte by byte, unique texts without what is between
    them. An amount takes 16 bytes that DuckDB cannot read byte by byte; zstd finds its zeros.
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
