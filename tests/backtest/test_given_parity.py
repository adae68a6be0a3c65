"""Games that do not come from the seed are played the same by the fast driver and the engine."""

from __future__ import annotations

from itertools import accumulate
from operator import mul
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backtest.test_parity import EXCHANGES, SCRIPTS, Scripted, assert_equal, both
from vectra_bot.backtest import PlayConfig, play_config
from vectra_bot.backtest.fast.chunks import chunks_of
from vectra_bot.backtest.play import GivenGame
from vectra_bot.exchange import ExchangeOptions
from vectra_bot.game import fair
from vectra_bot.game.fair import FairGame
from vectra_bot.kernel.play import play_game
from vectra_bot.loading import resolve_strategy
from vectra_bot.testing import make_game

STEPS = st.sampled_from([0.7, 0.98, 1.0, 1.003, 1.02, 1.3, 10.0]) | st.floats(0.5, 2)
PRICES = st.lists(STEPS, max_size=70).map(
    lambda steps: [min(max(price, 1e-4), 1e4) for price in accumulate([1.0, *steps], mul)]
)
RUGS = st.none() | st.floats(1e-3, 0.1)
MADE = st.builds(
    lambda prices, rug: make_game(prices, None if rug is None else rug * prices[-1]), PRICES, RUGS
)
OF_A_SEED = st.builds(
    play_game,
    st.integers(0, 50).map(lambda number: f"{number:064x}"),
    st.just("20250701-55b97a42871f441f"),
    st.sampled_from(["v1", "v2", "v3"]),
)
GAMES = st.lists(MADE | MADE | OF_A_SEED, min_size=1, max_size=3)


def as_given(*games: FairGame) -> tuple[GivenGame, ...]:
    """Return games with ids."""
    return tuple(GivenGame(f"20250101-{number:x}", game) for number, game in enumerate(games))


def config(strategy: Any, *games: FairGame, **options: Any) -> PlayConfig:
    """Return the backtest of a strategy on games."""
    return PlayConfig(
        source=resolve_strategy(strategy), games=len(games), given=as_given(*games), seed=4, **options
    )  # fmt: skip


@pytest.mark.parametrize("latency_ms", [0, 70])
@given(script=SCRIPTS, games=GAMES, seed=st.integers(0, 20), exchange=EXCHANGES)
@settings(settings.get_profile("games"))
def test_any_script_is_played_the_same_on_any_games(
    script: dict[Any, Any],
    games: list[FairGame],
    seed: int,
    exchange: ExchangeOptions,
    latency_ms: int,
) -> None:
    """Random actions on random prices: every callback sees the same, and the money is the same."""
    _, event = both(
        script, games=len(games), given=as_given(*games), seed=seed, latency_ms=latency_ms,
        exchange=exchange,
    )  # fmt: skip

    assert event.rug_tick.tolist() == [len(game.prices) for game in games]
    assert event.rug_price.tolist() == [game.rug_price for game in games]


@pytest.mark.parametrize("latency_ms", [0, 70])
@pytest.mark.parametrize("strategy", ["take-profit", "sidebet", "leveraged", "short"])
def test_bundled_strategies_are_played_the_same(strategy: str, latency_ms: int) -> None:
    """Each plays games of a seed and made ones by the fast driver, and makes what the engine makes."""
    games = (
        make_game([1.0, 1.01, *(1.02**n for n in range(80))]),
        play_game("a" * 64, "20250701-0"),
        make_game([1.0], 0.02),
        make_game([1.0, *(0.99**n for n in range(60))], 0.05),
        play_game("b" * 64, "20250701-1", "v1"),
    )
    fast, event = (
        play_config(config(strategy, *games, latency_ms=latency_ms, engine=engine))
        for engine in ("fast", "event")
    )

    assert (fast.played.engine, fast.played.why) == ("fast", {})
    assert int((fast.entries + fast.bets).sum()) > 0
    assert_equal(fast, event)


@pytest.mark.parametrize(
    ("game", "why"),
    [
        (make_game([1, 1e-7]), "a price is below 1e-06 or above 1e+06"),
        (make_game([1, 1e7]), "a price is below 1e-06 or above 1e+06"),
        (make_game([1, 2], 1.5), "a rug price is 0 or above 0.1 times the last price"),
        (make_game([1, 2], 0), "a rug price is 0 or above 0.1 times the last price"),
        (FairGame((1.5, 2.0), 2, 0.01, 2.0), "a game does not begin at price 1"),
    ],
)
def test_games_that_need_the_engine_are_played_by_it(game: FairGame, why: str) -> None:
    """A block with one of them is played by the engine, with the reason; other blocks are not."""
    games = (make_game([1, 1.1]), make_game([1, 1.2]), game)

    found = play_config(config("watch", *games, block=2))

    assert found.played.engine == "mixed"
    assert found.played.why == {why: 1}
    assert found.rug_tick.tolist() == [2, 2, 2]


def test_each_block_plays_its_own_games() -> None:
    """The second block begins with the third game, with a fresh account."""
    games = tuple(make_game([1.0] * 12 + [2.0] * number) for number in range(2, 7))

    fast, event = (
        play_config(config("take-profit", *games, block=2, engine=engine))
        for engine in ("fast", "event")
    )

    assert fast.played.engine == "fast"
    assert fast.rug_tick.tolist() == [14, 15, 16, 17, 18]
    assert fast.game_ids() == [one.game_id for one in as_given(*games)]
    assert_equal(fast, event)


def test_the_expectation_of_a_game_is_that_of_its_prices() -> None:
    """Over every two ticks of a game with any prices: the law's sums over the ticks between."""
    prices = [1.0, 3.0, 5000.0, 0.02, 0.02, 7.5]
    exchange = config("watch", make_game([1, 9]), make_game(prices)).exchange_config()

    *_, second = chunks_of(exchange, 2)

    for first in range(len(prices)):
        for last in range(first, len(prices) + 1):
            ticks = [(price, min(prices[: at + 1])) for at, price in enumerate(prices)][first:last]
            mean = sum(price * fair.expected_return(price, low) for price, low in ticks)
            variance = sum(price**2 * fair.return_variance(price, low) for price, low in ticks)
            found = second.expected(first, last)
            np.testing.assert_allclose(found, (mean, variance), rtol=1e-6, atol=1e-9)


def test_a_strategy_sees_the_exchange_announce_the_games() -> None:
    """Ids are those of the exchange's games of the seed; the table has those that were given."""
    Scripted.script = {}
    seen: list[str] = []

    class Ids(Scripted):
        def on_game_start(self, game: Any) -> None:
            seen.append(game.game_id)

    play_config(config(Ids, make_game([1, 1.5]), make_game([1, 2])))

    assert len(set(seen)) == 2
    assert not set(seen) & {one.game_id for one in as_given(make_game([1]), make_game([1]))}
