"""The cycle of a game as rules: which ``gameStateUpdate`` may follow which (protocol 3.1, 3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from attrs import frozen

from vectra_bot.conformance.frames.frame_shapes import state_kind
from vectra_bot.game import rules

_EXTRA_TICKS = 4


def integer(value: Any) -> int:
    """Return a whole number unchanged and anything else as -1, which no rule allows."""
    return value if type(value) is int else -1


@frozen
class StateFrame:
    """The fields of a ``gameStateUpdate`` that the automaton needs."""

    kind: str
    game_id: str
    tick: int
    timer: int
    place: int

    @classmethod
    def of(cls, body: dict[str, Any], place: int) -> StateFrame:
        """Return the frame; a missing or wrong field is -1 here and is reported by the check of shapes."""
        return cls(
            state_kind(body),
            str(body.get("gameId")),
            integer(body.get("tickCount")),
            integer(body.get("cooldownTimer")),
            place,
        )

    def __str__(self) -> str:
        if self.kind in ("countdown", "presale-opening", "new-game"):
            return f"{self.kind} {self.timer}"
        if self.kind in ("tick", "rug"):
            return f"{self.kind} {self.tick}"
        return self.kind


def follows(last: StateFrame, new: StateFrame) -> bool:
    """Return whether *new* may be the next ``gameStateUpdate`` after *last*."""
    return any(
        (kind is None or new.kind == kind)
        and (same is None or (new.game_id == last.game_id) is same)
        and (ticks is None or new.tick in ticks)
        and (timer is None or new.timer == timer)
        for kind, same, ticks, timer in _next(last)
    )


_Rule: TypeAlias = tuple[str | None, bool | None, range | None, int | None]


def _next(last: StateFrame) -> Iterator[_Rule]:
    """Yield what may follow: kind, same game, ticks, timer."""
    if last.kind in ("tick", "start", "golden-start"):
        yield from _play(last.tick + 1)
        if last.kind == "start":
            yield "golden-start", True, range(1), None
    elif last.kind == "rug":
        yield "settlement", True, range(last.tick, last.tick + _EXTRA_TICKS + 1), None
    elif last.kind == "settlement":
        yield "new-game", False, range(1), rules.COOLDOWN_MS
    elif last.kind == "snapshot":
        yield from _after_snapshot(last)
    elif last.kind == "presale-opening":
        yield "countdown", True, None, last.timer
    else:
        yield from _count(last.timer)


def _play(tick: int) -> Iterator[_Rule]:
    yield "tick", True, range(tick, tick + 1), None
    yield "rug", True, range(tick, tick + 1), None


def _count(timer: int) -> Iterator[_Rule]:
    due = timer - rules.COUNTDOWN_STEP_MS
    if due == rules.PRESALE_MS:
        yield "presale-opening", True, range(1), due
    elif due > 0:
        yield "countdown", True, None, due
    else:
        yield "start", True, range(1), 0


def _after_snapshot(last: StateFrame) -> Iterator[_Rule]:
    """Yield what may follow a snapshot, which may be taken at any moment."""
    if last.timer > 0:
        yield from _count(last.timer)
        if last.timer == rules.PRESALE_MS:
            yield "countdown", True, None, last.timer
        return
    yield from _play(last.tick + 1)
    yield "settlement", True, range(last.tick, last.tick + _EXTRA_TICKS + 1), None
    yield "new-game", False, range(1), rules.COOLDOWN_MS
    if last.tick == 0:
        yield "golden-start", True, range(1), None


def big_after(last: StateFrame, game_id: str) -> Iterator[StateFrame]:
    """Yield the big frames that must come after *last* if the next game is *game_id*."""
    if last.kind == "settlement" and game_id != last.game_id:
        yield StateFrame("new-game", game_id, 0, rules.COOLDOWN_MS, last.place)
    elif last.kind == "start":
        yield StateFrame("golden-start", last.game_id, 0, 0, last.place)


def fault(last: StateFrame, frame: StateFrame) -> tuple[str, str]:
    """Return the kind of error and its text: what came instead of what."""
    same = frame.game_id == last.game_id
    if same and frame.kind == last.kind and frame.kind in ("tick", "countdown"):
        ahead = (
            frame.tick - last.tick
            if frame.kind == "tick"
            else (last.timer - frame.timer) // rules.COUNTDOWN_STEP_MS
        )
        if ahead > 1:
            lost = "frame" if ahead == 2 else f"{ahead - 1} frames"
            return "missing", f"{lost} between {last} and {frame}"
        if ahead < 1:
            return ("late", f"{frame} after {last}") if ahead else ("repeated", str(frame))
    due = " or ".join(_words(rule) for rule in _next(last))
    skipped = frame.kind not in ("tick", "countdown") and same and frame.kind == last.kind
    kind = "repeated" if skipped else "missing"
    return kind, f"{due} after {last}: {frame} came" if kind == "missing" else str(frame)


def _words(rule: _Rule) -> str:
    kind, _, ticks, timer = rule
    if timer:
        return f"{kind} {timer}"
    return f"{kind} {ticks.start}" if ticks is not None and kind in ("tick", "rug") else str(kind)
