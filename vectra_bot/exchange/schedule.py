"""The venue's schedule: one heap ordered by time, then by kind, then by order of insertion."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from heapq import heappop, heappush

from vectra_bot.models.times import NS_PER_MS


class Rank(IntEnum):
    """Order of steps at the same nanosecond: answers first, the public clock last."""

    DELIVERY = 0
    ARRIVAL = 1
    PUBLIC = 2


class Schedule:
    """Future steps of the exchange in the order in which they happen."""

    __slots__ = ("_heap", "_issued", "now_ns")

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self._heap: list[tuple[int, int, int, Callable[[], None]]] = []
        self._issued = 0

    def at(self, at_ns: int, rank: Rank, act: Callable[[], None]) -> None:
        """Schedule *act* for *at_ns*, or for now if that has passed."""
        self._issued += 1
        heappush(self._heap, (max(at_ns, self.now_ns), int(rank), self._issued, act))

    def after(self, after_ms: float, act: Callable[[], None]) -> None:
        """Schedule a step of the public clock, *after_ms* milliseconds from now."""
        self.at(self.now_ns + int(after_ms * NS_PER_MS), Rank.PUBLIC, act)

    def next_ns(self) -> int:
        """Return the time of the next step, nanoseconds since the epoch."""
        return self._heap[0][0]

    def due_ns(self) -> int | None:
        """Return the time of the next step, None if there is none."""
        return self._heap[0][0] if self._heap else None

    def advance(self) -> None:
        """Advance the clock to the next step and execute it."""
        self.now_ns, _, _, act = heappop(self._heap)
        act()
