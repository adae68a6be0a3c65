"""p50 and p95 of latencies: by sketches, by the exact query on the same store, and on one single file.

The exact query is also repeated in a process that has asked it before, of this tree and of an earlier
commit: the figures ``again_*`` are CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
from store_common import alternate, ratio, spread
from store_query import as_before, earlier_tree

from vectra_bot.models import DocType
from vectra_bot.store.parquet.compaction import compact_all
from vectra_bot.store.parquet.schema import schema_of
from vectra_bot.store.parquet.writer import PartWriter, list_part, write_table
from vectra_bot.store.query.catalog import open_store

LIMITS = {
    "sketch_error": 0.01,
    "ratio_to_exact": 0.05,
    "ratio_to_single_file": 1.15,
    "again_ratio": 1.1,
    "again_ratio_in_one_file": 1.1,
}
COLUMN = "timestamps_total_latency_ms"
QUANTILES = (0.5, 0.95)
SESSIONS = 100
PARTS_PER_SESSION = 2
ROUNDS = 9
TYPES = ("BUY", "SELL", "PLACE_SIDEBET")
EXACT = (
    f"SELECT action_type, quantile_cont({COLUMN}, [0.5, 0.95]), count(*) FROM {{}} "
    f"WHERE {COLUMN} IS NOT NULL GROUP BY action_type ORDER BY action_type"
)
_AGAIN = """
import json, sys, time
try:
    from vectra_bot.store.query.catalog import open_store
except ImportError:
    from vectra_bot.store.catalog import open_store
with open_store(sys.argv[1]) as catalog:
    catalog.sql(sys.argv[2])
    for _ in sys.stdin:
        started = time.process_time()
        rows = catalog.sql(sys.argv[2]).rows
        print(json.dumps([time.process_time() - started, repr(rows)]), flush=True)
"""
# Content of the columns that are neither numbers nor named below; the figures do not depend on it.
FILLERS: dict[str, Any] = {
    "schema_version": "2.0.0", "mode": "live", "venue": "bench", "source": "tracker",
    "player_id": "did:privy:me", "username": "me", "button": "BUY", "actor": "bot",
    "game_context_phase": "active", "state": "CONFIRMED", "outcome_success": True,
}  # fmt: skip


def latencies_of(name: str, rows: int, seed: int) -> np.ndarray:
    """Return *rows* latencies in whole milliseconds, of a named distribution or of a file, repeated if short.

    Raises:
        SystemExit: the file has no column of numbers.
    """
    chance = np.random.default_rng(seed)
    if name == "bimodal":
        fast, slow = chance.lognormal(4.0, 0.25, rows), chance.lognormal(7.2, 0.2, rows)
        values = np.where(chance.random(rows) < 0.55, fast, slow)
    elif name == "pareto":
        values = 20 * (1 + chance.pareto(1.1, rows))
    elif name == "equal":
        values = np.full(rows, 237.0)
    else:
        values = np.resize(_column_of(Path(name)), rows)
    return np.rint(np.minimum(values, 2.0**53)).astype(np.int64)


def _column_of(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        values = np.load(path)
    else:
        table = pq.ParquetFile(path).read() if path.suffix == ".parquet" else pcsv.read_csv(path)
        numeric = [column for column in table.columns if pa.types.is_primitive(column.type)]
        if not numeric:
            raise SystemExit(f"{path} has no column of numbers")
        values = numeric[0].drop_null().to_numpy()
    values = np.asarray(values, np.float64).ravel()
    values = values[np.isfinite(values)]
    if not len(values):
        raise SystemExit(f"{path} has no numbers")
    return values


def actions(session_id: str, first_seq: int, latencies: np.ndarray, seed: int) -> pa.Table:
    """Return a table of actions with *latencies*, in the schema of the store."""
    chance, rows = np.random.default_rng(seed), len(latencies)
    seq = np.arange(first_seq, first_seq + rows)
    sent = 1_767_225_600_000 + seq * 1000
    ids = pc.binary_join_element_wise(session_id, pc.cast(pa.array(seq), pa.string()), "-")
    known: dict[str, Any] = {
        "session_id": session_id, "doc_type": "player_action", "seq": seq, "ts_ns": sent * 1_000_000,
        "action_id": ids, "action_type": pa.array(TYPES).take(pa.array(chance.integers(0, 3, rows))),
        "game_context_tick": chance.integers(0, 400, rows),
        "game_context_price": np.exp(chance.normal(0, 0.4, rows)),
        "timestamps_client_ts": sent, "timestamps_confirmed_ts": sent + latencies, COLUMN: latencies,
    }  # fmt: skip
    columns = []
    for wanted in schema_of(DocType.PLAYER_ACTION):
        value = known.get(wanted.name, FILLERS.get(wanted.name))
        if isinstance(value, np.ndarray | pa.Array | pa.ChunkedArray):
            columns.append(pa.array(value).cast(wanted.type))
        else:
            columns.append(_filled(wanted, value, rows))
    return pa.Table.from_arrays(columns, schema=schema_of(DocType.PLAYER_ACTION))


def _filled(wanted: pa.Field, value: Any, rows: int) -> pa.Array:
    if pa.types.is_dictionary(wanted.type):
        return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), [value])
    if value is None and not wanted.nullable:
        value = "g-1" if pa.types.is_string(wanted.type) else 0
    if pa.types.is_boolean(wanted.type):
        value = bool(value)
    return pa.repeat(pa.scalar(value, wanted.type), rows)


def fill(store: Path, latencies: np.ndarray) -> None:
    """Write the actions of many sessions, with several parts each."""
    for session, own in enumerate(np.array_split(latencies, SESSIONS)):
        seq = 1
        for number, some in enumerate(np.array_split(own, PARTS_PER_SESSION), 1):
            if not len(some):
                continue
            name = f"session-{session:03d}"
            table = actions(name, seq, some, session * 10 + number)
            write_table(store, DocType.PLAYER_ACTION, name, number, table)
            seq += len(some)


def into_one_file(store: Path, target: Path) -> Path:
    """Write all actions of *store* into one file of another store, like a compaction."""
    folder = target / "doc_type=player_action" / "session_id=all"
    writer = PartWriter(folder / "data.parquet", DocType.PLAYER_ACTION, compacted=True)
    seq = 1
    for path in sorted(store.glob("doc_type=player_action/*/data.parquet")):
        table = pq.ParquetFile(path).read()
        numbers = pa.array(np.arange(seq, seq + table.num_rows))
        seq += table.num_rows
        table = table.set_column(
            table.schema.get_field_index("seq"), table.schema.field("seq"), numbers
        )
        names = _filled(table.schema.field("session_id"), "all", table.num_rows)
        place = table.schema.get_field_index("session_id")
        writer.write(table.set_column(place, table.schema.field("session_id"), names))
    list_part(target, writer.finish((folder / "data.parquet").relative_to(target).as_posix()))
    return folder / "data.parquet"


def panel(store: Path) -> dict[str, tuple[float, ...]]:
    """Return the quantiles by type of action from sketches, including the opening of the store."""
    with open_store(store) as catalog:
        result = catalog.latency_panel()
    found = {}
    for row in result.as_dicts():
        if row["column"] == COLUMN:
            found[row["action_type"]] = (row["p50"], row["p95"])
    return found


def seconds(action: Callable[[], object]) -> Callable[[], float]:
    """Return a function that measures *action*."""

    def measured() -> float:
        started = time.perf_counter()
        action()
        return time.perf_counter() - started

    return measured


def error_of(sketch: float, exact: float) -> float:
    """Return the relative error of a quantile."""
    if exact == 0:
        return 0.0 if sketch == 0 else math.inf
    return abs(sketch - exact) / abs(exact)


class Again:
    """A process of a tree that repeats the exact query on request."""

    def __init__(self, tree: Path, store: Path) -> None:
        self.answers: set[str] = set()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _AGAIN, str(store), EXACT.format("player_action")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=store,
            env={**os.environ, "PYTHONPATH": str(tree)},
        )  # fmt: skip

    def ask(self) -> float:
        """Run the query and return its CPU seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        seconds, answer = json.loads(self._process.stdout.readline())
        self.answers.add(answer)
        return float(seconds)

    def end(self) -> None:
        """End the process."""
        self._process.communicate()


def asked_again(
    stores: dict[str, Path], folder: Path, rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Return the CPU seconds of repeated exact queries, by store and side."""
    trees = {"new": Path(__file__).parent.parent, "before": earlier_tree(folder / "tree")}
    found = {}
    for name, store in stores.items():
        as_before(store, folder / name)
        sides = {"new": Again(trees["new"], store), "before": Again(trees["before"], folder / name)}
        found[name] = alternate(rounds, {side: again.ask for side, again in sides.items()})
        assert len({answer for again in sides.values() for answer in again.answers}) == 1
        for again in sides.values():
            again.end()
    return found


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the figures."""
    store, one = folder / "store", folder / "one"
    fill(store, latencies_of(args.latencies, args.rows, args.seed))
    compacted = compact_all(store)
    assert not compacted.failed, compacted.failed
    single = into_one_file(store, one)
    plain = duckdb.connect()
    query = EXACT.format(f"read_parquet('{single}')")
    with open_store(store) as catalog, open_store(one) as in_one:
        text = EXACT.format("player_action")
        exact = {row[0]: tuple(row[1]) for row in catalog.sql(text).rows}
        by_sketch = panel(store)
        assert exact == {row[0]: tuple(row[1]) for row in plain.execute(query).fetchall()}
        times = alternate(
            args.rounds or ROUNDS,
            {
                "sketches": seconds(lambda: panel(store)),
                "exact": seconds(lambda: catalog.sql(text)),
                "exact_in_one_file": seconds(lambda: in_one.sql(text)),
                "exact_single_file": seconds(lambda: plain.execute(query).fetchall()),
            },
        )
    before = folder / "before"
    before.mkdir()
    again = asked_again({"store": store, "one": one}, before, args.rounds or ROUNDS)
    errors = {
        kind: [error_of(s, e) for s, e in zip(by_sketch[kind], exact[kind], strict=True)]
        for kind in exact
    }
    return {
        "rows": args.rows,
        "latencies": args.latencies,
        "files": len(list(store.glob("doc_type=player_action/*/*.parquet"))),
        "seconds": {name: spread(values, 5) for name, values in times.items()},
        "quantiles": {
            kind: {"sketch": list(by_sketch[kind]), "exact": list(exact[kind])} for kind in exact
        },
        "sketch_error": round(max(max(pair) for pair in errors.values()), 6),
        "sketch_error_median": round(statistics.median(e for p in errors.values() for e in p), 6),
        "ratio_to_exact": round(ratio(times["sketches"], times["exact"]), 4),
        "ratio_to_single_file": round(ratio(times["exact"], times["exact_single_file"]), 3),
        "again_cpu_s": {
            f"{name}_{side}": spread(values, 5)
            for name, sides in again.items()
            for side, values in sides.items()
        },
        "again_ratio": round(ratio(again["store"]["new"], again["store"]["before"]), 3),
        "again_ratio_in_one_file": round(ratio(again["one"]["new"], again["one"]["before"]), 3),
        "ratio_of_stores": round(ratio(times["exact"], times["exact_in_one_file"]), 3),
    }
