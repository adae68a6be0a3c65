"""Older formats of the venue are read by the profile of their date, and by no other."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from vectra_bot.errors import WireError
from vectra_bot.game.changes import FrameRefused, Rugged, TickSeen
from vectra_bot.game.state import GameState
from vectra_bot.models import (
    Frame,
    FrameKind,
    GameFrame,
    GamePhase,
    PlayerUpdate,
    Trade,
    UnknownEvent,
)
from vectra_bot.models.times import ns_from_utc
from vectra_bot.wire.decode import decode

MAY = ns_from_utc(datetime(2025, 5, 18, tzinfo=UTC))
AUGUST = ns_from_utc(datetime(2025, 8, 14, tzinfo=UTC))
DECEMBER = ns_from_utc(datetime(2025, 12, 1, tzinfo=UTC))
COUNTDOWN = {
    "allowPreRoundBuys": False,
    "connectedPlayers": 244,
    "cooldownPaused": False,
    "cooldownTimer": 11300,
    "leaderboard": [],
}
TRADE = {
    "id": 41,
    "gameId": "20250814-0000000000000001",
    "playerId": "p",
    "type": "buy",
    "qty": 0.02,
    "tickIndex": 4,
    "coin": "solana",
    "amount": 0.01,
}
STATE = {
    "active": True, "rugged": False, "price": 1.0133, "tickCount": 3, "gameId": "20250518-2", "candles": [],
    "currentCandle": {"open": 1}, "leaderboard": [], "cooldownTimer": 0, "allowPreRoundBuys": False,
    "tradeCount": 3,
}  # fmt: skip


def frame(at_ns: int, event: str, payload: Any) -> Frame:
    """Return the frame of an event."""
    return Frame(at_ns, f"42{json.dumps([event, payload])}")


def test_dated_profile_of_may_2025_reads_a_game() -> None:
    """A countdown without a game, a tick with candles, `newTrade`, and a rug that is not active."""
    rug = {**STATE, "active": False, "rugged": True, "price": 0.0197, "tickCount": 4}
    rows = [COUNTDOWN, STATE, rug, COUNTDOWN, {**COUNTDOWN, "allowPreRoundBuys": True}]
    game = GameState()
    phases = []
    for row in rows:
        event = decode(frame(MAY, "gameStateUpdate", row))
        assert isinstance(event, GameFrame)
        game.fold(event)
        phases.append(game.now.phase.value)

    assert phases == ["cooldown", "active", "rugged", "cooldown", "presale"]
    assert (game.now.game_id, game.now.rug_tick, game.now.rug_price) == ("20250518-2", 4, 0.0197)
    trade = decode(frame(MAY, "newTrade", {**TRADE, "id": "a-1", "price": 1.5}))
    assert isinstance(trade, Trade)
    assert (trade.trade_id, trade.price) == ("a-1", 1.5)


def test_dated_profile_of_august_2025_reads_trades_and_updates() -> None:
    """Ids are numbers, a buy without a price has amount / qty, a player has a crate cooldown."""
    trade = decode(frame(AUGUST, "newTrade", TRADE))
    assert isinstance(trade, Trade)
    assert (trade.trade_id, trade.price, trade.kind) == ("41", 0.5, "buy")
    player = {
        "id": "p", "cash": 1.5, "positionQty": 0, "avgCost": 0, "cumulativePnL": 0, "totalInvested": 0,
        "crateCooldown": 5,
    }  # fmt: skip
    assert isinstance(decode(frame(AUGUST, "playerUpdate", player)), PlayerUpdate)
    for change in ({"type": "sell"}, {"qty": 0}):
        with pytest.raises(WireError, match="price is missing"):
            decode(frame(AUGUST, "newTrade", {**TRADE, **change}))


def test_dated_profile_ends_at_its_date() -> None:
    """Since December 2025 the same frames are unknown or invalid; without a date the game's id decides."""
    assert isinstance(decode(frame(DECEMBER, "newTrade", TRADE)), UnknownEvent)
    assert isinstance(decode(frame(DECEMBER - 1, "newTrade", TRADE)), Trade)
    with pytest.raises(WireError, match="gameId is missing"):
        decode(frame(DECEMBER, "gameStateUpdate", COUNTDOWN))
    with pytest.raises(WireError, match="price is missing"):
        decode(frame(DECEMBER, "standard/newTrade", {**TRADE, "id": "a"}))
    assert isinstance(decode(frame(3, "newTrade", TRADE)), Trade)
    today = {**TRADE, "gameId": "20251201-0000000000000001"}
    assert isinstance(decode(frame(3, "newTrade", today)), UnknownEvent)
    assert isinstance(decode(frame(3, "newTrade", {**TRADE, "gameId": "g"})), UnknownEvent)


def seen(tick: int, price: float, *, rugged: bool = False) -> GameFrame:
    """Return a tick frame of game g."""
    return GameFrame(
        recv_ns=tick,
        kind=FrameKind.TICK,
        game_id="g",
        active=True,
        rugged=rugged,
        price=price,
        tick=tick,
    )


def test_a_live_tick_after_the_rug_is_an_anomaly() -> None:
    """It is refused, changes nothing, and is not a `rugged` tick; one that was overtaken stays a live one."""
    game = GameState()
    for tick in (0, 1, 3):
        game.fold(seen(tick, 1.0 + tick / 100))
    assert any(isinstance(change, Rugged) for change in game.fold(seen(4, 0.02, rugged=True)))

    for tick in (4, 5):
        assert game.fold(seen(tick, 1.2)) == [FrameRefused("a live tick after the rug", "g", tick)]
    (late,) = game.fold(seen(2, 1.02))

    assert isinstance(late, TickSeen)
    assert (late.tick.tick, late.tick.phase) == (2, GamePhase.ACTIVE)
    assert (game.now.phase, game.now.price, game.now.prices) == (
        GamePhase.RUGGED, 0.02, [1.0, 1.01, 1.02, 1.03],
    )  # fmt: skip
