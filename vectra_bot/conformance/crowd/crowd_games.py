"""Games of the embedded exchange, written as capture rows only from the frames it sends.

A viewer without a login: tick frames are decoded like any client's, and the sidebets are those that the
new-game frame publishes with the finished game.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from attrs import Factory, define

from vectra_bot.errors import InputError
from vectra_bot.exchange.config import ExchangeConfig
from vectra_bot.exchange.exchange import Exchange
from vectra_bot.models import Direction, Frame, FrameKind, GameFrame
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.wire.decode import decode

_HEAD = '42["gameStateUpdate"'
_TICK_KEY = '"tickCount":'  # countdown frames, two of three, lack it and are not needed


@define
class Watched:
    """A game as a public client saw it, up to the frame that reveals its seed."""

    game_id: str
    prices: list[float] = Factory(list)
    trade_count: list[int | None] = Factory(list)
    recv_ms: list[int] = Factory(list)
    rug: dict[str, Any] = Factory(dict)

    def tick(self, frame: GameFrame, at_ms: int) -> None:
        """Process a start, tick, rug or settlement frame of this game."""
        if frame.rugged:
            if not self.rug:
                self.rug = {
                    "rug_tick": frame.tick,
                    "rug_price": frame.price,
                    "rug_recv_ms": at_ms,
                    "rug_trade_count": frame.trade_count,
                }
            elif frame.kind is FrameKind.SETTLEMENT:
                self.rug["settle_tick"] = frame.tick
                self.rug["settle_recv_ms"] = at_ms
        elif frame.active and frame.price is not None and frame.tick == len(self.prices):
            self.prices.append(frame.price)
            self.trade_count.append(frame.trade_count)
            self.recv_ms.append(at_ms)

    def recorded(self) -> dict[str, Any]:
        """Return the game as a row of ``recorded_prices``."""
        return {
            "game_id": self.game_id,
            "prices": self.prices,
            "complete": True,
            "recv_ms": self.recv_ms,
            "trade_count": self.trade_count,
            **self.rug,
        }


def watch_games(
    config: ExchangeConfig, count: int
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield *count* games of an exchange, each as rows of ``recorded_prices`` and ``seeded_games``.

    Raises:
        InputError: *count* is not positive.
    """
    if count < 1:
        raise InputError(f"the number of games was {count}: give 1 or more")
    exchange = Exchange(config)
    game: Watched | None = None
    done = 0
    while done < count:
        for message in exchange.step():
            if message.player_id is not None or not message.text.startswith(_HEAD):
                continue
            if _TICK_KEY not in message.text:
                continue
            frame = _decoded(message.text, message.at_ns)
            if game is None:
                if not (frame.active and frame.tick == 0):
                    continue
                game = Watched(frame.game_id)
            if frame.game_id == game.game_id:
                game.tick(frame, message.at_ns // NS_PER_MS)
            elif game.rug and frame.kind is FrameKind.SETTLEMENT:
                done += 1
                yield game.recorded(), _finished(message.text, game)
                game = None


def _decoded(text: str, at_ns: int) -> GameFrame:
    frame = decode(Frame(recv_ns=at_ns, direction=Direction.IN, raw=text))
    assert isinstance(frame, GameFrame), "the event's name says so"
    return frame


def _finished(text: str, game: Watched) -> dict[str, Any]:
    """Return the row of the game that the new-game frame reveals (protocol 3.3)."""
    entry = msgspec.json.decode(text[2:])[-1]["gameHistory"][0]
    assert entry["id"] == game.game_id, "a new-game frame reveals the game before"
    return {
        "id": entry["id"],
        "serverSeed": entry["provablyFair"]["serverSeed"],
        "rugTick": game.rug["rug_tick"],
        "peakMultiplier": entry["peakMultiplier"],
        "globalSidebets": entry["globalSidebets"],
    }
