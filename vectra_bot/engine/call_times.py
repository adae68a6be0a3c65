"""How long the calls of a strategy take, by the clock of the engine's host.

The engine reads no clock: its host gives one, and what was measured is in no document. Without one nothing
is measured.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

TICK_NS = 250_000_000
"""Time from one tick of the venue to the next, nanoseconds."""


@define
class SlowCalls:
    """The calls of one callback that took longer than a tick.

    Attributes:
        callback: class and method.
        count: how many there were.
        ticks: ticks of a live venue meanwhile.
        longest_ns: time of the longest call.
        game_id: game of the longest call, empty before the first one.
        tick: its tick.
    """

    callback: str
    count: int = 0
    ticks: int = 0
    longest_ns: int = 0
    game_id: str = ""
    tick: int = 0


@define
class CallTimes:
    """Finds the calls that take longer than a tick.

    Attributes:
        timer: gives nanoseconds; None measures nothing.
        notify: called with the first slow calls of each callback.
        slow: slow calls by callback.
    """

    timer: Callable[[], int] | None = None
    notify: Callable[[SlowCalls], None] | None = None
    slow: dict[str, SlowCalls] = field(factory=dict)

    def add(self, callback: str, took_ns: int, game_id: str, tick: int) -> None:
        """Count a call that took *took_ns*, longer than a tick."""
        calls = self.slow.setdefault(callback, SlowCalls(callback))
        calls.count += 1
        calls.ticks += took_ns // TICK_NS
        if took_ns > calls.longest_ns:
            calls.longest_ns, calls.game_id, calls.tick = took_ns, game_id, tick
        if calls.count == 1 and self.notify is not None:
            self.notify(calls)
