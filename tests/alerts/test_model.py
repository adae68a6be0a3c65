"""The default model is the law."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot import AlertModel
from vectra_bot.analysis.odds.formulas import holding_return, median_rug_tick, rug_within
from vectra_bot.game.sidegames import bbc_game, candleflip_game
from vectra_bot.models import SideGameKind
from vectra_bot.testing import Bench
from vectra_strategies.watch import Watch


def bench_at(tick: int, price: float = 1.0) -> Bench:
    """Return a bench in a game at *tick*."""
    bench = Bench(Watch())
    bench.start_game([1.0])
    bench.tick(price, tick)
    return bench


@pytest.mark.parametrize(("tick", "ticks"), [(1, 1), (1, 40), (139, 40), (4960, 40)])
def test_the_chance_to_rug_is_constant(tick: int, ticks: int) -> None:
    """It is that of the odds, at every tick."""
    chance = AlertModel().rug_chance(bench_at(tick).engine.game, ticks)

    assert chance == pytest.approx(rug_within(ticks), abs=1e-15)


def test_a_game_ends_at_tick_5000() -> None:
    """A horizon that reaches beyond it is sure to see the end."""
    assert AlertModel().rug_chance(bench_at(4961).engine.game, 40) == 1.0
    assert AlertModel().holding_return(bench_at(5000).engine.game) == pytest.approx(-0.98)


@given(st.floats(0.01, 500, allow_nan=False))
def test_holding_is_never_worth_it(price: float) -> None:
    """The expected value is that of the odds, and negative."""
    game = bench_at(3, price).engine.game
    found = AlertModel().holding_return(game)

    assert found == holding_return(game.price, game.low)
    assert found < 0


@pytest.mark.parametrize("kind", SideGameKind)
def test_rounds_have_the_documented_odds(kind: SideGameKind) -> None:
    """They sum to one."""
    bench = bench_at(1)
    bench.rounds.open(kind, "r")
    side_round = bench.engine.tracker.stakes.rounds.get(kind, "r")
    assert side_round is not None
    game = bbc_game() if kind is SideGameKind.BBC else candleflip_game()
    found = AlertModel().round_chances(side_round)

    assert found == {choice: float(chance) for choice, chance in game.odds.items()}
    assert sum(Fraction(chance) for chance in game.odds.values()) == 1


def test_survival_ticks_are_the_quantiles_of_the_law() -> None:
    """Half of all games have rugged by the median."""
    assert AlertModel.survival_tick(0.5) == median_rug_tick()
    assert AlertModel.survival_tick(0.0) == 0
    assert AlertModel.survival_tick(1.0) == 5000
