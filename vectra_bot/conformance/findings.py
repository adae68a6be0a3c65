"""What a verification found in a file: differences with their places, and counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import Factory, define, frozen

from vectra_bot.game.fair import Difference


@frozen
class FileDifference:
    """A difference and its place: game, line, and the bet's id if it is a bet."""

    game: str
    difference: Difference
    line: int
    sidebet: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the difference as a JSON object."""
        found = {
            "game": self.game,
            "tick": self.difference.tick,
            "what": self.difference.what,
            "expected": self.difference.expected,
            "found": self.difference.found,
            "line": self.line,
        }
        return found if self.sidebet is None else {**found, "sidebet": self.sidebet}


@define
class Verification:
    """The result of verifying one file: its kind, counts by name, and every difference."""

    kind: str
    file: str
    counts: dict[str, int]
    differences: list[FileDifference] = Factory(list)

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def count(self, name: str, amount: int = 1) -> None:
        """Add *amount* to a count."""
        self.counts[name] += amount

    def report(self, game: str, line: int, found: Iterable[Difference]) -> None:
        """Add differences of one line."""
        self.differences.extend(FileDifference(game, difference, line) for difference in found)

    def to_json(self) -> dict[str, Any]:
        """Return the verification as a JSON object."""
        return {
            "kind": self.kind,
            "file": self.file,
            "ok": self.ok,
            **self.counts,
            "differences": [difference.to_json() for difference in self.differences],
        }
