"""Imports of Parquet from other programs."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vectra_bot
from tests.imports.samples import (
    only,
    query,
)
from vectra_bot.imports.run import import_paths
from vectra_bot.models import DocType
from vectra_bot.store.parquet.manifest import read_manifest
from vectra_bot.store.parquet.sketch import merged_sketches
from vectra_bot.store.query.catalog import open_store


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of a short session on the embedded exchange."""
    store = tmp_path_factory.mktemp("run") / "store"
    vectra_bot.run("watch", session_id="S", store=store, games=2, seed=7, crowd=5)
    return store


def test_parquet_of_a_data_frame_is_imported(tmp_path: Path) -> None:
    """Doubles for decimals, text for prices, camel case, pandas' index: rows become documents."""
    frame = pd.DataFrame(
        {
            "actionType": ["buy", "SELL", "hold"],
            "amount": [0.1, 0.06890460799999999, 0.3],
            "price": ["1.061531247396796", "2", "3"],
            "tick": [1, 2, 3],
            "playerId": ["p", "q", "r"],
            "gameId": "g",
        }
    )
    frame.to_parquet(tmp_path / "trades.parquet")

    found = only(import_paths(tmp_path / "trades.parquet", tmp_path / "s"))

    assert (found.kind, found.imported, found.bad) == ("parquet:other_player", 2, 1)
    assert found.bad_rows[0].row == 3
    assert found.bad_rows[0].value == "hold"
    sql = "SELECT action_type, amount, price, practice FROM other_player ORDER BY seq"
    assert query(tmp_path / "s", sql) == [
        ("BUY", Decimal("0.1"), 1.061531247396796, False), ("SELL", Decimal("0.068904608"), 2.0, False)
    ]  # fmt: skip


def test_a_tree_written_by_duckdb_keeps_its_sessions_and_numbers(
    session: Path, tmp_path: Path
) -> None:
    """The layout of the schema, written by another program: the same rows under the same names."""
    tree = tmp_path / "tree"
    with open_store(session) as catalog:
        table = catalog.connection.sql("SELECT * FROM game_tick ORDER BY seq").to_arrow_table()
    with duckdb.connect() as connection:
        connection.register("ticks", table)
        connection.execute(
            f"COPY (SELECT * EXCLUDE venue FROM ticks) TO '{tree}' "
            "(FORMAT parquet, PARTITION_BY (doc_type, session_id))"
        )

    report = import_paths(tree, tmp_path / "s", venue="embedded")

    assert report.ok
    assert report.sessions == ["S"]
    sql = "SELECT * FROM game_tick ORDER BY seq"
    assert query(tmp_path / "s", sql) == query(session, sql)
    assert import_paths(tree, tmp_path / "s").files[0].already


def test_rows_of_several_kinds_and_sessions_in_one_file(tmp_path: Path) -> None:
    """One column has the kind, another the session; invalid names and kinds are bad rows."""
    count = 200
    table = pa.table(
        {
            "doc_type": ["game_tick", "server_state"] * (count // 2) + ["dream", "game_tick"],
            "session_id": [f"s-{n // 2 % 5}" for n in range(count)] + ["s-1", "a/b"],
            "seq": [*range(count), 7, 8],
            "game_id": ["g"] * (count + 2),
            "tick": [*range(count), 1, 1],
            "price": [1.5] * (count + 2),
            "cash": [0.5] * (count + 2),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=37)

    found = only(import_paths(tmp_path / "a.parquet", tmp_path / "s"))

    assert (found.imported, found.bad) == (count, 2)
    assert len(found.sessions) == 5
    rows = query(tmp_path / "s", "SELECT session_id, seq, tick FROM game_tick ORDER BY seq")
    assert [(seq, tick) for _, seq, tick in rows] == [(n, n) for n in range(0, count, 2)]
    assert all(name == f"s-{seq // 2 % 5}" for name, seq, _ in rows)


def test_decreasing_numbers_are_replaced(tmp_path: Path) -> None:
    """Rows out of order are kept in the order of the file, and renumbered."""
    table = pa.table(
        {
            "session_id": ["x"] * 4,
            "seq": [5, 3, 3, 9],
            "game_id": ["g"] * 4,
            "tick": range(4),
            "price": [1.0] * 4,
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")

    only(import_paths(tmp_path / "a.parquet", tmp_path / "s"))

    rows = query(tmp_path / "s", "SELECT tick, seq FROM game_tick ORDER BY seq")
    assert [tick for tick, _ in rows] == [0, 1, 2, 3]
    assert len({seq for _, seq in rows}) == 4


def test_many_rows_with_few_columns_are_imported_with_sketches(tmp_path: Path) -> None:
    """Missing values are filled and reported; sketches of the latencies are in the manifest."""
    count = 300_000
    latencies = np.random.default_rng(5).lognormal(5, 1, count).astype(np.int64)
    kinds = np.array(["BUY", "SELL"])[np.arange(count) % 2]
    pq.write_table(
        pa.table({"action_type": kinds, "timestamps_total_latency_ms": latencies, "mood": kinds}),
        tmp_path / "a.parquet",
    )

    found = only(import_paths(tmp_path / "a.parquet", tmp_path / "s"))

    assert (found.imported, found.bad) == (count, 0)
    assert "state_before_cash" in found.filled
    assert found.unused == ["mood"]
    (folder,) = (tmp_path / "s" / f"doc_type={DocType.PLAYER_ACTION.value}").iterdir()
    sketches = merged_sketches([part.sketches for part in read_manifest(folder)])
    buys = sketches["timestamps_total_latency_ms"]["BUY"]
    exact = float(np.percentile(latencies[::2], 95))
    assert buys.count == count // 2
    assert abs((buys.quantile(0.95) or 0) - exact) <= 0.01 * exact
    assert query(tmp_path / "s", "SELECT count(DISTINCT action_id), min(state) FROM player_action") == [
        (count, "UNRESOLVED")
    ]  # fmt: skip


def test_corrupt_parquet_gives_what_can_be_read(tmp_path: Path) -> None:
    """A corrupt row group loses only its own rows, all reported; a truncated file is refused."""
    path = tmp_path / "a.parquet"
    table = pa.table(
        {
            "game_id": ["g"] * 3000,
            "tick": range(3000),
            "price": np.random.default_rng(1).random(3000),
        }
    )
    pq.write_table(
        table,
        path,
        row_group_size=1000,
        write_page_checksum=True,
        compression="none",
        use_dictionary=False,
    )
    data = bytearray(path.read_bytes())
    place = pq.read_metadata(path).row_group(1).column(2)
    data[place.data_page_offset + place.total_compressed_size // 2] ^= 0xFF
    path.write_bytes(data)
    half = tmp_path / "half.parquet"
    half.write_bytes(data[: len(data) // 2])

    found = only(import_paths(path, tmp_path / "s"))
    lost = only(import_paths(half, tmp_path / "s"))

    assert (found.rows, found.imported, found.bad) == (3000, 2000, 1000)
    assert found.bad_rows[0].row == 1001
    assert (lost.rows, lost.bad) == (1, 1)
