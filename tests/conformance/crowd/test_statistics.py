"""The statistics of the checks, compared with published values and with simulations."""

from __future__ import annotations

import numpy as np
import pytest

from vectra_bot.conformance.crowd.statistics import (
    chance_bounds,
    ks_distance,
    ks_distance_to_law,
    ks_p_value,
    share_p_value,
    shares_p_value,
)

DICE = np.random.default_rng(7)


def test_distance_counts_ties_once() -> None:
    """Equal samples have no distance, whatever their ties; shifted ones have the shifted share."""
    values = np.array([1.0, 1.0, 2.0, 3.0])
    assert ks_distance(values, values[::-1]) == 0
    assert ks_distance(values, np.array([1.0, 2.0, 2.0, 3.0])) == 0.25
    assert ks_distance(values, values + 10) == 1


def test_distance_takes_weights() -> None:
    """A value with weight 2 is equivalent to the same value twice."""
    ours = np.array([3.0, 1.0, 2.0])
    theirs = DICE.random(50) * 4
    twice = np.array([3.0, 1.0, 1.0, 2.0])
    assert ks_distance(ours, theirs, np.array([1.0, 2.0, 1.0])) == ks_distance(twice, theirs)


def test_distance_to_a_law() -> None:
    """The distance to a uniform law is that of the steps, on both of their sides."""
    assert ks_distance_to_law(np.array([0.5]), np.array([0.5])) == 0.5
    sample = np.array([0.1, 0.2, 0.9])
    assert ks_distance_to_law(sample, sample) == pytest.approx(2 / 3 - 0.2)


def test_kolmogorov_p_values_are_the_tables() -> None:
    """The classical critical values give their levels (1.3581 for 5 %, 1.6276 for 1 %)."""
    n = 1_000_000
    assert ks_p_value(1.3581 / n**0.5, n) == pytest.approx(0.05, abs=5e-4)
    assert ks_p_value(1.6276 / n**0.5, n) == pytest.approx(0.01, abs=2e-4)
    assert ks_p_value(1.9495 / (n / 2) ** 0.5, n, n) == pytest.approx(0.001, abs=5e-5)
    assert ks_p_value(0.0, 100) == 1
    assert ks_p_value(1.0, 100, 100) < 1e-9


def test_p_values_of_one_law_are_uniform() -> None:
    """Samples of the same distribution are rejected at the rate of the level, no more."""
    ps = [ks_p_value(ks_distance(DICE.random(400), DICE.random(90)), 400, 90) for _ in range(1_500)]
    assert np.mean(np.array(ps) < 0.05) == pytest.approx(0.05, abs=0.02)
    assert np.mean(np.array(ps) < 0.01) == pytest.approx(0.01, abs=0.01)


def test_shares() -> None:
    """Shares are tested by the normal law: 1.96 standard deviations are 5 %."""
    assert share_p_value(5_000, 10_000, 0.5) == 1
    assert share_p_value(5_098, 10_000, 0.5) == pytest.approx(0.05, abs=0.003)
    assert share_p_value(0, 10, 0.0) == 1
    assert shares_p_value(500, 1_000, 500, 1_000) == 1
    assert shares_p_value(1_100, 2_000, 1_000, 2_000) == pytest.approx(0.00157, abs=2e-4)
    assert shares_p_value(0, 5, 0, 7) == 1


def test_chance_bounds_hold_what_they_say() -> None:
    """New samples stay within the bounds about as often as requested; fewer games have wider bounds."""
    truth = DICE.random(3_000)
    groups = np.arange(3_000)
    every = np.tile(groups, (40, 1))
    distance, error = chance_bounds(truth, groups, every, 0.9)
    samples = [DICE.random(40) for _ in range(600)]
    within = np.mean([ks_distance(truth, sample) <= distance for sample in samples])
    close = np.mean([abs(sample.mean() / truth.mean() - 1) <= error for sample in samples])
    assert within == pytest.approx(0.9, abs=0.05)
    assert close == pytest.approx(0.9, abs=0.05)
    assert chance_bounds(truth, groups, np.tile(groups, (400, 1)), 0.9)[0] < distance / 2


def test_chance_bounds_draw_whole_groups() -> None:
    """Dependent values deviate more than as many independent ones."""
    levels = np.repeat(DICE.random(300), 10)
    own = np.arange(3_000)
    together = np.repeat(np.arange(300), 10)
    free = chance_bounds(levels, own, np.tile(own, (400, 1)), 0.95)[0]
    bound = chance_bounds(levels, together, np.tile(np.arange(300), (40, 1)), 0.95)[0]
    assert bound > 2 * free
