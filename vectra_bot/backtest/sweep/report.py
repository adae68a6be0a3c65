"""The report of a sweep: every set with its profit, what luck explains of the best, and how it was played.

Imports analysis (intervals, reality check), backtest and the room's other modules; numpy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np
from attrs import asdict, frozen

from vectra_bot.analysis.intervals import Mean
from vectra_bot.analysis.reality import RESAMPLES, RealityCheck, reality_check
from vectra_bot.backtest.games import Played
from vectra_bot.backtest.sweep.heatmap import HeatMap, heat_map
from vectra_bot.backtest.sweep.results import SetResults, excess_of, played_of
from vectra_bot.backtest.sweep.runner import ChunkCounts, LeftOut, ParameterSet, SweepRun
from vectra_bot.backtest.sweep.space import defaults_of, written
from vectra_bot.backtest.sweep.walk import WalkForward, walk_forward
from vectra_bot.game import rules
from vectra_bot.params import masked, parameters
from vectra_bot.serde import canonical_json

FINISHED: Final = "finished"
"""How a sweep ended that tried all its sets."""

_SHOWN_LEFT_OUT: Final = 20


@frozen(kw_only=True)
class TriedSet:
    """A set of parameters and what it made; amounts in SOL.

    Attributes:
        parameters: values of the parameters that vary.
        profit: per game, before prizes, with its 95 % interval.
        expected: per game, by the law for the same risks; None if a payoff is unknown.
        p: chance that luck makes one of all sets look at least this good; None if too few games to judge.
        games: games played.
        traded: games in which it made or lost something.
        entries, bets: actions.
        denials: actions that limits denied, by reason.
        staked: put at risk in all games.
        prizes: won in all games.
    """

    parameters: dict[str, Any]
    profit: Mean
    expected: float | None
    p: float | None
    games: int
    traded: int
    entries: int
    bets: int
    denials: dict[str, int]
    staked: float
    prizes: float

    def to_json(self) -> dict[str, Any]:
        """Return the set as JSON."""
        known = {name: written(value) for name, value in self.parameters.items()}
        rest = {name: getattr(self, name) for name in _FIGURES}
        return {"parameters": known, **interval_json(self.profit), **rest}

    def row(self) -> dict[str, Any]:
        """Return the set as one flat row: its parameters, then its figures without the denials."""
        profit, rest = self.profit, {name: getattr(self, name) for name in _FIGURES}
        rest.pop("denials")
        figures = {"mean": profit.mean, "low": profit.low, "high": profit.high, **rest}
        known = {
            f"parameter_{name}" if name in figures else name: (
                float(value) if isinstance(value, Decimal) else written(value)
            )
            for name, value in self.parameters.items()
        }
        return {**known, **figures}


_FIGURES = (
    "expected", "p", "games", "traded", "entries", "bets", "denials", "staked", "prizes",
)  # fmt: skip


@frozen(kw_only=True)
class SweepReport:
    """The result of a sweep.

    Attributes:
        strategy: its name.
        method: how sets were chosen.
        seed: of the games.
        games: games of each set.
        unplayable: games of ``--from`` that are not played, by reason.
        ranges: what varied, as JSON by parameter.
        fixed: all other parameters.
        variants: sets that played all games, the most profitable first; those with too few games to judge
            come after them, and those without a result in any game last.
        left_out: sets that the strategy refuses.
        unfinished: sets that did not play all games.
        check: the reality check of *variants*; None without one.
        benchmark: what it measures from: ``law``, or ``zero`` where the law's expectation is not known.
        unverified: what sets staked on terms that no capture shows: ``leverage``, ``shorts``, ``side games``.
        walk: walk-forward, if asked for.
        walked: parameters of the set that each of its steps chose.
        heat: profit by two parameters; None without a set.
        chunks: chunks of games, by how their results were got.
        played: how the games were played.
        folder: where the chunks are; "" if none is kept, because the strategy is not in a file.
        digest: SHA-256 over all results; that of a resumed sweep is that of one that was not.
        ended: ``finished``, or what stopped it.
    """

    strategy: str
    method: str
    seed: int
    games: int
    unplayable: dict[str, int]
    ranges: dict[str, Any]
    fixed: dict[str, Any]
    variants: tuple[TriedSet, ...]
    left_out: tuple[LeftOut, ...]
    unfinished: int
    check: RealityCheck | None
    benchmark: str
    unverified: tuple[str, ...]
    walk: WalkForward | None
    walked: tuple[dict[str, Any], ...]
    heat: HeatMap | None
    chunks: ChunkCounts
    played: Played
    folder: str
    digest: str
    ended: str

    @property
    def best(self) -> TriedSet | None:
        """The first of the sets."""
        return self.variants[0] if self.variants else None

    def to_html(self) -> str:
        """Return the report as one HTML page that needs no other file."""
        from vectra_bot.backtest.sweep.page import sweep_page

        return sweep_page(self)

    def __str__(self) -> str:
        """Return the report as lines of text."""
        from vectra_bot.backtest.sweep.text import sweep_pairs
        from vectra_bot.report.text import lines

        return lines("Sweep", sweep_pairs(self))

    def _repr_html_(self) -> str:
        """Return the report as a notebook shows it."""
        from vectra_bot.backtest.sweep.page import sweep_fragment

        return sweep_fragment(self)

    def arrow(self) -> Any:
        """Return the sets as Arrow, the best first: a row with parameters and figures for each.

        A figure has its name as in :class:`TriedSet`; ``mean``, ``low`` and ``high`` are the profit per game.
        A parameter of such a name is in the column ``parameter_NAME``.
        """
        import pyarrow as pa

        return pa.Table.from_pylist([one.row() for one in self.variants])

    def df(self) -> Any:
        """Return the sets as a pandas DataFrame, with the rows of :meth:`arrow`."""
        return self.arrow().to_pandas()

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON; amounts in SOL."""
        check = None if self.check is None else self.check.to_json()
        return {
            "strategy": self.strategy,
            "method": self.method,
            "seed": self.seed,
            "games": self.games,
            "unplayable": self.unplayable,
            "ended": self.ended,
            "ranges": self.ranges,
            "fixed": self.fixed,
            "best": None if self.best is None else self.best.to_json(),
            "reality_check": None if check is None else check | {"benchmark": self.benchmark},
            "unverified": list(self.unverified),
            "variants": [one.to_json() for one in self.variants],
            "walk_forward": self._walk_json(),
            "heat_map": None if self.heat is None else self.heat.to_json(),
            "sets": len(self.variants) + len(self.left_out) + self.unfinished,
            "unfinished": self.unfinished,
            "left_out": {
                "count": len(self.left_out),
                "first": [
                    {"parameters": _json(one.values), "why": one.why}
                    for one in self.left_out[:_SHOWN_LEFT_OUT]
                ],
            },
            "chunks": asdict(self.chunks),
            "played": {
                "engine": self.played.engine,
                "why": self.played.why,
                "kernel": self.played.kernel,
                "version": self.played.version,
                "sampled": self.played.sampled,
            },
            "folder": self.folder,
            "digest": self.digest,
        }

    def _walk_json(self) -> dict[str, Any] | None:
        if self.walk is None:
            return None
        return {
            **interval_json(in_sol(self.walk.after)),
            "mean_of_all": sol_of(self.walk.all_after),
            "steps": [
                {
                    "games": [step.judged_from, step.judged_to],
                    "parameters": _json(values),
                    "mean_before": sol_of(step.before.mean),
                    **interval_json(in_sol(step.after)),
                    "mean_of_all": sol_of(step.all_after),
                }
                for step, values in zip(self.walk.steps, self.walked, strict=True)
            ],
        }


def report_of(run: SweepRun, ended: str) -> SweepReport:
    """Return the report of a sweep that ended, or was stopped."""
    plan, config = run.plan, run.plan.config
    complete = run.complete()
    results = [made for _, made in complete]
    # A command that was stopped has seconds to report.
    resamples = RESAMPLES if ended == FINISHED else RESAMPLES // 4
    check, benchmark = _checked(results, config.seed, resamples)
    parts = config.parts(plan.games)
    walk = walk_forward(results, parts) if parts is not None and results else None
    variants = _variants(complete, check)
    tried = [(one.parameters, one.profit.mean) for one in variants]
    fixed = defaults_of(plan.source.cls, plan.space.names) | masked(
        parameters(plan.source.cls), config.settings
    )
    return SweepReport(
        strategy=plan.source.name,
        method=config.method,
        seed=config.seed,
        games=plan.games,
        unplayable=plan.unplayable,
        ranges={one.name: one.to_json() for one in plan.space.ranges},
        fixed=fixed,
        variants=variants,
        left_out=tuple(run.left_out),
        unfinished=len(run.sets) - len(complete),
        check=check,
        benchmark=benchmark,
        unverified=tuple(sorted({kind for made in results for kind in made.unverified})),
        walk=walk,
        walked=() if walk is None else tuple(complete[s.chosen][0].values for s in walk.steps),
        heat=heat_map(plan.space, tried) if tried else None,
        chunks=run.counts,
        played=played_of(results, sampled=config.sampled),
        folder="" if plan.is_local else str(plan.folder),
        digest=_digest(complete),
        ended=ended,
    )


def _checked(
    results: Sequence[SetResults], seed: int, resamples: int
) -> tuple[RealityCheck | None, str]:
    if not results:
        return None, "law"
    excess, benchmark = excess_of(results)
    traded = np.array([one.traded for one in results])
    dice = np.random.default_rng(seed)
    return reality_check(excess, dice, played=traded, resamples=resamples), benchmark


def _variants(
    complete: Sequence[tuple[ParameterSet, SetResults]], check: RealityCheck | None
) -> tuple[TriedSet, ...]:
    found = []
    for number, (one, made) in enumerate(complete):
        p = float("nan") if check is None else float(check.p_each[number])
        found.append(
            TriedSet(
                parameters=one.values,
                profit=in_sol(made.mean()),
                expected=(
                    None if made.unknown else sol_of(float(made.expected.sum()) / made.games)
                ),
                p=None if p != p else p,
                games=made.games,
                traded=made.traded,
                entries=made.totals["entries"],
                bets=made.totals["bets"],
                denials=dict(sorted(made.denials.items())),
                staked=sol_of(made.totals["stake"]),
                prizes=sol_of(made.totals["prizes"]),
            )
        )
    return tuple(sorted(found, key=lambda one: (one.p is None, not one.traded, -one.profit.mean)))


def _digest(complete: Sequence[tuple[ParameterSet, SetResults]]) -> str:
    made = {one.key: sorted(results.digests.items()) for one, results in complete}
    return hashlib.sha256(canonical_json(made).encode()).hexdigest()


def in_sol(mean: Mean) -> Mean:
    """Return a mean of lamports in SOL."""
    low, high = (None if value is None else sol_of(value) for value in (mean.low, mean.high))
    return Mean(mean.count, sol_of(mean.mean), low, high)


def sol_of(lamports: float) -> float:
    """Return lamports, or a mean of them, in SOL."""
    return lamports / rules.LAMPORTS_PER_SOL


def interval_json(mean: Mean) -> dict[str, Any]:
    """Return a mean as JSON: ``mean`` and ``interval``."""
    return {"mean": mean.mean, "interval": None if mean.low is None else [mean.low, mean.high]}


def _json(values: dict[str, Any]) -> dict[str, Any]:
    return {name: written(value) for name, value in values.items()}


__all__ = ["FINISHED", "SweepReport", "TriedSet", "report_of"]
