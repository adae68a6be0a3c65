"""What the prices of a running game show so far: peak, low, volatility."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise

from attrs import define, field

from vectra_bot.game import rules
from vectra_bot.game.state import VOLATILITY_MIN_RETURNS, VOLATILITY_TICKS


@define
class Market:
    """Folds the prices of one game in the order in which they were received.

    A missed tick is NaN until it is received late, as in :class:`vectra_bot.game.state.GameView`.
    """

    prices: list[float] = field(factory=list)
    peak: float = rules.START_PRICE
    low: float = rules.START_PRICE
    _returns: deque[float] = field(factory=lambda: deque(maxlen=VOLATILITY_TICKS))

    def see(self, tick: int, price: float) -> bool:
        """Add a price; return whether its tick is newer than all others."""
        self.peak, self.low = max(self.peak, price), min(self.low, price)
        count = len(self.prices)
        if tick < count:
            if math.isnan(self.prices[tick]):
                self.prices[tick] = price
                self._rebuild()
            return False
        self.prices += [math.nan] * (tick - count)
        self.prices.append(price)
        if tick == count and count:
            self._returns.append(_log_return(self.prices[-2], price))
        else:
            self._rebuild()
        return True

    def _rebuild(self) -> None:
        window = self.prices[-(VOLATILITY_TICKS + 1) :]
        self._returns = deque((_log_return(*pair) for pair in pairwise(window)), VOLATILITY_TICKS)

    @property
    def volatility(self) -> float | None:
        """Standard deviation of the log returns of the last 240 ticks, to nine places; None before 20."""
        returns = [value for value in self._returns if value == value]
        count = len(returns)
        if count < VOLATILITY_MIN_RETURNS:
            return None
        mean = math.fsum(returns) / count
        variance = math.fsum([(value - mean) ** 2 for value in returns]) / (count - 1)
        return round(math.sqrt(variance), rules.SOL_PLACES)


def _log_return(before: float, after: float) -> float:
    return math.log(after / before) if before > 0 and after > 0 else math.nan
