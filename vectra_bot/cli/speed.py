"""How fast games are played, and how long the rest takes: a bar on a terminal, lines in a log."""

from __future__ import annotations

from typing import Self

from vectra_bot.backtest.results.text import speed_text
from vectra_bot.cli.progress import Steps
from vectra_bot.clock import WallClock
from vectra_bot.models.times import NS_PER_S


class GameSpeed:
    """The progress callback of a backtest, for a block of code."""

    def __init__(self, what: str, *, shown: bool) -> None:
        self._what = what
        self._steps = Steps(verbose=shown)
        self._clock = WallClock()
        self._began_ns = self._clock.monotonic_ns()
        self._shown_ns = 0
        self._done = self._total = 0

    def __call__(self, done: int, total: int) -> None:
        """Show that *done* of *total* games are played."""
        self._done, self._total = done, total
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._shown_ns < NS_PER_S // 5 and done < total:
            return
        self._shown_ns = now_ns
        text = speed_text(done, total, self.seconds)
        self._steps(self._what, done, total, f": {text}")

    @property
    def seconds(self) -> float:
        """Return how long it has taken until now."""
        return (self._clock.monotonic_ns() - self._began_ns) / NS_PER_S

    def text(self) -> str:
        """Return how fast it was."""
        return f"{self._done / self.seconds:,.0f} games/s, {self.seconds:.1f} s"

    def __enter__(self) -> Self:
        self._steps.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._steps.__exit__()
