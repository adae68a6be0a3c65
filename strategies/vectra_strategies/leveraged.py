"""A leveraged long: the same coin flip with a larger position (unverified)."""

from __future__ import annotations

from decimal import Decimal

from vectra_bot import GameView, Strategy, param
from vectra_bot.models import GameTick


class Leveraged(Strategy):
    """Buy with leverage at tick `entry_tick`; sell at a target, a loss or after some ticks.

    Description:
        One leveraged long a game, with exits declared to the engine. A liquidation is the venue's sale,
        not ours: it is recorded as an external action.

    Parameters:
        stake: SOL of the buy.
        leverage: factor of the price's gain and loss.
        entry_tick: tick at which to buy.
        target: value over stake at which to sell.
        max_ticks: ticks after which to sell at any value.

    Entry:
        At tick `entry_tick` of every game that gets there.

    Exit:
        The first tick at which the position is worth `target` times its stake, or `max_ticks` after
        the entry; before that the venue's liquidation at 20, 10, 2.5 or 1 % below the entry.

    Expected value:
        Unknown. Under the value that the embedded exchange assumes (leverage times the gain, at most the
        stake lost) it would be +5.4 % of the stake per entry at the defaults, where the same play without
        leverage loses 1.4 % (4 million simulated games, standard error 0.03 %). A venue that paid this
        would go broke: distrust the assumption, it is not an edge.
    """

    stake: Decimal = param("0.01", low="0.001", high="5", help="SOL of the buy")
    leverage: int = param(2, low=1, high=5, help="factor of gain and loss")
    entry_tick: int = param(5, low=0, help="tick to buy at")
    target: float = param(1.5, low=1.0, help="value over stake to sell at")
    max_ticks: int = param(40, low=1, help="ticks to hold at most")

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Buy once a game; the engine executes the declared exits."""
        if game.tick == self.entry_tick:
            self.actions.buy(
                self.stake,
                leverage=self.leverage,
                take_profit=self.target,
                max_ticks=self.max_ticks,
            )
