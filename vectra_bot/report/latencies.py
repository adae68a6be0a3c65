"""Times of a session: latencies, counted by value so that memory does not grow, and calls of users' code."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from attrs import define, field, frozen

from vectra_bot.engine.call_times import TICK_NS, SlowCalls
from vectra_bot.models import HookTime
from vectra_bot.models.times import NS_PER_MS

MAX_LATENCY_MS = 60_000
_STEPS = 10  # of a millisecond
_MANY_CALLS = 20
_SLOW_MEAN_NS = 5_000_000
_MAX_STEPS = MAX_LATENCY_MS * _STEPS // 10


@frozen(kw_only=True)
class Latency:
    """Intent to the player update that showed the effect, in milliseconds."""

    count: int
    p50_ms: int | None = None
    p95_ms: int | None = None
    max_ms: int | None = None


@frozen(kw_only=True)
class SendLatency:
    """Receipt of the frame that led to a request, to the request's hand-over to the socket; milliseconds."""

    count: int
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None


@frozen(kw_only=True)
class SlowCallback:
    """The calls of a strategy's callback that took longer than a tick, in real time.

    Attributes:
        callback: class and method.
        count: how many there were.
        ticks: ticks of a live venue meanwhile, 250 ms each.
        longest_ms: time of the longest call.
        game_id, tick: where the longest call was.
    """

    callback: str
    count: int
    ticks: int
    longest_ms: float
    game_id: str
    tick: int


@frozen(kw_only=True)
class HookFigures:
    """How long one hook of one plugin took, in real time.

    Attributes:
        calls: how often it was called.
        total_ms: time of all calls.
        mean_ms: time of a call on average.
        longest_ms: time of the longest call.
        slow: whether that is too long for a venue with a tick every 250 ms: a call that took longer than one,
            or more than 5 ms on average over at least 20 calls.
    """

    plugin: str
    hook: str
    calls: int
    total_ms: float
    mean_ms: float
    longest_ms: float
    slow: bool


def slow_callbacks(found: Iterable[SlowCalls]) -> tuple[SlowCallback, ...]:
    """Return slow calls as a report shows them, those that cost most ticks first."""
    return tuple(
        SlowCallback(
            callback=one.callback,
            count=one.count,
            ticks=one.ticks,
            longest_ms=_ms(one.longest_ns),
            game_id=one.game_id,
            tick=one.tick,
        )
        for one in sorted(found, key=lambda one: -one.ticks)
    )


def hook_figures(times: Iterable[HookTime]) -> tuple[HookFigures, ...]:
    """Return the times of hooks as a report shows them, the longest first."""
    return tuple(
        HookFigures(
            plugin=one.plugin,
            hook=one.hook,
            calls=one.calls,
            total_ms=_ms(one.total_ns),
            mean_ms=_ms(one.total_ns / one.calls),
            longest_ms=_ms(one.longest_ns),
            slow=one.longest_ns > TICK_NS
            or (one.calls >= _MANY_CALLS and one.total_ns > one.calls * _SLOW_MEAN_NS),
        )
        for one in sorted(times, key=lambda one: -one.total_ns)
    )


def _ms(time_ns: float) -> float:
    return round(time_ns / NS_PER_MS, 3)


@define
class Latencies:
    """Counts the latencies of a session."""

    shown: Counter[int] = field(factory=Counter)
    sent: Counter[int] = field(factory=Counter)

    def add_shown(self, latency_ms: int) -> None:
        """Count the time until an action's effect was shown."""
        self.shown[min(max(latency_ms, 0), MAX_LATENCY_MS)] += 1

    def add_sent(self, latency_ns: int) -> None:
        """Count the time until a request was handed to the socket."""
        self.sent[min(max(latency_ns * _STEPS // NS_PER_MS, 0), _MAX_STEPS)] += 1

    def of_effects(self) -> Latency:
        """Return the quantiles of the times until effects were shown."""
        found = self.shown
        if not found:
            return Latency(count=0)
        return Latency(
            count=found.total(),
            p50_ms=_quantile(found, 0.5),
            p95_ms=_quantile(found, 0.95),
            max_ms=max(found),
        )

    def of_sends(self) -> SendLatency:
        """Return the quantiles of the times until requests were handed over."""
        found = self.sent
        if not found:
            return SendLatency(count=0)
        return SendLatency(
            count=found.total(),
            p50_ms=_quantile(found, 0.5) / _STEPS,
            p99_ms=_quantile(found, 0.99) / _STEPS,
            max_ms=max(found) / _STEPS,
        )


def _quantile(counts: Counter[int], share: float) -> int:
    wanted = max(1, math.ceil(share * counts.total()))
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= wanted:
            return value
    return max(counts)


__all__ = ["Latencies", "Latency", "SendLatency"]
