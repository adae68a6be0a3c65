"""Comparing samples: Kolmogorov-Smirnov, proportions, and bootstrap bounds of chance.

Only what the checks need, in numpy. All tests are two-sided; ``p`` is the probability of a difference at
least as large if both samples have the same distribution.
"""

from __future__ import annotations

from math import erfc, exp, sqrt
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

_SERIES_TERMS = 100
_SURE = 0.2  # below this p is 1 to more than ten places, and the series converges slowly
_GRID = 512


def ks_distance(ours: Floats, theirs: Floats, weights: Floats | None = None) -> float:
    """Return the largest distance between two empirical distributions, ties included.

    Args:
        ours: one sample, any order.
        theirs: the other.
        weights: weight of each value of *ours*, all 1 by default.

    Example:
        >>> ks_distance(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
        0.5
    """
    order = np.argsort(ours, kind="stable")
    ours = ours[order]
    reached = np.cumsum(np.ones(len(ours)) if weights is None else weights[order])
    reached = np.concatenate(([0.0], reached / reached[-1]))
    theirs = np.sort(theirs)
    at = np.concatenate((ours, theirs))
    distance = np.abs(
        reached[np.searchsorted(ours, at, side="right")]
        - np.searchsorted(theirs, at, side="right") / len(theirs)
    )
    return float(distance.max())


def ks_distance_to_law(sample: Floats, cdf: Floats, cdf_below: Floats | None = None) -> float:
    """Return the largest distance of a sample's distribution from a law's.

    Args:
        sample: the values, sorted ascending.
        cdf: the law's chance of at most each value, in the same order.
        cdf_below: its chance of less than each value; the same for a law without steps.
    """
    below = cdf if cdf_below is None else cdf_below
    upper = np.searchsorted(sample, sample, side="right") / len(sample)
    lower = np.searchsorted(sample, sample, side="left") / len(sample)
    return float(max(np.abs(upper - cdf).max(), np.abs(lower - below).max()))


def ks_p_value(distance: float, n: float, m: float | None = None) -> float:
    """Return the p of a Kolmogorov-Smirnov distance, asymptotic with Stephens' correction.

    Steps in the law make the true p larger, never smaller.

    Args:
        distance: the largest distance.
        n: size of the sample.
        m: size of the other sample, None for a law.
    """
    root = sqrt(n if m is None else n * m / (n + m))
    x = (root + 0.12 + 0.11 / root) * distance
    if x < _SURE:
        return 1.0
    total = 0.0
    for k in range(1, _SERIES_TERMS):
        term = exp(-2 * (k * x) ** 2)
        total += term if k % 2 else -term
    return min(1.0, max(0.0, 2 * total))


def share_p_value(hits: int, n: int, share: float) -> float:
    """Return the p of *hits* in *n* trials of chance *share* (normal, with continuity correction)."""
    spread = sqrt(n * share * (1 - share))
    off = max(0.0, abs(hits - n * share) - 0.5)
    return erfc(off / spread / sqrt(2)) if spread else float(off == 0)


def shares_p_value(hits: int, n: int, other_hits: int, m: int) -> float:
    """Return the p of two shares that may have one chance (pooled normal test)."""
    pooled = (hits + other_hits) / (n + m)
    spread = sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return erfc(abs(hits / n - other_hits / m) / spread / sqrt(2)) if spread else 1.0


def chance_bounds(
    values: Floats,
    groups: NDArray[np.int64],
    candidates: NDArray[np.int64],
    share: float,
    repeats: int = 400,
) -> tuple[float, float]:
    """Return bounds of the deviation of a sample of whole groups from *values* by chance alone.

    Values of one group (the ticks of one game) depend on each other, so whole groups are drawn, with
    replacement, from a fixed seed, *repeats* times.

    Args:
        values: the reference sample.
        groups: the group of each value, from 0.
        candidates: a row for each group of a drawn sample: the groups it is drawn from.
        share: share of the drawn samples within the returned bounds.
        repeats: samples drawn.

    Returns:
        The bound of the Kolmogorov-Smirnov distance, and of the relative error of the mean.
    """
    count = max(int(groups.max()), int(candidates.max())) + 1
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _GRID), method="higher"))
    table = np.zeros((count, len(edges)))
    np.add.at(table, (groups, np.searchsorted(edges, values, side="left")), 1.0)
    sums = np.bincount(groups, weights=values, minlength=count)
    truth = np.bincount(candidates.ravel(), minlength=count) / candidates.shape[1]
    dice = np.random.default_rng(1)
    rows = np.arange(len(candidates))
    distances, errors = [], []
    for _ in range(repeats):
        picked = candidates[rows, dice.integers(candidates.shape[1], size=len(rows))]
        histogram = table[picked].sum(axis=0)
        size = histogram.sum()
        if size:
            distances.append(histogram.cumsum() / size)
            errors.append(sums[picked].sum() / size)
    whole = truth @ table
    reached = whole.cumsum() / whole.sum()
    mean = (truth @ sums) / whole.sum()
    distance = np.abs(np.asarray(distances) - reached).max(axis=1)
    error = np.abs(np.asarray(errors) / mean - 1) if mean else np.zeros(1)
    return float(np.quantile(distance, share)), float(np.quantile(error, share))
