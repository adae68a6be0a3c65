"""What was sent with an acknowledgement id, by connection: orders and our own pings share one counter.

An id never repeats in a session, over all its connections. So an answer that comes on a later connection than
its request, or twice, or to nothing that was sent, cannot be taken for another one's.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from enum import Enum
from typing import Final

from attrs import define, field, frozen

from vectra_bot.clock import Clock
from vectra_bot.models.times import NS_PER_MS

KEPT: Final = 4_096
"""Requests remembered; older ones are forgotten, answered or not."""
_PINGS: Final = 64  # whose answers are waited for
_ID_DIGITS: Final = 16
_SMOOTHING: Final = 0.125  # share of the newest round trip, as TCP has it


class AckKind(Enum):
    """What an acknowledgement belongs to."""

    PING = "ping"
    """One of our pings: the transport's own, no frame for the session."""
    REQUEST = "request"
    """A request sent on this connection."""
    STRAY = "stray"
    """A request of an earlier connection: it cannot be the venue's answer to it."""
    UNKNOWN = "unknown"
    """Nothing that was sent, or an answer that was given before."""


@frozen
class _Sent:
    """A request that wants an answer; ``action_id`` is None for a ping."""

    epoch: int
    action_id: str | None
    sent_ns: int


@define(eq=False)
class AckTable:
    """The acknowledgement ids of a session, and the round trips of its pings.

    Attributes:
        clock: measures round trips.
        rtt_ms: smoothed round trip of our pings, None before the first answer. Unit: ms.
        last_ms: the newest round trip, 0 before the first. Unit: ms.
        pings: pings sent.
        pongs: pings answered.
    """

    clock: Clock
    rtt_ms: float | None = None
    last_ms: float = 0.0
    pings: int = 0
    pongs: int = 0
    _last_id: int = 0
    _sent: OrderedDict[int, _Sent] = field(factory=OrderedDict)
    _pinged: deque[int] = field(factory=lambda: deque(maxlen=_PINGS))

    def next_id(self, epoch: int, action_id: str | None = None) -> int:
        """Return the id for a request that is sent now on connection *epoch*; a ping has no action."""
        self._last_id += 1
        self._sent[self._last_id] = _Sent(epoch, action_id, self.clock.monotonic_ns())
        if action_id is None:
            self.pings += 1
            self._pinged.append(self._last_id)
        if len(self._sent) > KEPT:
            self._sent.popitem(last=False)
        return self._last_id

    def page_pinged(self, raw: str, epoch: int) -> None:
        """Note the ping ``42<id>["ping",...]`` that a page sent on its connection *epoch*."""
        digits = raw[2 : raw.find("[", 2, 3 + _ID_DIGITS)]
        if digits.isascii() and digits.isdigit():
            self._sent[int(digits)] = _Sent(epoch, None, self.clock.monotonic_ns())
            self.pings += 1
            if len(self._sent) > KEPT:
                self._sent.popitem(last=False)

    def knows(self, ack_id: int) -> bool:
        """Return whether something was sent with *ack_id* whose answer has not come."""
        return ack_id in self._sent

    def action_of(self, ack_id: int) -> str | None:
        """Return the action that was sent with *ack_id*, None if none was."""
        sent = self._sent.get(ack_id)
        return None if sent is None else sent.action_id

    def answered(self, raw: str, epoch: int) -> AckKind:
        """Return what the acknowledgement *raw* (``43<id>[...]``) on connection *epoch* belongs to."""
        digits = raw[2 : raw.find("[", 2, 3 + _ID_DIGITS)]
        if not (digits.isascii() and digits.isdigit()):
            return AckKind.UNKNOWN
        sent = self._sent.get(int(digits))
        if sent is None:
            return AckKind.UNKNOWN
        if sent.epoch != epoch:
            return AckKind.STRAY
        if sent.action_id is not None:
            return AckKind.REQUEST
        del self._sent[int(digits)]
        # A connection keeps the order: an older ping without an answer will not get one.
        while self._pinged and self._pinged[0] <= int(digits):
            self._pinged.popleft()
        self._measure((self.clock.monotonic_ns() - sent.sent_ns) / NS_PER_MS)
        return AckKind.PING

    def waiting_ms(self, epoch: int) -> float:
        """Return how long the oldest ping of connection *epoch* waits for its answer; 0 if none does."""
        for ack_id in self._pinged:
            sent = self._sent.get(ack_id)
            if sent is not None and sent.epoch == epoch:
                return (self.clock.monotonic_ns() - sent.sent_ns) / NS_PER_MS
        return 0.0

    def slowness_ms(self, epoch: int) -> float:
        """Return the round trip to expect: the measured one, or the wait of a ping if that is longer.

        0 while no ping was ever answered: a venue that does not answer them is not slow.
        """
        return 0.0 if self.rtt_ms is None else max(self.rtt_ms, self.waiting_ms(epoch))

    def _measure(self, rtt_ms: float) -> None:
        self.pongs += 1
        self.last_ms = rtt_ms
        older = self.rtt_ms
        self.rtt_ms = rtt_ms if older is None else older + _SMOOTHING * (rtt_ms - older)


__all__ = ["KEPT", "AckKind", "AckTable"]
