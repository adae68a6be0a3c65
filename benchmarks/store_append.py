"""Appending 160 bytes so that `kill -9` loses none: the journal, sqlite, an open Parquet file."""

from __future__ import annotations

import argparse
import json
import mmap
import os
import random
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from store_common import HEADER, alternate, ratio, spread

from vectra_bot.journal import Journal

LIMITS = {"ratio_to_sqlite": 0.125, "ratio_to_parquet": 0.005, "lost": 0}
EVENT_BYTES = 160
EVENTS = 400_000  # more than two segments
SQLITE_EVENTS = 10_000
PARQUET_EVENTS = 400
ROUNDS = 7
ROW = (
    17, 1_765_000_000_123_456, 1_765_000_000_100, "gameStateUpdate", "20251207-0123456789abcdef", 132,
    1.0807806125355957, True, False, 0, 284, 224, None, None, None, 23_456,
)  # fmt: skip
COLUMNS = {
    "seq": pa.int64(), "ts_recv_us": pa.int64(), "ts_server_ms": pa.int64(), "event": pa.string(),
    "game_id": pa.string(), "tick": pa.int32(), "price": pa.float64(), "active": pa.bool_(),
    "rugged": pa.bool_(), "cooldown_ms": pa.int32(), "trade_count": pa.int32(), "players": pa.int32(),
    "player_id": pa.string(), "side": pa.string(), "amount": pa.float64(), "latency_us": pa.int32(),
}  # fmt: skip


def journal_us(folder: Path, events: int = EVENTS) -> float:
    """Return the journal's microseconds per event."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        journal = Journal.create(Path(place) / "journals" / "bench", HEADER)
        payload = os.urandom(EVENT_BYTES)
        put = journal.put
        started = time.perf_counter()
        for seq in range(1, events + 1):
            put(seq, "frame", seq, payload)
        seconds = time.perf_counter() - started
        journal.abandon()
    return seconds / events * 1e6


def _sqlite_us(folder: Path, table: str, insert: str, values: tuple[Any, ...]) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        connection = sqlite3.connect(Path(place) / "events.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(table)
        execute = connection.execute
        started = time.perf_counter()
        for _ in range(SQLITE_EVENTS):
            execute(insert, values)
        seconds = time.perf_counter() - started
        connection.close()
    return seconds / SQLITE_EVENTS * 1e6


def sqlite_blob_us(folder: Path) -> float:
    """Return the microseconds of one insert of a blob, committed separately."""
    blob = os.urandom(EVENT_BYTES)
    return _sqlite_us(folder, "CREATE TABLE e (b BLOB)", "INSERT INTO e VALUES (?)", (blob,))


def sqlite_row_us(folder: Path) -> float:
    """Return the microseconds of one insert of a row of 16 columns, committed separately."""
    names = ", ".join(COLUMNS)
    places = ", ".join("?" * len(COLUMNS))
    return _sqlite_us(folder, f"CREATE TABLE e ({names})", f"INSERT INTO e VALUES ({places})", ROW)


def parquet_us(folder: Path) -> float:
    """Return the microseconds of one row that is written to an open Parquet file and flushed."""
    schema = pa.schema(list(COLUMNS.items()))
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".parquet") as file:
        writer = pq.ParquetWriter(file, schema, compression="zstd")
        started = time.perf_counter()
        for _ in range(PARQUET_EVENTS):
            arrays = [pa.array([value], type=f.type) for value, f in zip(ROW, schema, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            file.flush()
        seconds = time.perf_counter() - started
        writer.close()
    return seconds / PARQUET_EVENTS * 1e6


def killed(folder: Path, kills: int, seed: int) -> dict[str, int]:
    """Kill a writer repeatedly; return the number of acknowledged entries, and of lost ones."""
    chance = random.Random(seed)
    acknowledged = lost = 0
    for number in range(kills):
        place = folder / f"kill-{number}"
        place.mkdir()
        told = place / "told"
        told.write_bytes(bytes(8))
        child = subprocess.Popen(
            [sys.executable, __file__, str(place)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(chance.uniform(0.05, 0.4))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        (seq,) = struct.unpack("<q", told.read_bytes())
        read = {entry.seq for entry in Journal.open(place / "journals" / "bench")}
        acknowledged += seq
        lost += sum(1 for wanted in range(1, seq + 1) if wanted not in read)
    return {"kills": kills, "acknowledged": acknowledged, "lost": lost}


def write_until_killed(place: Path) -> None:
    """Append without end, and record each acknowledgement where a kill does not lose it."""
    with (place / "told").open("r+b") as file:
        told = mmap.mmap(file.fileno(), 8)
        journal = Journal.create(place / "journals" / "bench", HEADER)
        payload = os.urandom(EVENT_BYTES)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        seq = 0
        while True:
            seq += 1
            journal.put(seq, "frame", seq, payload)
            told[:] = struct.pack("<q", seq)


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the figures."""
    sides = {
        "journal": lambda: journal_us(folder),
        "sqlite_blob": lambda: sqlite_blob_us(folder),
        "sqlite_row": lambda: sqlite_row_us(folder),
        "parquet": lambda: parquet_us(folder),
    }
    found = alternate(args.rounds or ROUNDS, sides)
    faster = min(found["sqlite_blob"], found["sqlite_row"], key=lambda us: sorted(us)[len(us) // 2])
    return {
        "us_per_event": {name: spread(values) for name, values in found.items()},
        "row_as_json_bytes": len(json.dumps(ROW)),
        "ratio_to_sqlite": round(ratio(found["journal"], faster), 4),
        "ratio_to_sqlite_row": round(ratio(found["journal"], found["sqlite_row"]), 4),
        "ratio_to_parquet": round(ratio(found["journal"], found["parquet"]), 5),
        **killed(folder, args.kills, args.seed),
    }


if __name__ == "__main__":
    write_until_killed(Path(sys.argv[1]))
