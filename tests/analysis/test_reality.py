"""The reality check: what luck does to the best of many, and who is not judged."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vectra_bot.analysis.reality import LEAST_GAMES, reality_check
from vectra_bot.conformance.crowd.statistics import ks_distance_to_law, ks_p_value


def dice(seed: int = 1) -> np.random.Generator:
    """Return a generator."""
    return np.random.default_rng(seed)


def bets(games: int, chances: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return the excess of fair bets, a column for each chance of winning."""
    won = (
        dice(seed).random((games, 1)) < chances
    )  # the same games: who bets on more wins more often
    return np.where(won, 1 / chances, 0.0) - 1


def test_p_is_uniform_where_only_luck_differs() -> None:
    """Of 300 sweeps of 20 fair, skewed, dependent bets the p are uniform."""
    chances = np.linspace(0.05, 0.95, 20)
    found = np.sort(
        [
            reality_check(bets(400, chances, 100 + number), dice(number), resamples=199).p or 0.0
            for number in range(300)
        ]
    )

    assert ks_p_value(ks_distance_to_law(found, found), len(found)) > 0.001


def test_a_real_advantage_is_found() -> None:
    """One of 50 bets that wins more often than its chance has a p that luck does not give."""
    excess = bets(2_000, np.full(50, 0.5), 5) + dice(6).normal(size=(2_000, 50))
    excess[:, 17] += 0.3

    found = reality_check(excess, dice(), resamples=499)

    assert found.p == found.p_each[17] == pytest.approx(1 / 500)
    assert np.nanargmax(found.t) == 17
    assert np.delete(found.p_each, 17).min() > 0.01


def test_the_same_strategy_many_times_is_one_strategy() -> None:
    """Copies of one strategy are not a choice: the p is that of a single one."""
    alone = bets(500, np.array([0.4]), 3)

    one = reality_check(alone, dice(), resamples=999)
    many = reality_check(np.repeat(alone, 200, axis=1), dice(), resamples=999)

    assert many.p == one.p


def test_more_tries_need_more_advantage() -> None:
    """The t value that luck reaches grows with the number of independent tries."""
    excess = dice(2).normal(size=(1_000, 100))

    few = reality_check(excess[:, :5], dice(), resamples=499)
    many = reality_check(excess, dice(), resamples=499)

    assert few.t_by_luck is not None
    assert many.t_by_luck is not None
    assert many.t_by_luck[0] > few.t_by_luck[1] > 1.5


def test_a_few_bets_are_not_judged() -> None:
    """A strategy that won all of its few bets has no p, and does not decide that of the others."""
    excess = np.zeros((1_000, 2))
    excess[:, 0] = dice(4).normal(size=1_000)
    excess[: LEAST_GAMES - 1, 1] = 1.0

    found = reality_check(excess, dice(), resamples=99)

    assert found.judged == 1
    assert np.isnan(found.p_each[1])
    assert found.p == found.p_each[0]


@pytest.mark.parametrize("rows", [0, 50])
def test_without_a_result_nothing_is_judged(rows: int) -> None:
    """Strategies that never acted have no p."""
    found = reality_check(np.zeros((rows, 3)), dice(), resamples=99)

    assert found.p is None
    assert found.to_json() == {
        "p": None,
        "t": None,
        "t_by_luck": None,
        "judged": 0,
        "resamples": 99,
    }


def test_the_same_dice_give_the_same_p() -> None:
    """The check is a function of its arguments."""
    excess = dice(9).normal(size=(300, 10))

    one, other = (reality_check(excess, dice(3), resamples=299) for _ in range(2))

    assert one.p == other.p
    assert (one.p_each == other.p_each).all()
