"""Confidence intervals of means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from attrs import define, frozen

Z_95: Final = 1.959963984540054


@frozen
class Mean:
    """A mean with its 95 % confidence interval.

    Attributes:
        count: values that it is computed from, or independent groups of them.
        mean: of the values.
        low, high: its interval (of a plain mean by Student's t), None below two values.
    """

    count: int
    mean: float
    low: float | None
    high: float | None


@define
class SharedMean:
    """A mean over values that come in groups, such as those of one game, which depend on each other."""

    _groups: int = 0
    _count: int = 0
    _total: float = 0.0
    _squares: float = 0.0
    _products: float = 0.0
    _counts: float = 0.0

    def add(self, count: int, total: float) -> None:
        """Add a group of *count* values that sum to *total*; groups are independent of each other."""
        if count:
            self._groups += 1
            self._count += count
            self._total += total
            self._squares += total * total
            self._products += total * count
            self._counts += float(count) * count

    @property
    def mean(self) -> Mean | None:
        """The mean of all values, with the number of groups and a normal interval; None below two groups."""
        if self._groups < 2:
            return None
        mean = self._total / self._count
        rest = self._squares - 2 * mean * self._products + mean * mean * self._counts
        reach = Z_95 * math.sqrt(max(0.0, rest)) / self._count
        return Mean(self._groups, mean, mean - reach, mean + reach)


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
