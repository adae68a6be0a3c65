"""A sweep as one call.

Imports errors and the room's other modules.
"""

from __future__ import annotations

from collections.abc import Callable

from vectra_bot.backtest.sweep.chunks import ChunkFolder
from vectra_bot.backtest.sweep.config import SweepConfig
from vectra_bot.backtest.sweep.optimizer import optimize
from vectra_bot.backtest.sweep.report import FINISHED, SweepReport, report_of
from vectra_bot.backtest.sweep.runner import SweepPlan, SweepProgress, SweepRun
from vectra_bot.backtest.sweep.work import Workers
from vectra_bot.errors import ConfigError


def no_progress(_: SweepProgress) -> None:
    """Show nothing."""


def nothing_to_do() -> None:
    """Do nothing."""


def sweep(
    config: SweepConfig,
    progress: Callable[[SweepProgress], None] = no_progress,
    stopped: Callable[[], None] = nothing_to_do,
) -> SweepReport:
    """Play a sweep, or what is missing of it, and return its report.

    ``KeyboardInterrupt`` ends it in order: the report is then that of the sets that were finished.

    Args:
        config: what to try.
        progress: called after each chunk.
        stopped: called where ``KeyboardInterrupt`` was caught.

    Raises:
        ConfigError, UsageError: an option, range or parameter is wrong, or the strategy refuses all sets.
        UnknownNameError, InputError: the strategy, joblib, Optuna or Dask is not there.
        StrategyError: the strategy raised; finished chunks are kept.
        StoreError: the folder is in use by another sweep, or cannot be written.
    """
    plan = SweepPlan.of(config)
    workers = Workers(config.backend, config.processes, config.scheduler)
    with ChunkFolder(plan.folder) as folder:
        run = SweepRun(plan, folder, workers, progress)
        ended = FINISHED
        try:
            with workers.open():
                if config.optuna is not None and config.trials is not None:
                    optimize(run, config.optuna, config.trials)
                else:
                    run.play(plan.candidates())
        except KeyboardInterrupt:
            ended = "stopped"
            stopped()
        if run.left_out and not run.sets:
            raise ConfigError(
                f"no set can be played, {plan.source.name} refuses all {len(run.left_out)}; the first: "
                f"{run.left_out[0].why}"
            )
        return report_of(run, ended)


__all__ = ["sweep"]
