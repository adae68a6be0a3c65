"""Comparisons of the same games: exact where sides are alike, careful where they are not, corrected."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import PCG64, Generator

from vectra_bot.analysis.pairs import PairedDifference, holm, paired_difference, resampled_mean

PROFITS = st.lists(st.integers(-(10**9), 10**10), min_size=2, max_size=60)


def coin(rng: Generator, games: int, *, wins: float, gain: float) -> np.ndarray:
    """Return the profits of bets of one unit that win *gain* units with chance *wins*."""
    return np.where(rng.random(games) < wins, gain, -1.0) * 1e7


def compared(seed: int, games: int, *, wins: float = 0.2, gain: float = 4.0) -> PairedDifference:
    rng = Generator(PCG64(seed))
    first, second = (coin(rng, games, wins=wins, gain=gain) for _ in range(2))
    return paired_difference(first, second, seed=seed, resamples=199)


def test_few_games_give_the_share_of_all_exchanges() -> None:
    """With eight games, the exchange's p is close to the share over all 256 exchanges."""
    first, second = np.array([5, 3, 0, 2, 9, 1, 4, 7.0]), np.array([1, 4, 2, 0, 3, 1, 0, 2.0])
    apart = first - second
    sums = [abs(sum(s * d for s, d in zip(signs, apart, strict=True)))
            for signs in itertools.product((1, -1), repeat=8)]  # fmt: skip
    exact = np.mean(np.array(sums) >= abs(apart.sum()))

    assert paired_difference(first, second, seed=1).exchange_p == pytest.approx(exact, abs=0.02)


@given(PROFITS, st.integers(0, 2**32))
def test_exchanging_the_sides_changes_the_sign_alone(profits: list[int], seed: int) -> None:
    first, second = np.array(profits, float), np.roll(np.array(profits, float), 1)
    one = paired_difference(first, second, seed=seed, resamples=99)
    other = paired_difference(second, first, seed=seed, resamples=99)

    assert other.mean == pytest.approx(-one.mean)
    assert other.exchange_p == one.exchange_p
    assert 0 < one.p <= 1


def test_equal_sides_do_not_differ() -> None:
    profits = np.arange(500.0)
    found = paired_difference(profits, profits, seed=3)

    assert (found.mean, found.p, found.low, found.high) == (0.0, 1.0, None, None)


def test_one_bet_is_no_evidence() -> None:
    """A single won bet in a thousand games gives neither a small p nor a limit."""
    first, second = np.zeros(1000), np.zeros(1000)
    first[400] = 4e7
    found = paired_difference(first, second, seed=5)

    assert found.p == 1.0
    assert found.low is None or found.low < 0


def test_a_side_that_lost_its_few_bets_is_not_found_worse() -> None:
    """Eight lost bets against none: the win of a rare one may not have come yet."""
    first = np.zeros(100)
    first[:8] = -1e7

    assert paired_difference(first, np.zeros(100), seed=5).p > 0.05


@pytest.mark.parametrize(
    ("games", "gain", "wins", "least"),
    [(20, 4.0, 0.2, 0.0), (200, 4.0, 0.2, 0.03), (250, 100.0, 1 / 101, 0.02)],
    ids=["20 bets", "200 bets", "250 bets of rare wins"],
)
def test_share_of_small_p_where_luck_alone_differs(
    games: int, gain: float, wins: float, least: float
) -> None:
    """Of 600 comparisons of equal coins about 5 % have p <= 0.05, fewer where bets are few."""
    share = np.mean([compared(s, games, gain=gain, wins=wins).p <= 0.05 for s in range(600)])

    assert least <= share <= 0.08


def test_a_difference_is_found() -> None:
    """A side that makes a unit more in every tenth game is found better, and zero is outside."""
    rng = Generator(PCG64(3))
    second = coin(rng, 3000, wins=0.5, gain=1.0)
    found = paired_difference(second + 1e7 * (rng.random(3000) < 0.1), second, seed=1)

    assert found.p <= 0.001
    assert found.low is not None
    assert found.low > 0


def test_interval_covers_the_mean() -> None:
    """The interval of a skewed mean contains the true one in about 95 of 100 samples."""
    covered = 0
    for seed in range(200):
        rng = Generator(PCG64(seed))
        found = resampled_mean(coin(rng, 300, wins=0.2, gain=4.0), 300, rng, 399)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0 <= found.high

    assert 180 <= covered <= 199


def test_groups_of_games_give_the_same_answer() -> None:
    """Many games are drawn in groups; mean and interval stay what they are."""
    values = coin(Generator(PCG64(9)), 20_000, wins=0.5, gain=1.0)
    found = resampled_mean(values, 20_000, Generator(PCG64(1)))
    reach = 1.96 * values.std() / np.sqrt(len(values))

    assert found.mean == pytest.approx(values.mean())
    assert found.high == pytest.approx(values.mean() + reach, rel=0.1, abs=0.1 * reach)
    assert found.low == pytest.approx(values.mean() - reach, rel=0.1, abs=0.1 * reach)


def test_holm() -> None:
    """Each p is multiplied by the number of comparisons left, and never below an earlier one."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_sides_of_different_games_are_refused() -> None:
    with pytest.raises(ValueError, match="sides have 3 and 2 games"):
        paired_difference(np.zeros(3), np.zeros(2), seed=1)
