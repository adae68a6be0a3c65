"""From plays to problems: what each check makes of the plays that were made for it. Starts no process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, field, frozen

from vectra_bot.testing.checks.conditions import WORDS, Condition
from vectra_bot.testing.checks.futures import OtherFuture
from vectra_bot.testing.checks.play import PLAY_LIMIT_S, Failure, PlayRecord
from vectra_bot.testing.checks.report import CheckKind, StrategyProblem, divergence
from vectra_bot.testing.checks.worker import Outcome

_AGAIN = (
    "the same games, again in one process, are decided otherwise: something outlives the strategy (a global, "
    "an attribute of a class or module, a file); keep state on self"
)
_AHEAD = "it knows the future: it decides otherwise with another future, and nothing else differs"
_MOST = 3


@define
class Findings:
    """What the checks found so far.

    Attributes:
        problems: what is wrong.
        notes: what is worth knowing, and no problem.
        skipped: checks that were not made, with the reason.
        plays: number of plays by check.
    """

    problems: list[StrategyProblem] = field(factory=list)
    notes: list[str] = field(factory=list)
    skipped: dict[CheckKind, str] = field(factory=dict)
    plays: Counter[CheckKind] = field(factory=Counter)

    def add(self, check: CheckKind, why: str, **about: Any) -> None:
        """Add a problem."""
        self.problems.append(StrategyProblem(check=check, why=why, **about))

    def raised(self, check: CheckKind, failure: Failure, where: str = "", **detail: Any) -> None:
        """Add an exception of the strategy."""
        self.add(
            check,
            f"{where}it raised {failure.error} in {failure.callback}",
            game=failure.game,
            game_id=failure.game_id,
            tick=failure.tick,
            detail={**detail, "trace": failure.trace},
        )


@frozen
class Base:
    """The plays that all others are compared with: the first of a process, and the one after it there.

    Attributes:
        hints: where to look in the strategy's source, by check; empty for nothing to see there.
    """

    first: PlayRecord
    again: PlayRecord | None
    hints: Mapping[CheckKind, str]

    def with_hint(self, check: CheckKind, why: str) -> str:
        """Return *why* with where to look."""
        hint = self.hints.get(check, "")
        return f"{why} (see {hint})" if hint else why


def judge_exceptions(findings: Findings, base: Base, errors: Iterable[str]) -> None:
    """Judge the first play."""
    check = CheckKind.EXCEPTIONS
    findings.plays[check] += 1
    if base.first.failure is not None:
        findings.raised(check, base.first.failure)
    for error in errors:
        findings.add(check, error)
    if base.first.cut:
        findings.notes.append(
            f"it is slow: plays were ended after {PLAY_LIMIT_S} s of the processor, in game "
            f"{max(base.first.lengths, default=0)}"
        )


def judge_determinism(
    findings: Findings, base: Base, plays: Mapping[Condition, Sequence[Outcome]]
) -> bool:
    """Compare plays under every condition; report the first that matters, because others may follow from it.

    Returns:
        Whether plays in other processes are the same as the first, so that more can be compared.
    """
    check = CheckKind.DETERMINISM
    findings.plays[check] += 1 + sum(map(len, plays.values()))
    for condition in Condition:
        for outcome in plays.get(condition, ()):
            why = base.with_hint(
                check, f"with {condition.value} it decides otherwise: {WORDS[condition]}"
            )
            if outcome.error:
                findings.add(check, f"{why}: {outcome.error}", detail={"condition": condition.name})
                return condition is not Condition.PROCESS
            found = None if outcome.played is None else divergence(base.first, outcome.played)
            if found is not None:
                findings.problems.append(found.problem(check, why, condition=condition.name))
                return condition is not Condition.PROCESS
    found = None if base.again is None else divergence(base.first, base.again)
    if found is not None:
        findings.problems.append(found.problem(check, base.with_hint(check, _AGAIN)))
    return True


def judge_sources(findings: Findings, base: Base, watched: Sequence[Outcome]) -> None:
    """Report games that the strategy had before they were over: the first, and the first of each file."""
    unsearched = sum(outcome.unsearched for outcome in watched)
    if unsearched:
        findings.notes.append(
            f"{unsearched} files that it reads are too large to be searched for games"
        )
    readings = [reading for outcome in watched for reading in outcome.readings]
    for reading in {reading.source: reading for reading in reversed(readings)}.values():
        decisions = base.first.decisions
        informed = [one for one in decisions if one.game_id == reading.knows] or decisions
        first = informed[0] if informed else None
        findings.add(
            CheckKind.LOOKAHEAD,
            f"it reads {reading.source}, which has the game {reading.knows} before that is over"
            if reading.source
            else f"it computes the game {reading.knows} from its secret seed before that is over",
            game=reading.game if first is None else first.game,
            game_id=reading.knows if first is None else first.game_id,
            tick=reading.tick if first is None else first.tick,
            decision=None if first is None else first.what,
            detail={"file": reading.source} if reading.source else {},
        )


def judge_lookahead(findings: Findings, base: Base, outcomes: Sequence[Outcome]) -> None:
    """Compare plays with other futures: what was decided before the change must be the same."""
    check = CheckKind.LOOKAHEAD
    findings.plays[check] += len(outcomes)
    found: dict[tuple[Any, ...], StrategyProblem] = {}
    for change, played in sorted(_changed(outcomes), key=lambda pair: (pair[0].game, pair[0].tick)):
        differing = divergence(base.first, played)
        if differing is not None:
            why = base.with_hint(check, _AHEAD)
            problem = differing.problem(check, why, future_after_tick=change.tick)
            found.setdefault((problem.game, problem.tick, problem.expected), problem)
    findings.problems += list(found.values())[:_MOST]
    if len(found) > _MOST:
        findings.notes.append(f"{len(found)} decisions change with the future; {_MOST} are shown")


def _changed(outcomes: Iterable[Outcome]) -> Iterator[tuple[OtherFuture, PlayRecord]]:
    for outcome in outcomes:
        if outcome.change is not None and outcome.played is not None:
            yield outcome.change, outcome.played


def judge_limits(findings: Findings, base: Base, *, watches: bool) -> None:
    """Judge what was denied in the first play: everything, or the very first stake, is a problem."""
    check = CheckKind.LIMITS
    findings.plays[check] += 1
    decisions, rejected = base.first.decisions, base.first.rejected
    denied = [decision for decision in decisions if decision.denied]
    if not decisions:
        if not watches:
            findings.notes.append(
                "it decided nothing in these games: try more --games or another --seed"
            )
        return
    first, futile = decisions[0], len(denied) + rejected == len(decisions)
    reasons = Counter(decision.denied.partition(":")[0] for decision in denied)
    if rejected:
        reasons["rejected by the venue"] = rejected
    text = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    if futile or first.denied.startswith("cash:"):
        why = f"none of its {len(decisions)} actions was executed: {text}"
        if not futile:
            why = f"its first stake is above the balance: {first.denied}"
        findings.add(
            check, why, game=first.game, game_id=first.game_id, tick=first.tick, decision=first.what,
            detail={"denied": len(denied), "rejected": rejected},
        )  # fmt: skip
    elif text:
        findings.notes.append(
            f"{len(denied) + rejected} of {len(decisions)} actions were denied: {text}"
        )


def judge_bounds(
    findings: Findings, tried: Sequence[Mapping[str, str]], plays: Sequence[Sequence[Outcome]]
) -> None:
    """Judge plays with the bounds of the parameters; parameters that the strategy refuses are a note."""
    check = CheckKind.BOUNDS
    findings.plays[check] += len(tried)
    for settings, outcomes in zip(tried, plays, strict=True):
        text = " ".join(f"{name}={value}" for name, value in settings.items())
        for outcome in outcomes:
            failure = None if outcome.played is None else outcome.played.failure
            if outcome.refused:
                findings.notes.append(f"it refuses {text}: {outcome.error}")
            elif outcome.error:
                findings.add(
                    check, f"with {text}: {outcome.error}", detail={"settings": dict(settings)}
                )
            elif failure is not None:
                findings.raised(check, failure, f"with {text} ", settings=dict(settings))


def judge_shapes(findings: Findings, outcomes: Iterable[Outcome], examples: int) -> None:
    """Judge the drawn games."""
    check = CheckKind.SHAPES
    findings.plays[check] += examples
    for outcome in outcomes:
        if outcome.skipped:
            findings.plays[check] = 0
            findings.skipped[check] = outcome.skipped
        elif outcome.error:
            findings.add(check, outcome.error)
        elif outcome.broken is not None:
            drawn = outcome.broken
            findings.raised(check, drawn.failure, "in games of drawn prices ", prices=drawn.games)
