"""Drawings after a rug: the rugpool's when it is full, and a golden game's (protocol 5.9, 12)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from vectra_bot.exchange.accounts import Books, VenueAccount
from vectra_bot.exchange.config import ExchangeConfig
from vectra_bot.exchange.dice import Dice
from vectra_bot.exchange.features.golden import GoldenHour
from vectra_bot.exchange.features.rugpool import Pool
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.market import Market


@frozen
class HeldDrawing:
    """A drawing that was held: the event to announce, and the accounts it changed."""

    event: str
    payload: Any
    winners: tuple[VenueAccount, ...]


Draw = Callable[[Market, int], HeldDrawing | None]
"""Holds a drawing: called with the market and the time in ms, pays the winners; None if there are none."""


class Drawings:
    """Decide which drawings follow a game, and hold them.

    Attributes:
        pool: the rugpool.
        golden: which games are golden.
    """

    def __init__(self, config: ExchangeConfig, books: Books, identities: Identities) -> None:
        self._identities = identities
        self._due: list[Draw] = []
        self.pool = Pool(
            books,
            Dice(identities.dice("rugpool")),
            threshold=config.rugpool_threshold,
            instarug_ticks=config.instarug_ticks,
        )
        dice = Dice(identities.dice("golden"))
        self.golden = GoldenHour(config.golden, config.start_ns, books, dice)

    def count_rug(self, market: Market) -> None:
        """Record the result of a game, before the next one replaces its players."""
        pnls = [
            (account, account.ledger.cumulative_pnl(market.price, market.terms))
            for account in market.players
            if not account.is_practice
        ]
        if self.pool.count_rug(market.tick, pnls):
            self._due.append(self._draw_pool)
        if self.golden.is_golden:
            self._due.append(self._draw_golden)

    def take_due(self) -> list[Draw]:
        """Return the drawings to hold now, each once."""
        due, self._due = self._due, []
        return due

    def _draw_pool(self, _: Market, now_ms: int) -> HeldDrawing | None:
        drawing = self.pool.draw(now_ms)
        if drawing is None:
            return None
        winners = tuple(account for account, _ in drawing.winners)
        return HeldDrawing("rugpoolDrawing", drawing.payload(), winners)

    def _draw_golden(self, market: Market, now_ms: int) -> HeldDrawing | None:
        drawing = self.golden.draw(market.players)
        if drawing is None:
            return None
        payload = drawing.payload(self._identities.uuid(), market.game_id, now_ms)
        return HeldDrawing("goldenHourDrawing", payload, (drawing.winner,))
