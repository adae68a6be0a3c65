"""The venue's older formats, each with the dates in which it was used (protocol 12.1).

A frame is read by today's rules first. Only one that these cannot read, and that was received while an older
format was in use, is read by that format's; a frame without a date is dated by its game's id.

- May 2025: the event ``newTrade``, candles, a countdown that names no game (its game id is empty then).
- August 2025: ``newTrade`` with numbers as ids; a buy need not state its price, which then is
  ``amount / qty``, right to the nine decimals of ``qty``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import msgspec
from attrs import frozen
from msgspec import UNSET, UnsetType

from vectra_bot.models import Event, Trade
from vectra_bot.models.times import NS_PER_S, ns_from_utc
from vectra_bot.wire import builders
from vectra_bot.wire.payloads import PlayerUpdatePayload, Price, TradePayload
from vectra_bot.wire.reader import Reader
from vectra_bot.wire.states import GameState

_Build: TypeAlias = Callable[[int, Any, Mapping[str, str], str | None], Event]
_GAME_DAY: Final = re.compile(rb'"gameId":\s*"(20\d\d)(\d\d)(\d\d)-')


class OlderState(GameState, rename="camel", gc=False, kw_only=True):
    """A ``gameStateUpdate`` of 2025: a countdown may name no game, a tick may have candles."""

    game_id: str = ""
    candles: Any = UNSET
    current_candle: Any = UNSET


class OlderTrade(TradePayload, rename="camel", frozen=True, gc=False, kw_only=True):
    """A ``newTrade`` of 2025: ids may be numbers, a price may be absent."""

    id: str | int  # type: ignore[assignment]
    price: Price | UnsetType = UNSET  # type: ignore[assignment]


class OlderPlayer(PlayerUpdatePayload, rename="camel", frozen=True, gc=False, kw_only=True):
    """A ``playerUpdate`` of August 2025."""

    crate_cooldown: Any = UNSET


_STATE: Final = Reader("gameStateUpdate", OlderState, ("price", "tickCount"))
_TRADE: Final = Reader("newTrade", OlderTrade, ("amount", "price", "qty"))
_PLAYER: Final = Reader("playerUpdate", OlderPlayer, builders.PLAYER_MONEY)


def _trade(
    recv_ns: int, payload: OlderTrade, extra: Mapping[str, str], trace_id: str | None
) -> Trade:
    """Build the event of an older trade."""
    given = msgspec.structs.asdict(payload)
    if payload.price is UNSET:
        if payload.type != "buy" or payload.qty <= 0:
            raise _TRADE.missing("price")
        given["price"] = payload.amount / payload.qty
    return builders.trade(
        recv_ns, TradePayload(**{**given, "id": str(payload.id)}), extra, trace_id
    )


@frozen(kw_only=True)
class OlderFormat:
    """One format of the venue and when it was used.

    Attributes:
        name: for messages.
        since_ns: first moment of its use, nanoseconds since 1970.
        until_ns: first moment after it.
        events: readers by the event's name.
    """

    name: str
    since_ns: int
    until_ns: int
    events: Mapping[str, tuple[Reader[Any], _Build]]


def _day(year: int, month: int, day: int) -> int:
    return ns_from_utc(datetime(year, month, day, tzinfo=UTC))


_TRADES: Final[Mapping[str, tuple[Reader[Any], _Build]]] = {
    "newTrade": (_TRADE, _trade),
    "standard/newTrade": (_TRADE, _trade),
}
FORMATS: Final = (
    OlderFormat(
        name="May 2025",
        since_ns=_day(2025, 1, 1),
        until_ns=_day(2025, 8, 1),
        events={**_TRADES, "gameStateUpdate": (_STATE, builders.game_frame)},
    ),
    OlderFormat(
        name="August 2025",
        since_ns=_day(2025, 8, 1),
        until_ns=_day(2025, 12, 1),
        events={
            **_TRADES,
            "gameStateUpdate": (_STATE, builders.game_frame),
            "playerUpdate": (_PLAYER, builders.player_update),
        },
    ),
)
"""Formats before December 2025, which is today's."""
OLDER_EVENTS: Final = frozenset(name for older in FORMATS for name in older.events)


def format_of(recv_ns: int, payload: bytes) -> OlderFormat | None:
    """Return the older format in use at a frame's time, None if it is today's or unknown.

    A time before 2025 is not one of the venue's: then the game's id in *payload* gives the day.
    """
    if recv_ns < FORMATS[0].since_ns:
        match = _GAME_DAY.search(payload)
        if match is None:
            return None
        try:
            recv_ns = _day(int(match[1]), int(match[2]), int(match[3])) + 12 * 3600 * NS_PER_S
        except ValueError:
            return None
    return next((f for f in FORMATS if f.since_ns <= recv_ns < f.until_ns), None)
