"""Files to import, and helpers that read the result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vectra_bot
from vectra_bot.game.fair import play_game, server_seed_hash
from vectra_bot.imports.report import FileReport
from vectra_bot.imports.run import ImportReport
from vectra_bot.journal import Journal
from vectra_bot.store.query.catalog import open_store

SEED = "fedde170f25570df546c5c16de6f571b8253221f9307e977c4f5354a5aa078a4"
GAME = "20250701-55b97a42871f441f"


def query(store: Path, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with open_store(store) as catalog:
        return catalog.sql(sql).rows


def write_lines(path: Path, rows: list[Any]) -> Path:
    """Write rows as JSON lines; text and bytes are written unchanged."""
    with path.open("wb") as file:
        for row in rows:
            line = (
                row
                if isinstance(row, bytes)
                else row.encode()
                if isinstance(row, str)
                else json.dumps(row).encode()
            )
            file.write(line + b"\n")
    return path


def only(report: ImportReport) -> FileReport:
    """Return the report of the only file, after checking its sum."""
    (found,) = report.files
    assert found.adds_up
    return found


def seeded_row(**changes: Any) -> dict[str, Any]:
    """Return a finished game as in the venue's history."""
    game = play_game(SEED, GAME)
    row = {
        "id": GAME,
        "gameVersion": "v3",
        "timestamp": 1_751_328_000_000,
        "serverSeed": SEED,
        "serverSeedHash": server_seed_hash(SEED),
        "peakMultiplier": game.peak,
        "rugged": True,
        "rugTick": game.rug_tick,
        "rugPrice": game.rug_price,
        "prices": list(game.published_prices),
        "globalTrades": [],
        "globalSidebets": [],
        "source": "a test",
    }
    return {**row, **changes}


def recorded_row(game_id: str = "g-1", **changes: Any) -> dict[str, Any]:
    """Return a game recorded tick by tick, with its second price missed."""
    row = {
        "game_id": game_id,
        "prices": [1, None, 1.03],
        "rug_tick": 3,
        "rug_price": 0.020000000000000018,
        "complete": False,
        "recv_ms": [0, None, 502],
        "rug_recv_ms": 790,
        "settle_tick": 5,
        "settle_recv_ms": 1400,
        "trade_count": [None, 51, 53],
        "rug_trade_count": 70,
        "dup_frames": 0,
    }
    return {**row, **changes}


def board_row(tick: int = 43) -> dict[str, Any]:
    """Return a row of a leaderboard."""
    return {
        "capture": "c",
        "gameId": GAME,
        "tick": tick,
        "price": 1.5,
        "row": {"id": "did:privy:x", "pnl": 0.1},
    }


def trade_row(number: int, **changes: Any) -> dict[str, Any]:
    """Return a separately recorded trade."""
    row = {
        "id": f"t-{number}",
        "gameId": GAME,
        "playerId": "did:privy:y",
        "price": 1.073446660724414,
        "type": "buy",
        "qty": 0.093157865,
        "tickIndex": 127,
        "coin": "solana",
        "amount": 0.1,
        "leverage": 1,
        "username": None,
        "level": 24,
        "_recv": 1765069031.057787 + number,
        "_capture": "2025-12-06",
    }
    return {**row, **changes}


def capture_of(session: Path, path: Path) -> Path:
    """Write the frames of session S of a store as a third-party capture."""
    rows = []
    for entry in Journal.open(session / "journals" / "S"):
        if entry.kind == "frame" and entry.data["raw"].startswith("42"):
            event, *args = json.loads(entry.data["raw"][2:])
            row = {"capture": "a", "t": entry.ts_ns / 1e9, "dir": entry.data["dir"]}
            rows.append({**row, "event": event, "args": args})
    return write_lines(path, rows)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of a short session on the embedded exchange."""
    store = tmp_path_factory.mktemp("run") / "store"
    vectra_bot.run("watch", session_id="S", store=store, games=2, seed=7, crowd=5)
    return store


@pytest.fixture(scope="module")
def capture(session: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return that session's frames as a third-party capture."""
    return capture_of(session, tmp_path_factory.mktemp("capture") / "frames.jsonl")
