"""Callbacks and hooks that take longer than a tick are reported, and change nothing else."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import attrs
import pytest
from attrs import define

from vectra_bot import Plugin, Report, Strategy, hookimpl
from vectra_bot.clock import WallClock
from vectra_bot.models import HookTime
from vectra_bot.report.latencies import hook_figures
from vectra_bot.session.config import SessionConfig
from vectra_bot.session.runner import run_session

MS = 1_000_000


@define
class StandingClock(WallClock):
    """A clock that only what takes time moves."""

    monotonic: int = 0

    def monotonic_ns(self) -> int:
        return self.monotonic


CLOCK = StandingClock()


class Slow(Strategy):
    """Take 600 ms at tick 3 of every game, 251 at its start, and 250 at its end."""

    def on_game_tick(self, tick: Any, game: Any) -> None:
        CLOCK.monotonic += 600 * MS * (tick.tick == 3)
        if tick.tick == 10:
            self.actions.buy("0.01")

    def on_game_start(self, game: Any) -> None:
        CLOCK.monotonic += 251 * MS

    def on_game_end(self, game: Any, summary: Any) -> None:
        CLOCK.monotonic += 250 * MS


class Fast(Strategy):
    def on_game_tick(self, tick: Any, game: Any) -> None:
        if tick.tick == 10:
            self.actions.buy("0.01")


class Lazy(Plugin):
    @hookimpl
    def on_game_tick(self, tick: Any) -> None:
        CLOCK.monotonic += 6 * MS

    @hookimpl
    def on_game_start(self, game: Any) -> None:
        CLOCK.monotonic += 6 * MS


def play(strategy: type[Strategy], store: Path, *plugins: Any) -> Report:
    """Return the report of two games."""
    config = SessionConfig(
        strategy=strategy, games=2, seed=7, crowd=0, store=store, session_id="S", plugins=plugins
    )
    return asyncio.run(run_session(config, CLOCK))


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Return the report of a slow strategy with a slow plugin."""
    return play(Slow, tmp_path_factory.mktemp("slow"), Lazy)


def test_slow_callbacks_are_reported_with_the_ticks_of_a_live_venue(slow: Report) -> None:
    """Those that took longer than 250 ms; a call of exactly a tick is not slow."""
    ticks, start = slow.slow_callbacks
    assert (ticks.callback, ticks.count, ticks.ticks) == ("Slow.on_game_tick", 2, 4)
    assert (ticks.longest_ms, ticks.tick) == (600, 3)
    assert ticks.game_id.startswith("20260101-")
    assert (start.callback, start.count, start.ticks) == ("Slow.on_game_start", 2, 2)
    assert slow.to_json()["slow_callbacks"][0]["ticks"] == 4


def test_terminal_and_page_have_the_slow_calls(slow: Report) -> None:
    """Of the strategy and of plugins; hooks that are fast enough are in the JSON alone."""
    text, page = str(slow), slow.to_html()
    assert "Slow.on_game_tick took longer than a tick 2 times, at most 600 ms at tick 3" in text
    assert "a live venue continues for 4 ticks meanwhile" in text
    assert "plugin Lazy: on_game_tick took 6.0 ms on average, 6 ms at most" in text
    assert "Lazy: on_game_start" not in text
    assert 'data-key="slow_callbacks[0].ticks" value="4"' in page
    assert "Plugin Lazy, on_game_tick" in page
    assert {one["hook"] for one in slow.to_json()["hook_times"]} > {"on_game_tick", "on_game_start"}


def test_slowness_changes_no_outcome_and_no_comparison(slow: Report, store: Path) -> None:
    """The digest is that of a fast strategy, and reports are compared without times."""
    fast = play(Fast, store)
    assert fast.digest == slow.digest
    assert fast.slow_callbacks == ()
    assert "Slow" not in str(fast)
    assert attrs.evolve(slow, slow_callbacks=(), hook_times=()) == slow


def test_the_first_slow_call_of_a_callback_is_logged(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """When it happens, once for each callback."""
    with caplog.at_level(logging.WARNING):
        play(Slow, store)
    lines = [one.getMessage() for one in caplog.records if "a live venue" in one.getMessage()]
    assert len(lines) == 2
    assert lines[1].startswith("Slow.on_game_tick took 600 ms at tick 3 of game 20260101-")
    assert lines[1].endswith("a live venue continues for 2 ticks meanwhile")


@pytest.mark.parametrize(
    ("calls", "mean_ms", "longest_ms", "slow"),
    [
        (1, 200, 200, False),
        (1, 251, 251, True),
        (1000, 1, 250, False),
        (20, 5.1, 6, True),
        (20, 5, 6, False),
        (19, 100, 200, False),
    ],
)
def test_which_hooks_are_slow(calls: int, mean_ms: float, longest_ms: int, slow: bool) -> None:
    """A call over a tick, or 5 ms on average over at least 20 calls."""
    total = round(calls * mean_ms * MS)
    time = HookTime(plugin="p", hook="h", calls=calls, total_ns=total, longest_ns=longest_ms * MS)
    (found,) = hook_figures([time])
    assert (found.slow, found.mean_ms, found.longest_ms) == (slow, mean_ms, longest_ms)
