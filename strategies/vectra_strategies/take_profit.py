"""The first strategy to read: one buy, one sale."""

from __future__ import annotations

from decimal import Decimal

from vectra_bot import GameView, Strategy, param
from vectra_bot.models import GameTick


class TakeProfit(Strategy):
    """Buy at tick 10, sell at `target` times the entry.

    Description:
        One long position a game, bought early and held until the price has risen far enough.

    Parameters:
        stake: SOL of the buy.
        target: multiple of the entry price at which everything is sold.

    Entry:
        At tick 10 of every game that gets there.

    Exit:
        The first tick at which price / entry is `target` or more; else the forced sale at the rug.

    Expected value:
        -2.92 % of the stake per game at the default target, games that end before tick 11 included
        (10 million simulated games, standard error 0.001 %); the target is reached in 57 % of games.
        A long loses about 0.05 % of its value with every tick it is held, whatever the target: a
        higher one is reached less often and holds for longer.
    """

    stake: Decimal = param("0.01", low="0.001", high="5", help="SOL of the buy")
    target: float = param(1.5, low=1.0, help="multiple of the entry price to sell at")

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Buy at tick 10; sell once the position is worth `target` times its cost."""
        if game.tick == 10:
            self.actions.buy(self.stake)
        elif (
            self.position
            and not self.actions.pending
            and self.position.multiple(game.price) >= self.target
        ):
            self.actions.sell()
