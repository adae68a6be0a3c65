"""Exact odds that a formula gives, from the price law (protocol 4.2, 7).

All values are expectations over the law, not estimates: no simulation, no data.
"""

from __future__ import annotations

from math import inf, log

from vectra_bot.errors import UsageError
from vectra_bot.game import rules
from vectra_bot.game.fair import expected_return


def survival(ticks: int) -> float:
    """Return the chance that the game lives through the next *ticks* ticks."""
    if ticks < 0:
        raise UsageError(f"ticks was {ticks}: give 0 or more")
    return float((1 - rules.RUG_CHANCE) ** ticks)


def rug_within(ticks: int) -> float:
    """Return the chance that the game rugs within the next *ticks* ticks."""
    return 1 - survival(ticks)


def mean_rug_tick() -> float:
    """Return the mean rug tick; a game that lives through the law's 5000 ticks rugs at tick 5001."""
    return (1 - survival(rules.MAX_TICKS + 1)) / rules.RUG_CHANCE


def median_rug_tick() -> int:
    """Return the first tick by which at least half of all games have rugged."""
    ticks = int(log(0.5) / log(1 - rules.RUG_CHANCE))
    return ticks if rug_within(ticks) >= 0.5 else ticks + 1


def sidebet_win_chance(tick: int = 0) -> float:
    """Return the chance that a sidebet placed at *tick* of a living game wins (protocol 7).

    It is 18.17 % from any tick, presale (0) included, until the window reaches the law's last tick: a game
    that is alive at tick 5000 ends there, and a sidebet that covers this end is sure to win.
    """
    if not 0 <= tick <= rules.MAX_TICKS:
        raise UsageError(f"tick was {tick}: give 0 to {rules.MAX_TICKS}")
    if tick + rules.SIDEBET_WINDOW_TICKS > rules.MAX_TICKS:
        return 1.0
    return rug_within(rules.SIDEBET_WINDOW_TICKS)


def sidebet_return(tick: int = 0) -> float:
    """Return the expected profit of a sidebet per unit of stake: -9.16 %."""
    return rules.SIDEBET_PAYOUT_X * sidebet_win_chance(tick) - 1


def sidebet_variance(tick: int = 0) -> float:
    """Return the variance of a sidebet's profit per unit of stake."""
    chance = sidebet_win_chance(tick)
    return rules.SIDEBET_PAYOUT_X**2 * chance * (1 - chance)


def holding_return(price: float, low: float) -> float:
    """Return the expected profit of holding one tick, per unit of the position's value.

    Args:
        price: the price now.
        low: the lowest price of the game so far, which determines the rug price.

    Raises:
        UsageError: *low* is not above 0, or above *price*, or above the start price.
    """
    if not 0 < low <= min(price, rules.START_PRICE) or price == inf:
        raise UsageError(
            f"price was {price!r} and low {low!r}: give 0 < low <= price, and low <= 1"
        )
    return expected_return(price, low)


def holding_return_range() -> tuple[float, float]:
    """Return the worst and the best :func:`holding_return` over all prices and lows.

    The worst is the limit of a price above the god candle's reach and far above the low; the best is a
    price that is the low of the game. Both are negative: holding has a negative expected value at any moment.
    """
    worst = expected_return(inf, rules.START_PRICE)
    best = expected_return(rules.START_PRICE, rules.START_PRICE)
    return worst, best
