"""Rows of foreign Parquet are imported once, whatever file they come in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.imports.samples import only, query
from vectra_bot.imports.arrow.identity import row_digests, with_ordinals
from vectra_bot.imports.run import import_paths
from vectra_bot.store.maintenance.sessions import drop_session, list_sessions

ROWS = 900
FIRST = 1_765_069_030_000


def prices(rows: int = ROWS, start: int = 0) -> pa.Table:
    """Return ticks of one game, with a column of texts and one that is partly null."""
    ticks = range(start, start + rows)
    return pa.table(
        {
            "game_id": ["20251207-e8186dbf38e046d1"] * rows,
            "tick": list(ticks),
            "price": [1 + tick / 7 for tick in ticks],
            "timestamp": [FIRST + 250 * tick for tick in ticks],
            "note": [None if tick % 3 else f"note {tick % 50}" for tick in ticks],
        }
    )


def write(path: Path, table: pa.Table, **options: Any) -> Path:
    pq.write_table(table, path, **options)
    return path


def retyped(table: pa.Table) -> pa.Table:
    """Return a table with narrower numbers, dictionaries, other columns' order and a column of nulls."""
    columns = {
        "note": table.column("note").dictionary_encode(),
        "timestamp": table.column("timestamp").cast(pa.float64()),
        "tick": table.column("tick").cast(pa.int16()),
        "price": table.column("price"),
        "game_id": table.column("game_id").cast(pa.large_string()),
        "nothing": pa.nulls(table.num_rows),
    }
    return pa.table(columns)


REWRITTEN: dict[str, Callable[[Path], Path]] = {
    "zstd": lambda path: write(path, prices(), compression="zstd"),
    "none": lambda path: write(path, prices(), compression="none", use_dictionary=False),
    "row groups": lambda path: write(path, prices(), row_group_size=100),
    "types": lambda path: write(path, retyped(prices())),
    "metadata": lambda path: write(path, prices().replace_schema_metadata({"a": "b"})),
}


@pytest.mark.parametrize("how", REWRITTEN)
def test_a_rewritten_file_has_no_new_rows(how: str, tmp_path: Path) -> None:
    """Compression, row groups, the order of columns and the width of numbers do not matter."""
    store = tmp_path / "s"
    first = only(import_paths(write(tmp_path / "a.parquet", prices()), store))

    again = only(import_paths(REWRITTEN[how](tmp_path / "b.parquet"), store))

    assert (first.imported, first.already) == (ROWS, False)
    assert (again.imported, again.duplicates, again.bad, again.already) == (0, ROWS, 0, True)
    assert again.sessions == first.sessions
    assert query(store, "SELECT count(*), count(DISTINCT tick) FROM game_tick") == [(ROWS, ROWS)]


def test_a_file_that_grew_has_its_new_rows_imported(tmp_path: Path) -> None:
    """Only they are: 100 rows in another session, then none."""
    store = tmp_path / "s"
    first = only(import_paths(write(tmp_path / "a.parquet", prices()), store))
    grown = write(tmp_path / "a.parquet", prices(ROWS + 100), compression="zstd")

    found = only(import_paths(grown, store))
    again = only(import_paths(grown, store))

    assert (found.imported, found.duplicates) == (100, ROWS)
    assert found.sessions[0] == first.sessions[0]
    assert len(found.sessions) == 2
    assert (again.imported, again.duplicates, again.already) == (0, ROWS + 100, True)
    assert query(store, "SELECT min(tick), max(tick), count(*) FROM game_tick") == [
        (0, ROWS + 99, ROWS + 100)
    ]
    assert len(list_sessions(store)) == 2


def test_equal_rows_of_one_file_are_separate(tmp_path: Path) -> None:
    """A row that is there three times is imported three times, and a fourth one later is new."""
    store = tmp_path / "s"
    three = pa.concat_tables([prices(1)] * 3)
    assert only(import_paths(write(tmp_path / "a.parquet", three), store)).imported == 3
    four = pa.concat_tables([prices(1)] * 4)

    found = only(import_paths(write(tmp_path / "b.parquet", four), store))

    assert (found.imported, found.duplicates) == (1, 3)


def test_rows_of_a_dropped_session_can_be_imported(tmp_path: Path) -> None:
    """What is known of a session's rows goes with the session."""
    store = tmp_path / "s"
    first = only(import_paths(write(tmp_path / "a.parquet", prices()), store))
    drop_session(store, first.sessions[0])

    found = only(import_paths(write(tmp_path / "b.parquet", prices(), compression="none"), store))

    assert (found.imported, found.duplicates) == (ROWS, 0)


def test_rows_that_were_refused_are_refused_again(tmp_path: Path) -> None:
    """A row without a price is bad each time; the others are imported once."""
    store = tmp_path / "s"
    table = prices()
    cells = table.column("price").to_pylist()
    cells[5] = None
    table = table.set_column(2, "price", pa.array(cells))
    path = write(tmp_path / "a.parquet", table)

    first, again = (only(import_paths(path, store)) for _ in range(2))

    assert (first.imported, first.bad) == (ROWS - 1, 1)
    assert (again.imported, again.duplicates, again.bad) == (0, ROWS - 1, 1)


CELLS = st.one_of(
    st.none(), st.integers(-(2**40), 2**40), st.floats(allow_nan=False, allow_infinity=False)
)


@given(
    rows=st.lists(st.tuples(CELLS, CELLS, st.one_of(st.none(), st.text(max_size=3))), max_size=8)
)
def test_digests_are_equal_if_and_only_if_the_rows_are(rows: list[tuple[Any, ...]]) -> None:
    """By value: a whole double is its integer, a null has no value, columns are not exchangeable."""
    numbers = [[None if cell is None else float(cell) for cell in row[:2]] for row in rows]
    table = pa.table(
        {
            "a": pa.array([row[0] for row in numbers], pa.float64()),
            "b": pa.array([row[1] for row in numbers], pa.float64()),
            "c": pa.array([row[2] for row in rows], pa.string()),
        }
    )

    digests = row_digests(table, "game_tick").tolist()

    keys = [(*two, row[2]) for two, row in zip(numbers, rows, strict=True)]
    assert len(set(digests)) == len(set(keys))
    assert all(
        (keys.index(key) == at) == (digests.index(digests[at]) == at) for at, key in enumerate(keys)
    )
    assert not set(digests) & set(row_digests(table, "other_player").tolist())
    assert len(set(with_ordinals(np.array(digests, dtype=np.uint64)).tolist())) == len(rows)
