"""Bytes read and time of a query, compared with plain DuckDB and the store's reader of an earlier commit.

One compacted session of incompressible raw frames; every figure is from a separate process that was just
started. Bytes are those of the process's read calls during the query (``rchar`` of ``/proc/self/io``).
The same query runs over a store with one small file before, so that neither bytes nor time of loading
libraries count; the time begins when the large store is opened. The `=` in the names of both stores makes
Arrow scan the small one as well.

The earlier tree is extracted by ``git archive`` into the temporary folder and found by ``PYTHONPATH``.
Its store is the same file, with a manifest in the form of that commit. A price query is one of the
command line over a store of ticks: the time of the whole process, with its modules compiled as in an
installation.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pyarrow as pa
import pyarrow.parquet as pq
from store_common import alternate, ratio

from vectra_bot.models import DocType
from vectra_bot.store.parquet.manifest import Part, part_folder, write_manifest
from vectra_bot.store.parquet.schema import schema_of
from vectra_bot.store.parquet.writer import PartWriter, abandoning

BEFORE = "3d44e93"
COLUMNS = ("event_name", "seq")
LIMITS = {
    "count_share": 0.01,
    "columns_over": 0.05,
    "scan_ratio": 3.5,
    "scan_before": 0.5,
    "price_query_ratio": 0.6,
}
_GAME = 300
COUNT = "SELECT count(*) FROM {}"
PROJECTED = "SELECT event_name, seq FROM {}"
SCANNED = "SELECT event_name, count(*), max(seq) FROM {} GROUP BY 1"
PRICES = "SELECT game_id, max(price) AS peak FROM game_tick GROUP BY 1 ORDER BY 2 DESC LIMIT 10"

_ASK = """
import json, sys, time
from pathlib import Path

def read():
    return int(Path("/proc/self/io").read_text().split()[1])

def ask(place):
    if how == "plain":
        import duckdb
        with duckdb.connect() as connection:
            return len(connection.execute(text).fetchall())
    try:
        from vectra_bot.store.query.catalog import open_store
    except ImportError:
        from vectra_bot.store.catalog import open_store
    with open_store(place) as store:
        return len(store.sql(text).rows)

how, small, large, query = sys.argv[1:]
for place in (small, large):
    text = query.format(f"read_parquet('{place}/**/*.parquet')" if how == "plain" else "ws_event")
    before, started = read(), time.perf_counter()
    rows = ask(place)
print(json.dumps([rows, time.perf_counter() - started, read() - before]))
"""


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the figures."""
    earlier = earlier_tree(folder / "before")
    rounds = args.rounds or 5
    stores = {name: folder / f"store={name}" for name in ("small", "large")}
    for name, megabytes in (("small", 1), ("large", args.megabytes)):
        make_frames(stores[name], megabytes, args.seed)
        as_before(stores[name], folder / f"{name}-before")

    def ask(how: str, query: str) -> list[float]:
        places = [folder / f"{name}-before" if how == "before" else stores[name] for name in stores]
        return _ask(how, places, query, earlier)

    (part,) = stores["large"].rglob("*.parquet")
    size = part.stat().st_size
    shares = {query: ask("new", query)[2] / size for query in (COUNT, PROJECTED)}
    share = _share_of_columns(part)
    times = alternate(
        rounds,
        {how: lambda how=how: ask(how, SCANNED)[1] for how in ("new", "plain", "before")},
    )
    make_ticks(folder / "ticks", args.ticks, args.seed)
    as_before(folder / "ticks", folder / "ticks-before")
    compiled = folder / "compiled"
    asked = {
        "new": lambda: _price_query(folder / "ticks", Path(__file__).parent.parent, compiled),
        "before": lambda: _price_query(folder / "ticks-before", earlier, compiled),
    }
    for ask_once in asked.values():
        ask_once()
    prices = alternate(rounds, asked)
    return {
        "file_megabytes": round(size / 1e6, 1),
        "count_share": round(shares[COUNT], 5),
        "columns_share": round(shares[PROJECTED], 5),
        "columns_share_of_file": round(share, 5),
        "columns_over": round(shares[PROJECTED] - share, 5),
        "scan_ratio": round(ratio(times["new"], times["plain"]), 3),
        "scan_before": round(ratio(times["new"], times["before"]), 3),
        "scan_ms": {how: round(1e3 * statistics.median(found), 1) for how, found in times.items()},
        "price_query_ratio": round(ratio(prices["new"], prices["before"]), 3),
        "price_query_s": {how: round(statistics.median(found), 3) for how, found in prices.items()},
        "price_query_mb": round(
            sum(path.stat().st_size for path in (folder / "ticks").rglob("*.parquet")) / 1e6, 1
        ),
    }


def _ask(how: str, places: list[Path], query: str, earlier: Path) -> list[float]:
    """Return rows, seconds and bytes read of a query in a separate process."""
    environment = {**os.environ, **({"PYTHONPATH": str(earlier)} if how == "before" else {})}
    done = subprocess.run(
        [sys.executable, "-c", _ASK, how, *map(str, places), query],
        check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    found: list[float] = json.loads(done.stdout)
    return found


def _price_query(store: Path, tree: Path, compiled: Path) -> float:
    """Return the seconds of a price query of *tree*; its compiled modules are in *compiled*."""
    given = {"PYTHONPATH": str(tree), "PYTHONPYCACHEPREFIX": str(compiled)}
    environment = {**os.environ, **given, "PYTHONDONTWRITEBYTECODE": ""}
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "vectra_bot", "query", PRICES, "--store", str(store), "--json"],
        check=True, capture_output=True, env=environment, cwd=store,
    )  # fmt: skip
    return time.perf_counter() - started


def earlier_tree(folder: Path) -> Path:
    """Return the path of the project as of :data:`BEFORE`, in a new *folder*."""
    folder.mkdir()
    here = Path(__file__).parent.parent
    packed = subprocess.run(
        ["git", "-C", str(here), "archive", BEFORE, "vectra_bot"], check=True, capture_output=True
    )
    subprocess.run(["tar", "-x", "-C", str(folder)], check=True, input=packed.stdout)
    return folder


def as_before(store: Path, target: Path) -> None:
    """Make a store of the same files with manifests as of :data:`BEFORE`."""
    from vectra_bot.store.parquet.manifest import read_manifest

    for folder in store.glob("doc_type=*/session_id=*"):
        there = target / folder.relative_to(store)
        there.mkdir(parents=True)
        parts = read_manifest(folder)
        for part in parts:
            os.link(store / part.path, target / part.path)
        bare = [attrs.evolve(part, footer_crc32=None, headers_crc32=None) for part in parts]
        write_manifest(target, there, bare)


def _share_of_columns(path: Path) -> float:
    """Return the fraction of a file that the projected columns take."""
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(n) for n in range(file.num_row_groups)]
        chunks = [group.column(n) for group in groups for n in range(group.num_columns)]
    taken = sum(c.total_compressed_size for c in chunks if c.path_in_schema in COLUMNS)
    return taken / path.stat().st_size


def make_frames(store: Path, megabytes: int, seed: int) -> None:
    """Write one compacted session of frames with that many megabytes."""
    rows, chance = 3_000, random.Random(seed)
    names = ("gameStateUpdate", "standard/newTrade", "playerUpdate", "newChatMessage")

    def tables() -> Iterator[pa.Table]:
        for group in range(max(1, megabytes // 9 + 1)):
            first = group * rows + 1
            raw = base64.b64encode(chance.randbytes(rows * 3_000)).decode()
            yield _table(
                DocType.WS_EVENT,
                first,
                rows,
                event_name=[chance.choice(names) for _ in range(rows)],
                raw_json=[raw[n * 4_000 : (n + 1) * 4_000] for n in range(rows)],
            )

    _write(store, DocType.WS_EVENT, "session", tables())


def make_ticks(store: Path, ticks: int, seed: int) -> None:
    """Write that many ticks in ten compacted sessions: games of 300 prices that go up and down by steps."""
    chance = random.Random(seed)
    each = 100_000

    def tables(count: int) -> Iterator[pa.Table]:
        for first in range(1, count + 1, each):
            rows = min(each, count + 1 - first)
            names = [f"20260101-{chance.randbytes(16).hex()}" for _ in range(rows // _GAME + 1)]
            yield _table(
                DocType.GAME_TICK,
                first,
                rows,
                game_id=[name for name in names for _ in range(_GAME)][:rows],
                tick=[n % _GAME for n in range(rows)],
                price=[price for _ in names for price in _prices(chance)][:rows],
                connected_players=[200 + chance.randrange(20) for _ in range(rows)],
                trade_count=[chance.randrange(4) for _ in range(rows)],
            )

    for number in range(10):
        _write(store, DocType.GAME_TICK, f"session-{number}", tables(ticks // 10))


def _prices(chance: random.Random) -> Iterator[float]:
    price = 1.0
    for _ in range(_GAME):
        yield price
        price *= 1 + chance.gauss(0.001, 0.02)


def _table(doc_type: DocType, first: int, rows: int, **given: list[Any]) -> pa.Table:
    """Return rows numbered from *first*; columns that are not given have one value."""
    same = {"doc_type": doc_type.value, "schema_version": "2.0.0", "session_id": "session"}
    arrays = []
    for field in schema_of(doc_type):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if field.name == "seq":
            values = pa.array(range(first, first + rows), kind)
        elif field.name == "ts_ns":
            values = pa.array((1_767_225_600 + n // 4 for n in range(first, first + rows)), kind)
        elif field.name in given:
            values = pa.array(given[field.name], kind)
        elif field.nullable:
            values = pa.nulls(rows, kind)
        else:
            values = pa.array([_constant(kind, same.get(field.name, "paper"))] * rows, kind)
        arrays.append(values.cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema_of(doc_type))


def _constant(kind: pa.DataType, text: str) -> Any:
    if pa.types.is_string(kind):
        return text
    return False if pa.types.is_boolean(kind) else 1


def _write(store: Path, doc_type: DocType, session_id: str, tables: Iterator[pa.Table]) -> Part:
    """Write a session's only file and its manifest."""
    folder = part_folder(store, doc_type, session_id)
    target = folder / "data.parquet"
    writer = PartWriter(target, doc_type, compacted=True)
    with abandoning([writer]):
        for table in tables:
            sessions = pa.array([session_id] * table.num_rows).dictionary_encode()
            at = table.schema.get_field_index("session_id")
            writer.write(table.set_column(at, table.schema.field(at), sessions))
        part = writer.finish(target.relative_to(store).as_posix())
    write_manifest(store, folder, [part])
    return part
