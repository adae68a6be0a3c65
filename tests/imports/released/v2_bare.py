"""A store of schema 2.0.0 as it was written before folders had manifests.

Journals are lines of text with a checksum, ``SEGMENT.parts.json`` lists the parts of a segment, and a merge
leaves ``data.parquet`` with ``compacted.json`` in the journal's folder.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

SESSION = "bare-session"
TEXT = pa.string()
ENVELOPE = [
    ("session_id", pa.dictionary(pa.int32(), TEXT), False),
    ("seq", pa.int64(), False),
    ("doc_type", pa.dictionary(pa.int32(), TEXT), False),
    ("schema_version", TEXT, False),
    ("mode", TEXT, False),
    ("venue", TEXT, False),
    ("source", TEXT, False),
    ("ts_ns", pa.int64(), False),
]
TICK = [
    ("game_id", TEXT, False),
    ("player_id", TEXT, True),
    ("tick", pa.int64(), False),
    ("price", pa.float64(), False),
    ("phase", TEXT, False),
    ("cooldown_timer_ms", pa.int64(), False),
    ("allow_pre_round_buys", pa.bool_(), False),
    ("connected_players", pa.int64(), False),
    ("trade_count", pa.int64(), True),
    ("backfilled", pa.bool_(), False),
]


def tick_schema() -> pa.Schema:
    """Return the schema that ticks had then."""
    fields = [pa.field(name, kind, nullable=null) for name, kind, null in (*ENVELOPE, *TICK)]
    said = {"vectra.schema_version": "2.0.0", "vectra.doc_type": "game_tick"}
    return pa.schema(fields, metadata=said)


def tick_row(seq: int, session: str = SESSION) -> dict[str, Any]:
    """Return one tick as a row."""
    return {
        "session_id": session,
        "seq": seq,
        "doc_type": "game_tick",
        "schema_version": "2.0.0",
        "mode": "paper",
        "venue": "embedded",
        "source": "engine",
        "ts_ns": 1_767_225_600_000_000_000 + seq,
        "game_id": "g-1",
        "player_id": None,
        "tick": seq,
        "price": 1 + seq / 7,
        "phase": "active",
        "cooldown_timer_ms": 0,
        "allow_pre_round_buys": False,
        "connected_players": 180,
        "trade_count": None,
        "backfilled": False,
    }


def write_part(store: Path, seqs: range, name: str, session: str = SESSION) -> dict[str, Any]:
    """Write one file of ticks and return its entry in the list of parts."""
    folder = store / "doc_type=game_tick" / f"session_id={session}"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [tick_row(seq, session) for seq in seqs]
    path = folder / name
    table = pa.Table.from_pylist(rows, schema=tick_schema())
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)
    return {
        "doc_type": "game_tick",
        "path": path.relative_to(store).as_posix(),
        "rows": len(rows),
        "first_seq": seqs[0],
        "last_seq": seqs[-1],
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "schema_version": "2.0.0",
    }


def _line(entry: dict[str, Any]) -> bytes:
    body = json.dumps(entry).encode()
    return b"%08x %b\n" % (zlib.crc32(body), body)


def _document(seq: int) -> dict[str, Any]:
    own = {name for name, _, _ in ENVELOPE} | {"player_id"}
    record = {key: value for key, value in tick_row(seq).items() if key not in own}
    return {
        "seq": seq,
        "kind": "doc",
        "ts": 1_767_225_600_000_000_000 + seq,
        "doc_type": "game_tick",
        "source": "engine",
        "game_id": "g-1",
        "player_id": "",
        "record": record,
    }


def write(store: Path, *, merged: bool = False, version: str = "2.0.0") -> None:
    """Write a closed session of 40 ticks in two segments, its parts merged if told so."""
    journal = store / "journals" / SESSION
    journal.mkdir(parents=True)
    header = {
        "journal_version": 1,
        "schema_version": version,
        "session_id": SESSION,
        "mode": "paper",
        "venue": "embedded",
    }
    first = [{"seq": 0, "kind": "header", "ts": 0, "header": header}, *map(_document, range(1, 21))]
    last = [
        *map(_document, range(21, 41)),
        {"seq": 41, "kind": "close", "ts": 0, "reason": "games over"},
    ]
    parts = []
    for number, entries in enumerate((first, last), 1):
        codec = pa.Codec("zstd")
        data = codec.compress(b"".join(map(_line, entries)), asbytes=True)
        (journal / f"{number:06d}.log.zst").write_bytes(data)
        seqs = range(1, 21) if number == 1 else range(21, 41)
        listed = write_part(store, seqs, f"part-{number:06d}.parquet")
        parts.append(listed["path"])
        record = json.dumps({"segment": number, "parts": [listed]})
        (journal / f"{number:06d}.parts.json").write_text(record)
    if merged:
        # The process died before the second part was removed.
        whole = write_part(store, range(1, 41), "data.parquet")
        (journal / "compacted.json").write_text(json.dumps({whole["path"]: parts}))
        (store / parts[0]).unlink()
