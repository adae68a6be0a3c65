"""Counters of the server."""

from __future__ import annotations

from collections import Counter

from attrs import asdict, define, field


@define(kw_only=True)
class Counts:
    """Counters since the start; ``ended`` counts ended connections by reason.

    Attributes:
        connections: connections accepted.
        requests: events read from clients.
        logins: successful ones.
        broadcasts: messages to everybody.
        refused: rejected requests: too many, not logged in, invalid.
        unknown: events with an unknown name.
        turned_away: connections rejected because there were too many, or for a foreign Host or Origin.
    """

    connections: int = 0
    requests: int = 0
    logins: int = 0
    broadcasts: int = 0
    refused: int = 0
    unknown: int = 0
    turned_away: int = 0
    ended: Counter[str] = field(factory=Counter)

    def to_json(self) -> dict[str, object]:
        """Return the counters as JSON values."""
        return {**asdict(self), "ended": dict(self.ended)}
