"""Schemas have version and units, DuckDB reads what is written, and newer rows are refused by name."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.strategies import any_document
from tests.store.samples import memory_folder
from vectra_bot.errors import StoreError
from vectra_bot.models import RECORDS, SCHEMA_VERSION, DocType, Envelope, Mode
from vectra_bot.serde import document_columns, document_packer
from vectra_bot.store.parquet.schema import check_version, schema_of, sql_columns, writer_options
from vectra_bot.store.parquet.writer import rows_to_table

KINDS = pytest.mark.parametrize("doc_type", DocType, ids=lambda d: d.value)


@KINDS
def test_schema_has_version_and_units(doc_type: DocType) -> None:
    """Every file has its schema version, its writer, and the units of its numbers."""
    schema = schema_of(doc_type)
    assert schema.metadata[b"vectra.schema_version"] == b"2.0.0"
    assert schema.metadata[b"vectra.doc_type"].decode() == doc_type.value
    assert schema.metadata[b"vectra.writer"].startswith(b"vectra-bot ")
    for column in document_columns(doc_type):
        field = schema.field(column.name)
        assert field.nullable is not column.required
        if column.kind == "sol":
            assert str(field.type) == "decimal128(38, 9)"
            assert field.metadata[b"unit"].startswith(b"SOL")


@KINDS
@pytest.mark.parametrize("compacted", [False, True], ids=["part", "compacted"])
def test_duckdb_sees_the_columns_as_promised(
    doc_type: DocType, tmp_path: Path, *, compacted: bool
) -> None:
    """SQL sees the types of the schema, whatever the encoding."""
    path = tmp_path / "x.parquet"
    options = writer_options(doc_type, compacted=compacted)
    pq.write_table(schema_of(doc_type).empty_table(), path, **options)
    relation = duckdb.sql(f"FROM '{path}'")
    long = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
    types = [long.get(str(kind), str(kind)) for kind in relation.types]
    assert list(zip(relation.columns, types, strict=True)) == list(sql_columns(doc_type))


@settings(settings.get_profile("costly"))
@given(any_document(), st.booleans())
def test_duckdb_reads_every_value_as_it_was(pair: tuple[DocType, object], compacted: bool) -> None:
    """DuckDB reads the encodings that pyarrow wrote, value by value."""
    doc_type, record = pair
    envelope = Envelope(
        session_id=getattr(record, "session_id", "S"),
        seq=1,
        doc_type=doc_type,
        mode=getattr(record, "mode", Mode.PAPER),
        venue="v",
        source="s",
        ts_ns=2**62,
        game_id=getattr(record, "game_id", None) or "",
        player_id=getattr(record, "player_id", None) or "",
    )
    row = document_packer(doc_type)(envelope, record)
    table = rows_to_table(doc_type, [row, row])
    with memory_folder() as folder:
        path = Path(folder) / "x.parquet"
        pq.write_table(table, path, **writer_options(doc_type, compacted=compacted))
        assert pq.read_table(path, schema=table.schema).equals(table)
        plain = [c.name for c in document_columns(doc_type) if c.kind != "utc"]
        names = ", ".join(f'"{name}"' for name in plain)
        found = duckdb.sql(f"SELECT {names} FROM '{path}'").fetchall()
    expected = tuple(
        value
        for value, column in zip(row, document_columns(doc_type), strict=True)
        if column.kind != "utc"
    )
    assert found == [expected, expected]


def test_every_kind_has_a_record() -> None:
    """The kinds of documents are the eleven of the schema, each with its own columns."""
    assert set(RECORDS) == set(DocType)
    assert len(DocType) == 11


@pytest.mark.parametrize("given_version", [SCHEMA_VERSION, "2.0.9", "1.9.0", "1.0.0"])
def test_older_and_patched_versions_are_read(given_version: str) -> None:
    """Another patch number and older versions are accepted."""
    check_version(given_version, "file")


@pytest.mark.parametrize("given_version", ["2.1.0", "3.0.0", "2.10.0", "10.0.0"])
def test_newer_versions_are_refused_by_name(given_version: str) -> None:
    """Rows of a later version are refused with its version, ours, and what to do."""
    with pytest.raises(StoreError, match=f"f has schema version {given_version}.*upgrade") as error:
        check_version(given_version, "f")
    assert SCHEMA_VERSION in str(error.value)


@pytest.mark.parametrize("given_version", ["", "2", "2.0", "2.0.x", "two", "2.0.0.0"])
def test_an_invalid_version_is_refused(given_version: str) -> None:
    """Invalid text is corruption, not an old file."""
    with pytest.raises(StoreError, match="the invalid schema version"):
        check_version(given_version, "f")
