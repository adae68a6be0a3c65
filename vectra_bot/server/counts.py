"""What the server has seen and done, in numbers."""

from __future__ import annotations

from collections import Counter

from attrs import asdict, define, field


@define(kw_only=True)
class Counts:
    """Counters since the start; ``ended`` counts connections by the reason for which they ended.

    Attributes:
        connections: connections accepted.
        requests: events of clients that were read.
        logins: successful ones.
        broadcasts: messages for everybody.
        refused: requests refused: too many, not logged in, unusable.
        unknown: events whose name nobody knows.
        turned_away: connections refused because there were too many, or from a foreign page.
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
