"""Declared exits in the fast driver: the compiled scan finds the next tick at which one is due.

The ticks before it are not looked at one by one. The highest price that a trailing stop remembers is
therefore brought up to date from the game's prices, before each scan and before each look. With leverage the
driver looks at every tick, as the engine does. Imports actions, game and kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from attrs import define

from vectra_bot.actions.exits import DeclaredExits, ExitPlan
from vectra_bot.backtest.fast.chunks import FastGameData
from vectra_bot.game.account import Account
from vectra_bot.game.lots import Lot
from vectra_bot.game.state import GameView
from vectra_bot.game.view import multiple
from vectra_bot.kernel.exits import ExitScan

_NOWHERE = -1


@define
class FastExits(DeclaredExits):
    """The declared exits of a position that is not looked at in every tick."""

    # The first tick whose price may be missing in `highest`; nowhere if no scan was made since a trailing
    # stop was declared.
    _missing: int = _NOWHERE
    _prices: Sequence[float] = ()

    def declare(self, plan: ExitPlan, lots: Sequence[Lot]) -> None:
        """Add what a buy declared, whose lot is the last of *lots*."""
        if self.plan.trailing_stop is None:
            self._missing = _NOWHERE
        super().declare(plan, lots)

    def due(self, game: GameView, account: Account) -> bool:
        """Return whether the position should be sold now."""
        self._see(game.tick)
        return super().due(game, account)

    def next_due(self, first: int, account: Account, data: FastGameData) -> int:
        """Return the first tick from *first* on at which an exit is due, the rug's tick if there is none.

        For a position without leverage.
        """
        plan, self._prices = self.plan, data.prices
        if self._missing == _NOWHERE:
            self._missing = first
        self._see(first)
        game, address = data.alone
        return _scan(plan).find_one(
            game,
            address,
            entry=account.lots[0].tick,
            qty=account.qty,
            cost=account.cost,
            first_tick=min(first, data.rug_tick),
            highest=0.0 if plan.trailing_stop is None else multiple(account, self.highest),
        )

    def _see(self, tick: int) -> None:
        """Remember the highest price of the ticks before *tick*."""
        if self.plan.trailing_stop is None or not _NOWHERE < self._missing < tick:
            return
        self.highest = max((self.highest, *self._prices[self._missing : tick]))
        self._missing = tick


@lru_cache(maxsize=64)
def _scan(plan: ExitPlan) -> ExitScan:
    """Return the scan of a plan; strategies declare the same one again and again."""
    return ExitScan(
        take_profit=plan.take_profit,
        stop_loss=plan.stop_loss,
        trailing_stop=plan.trailing_stop,
        max_ticks=plan.max_ticks,
    )
