"""Time as a parameter: the only module that reads the machine's clocks."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """The source of a component's time."""

    def now_ns(self) -> int:
        """Return wall time in nanoseconds since the Unix epoch, UTC."""

    def monotonic_ns(self) -> int:
        """Return a time in nanoseconds that never decreases; only differences are meaningful."""


class WallClock:
    """The machine's clocks."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class VirtualClock:
    """A clock that moves only when advanced; wall and monotonic time are the same number."""

    def __init__(self, start_ns: int) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_ns(self) -> int:
        return self._now_ns

    def advance_to(self, now_ns: int) -> None:
        """Move to *now_ns*; a time in the past leaves the clock where it is."""
        self._now_ns = max(self._now_ns, now_ns)
