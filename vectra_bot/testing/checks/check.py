"""The check of a strategy: plays it in processes of its own, and lets the judges compare the plays."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from vectra_bot.clock import WallClock
from vectra_bot.errors import StrategyError
from vectra_bot.loading import resolve_strategy
from vectra_bot.params import Parameter, parameters
from vectra_bot.strategy import require_callback
from vectra_bot.testing.checks import judge
from vectra_bot.testing.checks.conditions import Condition
from vectra_bot.testing.checks.futures import Change, plan_changes
from vectra_bot.testing.checks.play import Played
from vectra_bot.testing.checks.report import CheckKind, StrategyCheck
from vectra_bot.testing.checks.suspects import NAMES, suspects
from vectra_bot.testing.checks.worker import (
    Changes,
    Orders,
    Outcome,
    Session,
    Settings,
    Shapes,
    Task,
)
from vectra_bot.testing.checks.workers import Assignment, run_workers

GAMES = 10
SEED = 1
EXAMPLES = 40
"""Drawn games by default."""

_CHANGES_OF_A_GAME = 8
_HASH_SEEDS = (1, 2, 3)
_CONDITIONS = tuple(condition for condition in Condition if condition is not Condition.HASH)


def check_strategy(
    strategy: str,
    *,
    games: int = GAMES,
    seed: int = SEED,
    settings: Mapping[str, str] | None = None,
    examples: int = EXAMPLES,
) -> StrategyCheck:
    """Check a strategy: exceptions, determinism, lookahead, limits, bounds of its parameters, odd prices.

    It is played in processes of their own, without plugins, store or journal.

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
    plan = _Plan(source.spec, games, seed, dict(settings or {}), WallClock().now_ns())
    bounds = list(_bounds(parameters(source.cls), plan.settings))
    findings = judge.Findings()
    tasks: list[Task] = [
        Session(times=2),
        *(Session(condition, watch=condition is Condition.PROCESS) for condition in _CONDITIONS),
        *(Settings(tried) for tried in bounds),
        *([Shapes(examples)] if examples else []),
    ]
    found, hashed = plan.play(tasks)
    first = found[0]
    plays = [outcome.played for outcome in first if outcome.played is not None]
    errors = [outcome.error for outcome in first if outcome.error]
    if not plays:
        raise StrategyError(f"{strategy!r} cannot be played: {(errors or ['no play ended'])[0]}")
    base = judge.Base(plays[0], plays[1] if len(plays) > 1 else None, _hints(_file_of(source.cls)))
    after = 1 + len(_CONDITIONS)
    by_condition: dict[Condition, list[Outcome]] = {Condition.HASH: hashed}
    by_condition.update(zip(_CONDITIONS, found[1:after], strict=True))
    judge.judge_exceptions(findings, base, errors)
    steady = judge.judge_determinism(findings, base, by_condition)
    readings = [r for outcome in by_condition[Condition.PROCESS] for r in outcome.readings]
    judge.judge_readings(findings, base, readings)
    if steady:
        judge.judge_lookahead(findings, base, plan.play_changes(base.first))
    else:
        findings.skipped[CheckKind.LOOKAHEAD] = (
            "its decisions differ from process to process, so that plays cannot be compared"
        )
    judge.judge_limits(findings, base, watches=source.cls.watches)
    judge.judge_bounds(findings, bounds, found[after : after + len(bounds)])
    if examples:
        judge.judge_shapes(findings, found[-1], examples)
    else:
        findings.skipped[CheckKind.SHAPES] = "no games were to be drawn"
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
class _Plan:
    """What all plays of a check have in common."""

    strategy: str
    games: int
    seed: int
    settings: dict[str, str]
    began_ns: int

    def play(self, tasks: Sequence[Task]) -> tuple[list[list[Outcome]], list[Outcome]]:
        """Return the outcomes of each of *tasks*, and of a session with each other order of hashes."""
        hashed = self._orders([Session(Condition.HASH)])
        found = run_workers([
            *(Assignment(self._orders(tasks[half::2])) for half in (0, 1)),
            *(Assignment(hashed, seed) for seed in _HASH_SEEDS),
        ])  # fmt: skip
        by_task: list[list[Outcome]] = [[] for _ in tasks]
        for half in (0, 1):
            for outcome in found[half]:
                by_task[2 * outcome.task + half].append(outcome)
        return by_task, [outcome for outcomes in found[2:] for outcome in outcomes]

    def play_changes(self, base: Played) -> list[Outcome]:
        """Return plays whose future differs from that of *base*, some around each decision."""
        ticks: dict[int, list[int]] = {}
        for decision in base.decisions:
            ticks.setdefault(decision.game, []).append(decision.tick)
        changes = plan_changes(ticks, base.lengths, _CHANGES_OF_A_GAME)
        halves = ([c for c in changes if c.game % 2 == half] for half in (0, 1))
        found = run_workers([self._changes(half) for half in halves if half])
        return [outcome for outcomes in found for outcome in outcomes if outcome.change is not None]

    def _changes(self, changes: list[Change]) -> Assignment:
        return Assignment(self._orders([Changes(changes)]))

    def _orders(self, tasks: Sequence[Task]) -> Orders:
        return Orders(
            self.strategy, self.settings, self.seed, self.games, list(tasks), self.began_ns
        )


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
