"""Sets chosen by a sampler of Optuna, each by the results of those before.

Trials are asked for in batches of a fixed size and answered in order, and the sampler's seed follows from the
sweep's and the trial's number: so the trials are the same for any number of processes. A resumed sweep asks
for all of them again and finds their chunks finished; Optuna's journal file, which its dashboard and
``optuna.load_study`` read, is therefore replaced.
Imports the room's other modules, errors and fsio; optuna.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vectra_bot.backtest.sweep.runner import SweepRun
from vectra_bot.backtest.sweep.space import Range
from vectra_bot.backtest.sweep.work import needed
from vectra_bot.fsio import files
from vectra_bot.game import rules

if TYPE_CHECKING:
    import optuna

JOURNAL: Final = "optuna.journal"
"""Name of Optuna's journal file in the folder of a sweep."""

BATCH: Final = 8
"""Trials that are chosen before the first of them is answered."""


def optimize(run: SweepRun, sampler: str, trials: int) -> None:
    """Play *trials* sets chosen by *sampler*, for the highest profit per game.

    Raises:
        InputError: Optuna, or what the sampler needs, is not installed.
    """
    library = needed("optuna", "sweep")
    library.logging.set_verbosity(library.logging.WARNING)
    config, ranges = run.plan.config, run.plan.space.ranges
    study = _study(library, run.folder.folder / JOURNAL, f"{run.plan.source.name} {config.seed}")
    for done in range(0, trials, BATCH):
        asked = []
        for number in range(done, min(done + BATCH, trials)):
            study.sampler = _sampler(library, sampler, config.seed + number)
            trial = study.ask()
            asked.append((trial, {one.name: _suggested(trial, one) for one in ranges}))
        found = run.play([values for _, values in asked])
        for (trial, _), results in zip(asked, found, strict=True):
            if results is None:
                study.tell(trial, state=library.trial.TrialState.FAIL)
            else:
                study.tell(trial, results.mean().mean / rules.LAMPORTS_PER_SOL)


def _study(library: Any, journal: Path, name: str) -> optuna.Study:
    """Return a new study that is written to *journal*, which is replaced."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    for path in (journal, *journal.parent.glob(f"{journal.name}.lock*")):
        files.unlink(path)  # a lock is left by a sweep that was killed: the folder is ours alone
    storage = JournalStorage(JournalFileBackend(str(journal)))
    study: optuna.Study = library.create_study(
        storage=storage, study_name=name, direction="maximize"
    )
    return study


def _sampler(library: Any, name: str, seed: int) -> optuna.samplers.BaseSampler:
    if name == "cmaes":
        needed("cmaes", "sweep")
    made = {
        "tpe": library.samplers.TPESampler,
        "cmaes": library.samplers.CmaEsSampler,
        "nsga2": library.samplers.NSGAIISampler,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parts of Optuna that may change
        sampler: optuna.samplers.BaseSampler = made[name](seed=seed % 2**32)
    return sampler


def _suggested(trial: optuna.Trial, one: Range) -> Any:
    """Return the value of a range that the sampler chose."""
    if one.listed is not None:
        # Optuna stores texts and numbers: it gets the place of the value in the list.
        return one.listed[trial.suggest_categorical(one.name, list(range(len(one.listed))))]
    if one.is_whole:
        return trial.suggest_int(one.name, int(one.low), int(one.high), log=one.log)
    chosen = trial.suggest_float(one.name, float(one.low), float(one.high), log=one.log)
    return one.rounded(chosen)


__all__ = ["BATCH", "JOURNAL", "optimize"]
