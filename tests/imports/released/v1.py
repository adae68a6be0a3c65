"""A store of schema 1.0.0: many small files by kind and date, columns of text."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

COLUMNS = pa.schema(
    [
        ("ts", pa.string()),
        ("source", pa.string()),
        ("doc_type", pa.string()),
        ("session_id", pa.string()),
        ("seq", pa.int64()),
        ("direction", pa.string()),
        ("raw_json", pa.string()),
        ("game_id", pa.string()),
        ("player_id", pa.string()),
        ("username", pa.string()),
        ("event_name", pa.string()),
        ("price", pa.string()),
        ("tick", pa.int64()),
        ("action_type", pa.string()),
        ("cash", pa.string()),
        ("position_qty", pa.string()),
        ("button_id", pa.string()),
        ("button_category", pa.string()),
        ("sequence_id", pa.string()),
        ("sequence_position", pa.int64()),
    ]
)
KINDS = (
    "ws_event", "game_tick", "server_state", "player_action", "system_event", "button_event",
    "complete_game", "candleflip_round", "bbc_round", "short_position",
)  # fmt: skip
START = datetime(2025, 12, 17, 22, 4, 11, 250_000, tzinfo=UTC)
TRACE = "0af7651916cd43dd8448eb211c80319c"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
GAME = "20251217-0229cacf684f458c"
ME = "did:privy:cm000000000000000000000me"


def row(
    kind: str, seq: int | None, session: str | None = "v1-session", **values: Any
) -> dict[str, Any]:
    """Return one row; values not given are null, times increase by a quarter of a second."""
    moment = START + timedelta(milliseconds=250 * (seq or 0))
    given = {
        "ts": moment.replace(tzinfo=None).isoformat(),
        "source": "public_ws",
        "doc_type": kind,
        "session_id": session,
        "seq": seq,
        "direction": "received",
        **values,
    }
    return {name: given.get(name) for name in COLUMNS.names}


def frame(seq: int, session: str = "v1-session") -> dict[str, Any]:
    """Return the row of a raw event."""
    data = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "amount": 0.01}
    raw = json.dumps({"event": "buyOrder", "data": data})
    return row(
        "ws_event",
        seq,
        session,
        direction="sent",
        event_name="buyOrder",
        game_id=GAME,
        raw_json=raw,
    )


def tick(seq: int, number: int, price: str, session: str = "v1-session") -> dict[str, Any]:
    """Return the row of a price."""
    raw = {
        "active": True,
        "rugged": False,
        "cooldownTimer": 0,
        "tradeCount": 7,
        "connectedPlayers": 181,
    }
    return row(
        "game_tick", seq, session, game_id=GAME, tick=number, price=price, raw_json=json.dumps(raw)
    )


def state(seq: int, cash: str, quantity: str = "0") -> dict[str, Any]:
    """Return the row of a statement of the account."""
    raw = {
        "cash": float(cash),
        "avgCost": 1.25,
        "totalInvested": 0.01,
        "cumulativePnL": -0.000988856,
    }
    return row(
        "server_state",
        seq,
        game_id=GAME,
        player_id=ME,
        username="me",
        cash=cash,
        position_qty=quantity,
        raw_json=json.dumps(raw),
    )


def action(seq: int, kind: str, **said: Any) -> dict[str, Any]:
    """Return the row of one of our actions."""
    return row(
        "player_action",
        seq,
        source="ui",
        direction="sent",
        action_type=kind,
        game_id=GAME,
        player_id=ME,
        username="me",
        button_id=kind.upper(),
        raw_json=json.dumps(said),
    )


def one_of_each() -> list[dict[str, Any]]:
    """Return rows of every kind that the release wrote."""
    button = {"button_id": "SELL_25", "button_category": "percentage", "sequence_id": "q-1"}
    game = {"prices": [1, 1.01, 0.02], "rugTick": 2, "peakMultiplier": 1.01}
    return [
        frame(1),
        tick(2, 0, "1"),
        tick(3, 1, "1.061531247396796"),
        state(4, "1.234567891"),
        state(5, "0.06890460799999999", "0.093157865"),
        action(6, "buy", amount=0.01, price=1.061531247396796, tick=1),
        row(
            "system_event", 7, event_name="connected", raw_json='{"type": "connected", "data": {}}'
        ),
        row("button_event", 8, source="ui", sequence_position=2, game_id=GAME, **button),
        row("complete_game", 9, game_id=GAME, raw_json=json.dumps(game)),
        row("candleflip_round", 10, game_id=GAME, raw_json='{"roundId": "r-1", "result": "GREEN"}'),
        row("bbc_round", 11, game_id=GAME, raw_json='{"result": "BULL"}'),
        row("short_position", 12, game_id=GAME, raw_json='{"amount": 0.2}'),
    ]


def write(store: Path, rows: list[dict[str, Any]], *, rows_per_file: int = 100) -> None:
    """Write rows like that release: one file per kind and day for each flush of its buffer."""
    for first in range(0, len(rows), rows_per_file):
        groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for one in rows[first : first + rows_per_file]:
            day = one["ts"][:10] if _DAY.match(one["ts"] or "") else "2025-12-17"
            groups.setdefault((one["doc_type"], day), []).append(one)
        for (kind, day), members in groups.items():
            folder = store / f"doc_type={kind}" / f"date={day}"
            folder.mkdir(parents=True, exist_ok=True)
            name = f"20251217_220411_{first:06d}_abcd1234.parquet"
            columns = {n: [one[n] for one in members] for n in COLUMNS.names}
            pq.write_table(pa.table(columns, schema=COLUMNS), folder / name)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return a store of schema 1.0.0 with a row of every kind."""
    store = tmp_path / "store"
    write(store, one_of_each())
    return store
