"""A strategy for sessions on a page."""

from __future__ import annotations

from decimal import Decimal

from vectra_bot import GameView, Strategy
from vectra_bot.models import GameTick


class Alternating(Strategy):
    """Buys when there is no position, and sells when there is one, every fourth tick."""

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Act at every fourth tick."""
        if game.tick % 4 or self.actions.pending:
            return
        if self.position:
            self.actions.sell()
        else:
            self.actions.buy(Decimal("0.001"))
