"""The explicit Parquet schema of every kind of document, and how its columns are encoded."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

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
_FOLDER_COLUMNS = ("session_id", "doc_type")
# Long texts that hardly ever repeat as a whole.
_LONG_TEXTS = ("raw_json", "detail_json", "source_data", "message")
# Row-group statistics only where they let a reader skip; each costs bytes in every footer.
_STATISTICS = ("seq", "ts_ns", "game_id", "tick")


def _arrow_type(column: Column) -> pa.DataType:
    import pyarrow as pa

    if column.name in _FOLDER_COLUMNS:
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
def schema_of(doc_type: DocType) -> pa.Schema:
    """Return the schema of *doc_type*'s part files, with version and units in its metadata."""
    import pyarrow as pa

    fields = []
    for column in document_columns(doc_type):
        metadata = {"kind": column.kind}
        if column.kind in UNITS:
            metadata["unit"] = UNITS[column.kind]
        fields.append(
            pa.field(
                column.name, _arrow_type(column), nullable=not column.required, metadata=metadata
            )
        )
    return pa.schema(
        fields,
        metadata={"vectra.schema_version": SCHEMA_VERSION, "vectra.doc_type": doc_type.value},
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


@cache
def writer_options(doc_type: DocType) -> dict[str, Any]:
    """Return pyarrow's writer options for *doc_type*: encodings, compression, checksums."""
    encodings: dict[str, str] = {}
    dictionary: list[str] = []
    for column in document_columns(doc_type):
        if column.kind in ("int", "utc"):
            encodings[column.name] = "DELTA_BINARY_PACKED"
        elif column.kind in ("price", "double"):
            encodings[column.name] = "BYTE_STREAM_SPLIT"
        elif column.name in _LONG_TEXTS:
            encodings[column.name] = "PLAIN"
        elif column.kind != "bool":
            dictionary.append(column.name)
    names = [column.name for column in document_columns(doc_type)]
    return {
        "compression": "zstd",
        "compression_level": 9,
        "use_dictionary": dictionary,
        "column_encoding": encodings,
        "write_statistics": [name for name in _STATISTICS if name in names],
        "write_page_checksum": True,
        "data_page_size": 16 << 20,
        "version": "2.6",
    }
