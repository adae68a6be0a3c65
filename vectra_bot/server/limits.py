"""Resource limits for clients: a token bucket for requests, and size limits."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any

from attrs import field, frozen

from vectra_bot.errors import ConfigError
from vectra_bot.models.times import NS_PER_S

_ACK_HEAD = re.compile(r"42([0-9]{1,16})\[")


def _positive(_limits: object, attribute: Any, value: float) -> None:
    if not value > 0:
        raise ConfigError(f"{attribute.name} was {value!r}: give a number above 0")


@frozen(kw_only=True)
class ServerLimits:
    """Limits of the server; the venue's own are unknown (protocol 16).

    Attributes:
        requests_per_s: sustained rate of a client, messages per real second; scaled by a speed
            above 1.
        burst: messages it may send at once.
        overdraft: messages beyond the burst that are rejected one by one before it is disconnected.
        frame_bytes: the largest message of a client.
        unread_bytes: bytes a websocket client may leave unread.
        unread_packets: packets a polling client may leave unread.
        clients: concurrent connections.
        request_s: seconds within which a request's head, its body, and the next request must arrive.
        failed_logins: wrong tokens after which a connection ends.
        patience_s: seconds an accelerated exchange waits for a client that does not read.
        ping_interval_s: whole seconds between two heartbeats (protocol 2.4: 25 by notes).
        ping_timeout_s: seconds within which a heartbeat must be answered.
    """

    requests_per_s: float = field(default=20.0, validator=_positive)
    burst: int = field(default=60, validator=_positive)
    overdraft: int = field(default=100, validator=_positive)
    frame_bytes: int = field(default=65_536, validator=_positive)
    unread_bytes: int = field(default=4 * 2**20, validator=_positive)
    unread_packets: int = field(default=600, validator=_positive)
    clients: int = field(default=5_000, validator=_positive)
    request_s: float = field(default=10.0, validator=_positive)
    failed_logins: int = field(default=5, validator=_positive)
    patience_s: float = field(default=5.0, validator=_positive)
    ping_interval_s: int = field(default=25, validator=_positive)
    ping_timeout_s: float = field(default=20.0, validator=_positive)


class MessageVerdict(Enum):
    """The verdict on a message: accepted, rejected with an answer, or the last of its connection."""

    TAKEN = "taken"
    REFUSED = "refused"
    LAST = "last"


class Bucket:
    """A token bucket with overdraft: below 0 messages are rejected, below the overdraft the client too."""

    def __init__(self, rate_per_s: float, burst: int, overdraft: int, now_ns: int) -> None:
        self._rate = rate_per_s
        self._burst = float(burst)
        self._least = -float(overdraft)
        self._left = float(burst)
        self._at_ns = now_ns

    def take(self, cost: float, now_ns: int) -> MessageVerdict:
        """Charge *cost* for one message at *now_ns* (monotonic nanoseconds)."""
        gained = (now_ns - self._at_ns) / NS_PER_S * self._rate
        self._at_ns = now_ns
        self._left = min(self._burst, self._left + gained) - cost
        if self._left >= 0:
            return MessageVerdict.TAKEN
        return MessageVerdict.REFUSED if self._left >= self._least else MessageVerdict.LAST


def ack_id_of(text: str) -> int | None:
    """Return the acknowledgement id of a request, read from its prefix only."""
    head = _ACK_HEAD.match(text)
    return None if head is None else int(head[1])
