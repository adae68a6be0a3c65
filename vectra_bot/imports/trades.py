"""Rows of separately recorded trades as the original frames.

A row is the payload of ``standard/newTrade`` (protocol 5.5); keys that begin with ``_`` are the recorder's.
Numbers keep their text.
"""

from __future__ import annotations

import re
from typing import Final

import attrs
import msgspec

from vectra_bot.errors import WireError
from vectra_bot.models import Direction, Frame
from vectra_bot.venues.captures import RowClock, RowRefused, TextRow, frame_text, value_of
from vectra_bot.venues.captures.times import PayloadTimes, time_warnings
from vectra_bot.wire.decode import decode

TRADE_EVENT: Final = "standard/newTrade"
TRADE_TIMES: Final = ("_recv",)
_TRADE_OWN: Final = re.compile(r"_\w*")
_encode = msgspec.json.Encoder().encode


@attrs.define
class TradeReader:
    """Makes the frames of one file's trades."""

    clock: RowClock
    unused: set[str] = attrs.field(factory=set)

    @property
    def undated_rows(self) -> tuple[int, int]:
        """Number of rows that have their date from a game, and of those that have none."""
        return self.clock.undated_rows

    @property
    def warnings(self) -> list[str]:
        """What a reader must know about the times, one line each."""
        return time_warnings(self.clock, PayloadTimes())

    def item(self, row: TextRow) -> Frame:
        """Return the original frame of a row of trades.

        Raises:
            RowRefused: the row is not a trade of the protocol, or has no valid time.
        """
        recv_ns = self.clock.moment(row)
        # Keys added by the recorder of the trade.
        payload = {key: raw for key, raw in row.fields.items() if not _TRADE_OWN.fullmatch(key)}
        text = frame_text(TRADE_EVENT, [msgspec.Raw(_encode(payload))])
        frame = Frame(recv_ns, text, Direction.IN)
        try:
            decode(frame)
        except WireError as error:
            raise RowRefused(f"not a trade: {error.reason}", str(error)) from None
        return frame


def trade_id(row: TextRow) -> str | None:
    """Return the venue's own id of a trade, None if the row has none."""
    try:
        value = value_of(row.fields.get("id"))
    except ValueError:
        return None
    return str(value) if isinstance(value, str | int) else None
