"""``vectra_bot.sweep``: a sweep as a plain call, also in a notebook, and as one call with a config.

Imports errors, report (notebooks), session (options) and the room's other modules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

from vectra_bot.backtest.asked.calls import notebook_progress
from vectra_bot.backtest.asked.keywords import SweepKeywords
from vectra_bot.backtest.play import no_progress
from vectra_bot.backtest.sweep.chunks import ChunkFolder
from vectra_bot.backtest.sweep.config import SweepConfig
from vectra_bot.backtest.sweep.optimizer import optimize
from vectra_bot.backtest.sweep.report import FINISHED, SweepReport, report_of
from vectra_bot.backtest.sweep.runner import SweepPlan, SweepProgress, SweepRun, SweepStopped
from vectra_bot.backtest.sweep.work import Workers
from vectra_bot.errors import ConfigError
from vectra_bot.session.config import config_of
from vectra_bot.strategy import Strategy


def sweep(
    strategy: str | type[Strategy],
    *,
    ranges: Sequence[str] | str = (),
    settings: Mapping[str, Any] | None = None,
    **options: Unpack[SweepKeywords],
) -> SweepReport:
    """Try many sets of a strategy's parameters on the same games, as ``vectra-bot sweep`` does.

    It works in a notebook too, where it shows progress. Finished chunks of games are kept in folder *out*,
    so that the same call continues after a kill, and after Ctrl-C, which returns the report of the finished
    sets.

    Args:
        strategy: a class, an entry-point name, or ``./file.py[:Class]``. A class that is not in a file, such
            as a notebook's, is played by this process alone, and none of its chunks is kept.
        ranges: the parameters that vary, such as ``["target=1.1:3", "stake=0.01,0.02"]``; by default all that
            declare two bounds or choices.
        settings: parameters that do not vary.
        options: e.g. ``games=2_000, seed=7, random=200``.

    Returns:
        Every set, the best first, and how much of the best is luck; ``report.df()`` has a row for each set.

    Raises:
        ConfigError, UsageError: an option, range or parameter is wrong, or the strategy refuses all sets.
        UnknownNameError, InputError: the strategy, the games, joblib, Optuna or Dask is not there.
        StrategyError: the strategy raised; finished chunks are kept.
        StoreError: the folder is in use by another sweep, or cannot be written.
    """
    config = config_of(
        SweepConfig, "sweep", options, strategy=strategy, settings=settings or {}, ranges=ranges
    )
    return run_sweep(config, _progress())


def _progress() -> Callable[[SweepProgress], None]:
    """Return a function that shows progress in a notebook, if there is one."""
    show = notebook_progress()
    return (
        ignore_progress
        if show is no_progress
        else lambda at: show(at.games - at.games_reused, at.games_total - at.games_reused)
    )


def ignore_progress(_: SweepProgress) -> None:
    """Show nothing."""


def nothing_to_do() -> None:
    """Do nothing."""


def run_sweep(
    config: SweepConfig,
    progress: Callable[[SweepProgress], None] = ignore_progress,
    stopped: Callable[[], None] = nothing_to_do,
) -> SweepReport:
    """Play a sweep, or what is missing of it, and return its report.

    ``KeyboardInterrupt`` and the config's ``stop`` end it in order: the report is then that of the sets that
    were finished.

    Args:
        config: what to try.
        progress: called after each chunk.
        stopped: called where ``KeyboardInterrupt`` was caught.

    Raises:
        ConfigError, UsageError: an option, range or parameter is wrong, or the strategy refuses all sets.
        UnknownNameError, InputError: the strategy, the games, joblib, Optuna or Dask is not there.
        StrategyError: the strategy raised; finished chunks are kept.
        StoreError: the folder is in use by another sweep, or cannot be written.
    """
    plan = SweepPlan.of(config)
    processes = 1 if plan.is_local else config.processes
    workers = Workers(config.backend, processes, config.scheduler)
    with ChunkFolder(plan.folder) as folder:
        run = SweepRun(plan, folder, workers, progress)
        ended = FINISHED
        try:
            with workers.open():
                if config.optuna is not None and config.trials is not None:
                    optimize(run, config.optuna, config.trials)
                else:
                    run.play(plan.candidates())
        except SweepStopped as stop:
            ended = str(stop)
        except KeyboardInterrupt:
            ended = "stopped"
            stopped()
        if run.left_out and not run.sets:
            raise ConfigError(
                f"no set can be played, {plan.source.name} refuses all {len(run.left_out)}; the first: "
                f"{run.left_out[0].why}"
            )
        return report_of(run, ended)


__all__ = ["run_sweep", "sweep"]
