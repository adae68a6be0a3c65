"""Captures of our exchange in the layout of real ones, to alter and to check."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from vectra_bot.conformance.frames.frame_capture import ACK
from vectra_bot.conformance.frames.frame_reference import own_frames
from vectra_bot.wire.states import WireFormat

Rows = list[dict[str, Any]]
STATE = "gameStateUpdate"


@lru_cache(maxsize=4)
def _played(fmt: str, games: int, seed: int) -> tuple[str, ...]:
    return tuple(
        json.dumps(
            {
                "capture": seen.capture,
                "t": seen.at_s,
                "dir": "out" if seen.outbound else "in",
                "event": seen.event,
                "args": list(seen.args),
            }
        )
        for seen, _ in own_frames(WireFormat(fmt), games, seed)
        if seen.event != ACK and not seen.excerpt
    )


def rows(fmt: str = "feb", games: int = 2, seed: int = 77) -> Rows:
    """Return a capture of a logged-in player that a test may alter."""
    return [json.loads(line) for line in _played(fmt, games, seed)]


def public(taken: Rows) -> Rows:
    """Return what a connection without a login would have seen of a capture."""
    private = ("playerUpdate", "gameStatePlayerUpdate", "usernameStatus", "currentSidebet")
    return [
        row
        for row in taken
        if row["dir"] == "in" and not row["event"].startswith(private) and not _own_trade(row)
    ]


def _own_trade(row: dict[str, Any]) -> bool:
    body = row["args"][-1] if row["args"] else {}
    return row["event"] == "standard/newTrade" and body.get("username") == "player_reference"


def save(path: Path, taken: Rows) -> Path:
    """Write rows as a capture file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in taken))
    return path


def body_of(row: dict[str, Any]) -> Any:
    """Return the payload of a row."""
    return row["args"][-1]


def state_rows(taken: Rows, wanted: Callable[[dict[str, Any]], bool]) -> list[int]:
    """Return the indexes of the game states for which *wanted* is true."""
    return [
        index for index, row in enumerate(taken) if row["event"] == STATE and wanted(body_of(row))
    ]


def is_tick(body: dict[str, Any]) -> bool:
    """Return whether a game state is a live tick well inside a game."""
    return "tradeCount" in body and body["active"] and not body["rugged"] and body["tickCount"] > 5


def clone(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row that shares nothing with *row*."""
    return copy.deepcopy(row)
