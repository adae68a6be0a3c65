"""Random numbers that do not depend on the Python version: one uniform source and our own tables.

``random.Random(int).random()`` is the only call whose stream Python promises to keep; everything else
here is arithmetic on it. No ``math.exp`` or ``math.log``: their last bit may differ between machines.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")

_POISSON_ROWS = 700
_SERIES_TERMS = 1_200
_NO_CHANCE = 1e-19
BELOW_ONE = 1.0 - 2.0**-53
"""The largest number of a stream."""


class Choice(Generic[T]):
    """A finite distribution: values with weights.

    Attributes:
        edges: where the part of each value but the last ends in [0, 1).
        values: the values in this order.
    """

    __slots__ = ("edges", "values")

    def __init__(self, pairs: Sequence[tuple[T, float]]) -> None:
        total = 0.0
        for _, weight in pairs:
            total += weight
        edges: list[float] = []
        reached = 0.0
        for _, weight in pairs[:-1]:
            reached += weight / total
            edges.append(reached)
        self.edges = edges
        self.values = tuple(value for value, _ in pairs)

    def at(self, u: float) -> T:
        """Return the value at the quantile *u* in [0, 1)."""
        return self.values[bisect_right(self.edges, u)]


class Curve:
    """A continuous distribution given by quantiles, linear between them.

    Attributes:
        levels: where the pieces begin, and the end of the last one.
        pieces: where each begins, its width, the value there, and the rise over it.
    """

    __slots__ = ("levels", "pieces")

    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        self.levels = [level for level, _ in points]
        self.pieces = [
            (low, high - low, value, top - value) for (low, value), (high, top) in pairwise(points)
        ]

    def at(self, u: float) -> float:
        """Return the quantile for *u* in [0, 1)."""
        low, width, value, rise = self.pieces[bisect_right(self.levels, u) - 1]
        return value + (u - low) / width * rise


@lru_cache(maxsize=4096)
def _poisson_edges(mean: float) -> tuple[float, ...]:
    """Return the cumulative chances of 0, 1, 2, ... events."""
    term = 1.0
    growth = 1.0
    for n in range(1, _SERIES_TERMS):
        term *= mean / n
        growth += term
    chance = 1.0 / growth
    reached = chance
    edges = [reached]
    for n in range(1, _POISSON_ROWS):
        chance *= mean / n
        if chance < _NO_CHANCE and n > mean:
            break
        reached += chance
        edges.append(reached)
    return tuple(edges)


class Dice:
    """A seeded stream of numbers for one purpose."""

    __slots__ = ("roll",)

    def __init__(self, source: Random) -> None:
        self.roll: Callable[[], float] = source.random

    def chance(self, share: float) -> bool:
        """Return True in *share* of all calls."""
        return self.roll() < share

    def index(self, count: int) -> int:
        """Return a whole number from 0 to *count* - 1, all equally likely."""
        return int(self.roll() * count)

    def events(self, mean: float) -> int:
        """Return a Poisson count; *mean* up to 300, preferably one of few values (tables are cached)."""
        return bisect_right(_poisson_edges(mean), self.roll())


class Deck:
    """Numbers in [0, 1) like :attr:`Dice.roll`, but spread evenly: *size* draws have one in each part.

    A distribution drawn this way has its shape in any few dozen draws, not only in thousands.

    Args:
        dice: a separate stream of random numbers.
        size: equal parts of [0, 1).
    """

    __slots__ = ("_dice", "_left", "_size")

    def __init__(self, dice: Dice, size: int) -> None:
        self._dice = dice
        self._size = size
        self._left: list[int] = []

    def roll(self) -> float:
        """Return the next number."""
        left = self._left
        if not left:
            left.extend(range(self._size))
        place = self._dice.roll() * len(left)
        at = int(place)
        left[at], left[-1] = left[-1], left[at]
        return min((left.pop() + place - at) / self._size, BELOW_ONE)
