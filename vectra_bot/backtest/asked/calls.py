"""``vectra_bot.backtest`` and ``vectra_bot.compare``: backtests as plain calls, also in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Unpack

from vectra_bot.backtest.asked.config import BacktestOptions, seeded
from vectra_bot.backtest.asked.given import asked_games
from vectra_bot.backtest.asked.keywords import BacktestKeywords
from vectra_bot.backtest.play import Progress, no_progress, play_all, play_config
from vectra_bot.backtest.results.comparison import Comparison, comparison
from vectra_bot.backtest.results.report import BacktestReport, backtest_report
from vectra_bot.backtest.results.text import speed_text
from vectra_bot.clock import WallClock
from vectra_bot.errors import ConfigError
from vectra_bot.loading import resolve_strategy
from vectra_bot.models.times import NS_PER_S
from vectra_bot.report.notebook import notebook_display, progress_html
from vectra_bot.session.config import config_of
from vectra_bot.strategy import Strategy

PLAYED: Final = "games played"
"""Why a backtest ended that played all its games."""


def backtest(
    strategy: str | type[Strategy],
    *,
    settings: Mapping[str, Any] | None = None,
    **options: Unpack[BacktestKeywords],
) -> BacktestReport:
    """Play many games in memory and return the report, as ``vectra-bot backtest`` does.

    It works in a notebook too, where it shows progress.

    Args:
        strategy: a class, an entry-point name, or ``./file.py[:Class]``.
        settings: its parameters.
        options: e.g. ``games=10_000, seed=7``.

    Returns:
        What happened; ``report.df()`` has a row for each game.

    Raises:
        ConfigError: an option or a parameter is wrong.
        UnknownNameError: no strategy has this name.
        StrategyError: the strategy raised.
    """
    chosen = config_of(BacktestOptions, "backtest", options)
    return run_backtest(strategy, settings or {}, chosen, notebook_progress())


def run_backtest(
    strategy: str | type[Strategy],
    settings: Mapping[str, Any],
    options: BacktestOptions,
    progress: Progress,
) -> BacktestReport:
    """Play a backtest and return its report."""
    given, unplayable = asked_games(options.source, options.games)
    config = seeded(options).played(resolve_strategy(strategy), settings, given)
    with options.stop.obeyed("the backtest", stored=False):
        table = play_config(config, progress, jobs=options.jobs or 1, stop=options.stop)
    ended = options.stop.reason or PLAYED
    return backtest_report(config, table, ended=ended, unplayable=unplayable)


def compare(
    *strategies: str | type[Strategy],
    settings: Sequence[Mapping[str, Any]] = (),
    **options: Unpack[BacktestKeywords],
) -> Comparison:
    """Compare strategies, or parameter sets of them, over the same games, as ``vectra-bot compare`` does.

    Args:
        strategies: classes, entry-point names, or ``./file.py[:Class]``.
        settings: parameter sets; each strategy plays with each of them.
        options: as for :func:`vectra_bot.backtest`.

    Returns:
        Every variant, and by how much it differs from the first one.

    Raises:
        ConfigError: an option or a parameter is wrong, or there is one variant only.
        UnknownNameError: no strategy has this name.
        StrategyError: a strategy raised.
    """
    chosen = config_of(BacktestOptions, "compare", options)
    variants = [
        (_name_of(strategy, one, several=len(strategies) > 1), strategy, one)
        for strategy in strategies
        for one in settings or ({},)
    ]
    if len({name for name, _, _ in variants}) < max(2, len(variants)):
        raise ConfigError(
            f"compare() got {len(variants)} variants: give two or more that differ, such as "
            'compare("take-profit", settings=[{"target": 1.2}, {"target": 2}])'
        )
    return run_comparison(variants, chosen, notebook_progress())


def _name_of(strategy: str | type[Strategy], given: Mapping[str, Any], *, several: bool) -> str:
    spec = strategy if isinstance(strategy, str) else strategy.__name__
    shown = [f"{key}={value}" for key, value in given.items()]
    return " ".join([spec, *shown] if several or not shown else shown)


def run_comparison(
    variants: Sequence[tuple[str, str | type[Strategy], Mapping[str, Any]]],
    options: BacktestOptions,
    progress: Progress,
) -> Comparison:
    """Play variants, each a name, a strategy and its parameters, and compare them."""
    options = seeded(options)
    given, unplayable = asked_games(options.source, options.games)
    sources = {strategy: resolve_strategy(strategy) for _, strategy, _ in variants}
    configs = [options.played(sources[strategy], values, given) for _, strategy, values in variants]
    names = [name for name, _, _ in variants]
    with options.stop.obeyed("the comparison", stored=False):
        tables = play_all(configs, progress, jobs=options.jobs or 1, stop=options.stop, names=names)
    played = zip(configs, tables, strict=True)
    return comparison(
        dict(zip(names, played, strict=True)),
        ended=options.stop.reason or PLAYED,
        unplayable=unplayable,
    )


def notebook_progress() -> Progress:
    """Return a function that shows progress below the running cell of a notebook, if there is one."""
    show = notebook_display()
    if show is None:
        return no_progress
    clock = WallClock()
    began_ns = clock.monotonic_ns()

    def progress(done: int, total: int) -> None:
        text = speed_text(done, total, (clock.monotonic_ns() - began_ns) / NS_PER_S)
        show(progress_html(done, total, text))

    return progress
