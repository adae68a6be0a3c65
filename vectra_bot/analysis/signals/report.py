"""The result of an alert backtest."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from vectra_bot.analysis.signals.calibration import Calibration, calibration
from vectra_bot.analysis.signals.played import PlayedGames
from vectra_bot.analysis.signals.scores import TypeScore, scores


@frozen(kw_only=True)
class AlertBacktest:
    """What alert rules gave over some games.

    Attributes:
        source: what was played: ``exchange`` or the store.
        seed: seed of the exchange; None for a store.
        games: finished games.
        hours: feed time in hours.
        alerts: alerts of all types.
        types: the score of each type that occurred.
        models: the joint test of each model that stated chances.
        unfinished: alerts that state a chance in games whose end was not seen: not scored.
        faults: exceptions of rules and plugins.
        unread: frames that could not be read.
        dropped: alerts that were counted and not scored, because there were too many.
    """

    source: str
    seed: int | None
    games: int
    hours: float
    alerts: int
    types: list[TypeScore]
    models: list[Calibration]
    unfinished: int
    faults: int
    unread: int
    dropped: int

    @property
    def refuted(self) -> list[str]:
        """Names of the models whose chances are not true."""
        return [model.model for model in self.models if model.refuted]

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready data."""
        return {
            "source": self.source,
            "seed": self.seed,
            "games": self.games,
            "hours": self.hours,
            "alerts": self.alerts,
            "types": [score.to_json() for score in self.types],
            "models": [model.to_json() for model in self.models],
            "refuted": self.refuted,
            "unfinished": self.unfinished,
            "faults": self.faults,
            "unread": self.unread,
            "dropped": self.dropped,
        }


def backtest_report(played: PlayedGames, source: str, seed: int | None = None) -> AlertBacktest:
    """Return the scores and tests of what was played."""
    types, claims = scores(played)
    return AlertBacktest(
        source=source,
        seed=seed,
        games=played.finished,
        hours=played.hours,
        alerts=played.counts.total(),
        types=types,
        models=calibration(claims),
        unfinished=played.unfinished,
        faults=played.faults,
        unread=played.unread,
        dropped=played.dropped,
    )


__all__ = ["AlertBacktest", "backtest_report"]
