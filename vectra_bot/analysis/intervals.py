"""Confidence intervals of means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from attrs import frozen

Z_95: Final = 1.959963984540054


@frozen
class Mean:
    """A mean with its 95 % confidence interval.

    Attributes:
        count: values that it is computed from.
        mean: of them.
        low, high: interval by Student's t, None below two values.
    """

    count: int
    mean: float
    low: float | None
    high: float | None


def mean_of(values: Sequence[float], *, least: float = -math.inf) -> Mean | None:
    """Return the mean of *values* with its interval, None if there are none.

    Args:
        values: independent of each other.
        least: that a value can be: the interval does not go below.
    """
    count = len(values)
    if not count:
        return None
    mean = math.fsum(values) / count
    if count == 1:
        return Mean(1, mean, None, None)
    squares = math.fsum((value - mean) ** 2 for value in values)
    reach = student_t_95(count - 1) * math.sqrt(squares / (count - 1) / count)
    return Mean(count, mean, max(least, mean - reach), mean + reach)


def student_t_95(freedom: int) -> float:
    """Return the two-sided 95 % quantile of Student's t (exact for 1 and 2, else Cornish-Fisher)."""
    if freedom == 1:
        return 12.706204736432095
    if freedom == 2:
        return 4.302652729911275
    z, n = Z_95, float(freedom)
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )


def wilson_95(wins: int, games: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a rate of *wins* in *games*, at least one."""
    rate, square = wins / games, Z_95**2
    middle = (rate + square / (2 * games)) / (1 + square / games)
    reach = Z_95 * math.sqrt((rate * (1 - rate) + square / (4 * games)) / games)
    reach /= 1 + square / games
    return max(0.0, middle - reach), min(1.0, middle + reach)
