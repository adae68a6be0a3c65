"""The check of a strategy: plays it in separate processes, and lets the judges compare the plays."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from vectra_bot.errors import StrategyError
from vectra_bot.loading import resolve_strategy
from vectra_bot.params import Parameter, parameters
from vectra_bot.strategy import require_callback
from vectra_bot.testing.checks import judge
from vectra_bot.testing.checks.conditions import Condition
from vectra_bot.testing.checks.futures import OtherFuture, plan_changes
from vectra_bot.testing.checks.play import PlayRecord
from vectra_bot.testing.checks.report import CheckKind, StrategyCheck
from vectra_bot.testing.checks.suspects import NAMES, suspects
from vectra_bot.testing.checks.worker import (
    Changes,
    DrawnGames,
    Orders,
    Outcome,
    Session,
    Settings,
    Task,
)
from vectra_bot.testing.checks.workers import Assignment, run_workers

GAMES = 10
SEED = 1
EXAMPLES = 40
"""Drawn games by default."""

_CHANGES_OF_A_GAME = 8
_HASH_SEEDS = (1, 2, 3)
_CONDITIONS = tuple(c for c in Condition if c not in (Condition.PROCESS, Condition.HASH))


def check_strategy(
    strategy: str,
    *,
    games: int = GAMES,
    seed: int = SEED,
    settings: Mapping[str, str] | None = None,
    examples: int = EXAMPLES,
) -> StrategyCheck:
    """Check a strategy: exceptions, determinism, lookahead, limits, bounds of its parameters, odd prices.

    It is played in separate processes, without plugins, store or journal.

    Args:
        strategy: its name, a file, or ``module:Class``.
        games: games of each play.
        seed: seed of the exchange.
        settings: parameters, as text.
        examples: games to draw; 0 draws none.

    Raises:
        UnknownNameError: no strategy has this name.
        InputError: its file cannot be used.
        ConfigError: a parameter is wrong, or the class cannot run.
        StrategyError: it cannot be created, or raised while it was imported.
    """
    source = resolve_strategy(strategy)
    require_callback(source.cls)
    plan = _Plan(source.spec, games, seed, dict(settings or {}))
    bounds = list(_bounds(parameters(source.cls), plan.settings))
    plays = plan.play_all(bounds, examples)
    base = judge.Base(*_first_two(strategy, plays.usual), _hints(_file_of(source.cls)))
    findings = judge.Findings()
    judge.judge_exceptions(findings, base, [one.error for one in plays.usual if one.error])
    steady = judge.judge_determinism(findings, base, plays.by_condition)
    judge.judge_sources(findings, base, plays.by_condition[Condition.PROCESS])
    if steady:
        judge.judge_lookahead(findings, base, plan.play_changes(base.first))
    else:
        findings.skipped[CheckKind.LOOKAHEAD] = (
            "its decisions differ from process to process, so that plays cannot be compared"
        )
    judge.judge_limits(findings, base, watches=source.cls.watches)
    judge.judge_bounds(findings, bounds, plays.bounds)
    judge.judge_shapes(findings, plays.drawn, examples)
    return StrategyCheck(
        strategy=source.spec,
        games=games,
        seed=seed,
        plays=findings.plays,
        decisions=len(base.first.decisions),
        problems=tuple(findings.problems),
        notes=tuple(findings.notes),
        skipped=findings.skipped,
    )


@frozen
class _Plays:
    """Outcomes of the plays that no other play decides about.

    Attributes:
        usual: of the games, twice in one process.
        by_condition: of the games, under each condition.
        bounds: with each of the settings to try.
        drawn: of drawn games.
    """

    usual: list[Outcome]
    by_condition: dict[Condition, list[Outcome]]
    bounds: list[list[Outcome]]
    drawn: list[Outcome]


@frozen
class _Plan:
    """What all plays of a check have in common."""

    strategy: str
    games: int
    seed: int
    settings: dict[str, str]

    def play_all(self, bounds: Sequence[dict[str, str]], examples: int) -> _Plays:
        """Return the plays of the games, with the settings of *bounds*, and of *examples* drawn games."""
        tasks: list[Task] = [
            Session(times=2),
            *(Session(condition) for condition in _CONDITIONS),
            *(Settings(tried) for tried in bounds),
            DrawnGames(examples),
        ]
        # Before any other play can write a file that this one reads.
        first = self._orders([Session(Condition.PROCESS, watch=True)])
        (watched,) = run_workers([Assignment(first)])
        hashed = self._orders([Session(Condition.HASH)])
        found = run_workers([
            *(Assignment(self._orders(tasks[half::2])) for half in (0, 1)),
            *(Assignment(hashed, seed) for seed in _HASH_SEEDS),
        ])  # fmt: skip
        by_task: list[list[Outcome]] = [[] for _ in tasks]
        for half in (0, 1):
            for outcome in found[half]:
                by_task[2 * outcome.task + half].append(outcome)
        after = 1 + len(_CONDITIONS)
        by_condition = {
            Condition.PROCESS: watched,
            Condition.HASH: [one for outcomes in found[2:] for one in outcomes],
        }
        by_condition |= dict(zip(_CONDITIONS, by_task[1:after], strict=True))
        return _Plays(by_task[0], by_condition, by_task[after:-1], by_task[-1])

    def play_changes(self, base: PlayRecord) -> list[Outcome]:
        """Return plays whose future differs from that of *base*, some around each decision."""
        ticks: dict[int, list[int]] = {}
        for decision in base.decisions:
            ticks.setdefault(decision.game, []).append(decision.tick)
        changes = plan_changes(ticks, base.lengths, _CHANGES_OF_A_GAME)
        halves = ([c for c in changes if c.game % 2 == half] for half in (0, 1))
        found = run_workers([self._changes(half) for half in halves if half])
        return [outcome for outcomes in found for outcome in outcomes if outcome.change is not None]

    def _changes(self, changes: list[OtherFuture]) -> Assignment:
        return Assignment(self._orders([Changes(changes)]))

    def _orders(self, tasks: Sequence[Task]) -> Orders:
        return Orders(self.strategy, self.settings, self.seed, self.games, list(tasks))


def _first_two(strategy: str, outcomes: Sequence[Outcome]) -> tuple[PlayRecord, PlayRecord | None]:
    """Return the two plays of one process, of which the second may be missing.

    Raises:
        StrategyError: there is no play.
    """
    plays = [outcome.played for outcome in outcomes if outcome.played is not None]
    if not plays:
        errors = [outcome.error for outcome in outcomes if outcome.error]
        raise StrategyError(f"{strategy!r} cannot be played: {(errors or ['no play ended'])[0]}")
    return plays[0], plays[1] if len(plays) > 1 else None


def _file_of(cls: type) -> Path | None:
    try:
        path = inspect.getsourcefile(cls)
    except TypeError:
        return None
    return None if path is None else Path(path)


def _hints(file: Path | None) -> dict[CheckKind, str]:
    return {CheckKind(check): suspects(file, names) for check, names in NAMES.items()}


def _bounds(known: Sequence[Parameter], given: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield the settings to try: each bound or choice of a parameter alone, then all lowest, all highest."""
    ends = {parameter.name: _ends(parameter) for parameter in known if not parameter.secret}
    ends = {name: values for name, values in ends.items() if values}
    for name, values in ends.items():
        for value in values:
            yield {**given, name: value}
    if len(ends) > 1:
        for end in (0, -1):
            yield {**given, **{name: values[end] for name, values in ends.items()}}


def _ends(parameter: Parameter) -> list[str]:
    if parameter.choices is not None:
        return [str(choice) for choice in parameter.choices]
    if parameter.type is bool:
        return ["true", "false"]
    return [str(bound) for bound in (parameter.low, parameter.high) if bound is not None]
