"""What holds a feed against the seeds it reveals, as the engine sees it.

The engine may not know the price law, so the check comes from outside; it is part of the engine all the
same: it is told everything in order and answers at once, so that a replay makes the same documents again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from attrs import frozen

from vectra_bot.game.changes import Change
from vectra_bot.models import AlertTrigger, GameFrame, SystemEvent


@frozen
class AuditFinding:
    """A document that follows from a check, and the game it is about (empty if about none)."""

    game_id: str
    record: AlertTrigger | SystemEvent


Findings: TypeAlias = Sequence[AuditFinding]


class Auditor(Protocol):
    """Sees what a feed says of every game and says what to store about it; synchronous, without a clock."""

    def on_change(self, change: Change) -> None:
        """Take in what a game frame changed, before anybody else is told."""

    def on_frame(self, frame: GameFrame) -> Findings:
        """Take in a game frame, after its changes, and return what follows from it."""

    def on_ending(self, now_ns: int) -> Findings:
        """Return what is left to say when the session ends; *now_ns* is nanoseconds since the epoch."""
