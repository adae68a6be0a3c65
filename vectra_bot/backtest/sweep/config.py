"""The configuration of a sweep, with the flags that set it.

Imports backtest, errors, exchange, params and serde.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import asdict, fields, frozen

from vectra_bot.backtest.asked.config import BacktestOptions
from vectra_bot.backtest.play import BLOCK_GAMES
from vectra_bot.errors import UsageError
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.exchange.config import path_of
from vectra_bot.models.times import NS_PER_S
from vectra_bot.params import Refused, declared, like, option
from vectra_bot.serde import canonical_json
from vectra_bot.session.config import SessionConfig
from vectra_bot.strategy import Strategy

SAMPLERS: Final = ("tpe", "cmaes", "nsga2")
"""Optuna's samplers, by the name of the option."""

MAX_SETS_ASKED: Final = 10_000
DEFAULT_SWEEP_GAMES: Final = 2_000

# What is of the sweep and not of a game.
_NO_TERMS: Final = ("games", "source", "jobs", "stop")
_PARTS: Final = re.compile(r"(\d{1,6})(m|h|d)?")
_SECONDS: Final = {"m": 60, "h": 3_600, "d": 86_400}
_A_SPLIT: Final = "a number of steps such as 4, or a length of time such as 90m, 12h or 2d"


def _split(value: Any) -> str | None:
    if value is None:
        return None
    text = str(value)
    found = _PARTS.fullmatch(text)
    if found is None or not int(found[1]):
        raise Refused
    return text


def _ranges(value: Any) -> tuple[str, ...]:
    found = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(one, str) for one in found):
        raise Refused
    return found


def _folder(value: Any) -> Path | None:
    return None if value is None else path_of(value)


@frozen(kw_only=True, field_transformer=declared)
class SweepConfig(BacktestOptions):
    """A sweep: what is tried, on which games, by which processes, and where results are kept.

    Attributes:
        strategy: entry-point name, ``./file.py[:Class]``, or the class itself; one that is not in a file is
            played by this process alone, and nothing of it is kept.
        settings: parameters that do not vary, by name.
        ranges: what varies, as :func:`~vectra_bot.backtest.sweep.space.space_of` takes it.
        grid: try every combination of ``points`` values of each range; what a sweep does by default.
        random: try so many sets drawn by the seed.
        optuna: let this sampler of Optuna choose ``trials`` sets, each by the results before.
        games: games that each set plays; None for 2000, or all of *source*.
        walk_forward: number of steps or length of their time; None for no walk-forward.
        chunk: games played in one piece with a fresh strategy and account; what is kept and resumed.
        out: folder of results; ``sweep-NAME`` if None.
    """

    strategy: str | type[Strategy] = like(SessionConfig, "strategy")
    settings: Mapping[str, Any] = option(
        factory=dict,
        flag="--set",
        metavar="KEY=VALUE",
        repeatable=True,
        secret=True,
        words="a dict of values by parameter name",
        help="A strategy parameter that does not vary.",
    )
    ranges: tuple[str, ...] = option(
        (),
        take=_ranges,
        flag="--range",
        metavar="KEY[=RANGE]",
        repeatable=True,
        words="texts such as target=1.1:3",
        help="A parameter that varies: KEY (as declared), KEY=LOW:HIGH[:log|:STEP] or KEY=VALUE,VALUE.",
    )
    games: int | None = like(
        BacktestOptions,
        "games",
        shown=f"{DEFAULT_SWEEP_GAMES}, or all of --from",
        help="Games that each set plays.",
    )
    jobs: int | None = like(BacktestOptions, "jobs", shown="one for each processor")
    seed: int = option(1, low=0, high=2**63 - 1, help="Seed of games, drawn sets and samplers.")
    grid: bool = option(False, help="Try every combination (the default).")
    random: int | None = option(
        None, low=1, high=MAX_SETS_ASKED, help="Try N sets drawn from the ranges."
    )
    optuna: str | None = option(
        None, choices=SAMPLERS, help="Let this sampler of Optuna choose the sets, with --trials."
    )
    trials: int | None = option(None, low=1, high=MAX_SETS_ASKED, help="Sets that Optuna chooses.")
    points: int = option(5, low=1, high=1_000, help="Values of each range of numbers in a grid.")
    walk_forward: str | None = option(
        None,
        take=_split,
        words=_A_SPLIT,
        metavar="N|TIME",
        help="Choose on earlier games and judge on the next, in N steps or steps of 90m, 12h, 2d.",
    )
    chunk: int = option(
        BLOCK_GAMES,
        low=1,
        high=10_000_000,
        help="Games in one piece, with a fresh strategy and account.",
    )
    backend: str = option("loky", metavar="loky|dask", help="How joblib runs the processes.")
    scheduler: str | None = option(
        None, metavar="ADDRESS", help="Running Dask scheduler; without it, workers on this machine."
    )
    out: Path | None = option(
        None,
        take=_folder,
        metavar="DIR",
        shown="sweep-STRATEGY",
        help="Folder in which finished chunks are kept and found again.",
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        chosen = [
            name
            for name, given in (
                ("--grid", self.grid),
                ("--random", self.random),
                ("--optuna", self.optuna),
            )
            if given
        ]
        if len(chosen) > 1:
            raise UsageError(f"{' and '.join(chosen)} were given together: give one of them")
        if (self.optuna is None) != (self.trials is None):
            raise UsageError(
                "--optuna SAMPLER and --trials N belong together: give both or neither"
            )
        if self.scheduler is not None and self.backend != "dask":
            raise UsageError("--scheduler was given without --backend dask: give both")

    def terms(self) -> str:
        """Return what decides a game's result beside strategy, parameters and the game, as canonical JSON."""
        given = {one.name: getattr(self, one.name) for one in fields(BacktestOptions)}
        limits = asdict(given.pop("limits"))
        return canonical_json(
            {name: repr(value) for name, value in given.items() if name not in _NO_TERMS}
            | {f"limits.{name}": repr(value) for name, value in limits.items()}
        )

    @property
    def processes(self) -> int:
        """Return the number of processes."""
        return self.jobs or os.cpu_count() or 1

    @property
    def method(self) -> str:
        """How sets are chosen: ``grid``, ``random`` or ``optuna tpe``."""
        if self.optuna is not None:
            return f"optuna {self.optuna}"
        return "grid" if self.random is None else "random"

    def parts(self, games: int) -> int | None:
        """Return the number of equal parts of *games* games for a walk-forward, None without one.

        Raises:
            UsageError: the games last shorter than two steps.
        """
        found = None if self.walk_forward is None else _PARTS.fullmatch(self.walk_forward)
        if found is None:
            return None
        count, unit = int(found[1]), found[2]
        if unit is None:
            parts = count + 1
        else:
            config = ExchangeConfig()
            lasts_s = (config.announced_ns(games) - config.announced_ns(0)) / NS_PER_S
            parts = round(lasts_s / (count * _SECONDS[unit]))
        if not 2 <= parts <= games:
            raise UsageError(
                f"--walk-forward was {self.walk_forward!r}, which makes {parts} parts of {games:,} "
                f"games: give {_A_SPLIT}, at least two parts and a game in each"
            )
        return parts


__all__ = ["SAMPLERS", "SweepConfig"]
