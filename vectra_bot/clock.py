"""Time as a parameter: the only module that reads the machine's clocks."""

from __future__ import annotations

import sys
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


def suspended_ns() -> int:
    """Return how long this machine was suspended so far, in ns; 0 where the system does not say.

    Only differences are meaningful. No step of the wall clock changes it.
    """
    if sys.platform != "linux":
        return 0
    monotonic_ns = time.monotonic_ns()  # first, so that the difference is never below 0
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - monotonic_ns


class SessionClock:
    """The time of a real-time session: wall time at its start plus monotonic time since.

    It never goes back or stops, whatever happens to the machine's wall clock.
    """

    STEP_NS = 250_000_000
    """A wall clock that departs further than this from the session's time was stepped, in ns."""

    def __init__(self, machine: Clock | None = None) -> None:
        """Start now.

        Args:
            machine: the clocks to read; the machine's if None.
        """
        self._machine = machine or WallClock()
        self._wall_ns = self._machine.now_ns()
        self._monotonic_ns = self._machine.monotonic_ns()
        self._departed_ns = 0

    def now_ns(self) -> int:
        return self._wall_ns + self._machine.monotonic_ns() - self._monotonic_ns

    def monotonic_ns(self) -> int:
        return self._machine.monotonic_ns()

    def step_ns(self) -> int | None:
        """Return by how much the wall clock was stepped since the last call, None if it was not.

        Unit: ns; positive if it went forward. A suspended machine looks like a step forward, because its
        monotonic clock stops.
        """
        departed_ns = self._machine.now_ns() - self.now_ns()
        step_ns = departed_ns - self._departed_ns
        if abs(step_ns) <= self.STEP_NS:
            return None
        self._departed_ns = departed_ns
        return step_ns


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
