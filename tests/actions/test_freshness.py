"""The age of the newest price: stalls, bursts and pauses, with the times of ticks as a venue sends them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.actions.freshness import CLEAN_TICKS, Freshness

MS = 10**6
TICK = 250 * MS
START = 10**18


def code_of(freshness: Freshness, now_ns: int) -> str | None:
    """Return the code of the reason why nothing is entered now."""
    reason = freshness.denies(now_ns)
    return None if reason is None else reason.split(":")[0]


def steady(ticks: int = 5) -> Freshness:
    """Return what a game's first ticks at their own pace leave."""
    freshness = Freshness(1_500 * MS)
    for tick in range(ticks):
        freshness.on_tick(tick, START + tick * TICK)
    return freshness


def test_ticks_at_their_pace_are_fresh() -> None:
    """A price is fresh until it is older than the limit, to the nanosecond."""
    freshness = steady()
    last = START + 4 * TICK

    assert code_of(freshness, last) is None
    assert code_of(freshness, last + 1_500 * MS) is None
    assert code_of(freshness, last + 1_500 * MS + 1) == "limit.price_age"


def test_before_the_first_tick_nothing_is_old() -> None:
    """A game that has not begun has no price to be old; the next game forgets the last one."""
    freshness = Freshness(1_500 * MS)
    assert freshness.denies(START) is None
    freshness.on_tick(3, START)
    freshness.on_tick(4, START + 10_000 * MS)
    freshness.reset()

    assert freshness.denies(START + 10**12) is None
    freshness.on_tick(0, START + 10**12)
    assert freshness.denies(START + 10**12) is None


@pytest.mark.parametrize("stalled", [3, 5, 8, 40])
def test_n07_only_the_newest_tick_of_a_burst_is_fresh(stalled: int) -> None:
    """After a stall the queued ticks come within milliseconds: all but the newest are old."""
    freshness = steady()
    now = START + (4 + stalled) * TICK + 20 * MS
    found = []
    for tick in range(5, 5 + stalled):
        freshness.on_tick(tick, now)
        found.append(code_of(freshness, now))
        now += MS

    assert found[:-1] == ["price.old"] * (stalled - 1)
    assert found[-1] == (None if stalled * TICK < 1_500 * MS else "price.stalled")


def test_p08_ticks_must_be_on_time_again_after_a_long_stall() -> None:
    """After a stall longer than the limit, four ticks at their own pace make the price fresh."""
    freshness = steady()
    now = START + 20 * TICK
    freshness.on_tick(20, now)
    found = []
    for tick in range(21, 21 + CLEAN_TICKS):
        found.append(code_of(freshness, now))
        now += TICK
        freshness.on_tick(tick, now)

    assert found == ["price.stalled"] * CLEAN_TICKS
    assert code_of(freshness, now) is None


def test_a_pause_of_the_venue_is_no_burst() -> None:
    """Ticks that continue where they paused are fresh from the second one on."""
    freshness = steady()
    now = START + 4 * TICK + 1_400 * MS
    freshness.on_tick(5, now)
    assert code_of(freshness, now) == "price.old"
    freshness.on_tick(6, now + TICK)

    assert code_of(freshness, now + TICK) is None


EDGES = st.sampled_from([1, 99, 100, 101, 250, 251, 499, 500, 501, 502, 1_499, 1_500, 1_501, 3_000])
gaps = st.tuples(EDGES, st.sampled_from([-1, 0, 1])).map(lambda drawn: drawn[0] * MS + drawn[1])


def expected(ticks: list[tuple[int, int]], now_ns: int) -> str | None:
    """Return why nothing is entered at *now_ns* after *ticks*, each a number and a time."""
    before: tuple[int, int] | None = None
    stall: tuple[int, int] | None = None
    old, wanted = False, 0
    for tick, at in ticks:
        gap = 0 if before is None else at - before[1]
        if gap > 500 * MS:
            stall = stall if old else before
            wanted = 4 if gap > 1_500 * MS else wanted
        elif gap >= 100 * MS:
            stall = None
        old = stall is not None and tick - stall[0] < (at - stall[1]) * 4 // (1_003 * MS)
        on_time = not old and gap <= 500 * MS
        wanted = max(0, wanted - on_time)
        before = tick, at
    if before is not None and now_ns - before[1] > 1_500 * MS:
        return "limit.price_age"
    return "price.old" if old else "price.stalled" if wanted else None


@given(st.lists(st.tuples(st.integers(1, 14), gaps), max_size=12), gaps)
def test_every_edge_of_a_stall_is_the_models(steps: list[tuple[int, int]], age_ns: int) -> None:
    """A tick comes every 250.75 ms; more than 500 ms is a stall, 100 ms or more its own pace."""
    freshness, ticks = Freshness(1_500 * MS), [(0, START)]
    for further, gap_ns in steps:
        ticks.append((ticks[-1][0] + further, ticks[-1][1] + gap_ns))
    for number, (tick, at) in enumerate(ticks, 1):
        freshness.on_tick(tick, at)
        assert code_of(freshness, at) == expected(ticks[:number], at)
        assert code_of(freshness, at + age_ns) == expected(ticks[:number], at + age_ns)
    freshness.reset()
    assert freshness.denies(START * 2) is None
    freshness.on_tick(0, START * 2)
    assert freshness.denies(START * 2) is None


def test_a_denial_has_its_numbers() -> None:
    """Ages in milliseconds, the tick, and how many ticks are still wanted."""
    freshness = steady()
    last = START + 4 * TICK
    assert freshness.denies(last + 1_501 * MS) == (
        "limit.price_age: the newest price is 1501 ms old, the limit is 1500 ms"
    )
    freshness.on_tick(6, last + 1_600 * MS)
    assert freshness.denies(last + 1_600 * MS) == (
        "price.old: tick 6 came late after a stall, the venue is further"
    )
    freshness.on_tick(10, last + 1_601 * MS)
    assert freshness.denies(last + 1_601 * MS) == (
        "price.stalled: 3 more ticks must arrive on time after a stall"
    )


@given(
    st.lists(
        st.tuples(st.integers(1, 60), st.integers(0, 120)),  # ticks in the queue, jitter in ms
        max_size=8,
    )
)
def test_a_tick_that_is_fresh_is_at_most_one_behind(stalls: list[tuple[int, int]]) -> None:
    """Whatever the stalls: what passes as fresh was sent at most a tick and the jitter ago."""
    freshness, tick, now = steady(), 4, START + 4 * TICK
    for queued, jitter in stalls:
        now = max(now, START + (tick + queued) * TICK + jitter * MS)
        for number in range(tick + 1, tick + queued + 1):
            freshness.on_tick(number, now)
            sent = START + number * TICK
            if freshness.denies(now) is None:
                assert now - sent <= TICK + 120 * MS + 50 * MS
            now += MS // 2
        tick += queued
