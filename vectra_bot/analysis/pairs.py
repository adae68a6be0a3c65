"""Profits of two strategies over the same games: which is better, and could it be luck?

Theory of operation. The profit of a game is heavy-tailed, most games may have no bet at all, and a comparison
may rest on a handful of bets, so no test that assumes a normal mean is used. Two tests look at the
differences game by game:

exchange
    If luck treats both sides alike, exchanging their profits in any set of games gives a result that is just
    as probable as the one seen. Its *p* is the share of random exchanges whose total difference is at least
    as large. This is exact for any distribution and any number of bets. Bets have few distinct results, so
    many exchanges give exactly the difference seen. They count whole while a side made fewer than
    :data:`FEW_BETS` bets, and above in a part drawn from the seed, which makes *p* uniform instead of
    too large.
resampling
    Sides of equal value need not be alike: one may win seldom and much. The studentized bootstrap draws
    games with replacement, and compares how far their means are from the mean seen, each in its own standard
    errors. A resample in which nothing varies, because it misses the few games that matter, counts as
    infinitely far, so that few wins prove nothing.

The larger *p* counts, except where both sides made enough bets and look alike: then the exchange decides,
which is exact. They look alike unless exchanges seldom give number of bets, losses or amounts as different as
those seen. The 95 % interval is the bootstrap's. What neither test can know is a win so rare that no game has
shown it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from attrs import frozen
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray

Profits = NDArray[np.float64]

FEW_BETS: Final = 100
"""Below this number of bets of either side, an exchange that changes nothing counts as one against us."""

RESAMPLES: Final = 9_999
"""Random exchanges, and resamples: *p* is a multiple of 1/10,000."""

# Sides look alike unless fewer exchanges than this share differ as much in one of their features.
_UNLIKE: Final = 0.002
# Games are drawn and exchanged in groups of consecutive ones, so that a million costs no more than this many.
_GROUPS: Final = 256
# Resamples whose numbers are in memory at once: as many as fit in a processor's cache.
_AT_ONCE: Final = 250
# Sums that differ by less than this share are the same: profits are whole lamports.
_SLACK: Final = 1e-9
_TAIL: Final = 0.025
# Fewer games with a bet show too little of their distribution for a limit.
_LEAST_GAMES: Final = 10


@frozen(kw_only=True)
class ResampledMean:
    """A mean over games with its studentized bootstrap interval.

    Attributes:
        mean: per game.
        low, high: 95 % interval; None where too few games differ from the rest for a limit.
        p: of the hypothesis that the true mean is zero, two-sided.
    """

    mean: float
    low: float | None
    high: float | None
    p: float


@frozen(kw_only=True)
class PairedDifference:
    """The difference of two sides' profit per game.

    Attributes:
        mean: the first side's less the second's.
        low, high: 95 % interval; None where too few games decide for a limit.
        p: chance that luck alone makes a difference this large, two-sided.
        exchange_p, resampled_p: of each test.
        alike: whether the sides look alike.
    """

    mean: float
    low: float | None
    high: float | None
    p: float
    exchange_p: float
    resampled_p: float
    alike: bool


def paired_difference(
    first: Sequence[float] | NDArray[Any],
    second: Sequence[float] | NDArray[Any],
    *,
    seed: int,
    bets: tuple[int, int] | None = None,
    resamples: int = RESAMPLES,
) -> PairedDifference:
    """Compare the profits of two sides over the same games.

    Args:
        first: profit of each game in lamports.
        second: of the same games, in the same order.
        seed: of the random exchanges and resamples; the same seed gives the same answer.
        bets: number of bets that each side made; the games with a profit or loss if None.
        resamples: how many of each.

    Raises:
        ValueError: the sides have different numbers of games, or none.
    """
    ours, theirs = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if ours.shape != theirs.shape or not ours.size:
        raise ValueError(
            f"sides have {ours.size} and {theirs.size} games: give the same, one or more"
        )
    if bets is None:
        bets = int(np.count_nonzero(ours)), int(np.count_nonzero(theirs))
    rng = Generator(PCG64(SeedSequence([abs(seed), ours.size])))
    few = min(bets) < FEW_BETS
    by_exchange, alike = _exchanged(_features(ours, theirs), rng, resamples, few=few)
    busy = (ours != 0.0) | (theirs != 0.0)
    by_draw = resampled_mean((ours - theirs)[busy], ours.size, rng, resamples)
    return PairedDifference(
        mean=by_draw.mean,
        low=by_draw.low,
        high=by_draw.high,
        p=by_exchange if alike and not few else max(by_exchange, by_draw.p),
        exchange_p=by_exchange,
        resampled_p=by_draw.p,
        alike=alike,
    )


def resampled_mean(
    values: Profits, games: int, rng: Generator, resamples: int = RESAMPLES
) -> ResampledMean:
    """Return the mean of *games* with its interval.

    Args:
        values: of the games in which there was a bet, independent of each other; those of the rest are 0.
        games: number of all games.
        rng: draws the resamples.
        resamples: how many, at least 99.
    """
    count = len(values)
    mean = float(values.mean()) if count else 0.0
    groups = _grouped(values - mean)
    error = _standard_error(groups)
    if error <= _SLACK * abs(mean) * count:  # nothing varies
        return ResampledMean(mean=mean * count / games, low=None, high=None, p=1.0)
    far = np.sort(np.concatenate([_deviations(groups, rng, size) for size in _portions(resamples)]))
    seen = mean * count / error
    below = int(np.searchsorted(far, seen, side="right"))
    above = len(far) - int(np.searchsorted(far, seen, side="left"))
    at = max(1, int(_TAIL * (resamples + 1)))
    low, high = ((mean * count - far[end] * error) / games for end in (-at, at - 1))
    return ResampledMean(
        mean=mean * count / games,
        low=float(low) if np.isfinite(low) and count >= _LEAST_GAMES else None,
        high=float(high) if np.isfinite(high) and count >= _LEAST_GAMES else None,
        p=min(1.0, 2 * (min(below, above) + 1) / (resamples + 1)),
    )


def holm(chances: Sequence[float]) -> list[float]:
    """Return the *p* of several comparisons corrected for their number (Holm), in the order given.

    The chance that any of the comparisons is at most 0.05 by luck alone is then at most 5 %.
    """
    corrected = [0.0] * len(chances)
    before = 0.0
    for rank, at in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        before = max(before, min(1.0, (len(chances) - rank) * chances[at]))
        corrected[at] = before
    return corrected


def _features(ours: Profits, theirs: Profits) -> Profits:
    """Return by how much the sides differ in each game: profit, amount, number of bets, loss."""
    return np.column_stack(
        (
            ours - theirs,
            np.abs(ours) - np.abs(theirs),
            (ours != 0.0).astype(np.float64) - (theirs != 0.0),
            np.minimum(ours, 0.0) - np.minimum(theirs, 0.0),
        )
    )


def _exchanged(
    features: Profits, rng: Generator, resamples: int, *, few: bool
) -> tuple[float, bool]:
    """Exchange the sides in random games.

    Returns:
        The chance of a total difference as far from zero as the one seen, and whether the sides look alike.
    """
    groups = _grouped(features[features.any(axis=1)])
    total = groups.sum(axis=0)
    seen, slack = np.abs(total), _SLACK * np.abs(groups).sum(axis=0)
    larger, equal = np.zeros(len(total)), np.zeros(len(total))
    for size in _portions(resamples):
        packed = rng.integers(0, 256, (size, (len(groups) + 7) // 8), np.uint8)
        kept = np.unpackbits(packed, axis=1, count=len(groups)).astype(np.float64)
        found = np.abs(2.0 * (kept @ groups) - total)
        larger += np.count_nonzero(found > seen + slack, axis=0)
        equal += np.count_nonzero(np.abs(found - seen) <= slack, axis=0)
    chances = (larger + equal + 1) / (resamples + 1)
    alike = bool(chances[1:].min() > _UNLIKE)
    if few or seen[0] <= slack[0]:
        return float(chances[0]), alike
    return float((larger[0] + rng.random() * (equal[0] + 1)) / (resamples + 1)), alike


def _deviations(groups: Profits, rng: Generator, size: int) -> Profits:
    """Return *size* resamples' deviations from the mean seen, in their own standard errors."""
    count = len(groups)
    drawn = groups[rng.integers(0, count, (size, count), np.uint16)]
    totals = drawn.sum(axis=1)
    spread = np.sqrt(np.maximum((drawn * drawn).sum(axis=1) - totals * totals / count, 0.0))
    error = spread * np.sqrt(count / (count - 1))
    flat = error <= _SLACK * np.abs(groups).max()
    error[flat] = 1.0
    far: Profits = totals / error
    far[flat] = np.where(totals[flat] == 0.0, 0.0, np.copysign(np.inf, totals[flat]))
    return far


def _standard_error(groups: Profits) -> float:
    """Return the standard error of the sum of *groups*."""
    count = len(groups)
    return float(groups.std(ddof=1)) * float(np.sqrt(count)) if count > 1 else 0.0


def _grouped(values: Profits) -> Profits:
    """Return *values*, or the sums of :data:`_GROUPS` runs of them."""
    if len(values) <= _GROUPS:
        return values
    starts = np.linspace(0, len(values), _GROUPS + 1).astype(np.int64)[:-1]
    summed: Profits = np.add.reduceat(values, starts, axis=0)
    return summed


def _portions(resamples: int) -> list[int]:
    """Return *resamples* in portions of at most :data:`_AT_ONCE`."""
    whole, rest = divmod(resamples, _AT_ONCE)
    return [_AT_ONCE] * whole + ([rest] if rest else [])
