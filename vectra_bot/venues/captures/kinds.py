"""What a row of a file is, by its keys: the same answer for every command."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from vectra_bot.venues.captures.lines import TextRow, value_of

FRAMES: Final = "capture"
"""Kind of the rows that are frames."""
KIND_HELP: Final = (
    "give lines of events (event, args or data), frames (42[...]), one payload each, recorded games, "
    "trades or leaderboard rows"
)
EVENT_NAMES: Final = ("event", "event_type")
ARGUMENT_NAMES: Final = ("args", "data")
RAW_NAMES: Final = ("raw", "raw_json")
"""Keys whose text is a whole frame, ``42[...]``."""
TICK_ROWS: Final = frozenset(("game_start", "tick", "game_end"))
"""Values of ``type`` in a file that has the rows of one game (protocol 12.1)."""
_LABELS: Final = ("capture", "_capture")
_PAYLOADS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("gameStateUpdate", frozenset(("cooldownTimer", "leaderboard"))),
    ("gameStatePlayerUpdate", frozenset(("gameId", "leaderboardEntry"))),
    ("playerUpdate", frozenset(("cash", "positionQty", "cumulativePnL"))),
)
_KEYS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("seeded_games", frozenset(("id", "serverSeed", "prices"))),
    ("recorded_prices", frozenset(("game_id", "prices", "rug_price"))),
    ("leaderboard", frozenset(("gameId", "tick", "row"))),
    ("trades", frozenset(("gameId", "type", "tickIndex"))),
)


def event_of_payload(keys: Iterable[str]) -> str:
    """Return the event whose payload has *keys*, empty if none is known by them."""
    given = frozenset(keys)
    return next((event for event, needed in _PAYLOADS if needed <= given), "")


def kind_of(row: TextRow) -> str:
    """Return the kind of a row, empty if it is unknown.

    ``capture`` is a row that is one frame; ``game_rows`` is a row of a file that has one game tick by tick;
    the others are ``seeded_games``, ``recorded_prices``, ``leaderboard`` and ``trades``.
    """
    fields = row.fields
    if row.fault or not fields:
        return ""
    keys = fields.keys()
    if _is_frame(row):
        return FRAMES
    if {"type", "game_id", "timestamp"} <= keys and _text(row, "type") in TICK_ROWS:
        return "game_rows"
    found = next((kind for kind, needed in _KEYS if needed <= keys), "")
    return found or (FRAMES if event_of_payload(keys) else "")


def _is_frame(row: TextRow) -> bool:
    fields = row.fields
    if any(bytes(fields[name])[:3] in (b'"42', b'"43') for name in RAW_NAMES if name in fields):
        return True
    if not any(name in fields for name in EVENT_NAMES):
        return False
    return any(name in fields for name in (*ARGUMENT_NAMES, "t", "dir"))


def label_of(row: TextRow) -> str:
    """Return the name of the capture of a row, empty if it has none."""
    return next((found for name in _LABELS if (found := _text(row, name))), "")


def _text(row: TextRow, name: str) -> str:
    try:
        value = value_of(row.fields.get(name))
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""
