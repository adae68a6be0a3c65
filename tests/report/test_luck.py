"""Luck: exact for bets, never too small for positions."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.report.luck import FEW_GAMES, Bet, LuckMethod, Risks, exact_tail
from vectra_bot.report.session import sidebet

SOL = 10**9
BETS = st.builds(
    Bet,
    stake=st.integers(1, 5 * SOL),
    payout=st.integers(0, 25 * SOL),
    chance=st.floats(0.001, 0.999),
)


def _after(bets: list[Bet], profit: int) -> float:
    risks = Risks()
    for bet in bets:
        risks.add_bet(bet)
    luck = risks.luck(profit, {})
    assert luck is not None
    assert luck.method is LuckMethod.EXACT
    assert luck.error == 0
    return luck.chance


@pytest.mark.parametrize(
    ("placed", "won", "chance"), [(1, 1, 0.182), (2, 1, 0.330), (1, 0, 1.0), (5, 2, 0.226)]
)
def test_luck_of_a_few_sidebets_is_exact(placed: int, won: int, chance: float) -> None:
    """A sidebet wins with 1 - 0.995^40; one won of one placed has luck 0.182, whatever the games played."""
    stake = SOL // 100
    profit = won * 5 * stake - placed * stake
    assert _after([sidebet(stake)] * placed, profit) == pytest.approx(chance, abs=0.0005)


@given(bets=st.lists(BETS, min_size=1, max_size=7), which=st.integers(0, 127))
def test_luck_of_bets_equals_the_sum_over_all_their_outcomes(bets: list[Bet], which: int) -> None:
    """Every outcome of a handful of bets enumerated gives the same chance, also for stakes that differ."""
    profit = sum(
        bet.payout * bool(which >> number & 1) - bet.stake for number, bet in enumerate(bets)
    )
    wanted = 0.0
    for outcome in itertools.product((0, 1), repeat=len(bets)):
        made = sum(bet.payout * win - bet.stake for bet, win in zip(bets, outcome, strict=True))
        if made >= profit - len(bets):
            wanted += math.prod(
                bet.chance if win else 1 - bet.chance
                for bet, win in zip(bets, outcome, strict=True)
            )
    assert _after(bets, profit) == pytest.approx(wanted, rel=1e-9)


def test_a_bet_without_a_result_is_not_counted() -> None:
    """An open sidebet has made no profit and lost none: the others alone decide."""
    bet = sidebet(SOL)
    risks = Risks()
    risks.add_bet(bet)
    assert risks.luck(0, {bet: 1}) is None
    risks.add_bet(bet)
    luck = risks.luck(4 * SOL, {bet: 1})
    assert luck is not None
    assert luck.chance == pytest.approx(bet.chance)


def test_nothing_at_risk_has_no_luck() -> None:
    assert Risks().luck(0, {}) is None
    assert Risks().luck(10 * SOL, {}) is None


def test_ten_thousand_equal_bets_are_still_exact() -> None:
    """Equal bets are counted together: their number does not make the sum long."""
    bet = sidebet(SOL)
    expected = round(10_000 * bet.expected)
    chance = exact_tail({bet: 10_000}, expected)
    assert chance == pytest.approx(0.5, abs=0.01)


def test_many_bets_of_different_stakes_get_a_normal_tail_with_its_error() -> None:
    """Too many different sums to list: a normal tail, and its error limit covers the exact value."""
    risks = Risks()
    for number in range(2_000):
        risks.add_bet(sidebet(SOL + number))
    luck = risks.luck(round(risks.expected), {})
    assert luck is not None
    assert luck.method is LuckMethod.NORMAL
    assert luck.chance == pytest.approx(0.5, abs=0.001)
    equal = exact_tail({sidebet(SOL + 1_000): 2_000}, round(risks.expected))
    assert equal is not None
    assert abs(equal - luck.chance) <= luck.error < 0.05


def test_positions_in_few_games_get_a_bound_that_no_exit_rule_beats() -> None:
    """A gain of 50 % in one game is reached by half the games or more: luck is 2/3 at least."""
    risks = Risks()
    risks.add_game(SOL // 2, SOL)
    luck = risks.luck(SOL // 2, {})
    assert luck is not None
    assert luck.method is LuckMethod.BOUND
    assert 1 / 1.5 <= luck.chance < 1
    losing = Risks()
    losing.add_game(-SOL, SOL)
    found = losing.luck(-SOL, {})
    assert found is not None
    assert found.chance == 1.0


@given(games=st.lists(st.tuples(st.integers(-SOL, 9 * SOL), st.just(SOL)), min_size=1, max_size=20))
def test_the_bound_is_a_chance_and_falls_as_a_game_gains_more(games: list[tuple[int, int]]) -> None:
    """It is in (0, 1], and another SOL won in one game never raises it."""

    def bound(profits: list[tuple[int, int]]) -> float:
        risks = Risks()
        for profit, at_risk in profits:
            risks.add_game(profit, at_risk)
        luck = risks.luck(sum(profit for profit, _ in profits), {})
        assert luck is not None
        return luck.chance

    before = bound(games)
    assert 0 < before <= 1
    more = [(games[0][0] + SOL, SOL), *games[1:]]
    assert bound(more) <= before


def test_positions_in_many_games_get_a_normal_tail() -> None:
    """From thirty games on the variance under the law decides, and the error says how far it can be off."""
    risks = Risks()
    for _ in range(FEW_GAMES):
        risks.add_tick(float(SOL), -0.0005, 0.01)
        risks.add_game(SOL // 100, SOL)
    luck = risks.luck(FEW_GAMES * SOL // 100, {})
    assert luck is not None
    assert luck.method is LuckMethod.NORMAL
    z = (0.3 + 0.0005 * FEW_GAMES) / math.sqrt(0.01 * FEW_GAMES)
    assert luck.chance == pytest.approx(0.5 * math.erfc(z / math.sqrt(2)))
    assert 0.05 < luck.error < 0.2
