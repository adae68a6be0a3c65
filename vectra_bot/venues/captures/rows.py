"""A row of a capture as the original frame, whatever the recorder's layout.

Layouts (protocol 12.1, 15)::

    {"capture": "2025-12-06", "t": 1765069030.42, "dir": "in", "event": "gameStateUpdate", "args": [{...}]}
    {"seq": 2, "ts": "2025-12-12T17:17:00.1", "event": "standard/newTrade", "data": [{trace}, {payload}]}
    {"timestamp": "2025-12-07T00:57:00", "event_type": "gameStateUpdate", "data": {...}}
    {"ts_ns": 1765069030420000000, "direction": "in", "raw_json": "42[...]"}
    42["gameStateUpdate",{...}]
    ["gameStateUpdate",{...}]
    {"gameId": ..., "cooldownTimer": ..., "leaderboard": [...]}

A list in ``data`` is several arguments, anything else is one. Numbers keep their text. ``connect``,
``disconnect`` and ``connect_error`` are names that a server cannot send: the recorder wrote them itself.
"""

from __future__ import annotations

from typing import Any, Final

import attrs
import msgspec

from vectra_bot.models import ConnectionChanged, Direction, Frame, Link
from vectra_bot.venues.base import FeedItem
from vectra_bot.venues.captures.kinds import EVENT_NAMES, RAW_NAMES, event_of_payload
from vectra_bot.venues.captures.lines import RowRefused, TextRow, value_of
from vectra_bot.venues.captures.times import (
    TIME_NAMES,
    PayloadTimes,
    RowClock,
    time_warnings,
)

_WAYS: Final = {
    "in": Direction.IN,
    "received": Direction.IN,
    "out": Direction.OUT,
    "sent": Direction.OUT,
}
_LOCAL: Final = {
    "connect": Link.CONNECTED,
    "disconnect": Link.DISCONNECTED,
    "connect_error": Link.DISCONNECTED,
}
_USED: Final = frozenset(
    (
        *EVENT_NAMES, *RAW_NAMES, *TIME_NAMES, "args", "data", "dir", "direction", "local",
        "args_truncated", "capture", "event_name",
    )
)  # fmt: skip
_encode = msgspec.json.Encoder().encode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def frame_text(event: str, arguments: list[msgspec.Raw]) -> str:
    """Return the text of an event's frame; the arguments keep their bytes."""
    parts = [_encode(event), *map(bytes, arguments)]
    return "42[" + b",".join(parts).decode() + "]"


@attrs.define
class RowFrame:
    """What a row of a capture says, before it gets a time.

    Attributes:
        direction: None for a row that the recorder wrote itself.
        text: the frame, or for a row of the recorder's own the name of its event.
        truncated: only the trace argument was kept.
    """

    direction: Direction | None
    text: str
    truncated: bool = False


def row_frame(row: TextRow) -> RowFrame:
    """Return the frame of a row.

    Raises:
        RowRefused: it is not an event.
    """
    fields = row.fields
    way = _value(fields, "dir" if "dir" in fields else "direction")
    direction = _WAYS.get(way) if isinstance(way, str) else Direction.IN if way is None else None
    if direction is None:
        raise RowRefused("dir: give in or out", way)
    raw = next((name for name in RAW_NAMES if name in fields), None)
    named = next((name for name in EVENT_NAMES if name in fields), None)
    if raw is not None:
        return RowFrame(direction, str(_value(fields, raw)))
    if named is None:
        event = event_of_payload(fields)
        return RowFrame(direction, frame_text(event, [msgspec.Raw(row.data)]))
    event = _value(fields, named)
    if not isinstance(event, str):
        raise RowRefused(f"{named}: give a text", event)
    if _value(fields, "local") is True or event in _LOCAL:
        return RowFrame(None, event)
    arguments, whole = _arguments(fields)
    truncated = _value(fields, "args_truncated") is True or not whole
    return RowFrame(direction, frame_text(event, arguments), truncated)


@attrs.define
class RowReader:
    """Makes the items of one capture's rows.

    Attributes:
        clock: reads the rows' times.
        unused: keys that no item was made of.
    """

    clock: RowClock
    unused: set[str] = attrs.field(factory=set)
    _payloads: PayloadTimes = attrs.field(factory=PayloadTimes)

    @property
    def undated_rows(self) -> tuple[int, int]:
        """Number of rows that have their date from a game, and of those that have none."""
        return self.clock.undated_rows

    @property
    def warnings(self) -> list[str]:
        """What a reader must know about the times, one line each."""
        return time_warnings(self.clock, self._payloads)

    def item(self, row: TextRow) -> FeedItem:
        """Return the frame of a row, or the change of connection that the recorder noted.

        Raises:
            RowRefused: it is not an event, or has no valid time.
        """
        found = row_frame(row)
        recv_ns = self.clock.moment(row)
        if any(name in row.fields for name in (*EVENT_NAMES, *RAW_NAMES)):
            self.unused |= row.fields.keys() - _USED
        if found.direction is None:
            link = _LOCAL.get(found.text, Link.CONNECTED)
            return ConnectionChanged(recv_ns=recv_ns, link=link, reason=f"recorded: {found.text}")
        self._payloads.see(recv_ns, found.text)
        return Frame(recv_ns, found.text, found.direction, found.truncated)


def _value(fields: dict[str, msgspec.Raw], name: str) -> Any:
    try:
        return value_of(fields.get(name))
    except ValueError as error:
        raise RowRefused(f"{name} is invalid", str(error)) from None


def _arguments(fields: dict[str, msgspec.Raw]) -> tuple[list[msgspec.Raw], bool]:
    """Return the arguments of an event, and whether the payload is among them."""
    if "args" in fields:
        try:
            return _decode_list(fields["args"]), True
        except (msgspec.MsgspecError, RecursionError):
            shown = bytes(fields["args"])[:100].decode()
            raise RowRefused("args: give a list", shown) from None
    data = bytes(fields.get("data", b"null"))
    if data == b"null":
        return [], True
    if data.startswith(b"["):
        try:
            return _decode_list(data), True
        except (msgspec.MsgspecError, RecursionError):
            raise RowRefused("data: invalid JSON", data[:100].decode()) from None
    # A recorder that kept one argument of several kept the trace object and lost the payload.
    return [fields["data"]], not (data.startswith(b"{") and b'"__trace"' in data[:40])
