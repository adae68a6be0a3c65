"""The clock of the fast driver: chunk after chunk, compiled or not, with the delays of a link or without."""

from __future__ import annotations

from itertools import pairwise

import pytest

from vectra_bot.backtest import PlayConfig, play_config
from vectra_bot.backtest.fast.chunks import FastGameData, chunks_of
from vectra_bot.backtest.fast.timeline import GameTimes, Timeline
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.game import rules
from vectra_bot.kernel import library
from vectra_bot.loading import resolve_strategy
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.testing import make_game

GAMES = 1_100
"""Three chunks of games of a seed."""


def timed(config: ExchangeConfig, games: list[FastGameData]) -> list[GameTimes]:
    """Return the times of games, their ticks as lists."""
    clock, found = Timeline(config), []
    for data in games:
        at = clock.game(data)
        found.append(
            GameTimes(at.presale_ns, list(at.ticks_ns), at.decided_ns, at.rug_ns, at.next_ns)
        )
    return found


@pytest.mark.parametrize(
    "config",
    [
        ExchangeConfig(seed=5, countdown_step=100),
        ExchangeConfig(seed=6, countdown_step=5_000, first_game=400),
        ExchangeConfig(seed=7, jitter=False),
        ExchangeConfig(seed=8, made_games=tuple(make_game([1, 1.2, 1.1]) for _ in range(3))),
    ],
    ids=["usual", "later", "steady", "given"],
)
def test_the_times_are_those_without_the_kernel(
    config: ExchangeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also from one chunk to the next, and where each game given is a chunk by itself."""
    games = list(chunks_of(config, GAMES))
    compiled = timed(config, games)

    monkeypatch.setenv(library.SWITCH, "off")

    assert compiled == timed(config, games)
    assert sum(not data.at for data in games) >= 3
    assert [len(at.ticks_ns) for at in compiled] == [data.rug_tick for data in games]


def test_steady_ticks_are_those_of_the_venue() -> None:
    """Without delays every tick has its typical distance from the one before."""
    config = ExchangeConfig(seed=7, jitter=False)

    times = timed(config, list(chunks_of(config, 20)))

    gaps = {b - a for at in times for a, b in pairwise(at.ticks_ns[1:])}
    assert gaps == {int(rules.TICK_MS * NS_PER_MS)}


@pytest.mark.parametrize("strategy", ["short", "bbc"])
def test_a_backtest_with_a_latency_is_the_same_without_the_kernel(
    strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every game's result, also of a strategy with rounds, whose steps are between the games' own."""
    config = PlayConfig(source=resolve_strategy(strategy), games=20, seed=4, latency_ms=70)
    compiled = play_config(config)

    monkeypatch.setenv(library.SWITCH, "off")
    played = play_config(config)

    assert compiled.played.engine == played.played.engine == "fast"
    assert compiled.arrow() == played.arrow()
    assert compiled.actions == played.actions
    assert compiled.actions.total() > 0
