"""Trailing stops in the fast driver and in the engine: the same sales, at the same ticks and prices."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backtest.test_parity import AMOUNTS, assert_equal, both
from vectra_bot import Strategy, param
from vectra_bot.backtest.event import EngineBlock
from vectra_bot.backtest.fast.block import FastBlock
from vectra_bot.backtest.games import FillRow
from vectra_bot.backtest.play import PlayConfig
from vectra_bot.exchange import ExchangeOptions
from vectra_bot.loading import resolve_strategy
from vectra_bot.models import GamePhase

SHARES = st.sampled_from([0.5, 0.7, 0.8, 0.9, 0.97])
TRAILING = st.fixed_dictionaries(
    {"amount": st.sampled_from(["0.001", "0.01", "0.0234567"])},
    optional={
        "trailing_stop": SHARES,
        "take_profit": st.just(2),
        "leverage": st.sampled_from([1, 1, 1, 2, 5]),
        "max_ticks": st.just(200),
    },
).map(lambda given: ("buy", given))
PARTS = st.sampled_from([10, 33, 50]).map(lambda share: ("sell", (share,)))
FIRST = st.builds(
    lambda amount, share: [("buy", {"amount": amount, "trailing_stop": share})], AMOUNTS, SHARES
)


@pytest.mark.parametrize("latency_ms", [0, 70])
@given(
    first=FIRST,
    when=st.sampled_from([("presale", 0), ("active", 0), ("tick", 0), ("tick", 3), ("tick", 20)]),
    script=st.dictionaries(
        st.tuples(st.just("tick"), st.integers(0, 40) | st.integers(0, 150)),
        st.lists(st.one_of(TRAILING, PARTS), min_size=1, max_size=1),
        max_size=8,
    ),
    seed=st.integers(0, 1000),
)
@settings(settings.get_profile("games"))
def test_trailing_stops_are_played_the_same(
    first: Any, when: Any, script: dict[Any, Any], seed: int, latency_ms: int
) -> None:
    """With several buys, some with leverage, and part sales: the scan resumes with the highest so far."""
    options = ExchangeOptions(countdown_step=5000)
    fast, _ = both(
        {**script, when: first}, games=3, seed=seed, latency_ms=latency_ms, exchange=options
    )
    assert fast.played.engine == "fast"


class OnlyDeclares(Strategy):
    """Looks at no tick: buys, and again after the first sale of part of it."""

    share: float = param(0.8, low=0.1, high=0.99, help="trailing stop")
    latest: int = param(60, low=1, help="ticks of the first position")

    def on_phase(self, game: Any) -> None:
        if game.phase is GamePhase.PRESALE:
            self.actions.buy("0.01", trailing_stop=self.share)

    def on_game_start(self, game: Any) -> None:
        self.actions.sidebet("0.001")  # it is settled at tick 40, while the stop follows the price

    def on_stake_settled(self, settled: Any, game: Any) -> None:
        if self.position:
            self.actions.sell(40)
            self.actions.buy("0.003", max_ticks=self.latest)


@pytest.mark.parametrize(("share", "latency_ms"), [(0.6, 0), (0.8, 70), (0.95, 0)])
def test_a_trailing_stop_follows_the_price_while_nobody_looks(
    share: float, latency_ms: int
) -> None:
    """A strategy without ``on_game_tick``: both drivers sell at the same ticks, for the same money."""
    ours, theirs = list[FillRow](), list[FillRow]()
    config = PlayConfig(
        source=resolve_strategy(OnlyDeclares), settings={"share": share}, games=12, seed=11,
        latency_ms=latency_ms, exchange=ExchangeOptions(countdown_step=5000),
    )  # fmt: skip
    fast = FastBlock(config, ours.append).play()
    event = EngineBlock(evolve(config, engine="event"), theirs.append).play()

    assert ours == theirs
    assert_equal(fast, event)
    stopped = [row for row in ours if row.kind == "sell" and row.tick < fast.rug_tick[row.game]]
    assert len(stopped) >= 12  # of which at most one a game is the partial sale
