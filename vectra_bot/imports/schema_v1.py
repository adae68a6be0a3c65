"""Schema 1.0.0: its text columns, and their conversion to schema 2.0.0 row by row, without loss.

A row becomes one document of its kind. Values without a column there (``raw_json`` of a price, a user's
name, more than nine decimals of an amount) go into a ``system_event`` ``migrate.row`` after it, as JSON.
New numbers keep the old order: ``seq = 3 + 32 * old + 2 * kind``, and the extra row has the next.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from vectra_bot.audit.findings import FINISHED_KIND
from vectra_bot.game.rules import LAMPORT
from vectra_bot.imports.arrow import LONGEST_NUMBER
from vectra_bot.models import DocType, GamePhase

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

VERSION: Final = "1.0.0"
REST_KIND: Final = "migrate.row"
"""Kind of the system event with the values that have no column in the document before it."""
BUTTON_KIND: Final = "ui.button"
COLUMNS: Final = (
    "ts", "source", "doc_type", "session_id", "direction", "raw_json", "game_id", "player_id", "username",
    "event_name", "price", "action_type", "cash", "position_qty", "button_id", "button_category",
    "sequence_id", "seq", "tick", "sequence_position",
)  # fmt: skip
SLOTS: Final = 32
FIRST_SEQ: Final = 3
_MAX_OLD_SEQ: Final = (2**63 - FIRST_SEQ) // SLOTS - 1
_DIRECTIONS: Final = {"received": "in", "sent": "out"}
_TRACE: Final = r'"traceparent":\s*"[0-9a-f]{2}-(?P<id>[0-9a-f]{32})-'

Row = dict[str, Any]


@attrs.frozen
class Mapped:
    """Rows of one kind during conversion to schema 2.0.0.

    Attributes:
        doc_type: their new kind of document.
        table: their columns under the names of schema 2.0.0, not converted yet.
        rest: for each row, JSON of the values without a column; None if there are none.
        seq: their new numbers; -1 if the old number is invalid.
    """

    doc_type: DocType
    table: pa.Table
    rest: list[str | None]
    seq: np.ndarray[Any, Any]


_any = msgspec.json.Decoder().decode


def _object(text: Any) -> Row:
    """Return the JSON object in *text*, empty if it is not one."""
    try:
        value = _any(text) if isinstance(text, str) else None
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return {}
    return value if isinstance(value, dict) else {}


def _json(fields: Row) -> str:
    """Return fields as JSON; values that JSON cannot represent become text."""
    sound = {
        key: repr(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in fields.items()
    }
    return json.dumps(sound, sort_keys=True, default=str)


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def _amount(text: Any) -> tuple[Any, bool]:
    """Return an amount to the lamport, and whether nothing was cut off; other text is unchanged.

    The venue's doubles carry noise (0.06890460799999999), which version 1.0.0 stored unchanged.
    """
    if not isinstance(text, str) or len(text) > LONGEST_NUMBER:
        return text, True
    try:
        amount = Decimal(text)
        rounded = amount.quantize(LAMPORT)
    except InvalidOperation:
        return text, True
    return (str(rounded), rounded == amount) if amount.is_finite() else (text, True)


def _tick_row(row: Row, _: Row) -> Row:
    said = _object(row["raw_json"])
    timer, allow = _whole(said.get("cooldownTimer")), said.get("allowPreRoundBuys")
    if said.get("rugged") is True:
        phase = GamePhase.RUGGED
    elif said.get("active") is True:
        phase = GamePhase.ACTIVE
    elif allow is True:
        phase = GamePhase.PRESALE
    elif (timer or 0) > 0:
        phase = GamePhase.COOLDOWN
    else:
        phase = GamePhase.UNKNOWN
    return {
        "tick": row["tick"],
        "price": row["price"],
        "phase": phase.value,
        "cooldown_timer_ms": timer,
        "allow_pre_round_buys": allow if isinstance(allow, bool) else None,
        "connected_players": _whole(said.get("connectedPlayers")),
        "trade_count": _whole(said.get("tradeCount")),
    }


def _frame_row(row: Row, _: Row) -> Row:
    return {
        "direction": _DIRECTIONS.get(row["direction"], row["direction"]),
        "event_name": row["event_name"],
        "raw_json": row["raw_json"],
    }


def _state_row(row: Row, rest: Row) -> Row:
    said = _object(row["raw_json"])
    found: Row = {}
    for name in ("cash", "position_qty"):
        found[name], exact = _amount(row[name])
        if exact:
            rest.pop(name, None)
    for name, key in (
        ("avg_cost", "avgCost"),
        ("total_invested", "totalInvested"),
        ("cumulative_pnl", "cumulativePnL"),
        ("sidebet_pnl", "sidebetPnl"),
        ("bonus_balance", "bonusBalance"),
    ):
        value = _number(said.get(key))
        found[name] = None if value is None else _amount(str(value))[0]
    return found


def _action_row(row: Row, _: Row) -> Row:
    said = _object(row["raw_json"])
    amount = _number(said.get("amount", said.get("bet_amount")))
    return {
        "action_id": f"{row['session_id']}:{row['seq']}",
        "action_type": row["action_type"],
        "button": row["button_id"],
        "username": row["username"],
        "amount": None if amount is None else _amount(str(amount))[0],
        "percentage": _whole(said.get("percentage")),
        "game_context_tick": _whole(said.get("tick", row["tick"])),
        "game_context_price": _number(said.get("price", row["price"])),
        "actor": "human" if row["source"] == "ui" else "external",
    }


def _event_row(row: Row, _: Row) -> Row:
    kind, raw = row["event_name"] or "event", row["raw_json"]
    detail = raw if _object(raw) else _json({"raw_json": raw})
    return {"kind": kind, "message": kind, "detail_json": detail}


def _whole_row(kind: str, message: str, named_by: str = "") -> Callable[[Row, Row], Row]:
    """Return a function that makes a system event of a row, with the whole row in its detail.

    The message is the value of the column *named_by*, else *message*.
    """

    def read(row: Row, rest: Row) -> Row:
        detail = {**rest, "raw_json": _object(row["raw_json"]) or row["raw_json"]}
        rest.clear()
        return {"kind": kind, "message": row.get(named_by) or message, "detail_json": _json(detail)}

    return read


def _game_row(row: Row, rest: Row) -> Row:
    detail = {
        **{key: value for key, value in rest.items() if key != "raw_json"},
        "game_id": row["game_id"],
        "verdict": "unverified",
        "seen": True,
        "recorded": _object(row["raw_json"]) or {"raw_json": row["raw_json"]},
    }
    rest.clear()
    return {
        "kind": FINISHED_KIND,
        "message": "a finished game: unverified",
        "detail_json": _json(detail),
    }


def _round_row(row: Row, _: Row) -> Row:
    said = _object(row["raw_json"])
    known = next((said[key] for key in ("roundId", "round_id", "id") if said.get(key)), None)
    own = f"{row['session_id']}:{row['seq']}"
    return {"round_id": str(known) if isinstance(known, str | int) else own}


_KINDS: Final[dict[str, tuple[DocType, Callable[[Row, Row], Row], tuple[str, ...]]]] = {
    "ws_event": (DocType.WS_EVENT, _frame_row, ("raw_json", "direction", "event_name")),
    "game_tick": (DocType.GAME_TICK, _tick_row, ("tick", "price")),
    "server_state": (DocType.SERVER_STATE, _state_row, ()),
    "system_event": (DocType.SYSTEM_EVENT, _event_row, ("raw_json", "direction", "event_name")),
    "player_action": (DocType.PLAYER_ACTION, _action_row, ("action_type", "button_id", "username")),
    "bbc_round": (DocType.BBC_ROUND, _round_row, ()),
    "candleflip_round": (DocType.CANDLEFLIP_ROUND, _round_row, ()),
    "short_position": (
        DocType.SYSTEM_EVENT,
        _whole_row("migrate.short_position", "a short position"),
        (),
    ),
    "button_event": (DocType.SYSTEM_EVENT, _whole_row(BUTTON_KIND, "a button", "button_id"), ()),
    "complete_game": (DocType.SYSTEM_EVENT, _game_row, ()),
}
"""For each kind: its new kind of document, its converter, and the columns that have a place there."""
_CODES: Final = {kind: code for code, kind in enumerate(_KINDS)}

_ENVELOPE: Final = ("ts", "source", "doc_type", "session_id", "game_id", "player_id", "seq")


def kinds() -> tuple[str, ...]:
    """Return the kinds of rows in schema 1.0.0."""
    return tuple(_KINDS)


def map_rows(kind: str, rows: list[Row]) -> Mapped:
    """Return rows of one kind, converted; a missing column counts as null."""
    import numpy as np
    import pyarrow as pa

    doc_type, read, placed = _KINDS[kind]
    found: list[Row] = []
    rest: list[str | None] = []
    for given in rows:
        row = {name: given.get(name) for name in COLUMNS}
        left = {
            key: value
            for key, value in given.items()
            if value is not None and key not in _ENVELOPE and key not in placed
        }
        made = read(row, left)
        made.update({name: row[name] for name in ("ts", "source", "game_id", "player_id")})
        found.append(made)
        rest.append(_json(left) if left else None)
    names = found[0].keys() if found else ()
    table = pa.table({name: _column([made[name] for made in found]) for name in names})
    code = 2 * _CODES[kind]
    numbers = [
        FIRST_SEQ + SLOTS * old + code
        if (old := _whole(row.get("seq"))) is not None and 0 <= old <= _MAX_OLD_SEQ
        else -1
        for row in rows
    ]
    return Mapped(doc_type, table, rest, np.array(numbers, dtype=np.int64))


def _column(values: list[Any]) -> pa.Array:
    """Return values as a column; values of several types become text."""
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError):
        texts = [None if value is None else _text(value) for value in values]
        return pa.array(texts, pa.string())


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text.encode("utf-8", "backslashreplace").decode()


def trace_ids(frames: pa.Array) -> pa.Array:
    """Return the trace id in each raw frame, null if it has none."""
    import pyarrow.compute as pc

    return pc.struct_field(pc.extract_regex(frames, _TRACE), "id")
