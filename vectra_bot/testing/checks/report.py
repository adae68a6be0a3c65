"""What a check of a strategy found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from itertools import zip_longest
from typing import Any

from attrs import asdict, field, frozen

from vectra_bot.testing.checks.play import AskedAction, Failure, PlayRecord


class CheckKind(StrEnum):
    """What is checked, in this order."""

    EXCEPTIONS = "exceptions"
    DETERMINISM = "determinism"
    LOOKAHEAD = "lookahead"
    LIMITS = "limits"
    BOUNDS = "bounds"
    SHAPES = "shapes"


@frozen(kw_only=True)
class StrategyProblem:
    """One thing that is wrong with a strategy.

    Attributes:
        check: the check that found it.
        why: what is wrong, and what to do.
        game: number of the game in the play, from 1; None where no game matters, as for a parameter.
        game_id: its id.
        tick: the tick at which the decision was made or missing, or the exception raised.
        decision: what was decided there; None if nothing was.
        expected: what is decided there otherwise; None if nothing is.
        detail: more, such as a traceback, the parameters or the prices of the game.
    """

    check: CheckKind
    why: str
    game: int | None = None
    game_id: str | None = None
    tick: int | None = None
    decision: str | None = None
    expected: str | None = None
    detail: Mapping[str, Any] = field(factory=dict)

    @property
    def place(self) -> str:
        """Return game and tick as text; empty where no game matters."""
        return "" if self.game is None else f"game {self.game} ({self.game_id}), tick {self.tick}"


@frozen(kw_only=True)
class StrategyCheck:
    """What a check of a strategy found.

    Attributes:
        strategy: what was checked.
        games, seed: the games that were played.
        plays: number of plays by check.
        decisions: decisions in the games.
        problems: what is wrong; none if it is ready.
        notes: what is worth knowing, and no problem.
        skipped: checks that were not made, with the reason.
    """

    strategy: str
    games: int
    seed: int
    plays: Mapping[CheckKind, int]
    decisions: int
    problems: tuple[StrategyProblem, ...]
    notes: tuple[str, ...] = ()
    skipped: Mapping[CheckKind, str] = field(factory=dict)

    @property
    def ok(self) -> bool:
        """Return whether nothing is wrong."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Return the check as a JSON object."""
        failed = Counter(problem.check for problem in self.problems)
        return {
            "ok": self.ok,
            "strategy": self.strategy,
            "games": self.games,
            "seed": self.seed,
            "decisions": self.decisions,
            "checks": [
                {
                    "check": kind.value,
                    "plays": self.plays.get(kind, 0),
                    "problems": failed[kind],
                    "skipped": self.skipped.get(kind),
                }
                for kind in CheckKind
            ],
            "problems": [
                asdict(problem, value_serializer=_plain, recurse=False) for problem in self.problems
            ],
            "notes": list(self.notes),
        }


def _plain(_owner: object, _field: object, value: Any) -> Any:
    return (
        value.value
        if isinstance(value, StrEnum)
        else dict(value)
        if isinstance(value, Mapping)
        else value
    )


@frozen
class ChangedDecision:
    """Where two plays that saw the same decided otherwise; what one of them did not decide is None."""

    expected: AskedAction | None
    decision: AskedAction | None
    failure: Failure | None = None

    def problem(self, check: CheckKind, why: str, **detail: Any) -> StrategyProblem:
        """Return it as a problem of *check*."""
        place: AskedAction | Failure | None = self.decision or self.expected or self.failure
        assert place is not None
        if self.failure is not None:
            why = f"{why}; it raised {self.failure.error} in {self.failure.callback}"
        return StrategyProblem(
            check=check,
            why=why,
            game=place.game,
            game_id=place.game_id,
            tick=place.tick,
            decision=_shown(self.decision),
            expected=_shown(self.expected),
            detail=detail,
        )


def _shown(decision: AskedAction | None) -> str | None:
    if decision is None:
        return None
    return decision.what + (f" (denied: {decision.denied})" if decision.denied else "")


def divergence(first: PlayRecord, other: PlayRecord) -> ChangedDecision | None:
    """Return the first decision in which two plays differ although they had seen the same; None if none does.

    Once the venue's messages differ, later decisions may. A play that ends before the other is compared
    up to its end.
    """
    end = min(len(first.seen), len(other.seen))
    same = next((n for n in range(end) if first.seen[n] != other.seen[n]), end)
    mine = [decision for decision in first.decisions if decision.after <= same]
    theirs = [decision for decision in other.decisions if decision.after <= same]
    raised = other.failure if first.failure is None and len(other.seen) <= same else None
    for one, two in zip_longest(mine, theirs):
        if one == two:
            continue
        if one is None or (two is not None and two.after < one.after):
            return ChangedDecision(None, two)
        if two is None or one.after < two.after:
            return ChangedDecision(one, None, raised)
        return ChangedDecision(one, two)
    return None if raised is None else ChangedDecision(None, None, raised)
