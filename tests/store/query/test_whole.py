"""Small kinds of documents: verified whole, then read by DuckDB itself."""

from __future__ import annotations

import hashlib
import os
import zlib
from pathlib import Path
from typing import Any

import attrs
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.store.samples import SESSION, tick_document
from tests.store.stores import write_documents, write_ticks
from vectra_bot.clock import VirtualClock
from vectra_bot.store.parquet.manifest import Part, write_manifest
from vectra_bot.store.query.catalog import Catalog, CorruptRowsWarning, open_store
from vectra_bot.store.query.dataset import StoreDataset
from vectra_bot.store.query.whole import TRUST_S, WHOLE
from vectra_bot.store.tree import Tree

COUNT = "SELECT count(*), sum(tick) FROM game_tick"
PLAN = "EXPLAIN SELECT max(price) FROM game_tick"


class CountingTree(Tree):
    """The files of a store, counting how often each is read by Python."""

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.opened = 0

    def open_bytes(self, path: str) -> Any:
        self.opened += 1
        return super().open_bytes(path)


def _plan(catalog: Catalog, text: str = PLAN) -> str:
    return str(catalog.sql(text).rows[0][1])


def _replace(store: Path, part: Part, table: pa.Table) -> None:
    """Write the rows of *part* with the columns of *table*, as another version may have them."""
    path = store / part.path
    pq.write_table(table, path)
    data = path.read_bytes()
    listed = attrs.evolve(
        part,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        crc32=zlib.crc32(data),
        footer_crc32=None,
        headers_crc32=None,
    )
    write_manifest(store, part.folder, [listed])


def _rows_of(store: Path, part: Part) -> pa.Table:
    return pq.ParquetFile(store / part.path).read()


# --- what is read by whom ---------------------------------------------------------------------------


def test_a_small_kind_is_read_by_duckdb(tmp_path: Path) -> None:
    """Up to a number of bytes; above it, and beside files without a manifest line, Arrow scans."""
    parts = write_ticks(tmp_path, tick_document, 3)
    size = sum(part.bytes for part in parts)
    for whole, reader in ((size, "READ_PARQUET"), (size - 1, "ARROW_SCAN")):
        with Catalog(str(tmp_path), StoreDataset(Tree(tmp_path), whole)) as catalog:
            assert reader in _plan(catalog)
            assert catalog.sql(COUNT).rows == [(6, 21)]
    write_manifest(tmp_path, parts[0].folder, parts[:2])
    with open_store(tmp_path) as catalog:
        assert "ARROW_SCAN" in _plan(catalog)
        assert catalog.sql(COUNT).rows == [(6, 21)]


@pytest.mark.parametrize("name", ["price=3", "a[b]*?", "{a,b}", "50%20", "it's"])
def test_names_with_special_characters_are_names(tmp_path: Path, name: str) -> None:
    """A path's pattern characters, quotes and `=` are read as they are, and give no column."""
    store = tmp_path / name
    write_ticks(store, tick_document, 2)
    write_ticks(store, tick_document, 1, session_id="it's")
    text = "SELECT session_id, doc_type, max(price) < 3, count(*) FROM game_tick GROUP BY ALL ORDER BY 1"
    with Catalog(str(store), StoreDataset(Tree(store), 0)) as scanned, open_store(store) as catalog:
        rows = catalog.sql(text).rows
        assert [row[0] for row in rows] == ["it's", SESSION]
        assert rows == scanned.sql(text).rows


def test_a_condition_on_the_session_excludes_files(tmp_path: Path) -> None:
    """By the names of the folders, so that the files of other sessions are not opened."""
    for number in range(4):
        write_ticks(tmp_path, tick_document, 1, session_id=f"s-{number}")
    with open_store(tmp_path) as catalog:
        text = "SELECT sum(tick) FROM game_tick WHERE session_id = 's-2'"
        assert "1/4" in _plan(catalog, f"EXPLAIN {text}")
        assert catalog.sql(text).rows == [(3,)]


def test_columns_are_those_of_the_schema(tmp_path: Path) -> None:
    """A file with another order is matched by name; where a file, or all, lack a column, it is NULL."""
    first, second = (
        write_documents(tmp_path, [tick_document(1), tick_document(2)], session_id)[0]
        for session_id in ("s-a", "s-b")
    )
    text = "SELECT session_id, sum(tick), count(price) FROM game_tick GROUP BY 1 ORDER BY 1"
    with open_store(tmp_path) as catalog:
        assert catalog.sql(text).rows == [("s-a", 3, 2), ("s-b", 3, 2)]
        rows = _rows_of(tmp_path, first)
        _replace(tmp_path, first, rows.select(rows.column_names[::-1]))
        assert catalog.sql(text).rows == [("s-a", 3, 2), ("s-b", 3, 2)]
        assert "READ_PARQUET" in _plan(catalog)
        _replace(tmp_path, first, rows.drop_columns(["price"]))
        assert catalog.sql(text).rows == [("s-a", 3, 0), ("s-b", 3, 2)]
        assert "READ_PARQUET" in _plan(catalog)
        _replace(tmp_path, second, _rows_of(tmp_path, second).drop_columns(["price"]))
        assert catalog.sql(text).rows == [("s-a", 3, 0), ("s-b", 3, 0)]
        assert "ARROW_SCAN" in _plan(catalog)


# --- when it is verified ------------------------------------------------------------------------------


def test_a_file_is_verified_once_while_it_is_unchanged(tmp_path: Path) -> None:
    """Every query compares the states of the files; the bytes, only after a change or a minute."""
    (part,) = write_ticks(tmp_path, tick_document, 1)
    tree, clock = CountingTree(tmp_path), VirtualClock(0)
    with Catalog(str(tmp_path), StoreDataset(tree, WHOLE, clock)) as catalog:
        for _ in range(3):
            assert catalog.sql(COUNT).rows == [(2, 3)]
        once = tree.opened
        assert once > 0
        os.utime(tmp_path / part.path)
        assert catalog.sql(COUNT).rows == [(2, 3)]
        again = tree.opened
        assert again > once
        clock.advance_to(round(TRUST_S * 1e9) + 1)
        assert catalog.sql(COUNT).rows == [(2, 3)]
        assert tree.opened > again


def test_a_flip_between_two_queries_is_seen(tmp_path: Path) -> None:
    """Also if the modification time is set back: the time of the last change is not."""
    (part,) = write_ticks(tmp_path, tick_document, 1, each=50)
    path = tmp_path / part.path
    with open_store(tmp_path) as catalog:
        assert catalog.sql(COUNT).rows == [(50, 1275)]
        before = path.stat()
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 1
        path.write_bytes(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.warns(CorruptRowsWarning, match="wrong CRC32"):
            assert catalog.sql(COUNT).rows == [(0, None)]


# --- what SQL may open --------------------------------------------------------------------------------


def test_a_store_that_grows_is_read_by_another_instance(tmp_path: Path) -> None:
    """What was returned before stays valid: a connection, a relation."""
    write_ticks(tmp_path, tick_document, 1)
    with open_store(tmp_path) as catalog:
        connection = catalog.connection
        relation = catalog.relation("game_tick")
        for number in range(2, 5):
            seq = 2 * number - 1
            more = [tick_document(seq), tick_document(seq + 1)]
            write_documents(tmp_path, more, number=number, first_seq=seq)
            write_documents(tmp_path, [tick_document(1)], f"s-{number}")
            assert catalog.sql("SELECT count(*) FROM game_tick").rows == [(3 * number - 1,)]
        assert connection.execute(COUNT).fetchall() == [(2, 3)]
        assert relation.aggregate("count(*)").fetchall() == [(2,)]
        assert catalog.connection.execute("SELECT count(*) FROM game_tick").fetchall() == [(11,)]


def test_only_files_of_small_kinds_are_opened(tmp_path: Path) -> None:
    """Other files of the store stay closed to SQL, as everything outside it."""
    (part,) = write_ticks(tmp_path, tick_document, 1)
    other = tmp_path / "doc_type=game_tick" / "note.txt"
    other.write_text("a note", encoding="utf-8")
    with open_store(tmp_path) as catalog:
        assert catalog.sql(COUNT).rows == [(2, 3)]
        connection = catalog.connection
        assert connection.execute(f"SELECT count(*) FROM '{tmp_path / part.path}'").fetchall()
        for name in (other, tmp_path / part.folder / "_manifest.jsonl"):
            with pytest.raises(duckdb.PermissionException, match="disabled by configuration"):
                connection.execute(f"SELECT * FROM read_text('{name}')")
        for name in ("allowed_paths", "allowed_directories"):
            with pytest.raises(duckdb.InvalidInputException, match="locked"):
                connection.execute(f"SET {name} = ['/']")
