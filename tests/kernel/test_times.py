"""The times of many games drawn at once: those that the exchange draws one by one, to the nanosecond."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vectra_bot.backtest.fast.timeline import (
    DrawnClock,
    GameTimes,
    SingleClock,
    delay_tables,
)
from vectra_bot.exchange.dice import Dice
from vectra_bot.exchange.jitter import NEXT_MS, RUGS, Timing
from vectra_bot.game import rules
from vectra_bot.kernel.library import LoadedLaw
from vectra_bot.kernel.times import GameClock

BEGINS_NS = 1_772_366_400_000_000_000
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

rug_ticks = st.integers(1, 3) | st.integers(1, 300) | st.just(rules.MAX_TICKS + 1)


class Pair:
    """One course of times, drawn by the kernel and by the exchange's classes."""

    def __init__(self, law: LoadedLaw, seed: int, *, before: int = 0, step: int = 100) -> None:
        self.source, source = Random(seed), Random(seed)
        for _ in range(before):
            self.source.random()
            source.random()
        timers = range(rules.COOLDOWN_MS - step, 0, -step)
        self.clock = GameClock(law, delay_tables(timers), source.getstate()[1], BEGINS_NS)
        self.drawn = DrawnClock(self.clock)
        self.single = SingleClock(Timing(Dice(self.source)), timers, BEGINS_NS)

    def same(self, rugs: list[int]) -> list[GameTimes]:
        """Return the times of the next games, which are the same on both sides, and leave the same."""
        at = np.array(rugs, np.int32)
        times, expected = list(self.drawn.games(at)), list(self.single.games(at))
        assert list(map(_plain, times)) == list(map(_plain, expected))
        assert self.clock.words == self.source.getstate()[1]
        return expected


def _plain(times: GameTimes) -> tuple[Any, ...]:
    ticks = list(times.ticks_ns)
    assert {type(at) for at in ticks} == {int}
    return times.presale_ns, ticks, times.decided_ns, times.rug_ns, times.next_ns


@SHARED
@given(
    seed=st.integers(0, 2**256),
    before=st.integers(0, 700),
    step=st.sampled_from([100, 500, 1_000, 5_000]),
    chunks=st.lists(st.lists(rug_ticks, max_size=12), max_size=12),
)
def test_times_are_those_of_the_exchange(
    compiled: LoadedLaw, seed: int, before: int, step: int, chunks: list[list[int]]
) -> None:
    """Whatever the games, and however many at once: the same times, and the same numbers after each call."""
    pair = Pair(compiled, seed, before=before, step=step)

    times = [one for rugs in chunks for one in pair.same(rugs)]

    for one, rug_tick in zip(times, (rug for rugs in chunks for rug in rugs), strict=True):
        assert len(one.ticks_ns) == rug_tick
    for one, other in pairwise(times):
        assert one.next_ns < other.presale_ns


@pytest.mark.parametrize("seed", range(4))
def test_rugs_are_dealt_from_one_deck_after_the_other(compiled: LoadedLaw, seed: int) -> None:
    """A thousand games, some at once, begin many decks in the middle of a call, and some at its end."""
    pair, lengths = Pair(compiled, seed), Random(seed)
    sizes = [1, RUGS - 1, RUGS, 3 * RUGS, 7, 512, 274]

    times = [
        one for size in sizes for one in pair.same([lengths.randrange(1, 90) for _ in range(size)])
    ]

    assert len(times) == sum(sizes)
    assert all(one.ticks_ns[-1] < one.rug_ns < one.next_ns for one in times)


@pytest.mark.parametrize("seed", [3663, 10803])
def test_the_presale_never_opens_before_an_earlier_frame(compiled: LoadedLaw, seed: int) -> None:
    """A game in which the frame that opens it has to wait for the one before: one of some thousand."""
    timing, timers = Timing(Dice(Random(seed))), range(14_900, rules.PRESALE_MS - 1, -100)
    timing.begin_game()
    *_, before, opening = map(timing.countdown_ms, timers)

    assert opening == before + NEXT_MS
    assert Pair(compiled, seed).same([1])


def test_no_games_take_no_time(compiled: LoadedLaw) -> None:
    """An empty batch draws nothing."""
    pair = Pair(compiled, 1)

    assert pair.same([]) == []
    assert pair.clock.words == Random(1).getstate()[1]
