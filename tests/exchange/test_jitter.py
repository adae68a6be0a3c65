"""The times of frames: the venue's means, a real link's delays, and never another order."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.exchange.dice import Deck, Dice
from vectra_bot.exchange.jitter import Timing
from vectra_bot.game import rules

GAMES, TICKS = 400, 200


def timing(seed: int = 1, *, steady: bool = False) -> Timing:
    """Return the times of one seed."""
    return Timing(Dice(Random(seed)), steady=steady)


@pytest.fixture(scope="module")
def gaps() -> list[float]:
    """The gaps between ticks of many games, sorted."""
    clock = timing()
    found = []
    for _ in range(GAMES):
        clock.begin_game()
        clock.first_tick_ms()
        found += [clock.tick_gap_ms() for _ in range(TICKS)]
    return sorted(found)


def test_gaps_are_those_of_real_recordings(gaps: list[float]) -> None:
    """Mean, quantiles and bursts of the gaps are the recorded ones (protocol 3.1, 13)."""
    assert sum(gaps) / len(gaps) == pytest.approx(rules.TICK_MS, abs=0.6)
    recorded = {0.05: (143, 35), 0.25: (244, 3), 0.5: (250, 2), 0.75: (257, 3), 0.95: (336, 30)}
    recorded |= {0.99: (532, 40), 0.999: (724, 140)}
    for share, (value, off) in recorded.items():
        assert gaps[int(share * len(gaps))] == pytest.approx(value, abs=off), share
    assert sum(gap < 50 for gap in gaps) / len(gaps) == pytest.approx(0.025, abs=0.008)


def test_ticks_never_change_their_order(gaps: list[float]) -> None:
    """Every frame comes after the one before it, at least two milliseconds later."""
    assert gaps[0] > 2


def test_a_long_gap_is_followed_by_a_short_one() -> None:
    """Arrivals scatter around a regular grid: gaps correlate by about -0.47 in real recordings."""
    clock = timing(3)
    clock.begin_game()
    clock.first_tick_ms()
    gaps = [clock.tick_gap_ms() - rules.TICK_MS for _ in range(4000)]
    both = sum(a * b for a, b in pairwise(gaps))
    assert -0.6 < both / sum(gap * gap for gap in gaps) < -0.35


def test_countdown_keeps_its_order_and_ends_before_the_start() -> None:
    """Countdown frames come in order, the presale opens at 4.9 s, tick 0 comes after the last of them."""
    clock = timing(4)
    for _ in range(200):
        clock.begin_game()
        times = {timer: clock.countdown_ms(timer) for timer in range(14_900, 0, -100)}
        ordered = list(times.values())
        assert all(a < b for a, b in pairwise(ordered))
        assert times[rules.PRESALE_MS] == pytest.approx(4_899.5, abs=130)
        start = times[rules.PRESALE_MS] + clock.start_ms()
        assert start > ordered[-1]
        assert 14_800 < start < 15_950


def test_the_end_of_a_game_takes_the_venues_time() -> None:
    """Rug, settlement and new game come when protocol 3.1 says, settlement 0 to 4 ticks past the rug."""
    clock = timing(5)
    rugs, settled, opened, extras = [], [], [], []
    for _ in range(2_000):
        clock.begin_game()
        clock.first_tick_ms()
        rugs.append(clock.rug_gap_ms())
        after, extra = clock.settlement_ms()
        settled.append(after)
        opened.append(after + clock.new_game_ms())
        extras.append(extra)
    assert sorted(rugs)[1_000] == pytest.approx(292, abs=5)
    assert sorted(settled)[1_000] == pytest.approx(624, abs=40)
    assert sorted(opened)[1_000] == pytest.approx(735, abs=50)
    assert extras.count(1) / 2_000 == pytest.approx(459 / 849, abs=0.04)
    assert set(extras) <= {0, 1, 2, 3, 4}


@pytest.mark.parametrize("seed", range(5))
def test_gaps_before_the_rug_are_those_of_real_recordings(seed: int) -> None:
    """A thousand games have the recorded quantiles of the gap, whatever the seed."""
    clock = timing(seed)
    rugs = []
    for _ in range(1_000):
        clock.begin_game()
        clock.first_tick_ms()
        for _ in range(8):
            clock.tick_gap_ms()
        rugs.append(clock.rug_gap_ms())
    rugs.sort()
    recorded = {0.1: (262, 8), 0.25: (278, 3), 0.5: (292, 3), 0.75: (308, 4), 0.9: (335, 8)}
    for share, (value, off) in recorded.items():
        assert rugs[int(share * 1_000)] == pytest.approx(value, abs=off), share


@pytest.mark.parametrize("size", [1, 3, 50])
def test_a_deck_covers_the_range_evenly(size: int) -> None:
    """Each run of draws has one in every part; their order and their places differ from run to run."""
    deck = Deck(Dice(Random(size)), size)
    runs = [[deck.roll() * size for _ in range(size)] for _ in range(40)]
    assert all(sorted(map(int, run)) == list(range(size)) for run in runs)
    assert len({tuple(map(int, run)) for run in runs}) >= min(size, 40)
    inside = [number % 1 for run in runs for number in run]
    assert max(inside) > 0.9
    assert min(inside) < 0.1


class Script(Random):
    """Rolls that are given."""

    rolls: list[float]

    def random(self) -> float:
        """Return the next of them."""
        return self.rolls.pop(0)


def test_a_deck_never_reaches_1() -> None:
    """The largest roll in the last part gives a number below 1, although the division would round it up."""
    largest = 1 - 2.0**-53
    source = Script()
    source.rolls = [(left - 1.5) / left for left in range(50, 1, -1)] + [largest]
    deck = Deck(Dice(source), 50)
    assert [deck.roll() for _ in range(50)][-1] == largest


def test_a_rug_at_tick_1_has_a_gap_too() -> None:
    """A game that rugs before its first tick starts its grid at tick 0."""
    clock = timing(6)
    gaps = []
    for _ in range(500):
        clock.begin_game()
        gaps.append(clock.rug_gap_ms(first=True))
    assert min(gaps) > 2
    assert sum(gaps) / 500 == pytest.approx(rules.RUG_AFTER_TICK_MS, rel=0.1)


def test_steady_times_are_the_typical_ones() -> None:
    """Without delays every time is the venue's typical one, exactly."""
    clock = timing(steady=True)
    clock.begin_game()
    assert clock.countdown_ms(14_900) == 2
    assert clock.countdown_ms(14_800) == pytest.approx(2 + rules.MEASURED_COUNTDOWN_STEP_MS)
    assert clock.start_ms() == rules.START_AFTER_PRESALE_MS
    assert clock.first_tick_ms() == rules.FIRST_TICK_MS
    assert {round(clock.tick_gap_ms(), 9) for _ in range(50)} == {rules.TICK_MS}
    assert clock.rug_gap_ms() == pytest.approx(rules.RUG_AFTER_TICK_MS)
    assert clock.settlement_ms() == (rules.SETTLEMENT_AFTER_RUG_MS, 1)
    assert clock.new_game_ms() == pytest.approx(111)


def test_one_seed_gives_one_course_of_times() -> None:
    """The same dice give the same times."""
    first, again = timing(7), timing(7)
    for clock in (first, again):
        clock.begin_game()
        clock.first_tick_ms()
    assert [first.tick_gap_ms() for _ in range(99)] == [again.tick_gap_ms() for _ in range(99)]


@given(
    seed=st.integers(0, 10**9),
    games=st.integers(1, 12),
    ticks=st.integers(0, 300),
    step=st.sampled_from([100, 500, 1000, 5000]),
    steady=st.booleans(),
)
def test_times_drawn_at_once_are_those_of_each_frame(
    seed: int, games: int, ticks: int, step: int, *, steady: bool
) -> None:
    """Whole countdowns and all ticks of a game: the same numbers, and the same ones afterwards."""
    dice = Random(seed), Random(seed)
    single, whole = (Timing(Dice(one), steady=steady) for one in dice)
    timers = range(rules.COOLDOWN_MS - step, 0, -step)
    for _ in range(games):
        single.begin_game()
        whole.begin_game()
        after = {timer: single.countdown_ms(timer) for timer in timers}
        assert whole.countdown_frames_ms(timers) == after[rules.PRESALE_MS]
        assert whole.start_ms() == single.start_ms()
        assert whole.first_tick_ms() == single.first_tick_ms()
        assert whole.tick_gaps_ms(ticks) == [single.tick_gap_ms() for _ in range(ticks)]
        assert whole.rug_gap_ms() == single.rug_gap_ms()
        assert whole.settlement_ms() == single.settlement_ms()
        assert whole.new_game_ms() == single.new_game_ms()
    assert dice[0].getstate() == dice[1].getstate()
