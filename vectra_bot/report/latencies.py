"""Latencies of a session: counted by value, so that memory does not grow with the session."""

from __future__ import annotations

import math
from collections import Counter

from attrs import define, field, frozen

from vectra_bot.models.times import NS_PER_MS

MAX_LATENCY_MS = 60_000
_STEPS = 10  # of a millisecond
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
