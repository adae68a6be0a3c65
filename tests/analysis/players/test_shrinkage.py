"""Shrinkage by empirical Bayes, intervals of rates and means, and the tail of a binomial."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.analysis.intervals import SharedMean, wilson_95
from vectra_bot.analysis.players.shrinkage import (
    RatePrior,
    chance_above,
    edge_prior,
    rate_prior,
)


def test_equal_players_are_shrunk_to_their_mean() -> None:
    """If rates differ by no more than chance, every player is expected to have the common one."""
    prior = rate_prior([(5, 10)] * 20)
    assert prior is not None
    assert (prior.mean, prior.strength) == (0.5, None)
    assert prior.shrink(9, 10) == 0.5


def test_different_players_are_believed() -> None:
    """If each player always wins or always loses, a rate is believed as it is."""
    prior = rate_prior([(0, 10), (10, 10)] * 10)
    assert prior is not None
    assert prior.shrink(10, 10) > 0.99


def test_a_prior_counts_as_so_many_games() -> None:
    """Nine of ten and a prior of ten games at one half make 14 of 20."""
    assert RatePrior(0.5, 10.0).shrink(9, 10) == pytest.approx(0.7)


def test_the_prior_is_recovered() -> None:
    """From rates drawn from beta(6, 4) the mean 0.6 and the strength 10 come back."""
    dice = Random(5)
    results = []
    for _ in range(3_000):
        rate = dice.betavariate(6, 4)
        games = dice.randrange(5, 60)
        results.append((sum(dice.random() < rate for _ in range(games)), games))
    prior = rate_prior(results)
    assert prior is not None
    assert prior.strength is not None
    assert prior.mean == pytest.approx(0.6, abs=0.01)
    assert prior.strength == pytest.approx(10, rel=0.15)


@given(st.lists(st.integers(1, 50).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))))
def test_a_shrunk_rate_lies_between_rate_and_mean(results: list[tuple[int, int]]) -> None:
    """Shrinkage never leaves the interval between a player's own rate and the common one."""
    prior = rate_prior(results)
    assert (prior is None) == (not results)
    for wins, games in results:
        assert prior is not None
        low, high = sorted((wins / games, prior.mean))
        assert low - 1e-12 <= prior.shrink(wins, games) <= high + 1e-12


def test_edges_without_spread_are_shrunk_to_their_mean() -> None:
    """Edges that differ less than their errors say nothing of players."""
    prior = edge_prior([(0.01, 0.0004), (-0.01, 0.0004), (0.0, 0.0001)])
    assert prior is not None
    assert prior.variance == 0.0
    assert prior.shrink(0.5, 0.01) == prior.mean == pytest.approx(0.0, abs=1e-12)


def test_edges_with_spread_are_believed_by_their_error() -> None:
    """A precise edge is believed more than a vague one."""
    prior = edge_prior([(0.2, 1e-6), (-0.2, 1e-6), (0.1, 1e-6), (-0.1, 1e-6)])
    assert prior is not None
    assert prior.shrink(0.3, 1e-6) > 0.299
    assert 0.0 < prior.shrink(0.3, 1.0) < 0.02
    assert edge_prior([]) is None


@pytest.mark.parametrize(
    ("share", "trials", "chance", "expected"),
    [
        (0.6, 10, 0.5, 176 / 1024),
        (0.6, 1, 0.3, 0.3),
        (0.6, 5, 0.0, 0.0),
        (0.6, 5, 1.0, 1.0),
        (0.6, 5, 0.6, 0.6**5 + 5 * 0.6**4 * 0.4),
    ],
)
def test_chance_to_pass_the_rule(share: float, trials: int, chance: float, expected: float) -> None:
    """More than 60 % of 10 games are 7 or more: 176 of 1024 at a chance of one half."""
    assert chance_above(share, trials, chance) == pytest.approx(expected, rel=1e-9)


def test_many_trials_are_near_the_exact_tail() -> None:
    """Beyond 1,000 trials the normal tail agrees with the exact sum within 1 %."""
    exact = sum(math.comb(1_001, k) for k in range(521, 1_002)) / 2**1_001
    assert chance_above(0.52, 1_001, 0.5) == pytest.approx(exact, rel=0.01)


def test_wilson_interval() -> None:
    """The textbook's 8 of 10 and 0 of 10."""
    assert wilson_95(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson_95(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson_95(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)


def test_values_that_share_a_game_count_as_one_group() -> None:
    """A thousand copies of a value in a group make the interval no narrower."""
    single, copied = SharedMean(), SharedMean()
    assert single.mean is None
    for value in (1.0, 2.0, 3.0, 6.0):
        single.add(1, value)
        copied.add(1_000, 1_000 * value)
    copied.add(0, 0.0)
    assert single.mean is not None
    assert copied.mean is not None
    assert single.mean.mean == copied.mean.mean == 3.0
    assert single.mean.count == copied.mean.count == 4
    assert copied.mean.low == pytest.approx(single.mean.low)
    reach = 1.959963984540054 * math.sqrt(4 + 1 + 0 + 9) / 4
    assert single.mean.high == pytest.approx(3.0 + reach)
