"""Declared exits: take profit, stops and time exit given with a buy and executed by the engine.

A trailing stop compares the value over cost with its highest since the entry, the entry included. What is
remembered is the highest price, and the highest is what the position held now would be worth over its cost
at that price. While the position stays the same that is the same double, because the value never falls where
the price rises. A later buy or a partial sale changes the cost and with it both sides of the comparison:
without leverage it neither sells by itself nor moves the price at which the stop sells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from attrs import define, frozen

from vectra_bot.errors import ConfigError, safe_repr
from vectra_bot.game.account import Account
from vectra_bot.game.lots import Lot
from vectra_bot.game.state import GameView
from vectra_bot.game.view import multiple, multiples
from vectra_bot.params import exact, floor_to

# Times a full exit is retried after the venue refused one (idempotent in effect).
MAX_EXIT_TRIES = 3


@frozen(kw_only=True)
class ExitPlan:
    """When to sell everything.

    Attributes:
        take_profit: value over cost at or above which to sell, e.g. 1.5.
        stop_loss: value over cost at or below which to sell, e.g. 0.7.
        trailing_stop: share of the highest value over cost at or below which to sell, e.g. 0.8.
        max_ticks: ticks after the oldest lot's tick at which to sell.
    """

    take_profit: float | None = None
    stop_loss: float | None = None
    trailing_stop: float | None = None
    max_ticks: int | None = None

    def __attrs_post_init__(self) -> None:
        for name, advice in _MULTIPLES.items():
            value = getattr(self, name)
            if value is None:
                continue
            multiple_given = _multiple(value)
            if not 0 < multiple_given < 1e12:
                raise ConfigError(f"{name} was {safe_repr(value)}: give {advice}")
            object.__setattr__(self, name, multiple_given)
        if self.stop_loss is not None and self.stop_loss >= 1:
            raise ConfigError(
                f"stop_loss was {safe_repr(self.stop_loss)}, so it would sell at once: "
                "give value over cost below 1, e.g. 0.7 to lose at most 30 %"
            )
        if self.trailing_stop is not None and self.trailing_stop >= 1:
            raise ConfigError(
                f"trailing_stop was {safe_repr(self.trailing_stop)}, so it would sell at once: "
                "give a share below 1, e.g. 0.8 to sell 20 % below the highest value"
            )
        if self.max_ticks is not None:
            object.__setattr__(self, "max_ticks", _ticks(self.max_ticks))

    @classmethod
    def of(cls, take_profit: Any, stop_loss: Any, trailing_stop: Any, max_ticks: Any) -> ExitPlan:
        """Return the plan of what a strategy gave, in any type of number."""
        if take_profit is stop_loss is trailing_stop is max_ticks is None:
            return NO_EXITS
        given = (take_profit, stop_loss, trailing_stop, max_ticks)
        if _USUAL.issuperset(map(type, given)):
            return _plan(*given)
        return _plan.__wrapped__(*given)

    def merged(self, later: ExitPlan) -> ExitPlan:
        """Return this plan, overridden by what *later* declares."""
        if self is NO_EXITS:
            return later
        return ExitPlan(
            take_profit=self.take_profit if later.take_profit is None else later.take_profit,
            stop_loss=self.stop_loss if later.stop_loss is None else later.stop_loss,
            trailing_stop=(
                self.trailing_stop if later.trailing_stop is None else later.trailing_stop
            ),
            max_ticks=self.max_ticks if later.max_ticks is None else later.max_ticks,
        )


_USUAL = frozenset({float, int, str, Decimal, type(None)})


@lru_cache(maxsize=64, typed=True)
def _plan(take_profit: Any, stop_loss: Any, trailing_stop: Any, max_ticks: Any) -> ExitPlan:
    """Return a plan; most strategies declare the same one again and again."""
    return ExitPlan(
        take_profit=take_profit,
        stop_loss=stop_loss,
        trailing_stop=trailing_stop,
        max_ticks=max_ticks,
    )


_MULTIPLES = {
    "take_profit": "value over cost, e.g. 1.5",
    "stop_loss": "value over cost, e.g. 1.5",
    "trailing_stop": "a share of the highest value over cost, e.g. 0.8",
}
"""The exits that are multiples, each with what to give."""


def _multiple(value: Any) -> float:
    """Return a number as a float; NaN for anything else."""
    try:
        return float(exact(value))
    except (ValueError, ArithmeticError):
        return math.nan


def _ticks(value: Any) -> int:
    """Return a number of ticks.

    Raises:
        ConfigError: it is not a number, or below 1.
    """
    try:
        ticks = floor_to(value, 0)
    except (ValueError, ArithmeticError):
        ticks = -1
    if ticks < 1:
        raise ConfigError(f"max_ticks was {safe_repr(value)}: give a whole number of ticks")
    return ticks


NO_EXITS = ExitPlan()
"""A plan without exits."""


@define
class DeclaredExits:
    """The exits declared for the whole position; a later buy's declarations replace earlier ones.

    Attributes:
        highest: the highest price since a buy first declared a trailing stop, its own included; 0 before.
    """

    plan: ExitPlan = NO_EXITS
    tries: int = 0
    highest: float = 0.0

    def declare(self, plan: ExitPlan, lots: Sequence[Lot]) -> None:
        """Add what a buy declared, whose lot is the last of *lots*."""
        if plan == NO_EXITS:
            return
        self.plan = self.plan.merged(plan)
        if self.plan.trailing_stop is not None and lots:
            self.highest = max(self.highest, lots[-1].price)

    def clear(self) -> None:
        """Remove the exits: the game is over or the position was closed."""
        self.plan = NO_EXITS
        self.tries = 0
        self.highest = 0.0

    def due(self, game: GameView, account: Account) -> bool:
        """Return whether the position should be sold now; called once at each tick."""
        plan = self.plan
        if not account.lots or self.tries >= MAX_EXIT_TRIES:
            return False
        price, share = game.price, plan.trailing_stop
        if share is None:
            held, limit = multiple(account, price), -math.inf
        else:
            self.highest = max(self.highest, price)
            held, highest = multiples(account, price, self.highest)
            limit = share * highest
        return (
            held <= limit
            or (plan.take_profit is not None and held >= plan.take_profit)
            or (plan.stop_loss is not None and held <= plan.stop_loss)
            or (plan.max_ticks is not None and game.tick - account.lots[0].tick >= plan.max_ticks)
        )
