"""The interface by which the engine verifies a feed against the seeds it reveals.

The engine does not know the price law, so the check is passed in. It is synchronous and gets everything in
order, so that a replay makes the same documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from attrs import frozen

from vectra_bot.game.changes import Change
from vectra_bot.models import AlertTrigger, GameFrame, SystemEvent


@frozen
class AuditFinding:
    """A document that follows from a check, and the game it is about (empty if none)."""

    game_id: str
    record: AlertTrigger | SystemEvent


Findings: TypeAlias = Sequence[AuditFinding]


class Auditor(Protocol):
    """Checks what a feed states about every game and returns what to store; synchronous, without a clock."""

    def on_change(self, change: Change) -> None:
        """Process a change made by a game frame, before plugins and the strategy are called."""

    def on_frame(self, frame: GameFrame) -> Findings:
        """Process a game frame, after its changes, and return what follows from it."""

    def on_ending(self, now_ns: int) -> Findings:
        """Return the last findings when the session ends; *now_ns* is nanoseconds since the epoch."""
