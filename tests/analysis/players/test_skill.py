"""Skill against luck: wealth that no player without foresight can raise on average, and e-BH."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.analysis.players.games import ObservedGame, ObservedSidebet, ObservedTrade
from vectra_bot.analysis.players.skill import (
    JUMP,
    Wealth,
    e_bh,
    entry_excess,
    entry_factors,
    jump_chance,
    mean_log10,
    sidebet_factors,
)
from vectra_bot.analysis.players.tally import PlayerGame, PlayerTally
from vectra_bot.game import rules
from vectra_bot.game.fair import next_price, rug_price

DEPTH = 3
STATES = st.floats(0.001, 5_000).flatmap(
    lambda price: st.tuples(st.just(price), st.floats(0.01, 1.0).map(lambda x: x * min(price, 1.0)))
)


@define
class Branch:
    """A course of a game from its start, with its probability."""

    weight: float = 1.0
    prices: list[float] = field(factory=lambda: [rules.START_PRICE])
    rug: float | None = None


def steps(price: float, low: float) -> Iterator[tuple[float, float, bool]]:
    """Yield what may follow a price, by the law's own code: probability, next price, and whether it rugs.

    Each kind of move is represented by moves whose mean is the law's: what is linear in the price within a
    kind has exactly the law's expectation.
    """
    alive = 1.0 - rules.RUG_CHANCE
    god = rules.GOD_CANDLE_CHANCE if price <= rules.GOD_CANDLE_MAX_PRICE else 0.0
    yield rules.RUG_CHANCE, rug_price(min(low, price)), True
    if god:
        yield alive * god, next_price(price, iter([0.0]).__next__), False
    alive *= 1.0 - god
    for sign in (0.25, 0.75):
        moved = next_price(price, iter([0.5, 0.0, 0.5, sign]).__next__)
        yield alive * rules.BIG_MOVE_CHANCE / 2, moved, False
    for drift in (0.1, 0.9):
        moved = next_price(price, iter([0.5, 0.5, drift, 0.5]).__next__)
        yield alive * (1.0 - rules.BIG_MOVE_CHANCE) / 2, moved, False


def courses() -> Iterator[Branch]:
    """Yield every course of the first ticks of a game."""
    branches = [Branch()]
    for _ in range(DEPTH):
        grown = []
        for branch in branches:
            if branch.rug is not None:
                grown.append(branch)
                continue
            for weight, after, rugged in steps(branch.prices[-1], min(branch.prices)):
                prices = branch.prices if rugged else [*branch.prices, after]
                grown.append(Branch(branch.weight * weight, prices, after if rugged else None))
        branches = grown
    yield from branches


COURSES = list(courses())


def wealth(branch: Branch, ticks: list[int]) -> float:
    """Return what betting on a player who buys at *ticks* has made of 1."""
    trades = [ObservedTrade("p", "BUY", tick, branch.prices[tick], 10, 10) for tick in ticks]
    game = ObservedGame(
        "g",
        prices=branch.prices,
        rug_tick=len(branch.prices) if branch.rug is not None else None,
        rug_price=branch.rug,
        trades=trades,
    )
    tally = PlayerTally()
    tally.add(PlayerGame(game, trades, (), None))
    return float(10.0**tally.by_entries.log10)


def test_the_courses_are_all_there_are() -> None:
    """Their probabilities sum to 1, and rugs, god candles and both kinds of moves are among them."""
    assert math.fsum(branch.weight for branch in COURSES) == pytest.approx(1.0, abs=1e-12)
    ratios = {round(b / a, 3) for branch in COURSES for a, b in pairwise(branch.prices)}
    assert {10.0, 1.2, 0.8} <= ratios
    assert any(branch.rug is not None for branch in COURSES)


@given(st.lists(st.booleans(), min_size=31, max_size=31))
def test_without_foresight_wealth_keeps_its_mean(decisions: list[bool]) -> None:
    """Whatever a player decides from the prices so far, the expected wealth is exactly 1."""
    chosen: dict[tuple[float, ...], bool] = {}

    def buys(seen: list[float]) -> bool:
        return chosen.setdefault(tuple(seen), decisions[len(chosen) % len(decisions)])

    mean = math.fsum(
        branch.weight
        * wealth(
            branch,
            [t for t in range(min(DEPTH, len(branch.prices))) if buys(branch.prices[: t + 1])],
        )
        for branch in COURSES
    )
    assert mean == pytest.approx(1.0, abs=1e-9)


def test_foresight_raises_the_mean() -> None:
    """A player who buys only before a rise has an expected wealth above 1."""
    mean = 0.0
    for branch in COURSES:
        rises = [t for t, (a, b) in enumerate(pairwise(branch.prices)) if b > a]
        mean += branch.weight * wealth(branch, rises)
    assert mean > 1.1


@given(STATES)
def test_every_bet_on_a_purchase_is_fair(state: tuple[float, float]) -> None:
    """At any price and low each share's factor is positive and has mean 1; with an unknown low at most 1."""
    price, low = state
    after = list(steps(price, low))
    known, unknown = (
        [entry_factors(price, moved, entry_excess(price, seen, moved)) for _, moved, _ in after]
        for seen in (low, None)
    )
    assert min(min(row) for row in (*known, *unknown)) > 0
    for place in range(len(known[0])):
        weighted = [weight * row[place] for (weight, _, _), row in zip(after, known, strict=True)]
        assert math.fsum(weighted) == pytest.approx(1.0, abs=1e-9)
        least = [weight * row[place] for (weight, _, _), row in zip(after, unknown, strict=True)]
        assert math.fsum(least) <= 1.0 + 1e-9


@given(STATES)
def test_the_chance_of_a_jump_is_exact(state: tuple[float, float]) -> None:
    """It is the law's chance of a rise by 10 % or more, which no small move reaches."""
    price, low = state
    chance = math.fsum(w for w, moved, _ in steps(price, low) if moved >= price * (1 + JUMP))
    assert jump_chance(price) == pytest.approx(chance, rel=1e-9)
    root = min(rules.NOISE_ROOT_CAP, math.sqrt(price))
    assert rules.DRIFT_MAX + rules.NOISE * root < JUMP < rules.BIG_MOVE_MIN


def test_every_bet_on_a_sidebet_is_fair() -> None:
    """A sidebet wins with 1 - 0.995^40; its factors have mean 1."""
    chance = 1 - 0.995**40
    for won, lost in zip(sidebet_factors(won=True), sidebet_factors(won=False), strict=True):
        assert 0 < lost < 1 < won
        assert chance * won + (1 - chance) * lost == pytest.approx(1.0, abs=1e-12)


def test_excess_is_the_return_above_the_laws() -> None:
    """At price 1, the low of the game, the law's return is -0.0547 % with the rug at 0.02."""
    assert entry_excess(1.0, 1.0, 1.2) == pytest.approx(0.2 + 0.000447, abs=2e-5)
    assert entry_excess(1.0, 1.0, 0.02) == pytest.approx(-0.98, abs=1e-3)
    assert entry_excess(4.0, None, 4.0) == entry_excess(4.0, 1.0, 4.0) < entry_excess(4.0, 0.1, 4.0)
    assert entry_excess(0.5, None, 0.4) == entry_excess(0.5, 0.5, 0.4)


def test_wealth_is_the_mean_over_shares() -> None:
    """Two bets multiply each share's wealth, and the mean is taken last."""
    found = Wealth()
    assert (found.log10, found.bets) == (0.0, 0)
    found.bet([2.0, 0.5])
    found.bet([2.0, 0.5])
    assert found.bets == 2
    assert 10**found.log10 == pytest.approx((4 + 0.25) / 2)


def test_the_parts_of_an_e_value_are_averaged() -> None:
    """Purchases and sidebets may depend on each other, so that their wealths are never multiplied."""
    tally = PlayerTally()
    tally.by_entries.bet([8.0])
    tally.by_sidebets.bet([2.0])
    assert 10**tally.log10_e == pytest.approx(5.0)
    assert tally.bets == 2


def test_a_mean_of_huge_numbers_does_not_overflow() -> None:
    """Numbers beyond a double are averaged by their logarithms."""
    assert mean_log10([1_000.0, 1_000.0]) == 1_000.0
    assert mean_log10([1_000.0, -1_000.0]) == pytest.approx(1_000.0 - math.log10(2))
    assert mean_log10([0.0, 1.0]) == pytest.approx(math.log10(5.5))


@pytest.mark.parametrize(
    ("values", "found", "needed"),
    [
        ({"a": 199.0, "b": 1.0}, set(), 200.0),
        ({"a": 200.1, "b": 1.0}, {"a"}, 200.0),
        ({"a": 150.0, "b": 101.0}, {"a", "b"}, 100.0),
        ({"a": 1e9, "b": 99.0}, {"a"}, 200.0),
        ({"a": 101.0}, {"a"}, 100.0),
    ],
)
def test_e_bh_on_small_cases(values: dict[str, float], found: set[str], needed: float) -> None:
    """The k largest are discoveries if each is at least n / (level k): at 1 % and n = 2, 200 or 100."""
    got, log = e_bh({name: math.log10(value) for name, value in values.items()}, 0.01)
    assert got == found
    assert 10**log == pytest.approx(needed)


def test_e_bh_of_nobody_finds_nobody() -> None:
    """Without hypotheses there are no discoveries."""
    assert e_bh({}, 0.01) == (frozenset(), 0.0)


@given(st.lists(st.integers(0, 120), max_size=6))
def test_sidebets_are_bet_on_one_after_the_other(starts: list[int]) -> None:
    """Overlapping sidebets are not judged: what they bet on is one event."""
    bets = [ObservedSidebet("p", start, start + 40, 10, 0) for start in starts]
    tally = PlayerTally()
    tally.add(PlayerGame(ObservedGame("g", sidebets=bets), (), bets, None))
    free, judged = 0, 0
    for start in sorted(starts):
        if start >= free:
            judged, free = judged + 1, start + 40
    assert (tally.by_sidebets.bets, tally.odd_sidebets) == (judged, len(starts) - judged)
