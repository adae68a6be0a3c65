"""Skill against luck by e-values.

Theory of operation. Somebody starts with 1 and bets on a player at the odds of the law, before each price is
known: after a purchase that the next price is higher than the law expects, after a sidebet that it wins. If
the player does not know what comes, every bet is fair at best, so the wealth is a supermartingale: whatever
the player does, its expectation never exceeds 1, and it exceeds ``x`` with a chance of at most ``1 / x``.
That wealth is the player's e-value. A large one says: the player knows more than the law allows.

* A purchase at tick ``t`` gives the factor ``1 + share * excess``; the excess is the return to tick
  ``t + 1``, the rug included, minus its exact expectation given the price and the low of the game
  (protocol 4). Its mean is 0 by construction, and it is above -1 as the law's return is negative.
* The same purchase bets on a jump, a rise by 10 % or more: ``1 - share + share / 0.0622`` if it comes. Only
  a big move or a god candle is that large, so that its chance is exact.
* A sidebet wins with 18.17 % from any tick (protocol 7): ``1 - share + share / 0.1817`` if it wins.

The list of sidebets is complete, so that their part holds exactly. The trade stream is a sample, the biggest
trade of every two seconds: it is right to bet on the purchases that it shows as long as it shows a purchase
no more readily because the price rises afterwards. It shows it less readily, because later sales are larger
at higher prices, and none comes after a rug. For the same reason nobody bets on sales: those before a fall
are shown more often.

How much to stake is not known in advance, so that the wealth is the mean over several shares, which is fair
as well. Wealths from different evidence are averaged, because they may depend on each other; products would
not be fair. Players share games, so the wealths of different players depend on each other, too: e-BH holds
the rate of false discoveries under any dependence (Wang and Ramdas, 2022).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from attrs import define, field

from vectra_bot.analysis.odds import rug_within
from vectra_bot.game import rules
from vectra_bot.game.fair import expected_return

ENTRY_SHARES: Final = (0.05, 0.2, 0.5, 1.0)
"""Shares of the wealth that are staked on the return after a purchase."""
JUMP_SHARES: Final = (0.02, 0.1, 0.3)
"""Shares that are staked on a jump after a purchase."""
SIDEBET_SHARES: Final = (0.02, 0.1, 0.3, 0.7)
"""Shares that are staked on a sidebet."""

LAST_TICK: Final = rules.MAX_TICKS
"""A game that lives at this tick ends there for certain (protocol 4.2): no chance is left to bet on."""

JUMP: Final = 0.1
"""A rise by this is a jump: between the largest small move, 8 %, and the smallest big one, 15 %."""

_SIDEBET_CHANCE: Final = rug_within(rules.SIDEBET_WINDOW_TICKS)


def entry_excess(price: float, low: float | None, after: float) -> float:
    """Return the return of a purchase over one tick minus its expectation under the law.

    Args:
        price: at which it was bought.
        low: lowest price of the game so far, None if it is unknown: then the highest expectation that it can
            have is subtracted.
        after: the next price, the rug price if the game rugs.
    """
    bound = min(price, rules.START_PRICE)
    return after / price - 1.0 - expected_return(price, bound if low is None else low)


def jump_chance(price: float) -> float:
    """Return the chance that the next price is a jump, given the price now."""
    up = rules.BIG_MOVE_CHANCE / 2
    if price <= rules.GOD_CANDLE_MAX_PRICE:
        up += rules.GOD_CANDLE_CHANCE * (1.0 - up)
    return (1.0 - rules.RUG_CHANCE) * up


def entry_factors(price: float, after: float, excess: float) -> list[float]:
    """Return what a bet on a purchase multiplies the wealth with, for each share.

    Args:
        price: at which it was bought.
        after: the next price.
        excess: of the return, by :func:`entry_excess`.
    """
    jumped = after >= price * (1.0 + JUMP)
    return [
        *(1.0 + share * excess for share in ENTRY_SHARES),
        *_bet(JUMP_SHARES, jump_chance(price), won=jumped),
    ]


def sidebet_factors(*, won: bool) -> list[float]:
    """Return the factors of a bet on a sidebet."""
    return _bet(SIDEBET_SHARES, _SIDEBET_CHANCE, won=won)


def _bet(shares: Sequence[float], chance: float, *, won: bool) -> list[float]:
    return [1.0 - share + (share / chance if won else 0.0) for share in shares]


@define
class Wealth:
    """What betting on a player has made of 1, as the mean over shares that are staked.

    Attributes:
        bets: how many were made.
    """

    bets: int = 0
    _logs: list[float] = field(factory=list)

    def bet(self, factors: Sequence[float]) -> None:
        """Multiply the wealth of each share with its factor."""
        self.bets += 1
        self._logs = self._logs or [0.0] * len(factors)
        for place, factor in enumerate(factors):
            self._logs[place] += math.log10(factor)

    @property
    def log10(self) -> float:
        """Decimal logarithm of the wealth: 2 is a hundredfold."""
        return mean_log10(self._logs) if self._logs else 0.0


def mean_log10(logs: Sequence[float]) -> float:
    """Return the decimal logarithm of the mean of numbers that are given by theirs."""
    most = max(logs)
    return most + math.log10(math.fsum(10.0 ** (log - most) for log in logs) / len(logs))


def e_bh(logs: Mapping[str, float], level: float) -> tuple[frozenset[str], float]:
    """Return the discoveries of e-BH, and the decimal logarithm of the e-value that they need.

    The k largest e-values are discoveries if each is at least ``n / (level * k)``, for the largest such k.
    The expected share of false ones among them is at most *level*, however the e-values depend on each other.

    Args:
        logs: decimal logarithm of every hypothesis's e-value, by its name.
        level: rate of false discoveries, above 0.
    """
    ranked = sorted(logs.items(), key=lambda item: -item[1])
    base = math.log10(len(ranked) / level) if ranked else 0.0
    most = 0
    for place, (_, log) in enumerate(ranked, start=1):
        if log >= base - math.log10(place):
            most = place
    return frozenset(name for name, _ in ranked[:most]), base - math.log10(max(most, 1))
