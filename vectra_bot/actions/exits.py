"""Declared exits: take profit, stop loss and time exit given with a buy and executed by the engine."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from attrs import define, frozen

from vectra_bot.errors import ConfigError, safe_repr
from vectra_bot.game.account import Account
from vectra_bot.game.state import GameView
from vectra_bot.game.view import multiple

# Times a full exit is retried after the venue refused one (idempotent in effect).
MAX_EXIT_TRIES = 3


@frozen(kw_only=True)
class ExitPlan:
    """When to sell everything.

    Attributes:
        take_profit: value over cost at or above which to sell, e.g. 1.5.
        stop_loss: value over cost at or below which to sell, e.g. 0.7.
        max_ticks: ticks after the oldest lot's tick at which to sell.
    """

    take_profit: float | None = None
    stop_loss: float | None = None
    max_ticks: int | None = None

    def __attrs_post_init__(self) -> None:
        for name, value in (("take_profit", self.take_profit), ("stop_loss", self.stop_loss)):
            if value is None:
                continue
            exact = _exact(value)
            if not 0 < exact < 1e12:
                raise ConfigError(f"{name} was {safe_repr(value)}: give value over cost, e.g. 1.5")
            object.__setattr__(self, name, exact)
        if self.max_ticks is not None and (type(self.max_ticks) is not int or self.max_ticks < 1):
            raise ConfigError(
                f"max_ticks was {safe_repr(self.max_ticks)}: give a whole number of ticks"
            )

    def merged(self, later: ExitPlan) -> ExitPlan:
        """Return this plan, overridden by what *later* declares."""
        return ExitPlan(
            take_profit=self.take_profit if later.take_profit is None else later.take_profit,
            stop_loss=self.stop_loss if later.stop_loss is None else later.stop_loss,
            max_ticks=self.max_ticks if later.max_ticks is None else later.max_ticks,
        )


def _exact(value: Any) -> float:
    """Return a number as a float, whatever its class says about it; NaN for anything else."""
    kind = type(value)
    if issubclass(kind, float):
        return float.__pos__(value)
    if issubclass(kind, Decimal):
        return float(Decimal(value))
    if issubclass(kind, int) and kind is not bool and int.bit_length(value) < 64:
        return float(int.__pos__(value))
    return math.nan


NO_EXITS = ExitPlan()
"""A plan without exits."""


@define
class DeclaredExits:
    """The exits declared for the whole position; a later buy's declarations replace earlier ones."""

    plan: ExitPlan = NO_EXITS
    tries: int = 0

    def declare(self, plan: ExitPlan) -> None:
        """Add what a buy declared."""
        if plan != NO_EXITS:
            self.plan = self.plan.merged(plan)

    def clear(self) -> None:
        """Remove the exits: the game is over or the position was closed."""
        self.plan = NO_EXITS
        self.tries = 0

    def due(self, game: GameView, account: Account) -> bool:
        """Return whether the position should be sold now."""
        plan = self.plan
        if not account.lots or self.tries >= MAX_EXIT_TRIES:
            return False
        held = multiple(account, game.price)
        return (
            (plan.take_profit is not None and held >= plan.take_profit)
            or (plan.stop_loss is not None and held <= plan.stop_loss)
            or (plan.max_ticks is not None and game.tick - account.lots[0].tick >= plan.max_ticks)
        )
