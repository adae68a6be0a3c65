"""Rows that are events of the wire, as the original frames: captures, and separately recorded trades.

A row of a capture has time, direction, event and arguments (protocol 15)::

    {"capture": "2025-12-06", "t": 1765069030.42, "dir": "in", "event": "gameStateUpdate", "args": [{...}]}

So does one with ``data`` instead of ``args``, ``direction`` (``received``, ``sent``) instead of ``dir``
and ``ts``, ``timestamp`` or ``time`` (ISO 8601, or milliseconds since 1970) instead of ``t``. A row of
trades is the payload of ``standard/newTrade`` (protocol 5.5) with ``_recv`` in seconds. Numbers keep
their text.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

import msgspec

from vectra_bot.errors import WireError
from vectra_bot.imports.arrow import moment_of
from vectra_bot.imports.config import RowRefused
from vectra_bot.imports.lines import TextRow, value_of
from vectra_bot.models import ConnectionChanged, Direction, Frame, Link
from vectra_bot.models.times import NS_PER_MS, NS_PER_S, NS_PER_US, ns_from_utc
from vectra_bot.venues.base import FeedItem
from vectra_bot.wire.decode import decode

TRADE_EVENT: Final = "standard/newTrade"
_MAX_SECONDS: Final = 9_223_372_036
_WAYS: Final = {
    "in": Direction.IN,
    "received": Direction.IN,
    "out": Direction.OUT,
    "sent": Direction.OUT,
}
_TIMES: Final = ("ts", "timestamp", "time")
_encode = msgspec.json.Encoder().encode
_decode_args = msgspec.json.Decoder(list[msgspec.Raw]).decode


def label_of(row: TextRow, kind: str) -> str:
    """Return the name of the capture of a row, empty if it names none."""
    raw = row.fields.get("_capture" if kind == "trades" else "capture")
    try:
        value = value_of(raw)
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""


def has_time(row: TextRow, kind: str) -> bool:
    """Return whether a row has a receive time."""
    names = ("_recv",) if kind == "trades" else ("t", *_TIMES)
    return any(bytes(row.fields.get(name, b"null")) != b"null" for name in names)


def capture_item(row: TextRow, *, timed: bool) -> FeedItem:
    """Return the event or input for a row of a capture.

    Args:
        row: the row.
        timed: whether the capture has times; else the time of a row is its number in nanoseconds after
            1970, which keeps the order.

    Raises:
        RowRefused: it is not an event.
    """
    fields = row.fields
    recv_ns = _moment(row) if timed else row.number
    event = _value(fields, "event")
    if not isinstance(event, str):
        raise RowRefused("event: give a text", event)
    way = _value(fields, "dir" if "dir" in fields else "direction")
    direction = _WAYS.get(way) if isinstance(way, str) else Direction.IN if way is None else None
    if direction is None:
        raise RowRefused("dir: give in or out", way)
    if _value(fields, "local") is True:
        return ConnectionChanged(recv_ns=recv_ns, link=Link.CONNECTED, reason=f"recorded: {event}")
    truncated = _value(fields, "args_truncated") is True
    raw = _frame_text(event, _arguments(fields))
    return Frame(recv_ns, raw, direction, truncated)


def _value(fields: dict[str, msgspec.Raw], name: str) -> Any:
    try:
        return value_of(fields.get(name))
    except ValueError as error:
        raise RowRefused(f"{name} is invalid", str(error)) from None


def _arguments(fields: dict[str, msgspec.Raw]) -> list[msgspec.Raw]:
    if "args" not in fields:
        return [fields["data"]] if "data" in fields else []
    try:
        return _decode_args(fields["args"])
    except (msgspec.MsgspecError, RecursionError):
        raise RowRefused("args: give a list", bytes(fields["args"])[:100].decode()) from None


def _frame_text(event: str, arguments: list[msgspec.Raw]) -> str:
    parts = [_encode(event), *map(bytes, arguments)]
    return "42[" + b",".join(parts).decode() + "]"


def _moment(row: TextRow) -> int:
    """Return the receive time of a row, nanoseconds since 1970."""
    name = next((n for n in ("t", "_recv", *_TIMES) if n in row.fields), "t")
    value = _value(row.fields, name)
    if value is None:
        raise RowRefused(f"{name} is missing: the other rows have a time")
    if isinstance(value, str) and name in _TIMES:
        try:
            return ns_from_utc(moment_of(value))
        except (ValueError, OverflowError):
            raise RowRefused(f"{name}: give a time in ISO 8601", value) from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RowRefused(f"{name}: give a number", value)
    if name in _TIMES:
        found = round(value) * NS_PER_MS
    else:
        found = round(value * 1e6) * NS_PER_US
    if not 0 <= found < _MAX_SECONDS * NS_PER_S:
        raise RowRefused(f"{name}: give a time since 1970", value)
    return found


_TRADE_OWN = re.compile(r"_\w*")


def trade_item(row: TextRow, *, timed: bool) -> Frame:
    """Return the original frame of a row of trades.

    Raises:
        RowRefused: the row is not a trade of the protocol.
    """
    recv_ns = _moment(row) if timed else row.number
    # Keys added by the recorder of the trade.
    payload = {key: raw for key, raw in row.fields.items() if not _TRADE_OWN.fullmatch(key)}
    frame = Frame(recv_ns, _frame_text(TRADE_EVENT, [msgspec.Raw(_encode(payload))]), Direction.IN)
    try:
        decode(frame)
    except WireError as error:
        raise RowRefused(f"not a trade: {error.reason}", str(error)) from None
    return frame


def trade_id(row: TextRow) -> str | None:
    """Return the venue's own id of a trade, None if the row has none."""
    value = _value(row.fields, "id")
    return value if isinstance(value, str) else None
