"""What prices show so far: the same as the engine's view of the game."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.analysis.episodes.market import PriceHistory
from vectra_bot.game.state import volatility_of

PRICES = st.floats(0.001, 1000)


@given(st.lists(PRICES, min_size=1, max_size=300), st.randoms(use_true_random=False))
def test_volatility_is_the_games(prices: list[float], chance: object) -> None:
    """To nine places, whatever ticks are missed and whichever of them are read late."""
    market, known = PriceHistory(), [math.nan] * len(prices)
    missed = [tick for tick in range(1, len(prices) - 1) if chance.random() < 0.2]  # type: ignore[attr-defined]
    late = [tick for tick in missed if chance.random() < 0.5]  # type: ignore[attr-defined]
    for tick, price in enumerate(prices):
        if tick not in missed:
            assert market.see(tick, price)
            known[tick] = price
    for tick in late:
        assert not market.see(tick, prices[tick])
        known[tick] = prices[tick]
    expected = volatility_of(known)
    assert market.volatility == pytest.approx(
        None if expected is None else float(expected), abs=2e-9
    )
    seen = [price for price in known if not math.isnan(price)]
    assert (market.peak, market.low) == (max(1.0, *seen), min(1.0, *seen))


def test_only_the_last_240_returns_count() -> None:
    """A jump that is older does not change the volatility."""
    market = PriceHistory()
    for tick, price in enumerate([1.0, 9.0, *([1.0, 1.01] * 121)]):
        market.see(tick, price)
    calm = PriceHistory()
    for tick, price in enumerate([1.0, 1.01] * 121):
        calm.see(tick, price)
    assert market.volatility == calm.volatility
    assert 0 < (calm.volatility or 0) < 0.011


def test_a_price_that_comes_again_changes_nothing() -> None:
    """Neither does one of a tick that is known."""
    market = PriceHistory()
    assert [market.see(0, 1.0), market.see(1, 1.5), market.see(1, 1.5), market.see(0, 1.0)] == [
        True,
        True,
        False,
        False,
    ]
    assert market.prices == [1.0, 1.5]
