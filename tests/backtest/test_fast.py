"""What the fast driver gives to the engine, and how it reports a strategy that raises."""

from __future__ import annotations

from decimal import ROUND_UP, getcontext
from typing import Any

import numpy as np
import pytest

from vectra_bot import Strategy
from vectra_bot.actions.limits import Limits
from vectra_bot.backtest import play
from vectra_bot.backtest.fast.chunks import chunks_of, returns
from vectra_bot.backtest.fast.hooks import Hooks
from vectra_bot.backtest.fast.orders import Refusals
from vectra_bot.errors import StrategyError
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.game import fair
from vectra_bot.strategy import configure


class ReadsCount(Strategy):
    def on_game_tick(self, tick: Any, game: Any) -> None:
        self.last = game.trade_count


class ReadsStateOfAction(Strategy):
    def on_game_tick(self, tick: Any, game: Any) -> None:
        if game.tick == 1:
            self.last = self.actions.buy("0.01").state_before


class SwallowsEverything(Strategy):
    def on_game_tick(self, tick: Any, game: Any) -> None:
        try:
            self.last = game.trade_count
        except BaseException:  # noqa: BLE001 - what a careless strategy does
            self.last = None


class HasUpdates(Strategy):
    def on_player_update(self, state: Any, game: Any) -> None:
        self.last = state


class RoundsUp(Strategy):
    def on_game_start(self, game: Any) -> None:
        getcontext().rounding = ROUND_UP


class Raises(Strategy):
    def on_game_tick(self, tick: Any, game: Any) -> None:
        if game.tick == 3 and len(self.history) == 1:
            raise ValueError("no more")


class KeepsTicks(Strategy):
    def __attrs_post_init__(self) -> None:
        self.ticks: list[Any] = []

    def on_game_tick(self, tick: Any, game: Any) -> None:
        self.ticks.append(tick)
        if len(self.ticks) > 1 and tick.tick:
            assert self.ticks[-2].tick == tick.tick - 1


@pytest.mark.parametrize(
    ("strategy", "options", "why"),
    [
        (ReadsCount, {}, "the strategy reads trade_count"),
        (ReadsStateOfAction, {}, "the strategy reads state_before of an action"),
        (SwallowsEverything, {}, "the strategy reads trade_count"),
        (HasUpdates, {}, "the strategy defines on_player_update"),
        (RoundsUp, {}, "the strategy changes the decimal context"),
        ("take-profit", {"latency_ms": 500}, "the latency is above 100 ms"),
        ("take-profit", {"crowd": 3}, "there is a crowd"),
        (
            "take-profit",
            {"limits": Limits(actions_per_minute=60)},
            "the limit actions_per_minute depends on time",
        ),
    ],
)
def test_what_is_not_exact_is_played_by_the_engine(
    strategy: Any, options: dict[str, Any], why: str
) -> None:
    games = play(strategy, games=1, seed=3, **options)

    assert games.played.engine == "event"
    assert games.played.why == {why: 1}
    assert games.ticks == games.rug_tick.sum()


def test_a_strategy_that_raises_ends_the_backtest() -> None:
    """The error names method and game, and its cause is what was raised."""
    with pytest.raises(
        StrategyError, match=r"raised in Raises.on_game_tick, game 6, tick 3: "
    ) as caught:
        play(Raises, games=3, seed=7, first=5)

    assert isinstance(caught.value.__cause__, ValueError)


def test_the_callers_decimal_context_is_kept() -> None:
    before = getcontext().copy()

    play(RoundsUp, games=1, seed=3)

    assert (getcontext().prec, getcontext().rounding) == (before.prec, before.rounding)


def test_ticks_that_are_kept_stay_what_they_were() -> None:
    """A strategy that reads its tick gets a new one each time; one that does not, none."""
    refusals = Refusals()

    assert Hooks(configure(KeepsTicks, {}), refusals).reads_tick
    assert not Hooks(configure(ReadsCount, {}), refusals).reads_tick
    assert play(KeepsTicks, games=1, seed=3).played.engine == "fast"


def test_expectations_of_many_prices_are_those_of_the_law() -> None:
    rng = np.random.default_rng(5)
    prices = np.exp(rng.normal(0.0, 2.0, 500))
    lows = prices * rng.uniform(0.01, 1.0, 500)

    mean, variance = returns(prices, lows)

    pairs = list(zip(prices.tolist(), lows.tolist(), strict=True))
    assert mean == pytest.approx([fair.expected_return(*pair) for pair in pairs], abs=1e-14)
    assert variance == pytest.approx([fair.return_variance(*pair) for pair in pairs], abs=1e-12)


def test_a_games_expectation_is_the_sum_over_its_ticks() -> None:
    """Also of a game whose prices are not the first in memory."""
    for game in chunks_of(ExchangeConfig(seed=7), 6):
        last, low, total = game.rug_tick, 1.0, 0.0
        for price in game.prices:
            low = min(low, price)
            total += fair.expected_return(price, low) * price
        assert game.expected(0, last)[0] == pytest.approx(total, rel=1e-9, abs=1e-9)
