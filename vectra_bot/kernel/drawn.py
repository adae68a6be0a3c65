"""The games of ``montecarlo.c`` in numpy, equal bit for bit: used where the law is not compiled.

``montecarlo.c`` has the theory. Each pass of the loop below advances every game that is alive by one tick.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from vectra_bot.game import rules

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
Numbers = NDArray[np.int64]

_MASK: Final = (1 << 64) - 1
_SPLIT: Final = 0x9E3779B97F4A7C15  # what SplitMix64 adds to its state per word
_BIG_BELOW: Final = 1 + rules.BIG_MOVE_CHANCE
_BIG_SLOPE: Final = (rules.BIG_MOVE_MAX - rules.BIG_MOVE_MIN) / rules.BIG_MOVE_CHANCE
_BIG_LEAST: Final = rules.BIG_MOVE_MIN - _BIG_SLOPE
_DRIFT_SLOPE: Final = (rules.DRIFT_MAX - rules.DRIFT_MIN) / (1 - rules.BIG_MOVE_CHANCE)
_DRIFT_LEAST: Final = rules.DRIFT_MIN - (1 + rules.BIG_MOVE_CHANCE) * _DRIFT_SLOPE


@frozen
class Draws:
    """Games to draw: numbers *first* to *first* + *count* - 1 of *seed*, from a starting price and low."""

    count: int
    seed: int
    first: int
    price: float
    low: float


def _u(value: int) -> np.uint64:
    return np.uint64(value & _MASK)


def _mixed(words: Words) -> Words:
    words = (words ^ words >> _u(30)) * _u(0xBF58476D1CE4E5B9)
    words = (words ^ words >> _u(27)) * _u(0x94D049BB133111EB)
    result: Words = words ^ words >> _u(31)
    return result


def _rotated(words: Words, by: int) -> Words:
    result: Words = words << _u(by) | words >> _u(64 - by)
    return result


class _Streams:
    """The state of xoshiro256++ of each game."""

    def __init__(self, plan: Draws) -> None:
        mixed_seed = int(_mixed(np.array([_u(plan.seed + _SPLIT)]))[0])
        numbers = np.arange(plan.count, dtype=np.uint64)
        streams = numbers * _u(4 * _SPLIT) + _u(mixed_seed + plan.first * 4 * _SPLIT)
        self._state = [_mixed(streams + _u((i + 1) * _SPLIT)) for i in range(4)]

    def next(self, games: Any) -> Words:
        """Return the next word of each of *games*."""
        a, b, c, d = (words[games] for words in self._state)
        result: Words = _rotated(a + d, 23) + a
        c, d = c ^ a, d ^ b
        state = a ^ d, b ^ c, c ^ b << _u(17), _rotated(d, 45)
        for words, value in zip(self._state, state, strict=True):
            words[games] = value
        return result


def _looked_up(table: Floats, words: Words) -> Numbers:
    numbers = (words >> _u(11)).astype(np.float64) * 2.0**-53
    return np.searchsorted(table, numbers, side="right").astype(np.int64)


def _change(prices: Floats, words: Words) -> Floats:
    """Return by what share each price changes in an ordinary tick."""
    levels = (words >> _u(12) | _u(0x3FF0000000000000)).view(np.float64)
    noise = ((words << _u(21)) & _u(0x000FFFFFFFE00000) | _u(0x4000000000000000)).view(np.float64)
    noise = noise - 3
    roots = np.minimum(np.sqrt(prices), rules.NOISE_ROOT_CAP)
    small = _DRIFT_LEAST + levels * _DRIFT_SLOPE + rules.NOISE * roots * noise
    big = np.copysign(_BIG_LEAST + levels * _BIG_SLOPE, noise)
    result: Floats = np.where(levels < _BIG_BELOW, big, small)
    return result


def simulate(plan: Draws, rug_by: Floats, god_by: Floats, *, prices: bool) -> tuple[
    Floats, NDArray[np.int32], Floats, Floats, Numbers | None, Floats | None
]:  # fmt: skip
    """Return peak, rug tick, rug price and last price of each game; starts and prices if *prices*.

    ``rug_by`` and ``god_by`` are the chances of a rug, and of a god draw, after at most 0, 1, 2 ... ticks.
    """
    streams = _Streams(plan)
    alive = np.arange(plan.count)
    price, peak, low = (np.full(plan.count, value) for value in (plan.price, plan.price, plan.low))
    live = _looked_up(rug_by, streams.next(alive))
    to_rug, to_god = live.copy(), _looked_up(god_by, streams.next(alive))
    rug_tick = live + 1
    start = np.cumsum(rug_tick) - rug_tick
    every = np.empty(int(rug_tick.sum()) if prices else 0)
    if prices:
        every[start] = plan.price
    while True:
        alive = alive[to_rug[alive] > 0]
        if not len(alive):
            break
        drawing = alive[to_god[alive] == 0]
        to_god[drawing] = _looked_up(god_by, streams.next(drawing))
        counts = price[drawing] <= rules.GOD_CANDLE_MAX_PRICE
        candles = drawing[counts]
        price[candles] *= rules.GOD_CANDLE_FACTOR
        ordinary = np.setdiff1d(alive, candles, assume_unique=True) if len(candles) else alive
        words = streams.next(ordinary)
        price[ordinary] *= 1 + _change(price[ordinary], words)
        to_god[drawing[~counts]] += 1  # the tick of an ignored draw is an ordinary one
        to_god[ordinary] -= 1
        to_rug[alive] -= 1
        peak[alive] = np.maximum(peak[alive], price[alive])
        low[alive] = np.minimum(low[alive], price[alive])
        if prices:
            every[start[alive] + live[alive] - to_rug[alive]] = price[alive]
    rug_price = low * (1 - rules.RUG_DROP)
    ticks = rug_tick.astype(np.int32)
    return peak, ticks, rug_price, price, (start if prices else None), (every if prices else None)
