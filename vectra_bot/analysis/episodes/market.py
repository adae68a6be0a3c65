"""What the prices of a running game show so far: peak, low, volatility."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise
from typing import Final

from attrs import define, field

from vectra_bot.game import rules
from vectra_bot.game.state import VOLATILITY_MIN_RETURNS, VOLATILITY_TICKS

_ONE: Final = 1 << 52
"""Log returns are added up as whole multiples of 2**-52, so that a running sum has no error that grows."""


@define
class PriceHistory:
    """Folds the prices of one game in the order in which they were received.

    A missed tick is NaN until it is received late, as in :class:`vectra_bot.game.state.GameView`.
    """

    prices: list[float] = field(factory=list)
    peak: float = rules.START_PRICE
    low: float = rules.START_PRICE
    _returns: deque[int | None] = field(factory=deque)
    _count: int = 0
    _sum: int = 0
    _squares: int = 0

    def see(self, tick: int, price: float) -> bool:
        """Add a price; return whether its tick is newer than all others."""
        if price > self.peak:
            self.peak = price
        elif price < self.low:
            self.low = price
        count = len(self.prices)
        if tick < count:
            if math.isnan(self.prices[tick]):
                self.prices[tick] = price
                self._rebuild()
            return False
        self.prices += [math.nan] * (tick - count)
        self.prices.append(price)
        if tick == count and count:
            self._add(_log_return(self.prices[-2], price))
        else:
            self._rebuild()
        return True

    def _rebuild(self) -> None:
        self._returns.clear()
        self._count = self._sum = self._squares = 0
        for before, after in pairwise(self.prices[-(VOLATILITY_TICKS + 1) :]):
            self._add(_log_return(before, after))

    def _add(self, change: int | None) -> None:
        returns = self._returns
        if len(returns) == VOLATILITY_TICKS:
            self._book(returns.popleft(), -1)
        returns.append(change)
        self._book(change, 1)

    def _book(self, change: int | None, sign: int) -> None:
        if change is not None:
            self._count += sign
            self._sum += sign * change
            self._squares += sign * change * change

    @property
    def volatility(self) -> float | None:
        """Standard deviation of the log returns of the last 240 ticks, to nine places; None before 20."""
        count = self._count
        if count < VOLATILITY_MIN_RETURNS:
            return None
        spread = count * self._squares - self._sum * self._sum
        return round(math.sqrt(spread / (count * (count - 1))) / _ONE, rules.SOL_PLACES)


def _log_return(before: float, after: float) -> int | None:
    """Return a log return as a multiple of 2**-52; None next to a tick that was missed."""
    return round(math.log(after / before) * _ONE) if before > 0 and after > 0 else None
