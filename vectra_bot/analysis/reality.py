"""How good the best of many strategies would be by luck alone: a reality check.

White (2000), "A Reality Check for Data Snooping", with the studentized statistic of Hansen (2005) and the
joint p of Romano and Wolf (2005). All strategies played the same games. A game's *excess* is what a
strategy made there beyond what it should have made; under the null hypothesis its mean is zero or less for
each of them. The statistic is the largest of the strategies' t values. Samples of the games are drawn with
replacement, each the same for all strategies, which keeps how the strategies depend on each other; the
excesses are centred, so that a sample has nothing in it except luck. ``p`` is the share of samples whose
largest t value is at least the real one.

Where the excess is measured from the law's expectation, it is a martingale difference under the law: games
are uncorrelated even for a strategy that remembers earlier games, so single games are drawn and not runs of
them. Studentizing, in each draw too, corrects the first error of the bootstrap for skewed results, and keeps
a strategy of rare large wins from deciding the largest value alone.

Below :data:`LEAST_GAMES` games with a result a strategy is not judged. The outcome that decides its variance,
such as the rug of a position that is held for a few ticks, may have a chance of 2 %: then it is in the games
a few times or not at all, samples miss it too often, and their t values say nothing. Imports numpy.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from attrs import frozen
from numpy.random import Generator
from numpy.typing import NDArray

LEAST_GAMES: Final = 200
"""Games with a result that a strategy needs to be judged."""

RESAMPLES: Final = 1_999
"""Draws of games, by default."""

_AT_ONCE: Final = 128  # draws in memory
_NO_SPREAD: Final = 1e-12  # share of the variance below which a draw has none

Floats = NDArray[np.float64]


@frozen(kw_only=True, eq=False)
class RealityCheck:
    """The result of a reality check.

    Attributes:
        p: chance that the best of so many is at least this good by luck alone; None if none was judged.
        p_each: the same for each strategy, given that all were tried; NaN for one that was not judged.
        t: t value of each strategy's mean excess, NaN for one that was not judged.
        t_by_luck: the largest t value that luck alone exceeds in half of all draws, and in 5 % of them.
        judged: strategies with enough games.
        resamples: draws of games.
    """

    p: float | None
    p_each: Floats
    t: Floats
    t_by_luck: tuple[float, float] | None
    judged: int
    resamples: int

    def to_json(self) -> dict[str, Any]:
        """Return the figures that concern all strategies."""
        return {
            "p": self.p,
            "t": float(np.nanmax(self.t)) if self.judged else None,
            "t_by_luck": None if self.t_by_luck is None else list(self.t_by_luck),
            "judged": self.judged,
            "resamples": self.resamples,
        }


def reality_check(
    excess: Floats,
    dice: Generator,
    *,
    played: NDArray[np.int64] | None = None,
    resamples: int = RESAMPLES,
) -> RealityCheck:
    """Return how good the best of several strategies is, compared with luck.

    Args:
        excess: a row for each game, or group of as many games, and a column for each strategy.
        dice: draws the games.
        played: games in which each strategy had a result; by default the rows with an excess.
        resamples: draws of games.
    """
    rows, count = excess.shape
    counted = np.count_nonzero(excess, axis=0) if played is None else played
    spread = excess.std(axis=0) if rows else np.zeros(count)
    judged = (counted >= LEAST_GAMES) & (spread > 0)
    t, p_each = np.full(count, np.nan), np.full(count, np.nan)
    if not judged.any():
        return RealityCheck(
            p=None, p_each=p_each, t=t, t_by_luck=None, judged=0, resamples=resamples
        )
    kept = excess[:, judged]
    t[judged] = kept.mean(axis=0) / spread[judged] * math.sqrt(rows)
    largest = np.sort(_largest_by_luck(kept, dice, resamples))
    above = resamples - np.searchsorted(largest, t[judged], side="left")
    p_each[judged] = (1 + above) / (resamples + 1)
    middle, high = np.quantile(largest, (0.5, 0.95))
    return RealityCheck(
        p=float(np.nanmin(p_each)),
        p_each=p_each,
        t=t,
        t_by_luck=(float(middle), float(high)),
        judged=int(judged.sum()),
        resamples=resamples,
    )


def _largest_by_luck(excess: Floats, dice: Generator, resamples: int) -> Floats:
    """Return the largest t value of the centred *excess* in each draw of its rows."""
    centred = excess - excess.mean(axis=0)
    squares = centred * centred
    least = _NO_SPREAD * squares.mean(axis=0)
    rows = len(centred)
    found = [np.empty(0)]
    for done in range(0, resamples, _AT_ONCE):
        counts = _drawn_counts(rows, min(_AT_ONCE, resamples - done), dice)
        mean = counts @ centred / rows
        variance = counts @ squares / rows - mean * mean
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(variance > least, mean / np.sqrt(variance), -np.inf)
        found.append(t.max(axis=1) * math.sqrt(rows))
    return np.concatenate(found)


def _drawn_counts(rows: int, draws: int, dice: Generator) -> Floats:
    """Return how often each of *rows* is drawn, a row for each of *draws*."""
    picked = dice.integers(rows, size=(draws, rows)) + np.arange(draws)[:, None] * rows
    counts = np.bincount(picked.ravel(), minlength=draws * rows)
    return counts.reshape(draws, rows).astype(np.float64)


__all__ = ["LEAST_GAMES", "RESAMPLES", "RealityCheck", "reality_check"]
