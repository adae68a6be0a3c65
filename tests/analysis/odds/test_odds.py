"""Computed odds: closed cases, bounds, stated errors, and the games that check them."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from vectra_bot.analysis.odds import (
    check,
    figures,
    formulas,
    holding_return,
    mean_rug_tick,
    montecarlo,
    moves,
    passages,
    sidebet_return,
    sidebet_variance,
    sidebet_win_chance,
    survival,
)
from vectra_bot.analysis.odds.figures import Question
from vectra_bot.analysis.odds.montecarlo import Plan, Position
from vectra_bot.analysis.odds.passages import Exits, State
from vectra_bot.analysis.odds.walk import FLAT, RAY, Walk, grid, node_of, pays
from vectra_bot.errors import UnknownNameError, UsageError
from vectra_bot.game import rules
from vectra_bot.game.fair import expected_return, play_game, rug_price

ALIVE = 1 - rules.RUG_CHANCE
GOD = rules.GOD_CANDLE_CHANCE
START = State()

STATES = st.builds(
    lambda price, share: State(price=price, low=min(price, 1.0) * share),
    st.floats(0.05, 300), st.floats(0.1, 1),
)  # fmt: skip


# ---- the law of one tick


@pytest.mark.parametrize("amplitude", [1e-6, 0.005, 0.05])
def test_one_tick_distribution(amplitude: float) -> None:
    """The chance runs from 0 to 1 over the law's range, and its integrals are the shortfalls."""
    z = np.linspace(0.7, 1.3, 60_001)
    wide = np.array(amplitude)
    chance = moves.chance_below(z, wide)
    assert chance[0] == 0
    assert chance[-1] == pytest.approx(1, abs=1e-9)
    assert (np.diff(chance) >= -1e-9).all()
    step = z[1] - z[0]
    for function, integrand in (
        (moves.shortfall, moves.chance_below),
        (moves.squared_shortfall, moves.shortfall),
    ):
        inner = integrand(z, wide)
        area = np.concatenate([[0], np.cumsum((inner[1:] + inner[:-1]) / 2) * step])
        assert np.abs(area - function(z, wide)).max() < 1e-8


@pytest.mark.parametrize("price", [0.01, 1.0, 30.0, 400.0])
def test_drawn_moves_follow_the_distribution(price: float) -> None:
    """A hundred thousand drawn moves are the computed distribution: Kolmogorov-Smirnov, p > 0.0001."""
    rng = montecarlo.generator(int(price * 100))
    factors = np.sort(montecarlo.move(np.full(100_000, price), rng) / price)
    chance = moves.chance_below(factors, moves.noise_amplitude(np.array([price])))
    rank = np.arange(1, len(factors) + 1) / len(factors)
    assert np.abs(chance - rank).max() < 2.23 / len(factors) ** 0.5


def test_god_candles_are_drawn_below_the_limit_alone() -> None:
    """Drawn god candles multiply by 10 at the law's chance up to a price of 100, and never above."""
    rng = montecarlo.generator(5)
    low = sum(int((montecarlo.move(np.full(10**6, 100.0), rng) == 1000).sum()) for _ in range(10))
    high = sum(int((montecarlo.move(np.full(10**6, 101.0), rng) > 500).sum()) for _ in range(5))
    assert 60 < low < 145  # 100 are expected
    assert high == 0


# ---- walks


def test_price_is_carried_exactly() -> None:
    """The expectation of the price itself has no error of the grid: one tick is the closed form."""
    prices = grid([1e-3, 1.0, 100.0, 5000.0], 0.05)
    walk = Walk(prices=prices, lower=RAY, upper=RAY)
    stepped = walk.step(walk.start(prices))[:, 0] / prices
    expected = [expected_return(p, 1.0) + 1 - rules.RUG_CHANCE * rug_price(1.0) / p for p in prices]
    assert stepped == pytest.approx(np.array(expected), abs=1e-10)


def test_until_rug_is_what_many_ticks_come_to() -> None:
    """The linear system gives the limit of repeated steps, with one barrier and with many."""
    prices = grid([0.2, 1.0, 6.0], 0.04)
    top = len(prices) - 1
    plain = Walk(prices=prices, lower=pays(), upper=pays(1.0))
    family = Walk(prices=prices, lower=pays(), upper=FLAT, barriers=np.array([0, 11, 23, top - 2]))
    for walk, at_rug in ((plain, 0.25), (family, 1.0)):
        values = walk.start()
        for _ in range(4_000):
            values = walk.step(values, at_rug)
        assert walk.until_rug(at_rug) == pytest.approx(values, abs=1e-8)


def test_a_family_is_many_walks() -> None:
    """Each column of a family is the walk that ends at its barrier, within the family's own error."""
    prices = grid([0.2, 0.5, 1.0, 20.0], 0.01)
    barriers = np.array([node_of(prices, 0.2), node_of(prices, 0.5)])
    family = Walk(prices=prices, lower=pays(), upper=FLAT, barriers=barriers).until_rug(1.0)
    for column, low in enumerate((0.2, 0.5)):
        own = grid([low, 1.0, 20.0], 0.01)
        single = Walk(prices=own, lower=pays(), upper=FLAT).until_rug(1.0)
        value = family[node_of(prices, 1.0), column]
        assert value == pytest.approx(single[node_of(own, 1.0), 0], abs=2e-3)


def test_grid_has_its_anchors_and_halves_every_cell() -> None:
    """Anchors are nodes, near ones are one, and refinement 2 keeps every node of refinement 1."""
    anchors = [0.5, 1.0, 1.0 + 1e-9, 1.03, 7.0]
    coarse, fine = grid(anchors, 0.02), grid(anchors, 0.02, 2)
    assert len(fine) == 2 * len(coarse) - 1
    assert fine[::2] == pytest.approx(coarse, rel=1e-12)
    assert (np.diff(coarse) > 0).all()
    assert [coarse[node_of(coarse, a)] for a in (0.5, 1.0, 1.03, 7.0)] == [0.5, 1.0, 1.03, 7.0]
    with pytest.raises(ValueError, match=r"no node at 2\.0"):
        node_of(grid([1.0, 7.0], 3.0), 2.0)


# ---- figures in closed form


@settings(max_examples=12)
@given(STATES)
def test_holding_one_tick_is_the_house_edge(state: State) -> None:
    """Held one tick, the grid gives the closed form of the house edge at any state."""
    (computed,) = passages.hold(state, [1])
    assert computed.value == pytest.approx(holding_return(state.price, state.low), abs=1e-9)


@settings(max_examples=10)
@given(STATES, st.integers(2, 60))
def test_holding_lies_between_its_bounds(state: State, ticks: int) -> None:
    """Holding earns at least growth without god candles, at most growth with all and the highest rug."""
    (computed,) = passages.hold(state, [ticks])
    least = (ALIVE * moves.MEAN_FACTOR) ** ticks - 1
    most = (ALIVE * (moves.MEAN_FACTOR + 9 * GOD)) ** ticks - 1
    most += rug_price(state.low) / state.price * (1 - survival(ticks))
    assert least - 1e-9 <= computed.value <= most + 1e-9


def test_one_tick_of_exits_leverage_and_short() -> None:
    """Results after one tick have a closed form: a target 20 % up, a 2x lot, a short."""
    up = (1 - GOD) * rules.BIG_MOVE_CHANCE / 4 + GOD  # the upper half of the big moves up
    found = passages.take_profit(START, Exits(target=1.2, stop=0.8, max_ticks=1))
    assert found.reached.value == pytest.approx(ALIVE * up, abs=1e-9)
    assert found.stopped.value == pytest.approx(ALIVE * (up - GOD), abs=1e-9)
    assert found.rugged.value == pytest.approx(rules.RUG_CHANCE, abs=1e-9)
    mean = moves.MEAN_FACTOR + GOD * (rules.GOD_CANDLE_FACTOR - moves.MEAN_FACTOR)
    (double,) = passages.leveraged(START, 2, [1])
    assert double.value == pytest.approx(ALIVE * (2 * mean - 1) - 1, abs=1e-9)
    (short,) = passages.short(START, [1])
    worth = ALIVE * (1 - GOD) * (2 - moves.MEAN_FACTOR) + rules.RUG_CHANCE * (2 - rug_price(1.0))
    assert short.value == pytest.approx(worth - 1, abs=1e-9)


def test_sidebet_numbers() -> None:
    """A sidebet wins 18.17 %, loses 9.16 % on average; one that covers the law's last tick cannot lose."""
    assert sidebet_win_chance(4960) == sidebet_win_chance() == pytest.approx(0.181680, abs=1e-6)
    assert sidebet_return() == pytest.approx(-0.0916, abs=1e-4)
    assert sidebet_variance() == pytest.approx(3.7168, abs=1e-4)
    assert sidebet_win_chance(4961) == 1
    assert sidebet_return(4961) == 4
    with pytest.raises(UsageError, match="tick was 5001"):
        sidebet_win_chance(5001)
    assert mean_rug_tick() == pytest.approx(200, abs=1e-7)


# ---- shape of the figures


@settings(max_examples=10)
@given(STATES, st.floats(1.02, 30), st.floats(1.05, 3))
def test_reaching_more_is_less_likely(state: State, target: float, more: float) -> None:
    """The chance to reach a target lies between 0 and 1 and falls with the target."""
    near = passages.reach(state, target * state.price)
    far = passages.reach(state, target * more * state.price)
    assert -1e-9 <= far.value - far.error < near.value + near.error <= 1 + near.error * 2


@settings(max_examples=8)
@given(STATES, st.floats(1.05, 5), st.floats(0.3, 0.95), st.integers(1, 40))
def test_four_ends_are_chances(state: State, target: float, stop: float, ticks: int) -> None:
    """The ends of a position are chances that sum to 1, and its profit is never above the house's edge."""
    exits = Exits(target=target * state.price, stop=stop * state.price, max_ticks=ticks)
    found = passages.take_profit(state, exits)
    ends = (found.reached, found.stopped, found.timed_out, found.rugged)
    assert sum(end.value for end in ends) == pytest.approx(1, abs=1e-12)
    assert all(-end.error <= end.value <= 1 + end.error for end in ends)
    assert found.profit.value <= found.profit.error


def test_rug_prices_are_ordered() -> None:
    """Lower rug prices are rarer, and one game in eight never falls below its start."""
    found = passages.rug_price_below(START, [0.001, 0.01, 0.019, rug_price(1.0)])
    values = [one.value for one in found]
    assert values == sorted(values)
    assert values[-1] == pytest.approx(0.88, abs=0.01)
    with pytest.raises(UsageError, match="rug price was"):
        passages.rug_price_below(START, [0.03])


def test_stated_errors_cover_a_finer_grid() -> None:
    """On a grid four times as fine as the finer one the figures stay within their stated errors."""
    ends = [exp(-7.0), 1.0, 2.0]
    finer = Walk(prices=grid(ends, 0.0025), lower=FLAT, upper=pays(1.0))
    stated = passages.reach(START, 2.0)
    best = finer.until_rug()[node_of(finer.prices, 1.0), 0]
    assert abs(stated.value - best) <= stated.error < 2e-4
    walk = Walk(prices=grid([0.99, 1.0, 100.0, 2000.0], 0.0025), lower=pays(-4.0, 5.0), upper=RAY)
    values = walk.start(5 * walk.prices - 4)
    for _ in range(20):
        values = walk.step(values)
    (five,) = passages.leveraged(START, 5, [20])
    assert abs(five.value + 1 - values[node_of(walk.prices, 1.0), 0]) <= five.error < 2e-4


def test_far_states_stay_small() -> None:
    """At the limits of the parameters the grids are coarser, not larger, and the error shows it."""
    far = State(price=1e6, low=1e-6)
    (ten,) = passages.hold(far, [10])
    assert ten.value == pytest.approx((ALIVE * moves.MEAN_FACTOR) ** 10 - 1, abs=1e-6)
    assert passages.hold_to_rug(far).value == pytest.approx(-1, abs=1e-6)
    climb = passages.reach(State(price=1e-6, low=1e-6), 1e6)
    assert 0 <= climb.value <= climb.error + 1e-6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: State(price=0.0), "price was 0.0"),
        (lambda: State(price=float("nan")), "price was nan"),
        (lambda: State(price=2.0, low=1.5), "low 1.5"),
        (lambda: passages.reach(START, 1.001), "target was 1.001"),
        (lambda: passages.take_profit(START, Exits(stop=1.5)), "stop was 1.5"),
        (lambda: passages.take_profit(START, Exits(max_ticks=0)), "max_ticks was 0"),
        (lambda: passages.hold(START, [0]), "ticks was 0"),
        (lambda: passages.leveraged(START, 7, [1]), "leverage was 7"),
        (lambda: montecarlo.simulate(Plan(), 0, montecarlo.generator(1)), "games was 0"),
    ],
)
def test_what_cannot_be_asked_is_named(call: object, message: str) -> None:
    """Parameters out of range are an error with the wrong value."""
    with pytest.raises(UsageError, match=message):
        call()  # type: ignore[operator]


# ---- the games that check


def _ks(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Kolmogorov-Smirnov distance of two samples, in units of its scale."""
    both = np.sort(np.concatenate([first, second]))
    gap = np.searchsorted(np.sort(first), both, "right") / len(first)
    gap -= np.searchsorted(np.sort(second), both, "right") / len(second)
    return float(np.abs(gap).max() * (len(first) * len(second) / (len(first) + len(second))) ** 0.5)


def test_drawn_games_are_the_exact_law() -> None:
    """Drawn games and the venue's own generator agree in length, peak, low: KS, p > 0.0001 each."""
    exact = [play_game(f"seed {i}", "20260101-0") for i in range(1_200)]
    lengths, peaks, lows, lasts = [], [], [], []
    for batch in montecarlo.batches(40_000, montecarlo.generator(11)):
        montecarlo.play(batch, montecarlo.generator(12 + len(lengths)))
        lengths.append(batch.live_ticks + 1)
        peaks.append(batch.peak)
        lows.append(batch.low)
        lasts.append(batch.price)
    for drawn, seen in (
        (lengths, [game.rug_tick for game in exact]),
        (peaks, [game.peak for game in exact]),
        (lows, [min(game.prices) for game in exact]),
        (lasts, [game.prices[-1] for game in exact]),
    ):
        assert _ks(np.concatenate(drawn), np.array(seen, dtype=float)) < 2.23


def test_simulation_plays_every_game_of_an_odd_number() -> None:
    """All games are tallied, whatever the batch, and the same seed gives the same tallies."""
    count = montecarlo.BATCH + 77
    plan = Plan(holds=(3,), alive_at=(1, 40), sidebets=(0, 30))
    first = montecarlo.simulate(plan, count, montecarlo.generator(3))
    again = montecarlo.simulate(plan, count, montecarlo.generator(3))
    assert {name: tally.total for name, tally in first.items()} == {
        name: tally.total for name, tally in again.items()
    }
    assert first["hold 3"].games == first["rug tick"].games == first["sidebet 0"].games == count
    assert 0 < first["sidebet 30"].games < count  # only games that are alive then
    assert montecarlo.simulate(plan, count, montecarlo.generator(4))["rug tick"].total != (
        first["rug tick"].total
    )


def test_a_followed_position_ends_once() -> None:
    """The four exits of a followed position cover every game, and its value is that of its exit."""
    position = Position(name="p", low=0.8, high=1.25, ticks=(10,), tally_exits=True)
    tallies = montecarlo.simulate(Plan(positions=(position,)), 20_000, montecarlo.generator(9))
    ends = [tallies[f"p 10 {end}"].total for end in ("reached", "stopped", "timed out", "rugged")]
    assert sum(ends) == 20_000
    assert min(ends) > 0
    assert 0.9 < tallies["p 10"].mean < 1.05


@pytest.mark.long
@pytest.mark.parametrize(
    ("question", "groups"),
    [
        (Question(), ["hold", "peak", "rug", "sidebet", "rounds"]),
        (Question(state=State(price=3.0, low=0.4), ticks=(2, 30)), ["hold", "leverage", "short"]),
        (
            Question(state=State(price=60.0, low=0.1), target=1.5, stop=0.7, max_ticks=60),
            ["exits", "edge"],
        ),
        (Question(state=State(price=0.3, low=0.3), target=3.0), ["exits", "rug", "survival"]),
    ],
)
def test_figures_agree_with_drawn_games(question: Question, groups: list[str]) -> None:
    """From any state, every figure is within its error and chance of 40,000 drawn games."""
    checked = check.check(figures.compute(question, groups), 40_000, seed=21)
    assert not check.disagreeing(checked)
    judged = [one for one in checked if one.agrees]
    assert len(judged) >= 0.6 * len(checked)
    assert {one.figure.group for one in checked} == set(groups)


def test_a_wrong_figure_is_caught() -> None:
    """A figure that is off by more than chance allows disagrees; the right ones beside it do not."""
    sheet = figures.compute(Question(), ["survival", "sidebet"])
    wrong = sheet.figures[4]
    sheet.figures[4] = evolve(wrong, value=wrong.value + 0.01)
    checked = check.check(sheet, 100_000, seed=2)
    assert [one.figure.name for one in check.disagreeing(checked)] == [wrong.name]


def test_too_few_games_are_not_judged() -> None:
    """With few games means are shown but not judged, and without games there are none."""
    sheet = figures.compute(Question(), ["survival", "edge"])
    few = check.check(sheet, 20, seed=1)
    assert all(one.agrees is None for one in few)
    assert any(one.monte_carlo is not None for one in few)
    none = check.check(sheet, 0, seed=1)
    assert all(one.monte_carlo is None and one.games == 0 for one in none)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_means_that_hang_on_unseen_wins_are_not_judged(seed: int) -> None:
    """A hold of 2000 ticks or a target of 400x depends on very rare games; neither is reported as wrong."""
    hold = figures.compute(Question(ticks=(2_000,)), ["hold"])
    target = figures.compute(Question(target=400.0), ["exits"])
    for sheet in (hold, target):
        checked = check.check(sheet, 4_000, seed)
        assert checked[0].agrees is None
        assert not check.disagreeing(checked)


def test_unverified_payoffs_are_marked() -> None:
    """Leverage, shorts and side games are unverified, everything else is the law."""
    sheet = figures.compute(
        Question(ticks=(1,)), ["hold", "sidebet", "leverage", "short", "rounds"]
    )
    marked = {figure.group for figure in sheet.figures if figure.unverified}
    assert marked == {"leverage", "short", "rounds"}
    assert not {f.group for f in sheet.figures if not f.unverified} & marked
    edges = [f.value for f in sheet.figures if f.group == "rounds" and f.unit == "return"]
    assert edges == pytest.approx([-1 / 15] * 3 + [-0.03] * 2)


def test_unknown_group_is_named() -> None:
    """An unknown group is an error that suggests the nearest one."""
    with pytest.raises(UnknownNameError, match="did you mean sidebet"):
        figures.compute(Question(), ["sidebets"])


def test_z_limit_grows_with_the_number_of_figures() -> None:
    """The limit of z keeps the chance of a false alarm at one in a thousand for any count."""
    assert check.z_limit(1) == pytest.approx(3.2905, abs=1e-3)
    assert check.z_limit(100) == pytest.approx(4.4172, abs=1e-3)
    assert formulas.rug_within(1) == pytest.approx(0.005)
