"""The times of many games, drawn one game after the other by ``times.c``, which has the theory.

What a game's times are, with the same result, is in ``exchange.jitter``: its tables are given to this module.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from vectra_bot.kernel.library import (
    ClockState,
    CurvePiece,
    DelayCurve,
    DelayTables,
    LoadedLaw,
    ValueChances,
)

Nanoseconds = NDArray[np.int64]


@frozen(eq=False)
class DrawnTimes:
    """When the steps of some games happen, nanoseconds since the epoch.

    Attributes:
        steps: a row for each game: presale, decision of the rug, rug, announcement of the next game.
        ticks: the live ticks of all games.
        start: where those of each game begin, and where the last ones end.
    """

    steps: Nanoseconds
    ticks: Nanoseconds
    start: Nanoseconds


def curve(pieces: Sequence[tuple[float, float, float, float]]) -> DelayCurve:
    """Return a curve of *pieces*: where each begins, its width, the value there, and the rise over it."""
    return DelayCurve(array_of(CurvePiece, pieces), len(pieces))


def chances(edges: Sequence[float]) -> ValueChances:
    """Return the chances of values whose parts of [0, 1) end at *edges*, the last one at 1."""
    return ValueChances(array_of(ctypes.c_double, edges), len(edges))


def array_of(kind: Any, values: Sequence[Any]) -> Any:
    """Return *values* as an array of C; *kind* is what each becomes."""
    return (kind * len(values))(*values)


class GameClock:
    """A clock that goes from one game to the next.

    Args:
        law: the compiled law.
        tables: what the times are drawn from.
        words: the generator: ``random.Random.getstate()[1]``.
        begins_ns: the announcement of the first game, nanoseconds since the epoch.
    """

    def __init__(
        self, law: LoadedLaw, tables: DelayTables, words: Sequence[int], begins_ns: int
    ) -> None:
        self._draw, self._tables = law.draw_times, tables
        self._words = array_of(ctypes.c_uint32, words)
        deck = (ctypes.c_int32 * tables.deck_size)()
        self._state = ClockState(self._words, deck, begins_ns, 0)

    @property
    def words(self) -> tuple[int, ...]:
        """The generator after what was drawn, as Python's would be."""
        return tuple(self._words)

    def draw(self, rug_ticks: NDArray[np.int32]) -> DrawnTimes:
        """Return the times of the next games, whose rugs are at *rug_ticks*, each 1 or more."""
        count = len(rug_ticks)
        start = np.zeros(count + 1, np.int64)
        np.cumsum(rug_ticks, out=start[1:])
        steps, ticks = np.empty((count, 4), np.int64), np.empty(int(start[-1]), np.int64)
        rugs = np.ascontiguousarray(rug_ticks, np.int32)
        self._draw(
            count, rugs.ctypes.data, self._tables, self._state, steps.ctypes.data, ticks.ctypes.data
        )
        return DrawnTimes(steps, ticks, start)
