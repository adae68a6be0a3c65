"""Timeouts, retries and limits of a live venue's link, and its counters."""

from __future__ import annotations

from attrs import Factory, define, field, frozen

from vectra_bot.clock import Clock
from vectra_bot.models.times import NS_PER_S
from vectra_bot.params import Heading, declared, option


@frozen(kw_only=True, field_transformer=declared)
class LiveSettings:
    """Timeouts, retries and queue limits of a live feed; times in seconds.

    Attributes:
        stale_s: silence after which a connection counts as lost while ticks or countdown frames are expected.
        quiet_s: the same after a rug, in a pause, and before a connection's first frame; 4 times *stale_s*.
        connect_s: timeout of one connection attempt.
        backoff_s: longest wait before the first retry; it doubles with every failure.
        backoff_cap_s: longest wait between two attempts.
        refused_s: wait after HTTP 401 or 403; also the longest Retry-After that is obeyed.
        settled_s: a connection that lasted this long was a success: the backoff starts over.
        attempts: consecutive failures after which the feed ends with an error; None for never.
        queue_frames, queue_chars: capacity of the queue.
        frame_bytes: longest message accepted.
        reconnects: losses of the connection within *reconnect_window_s* after which one more ends the feed
            with an error; None for 20 with a login, and for no limit without one.
        reconnect_window_s: see *reconnects*.
        login_s: time for the venue's answer to a login; then its absence is reported.
        ping_s: time between two of a logged-in link's own pings.
        ping_lost_s: a link whose pings were answered, and are not for this long, is cut.
    """

    stale_s: float = option(
        2.5,
        above=0,
        high=3_600,
        flag="--stale-after",
        metavar="S",
        help="Reconnect after S seconds without a game frame (after a rug 4 times that).",
        heading=Heading.LINK,
    )
    quiet_s: float = field(default=Factory(lambda settings: settings.stale_s * 4, takes_self=True))
    connect_s: float = 10.0
    backoff_s: float = 0.1
    backoff_cap_s: float = 5.0
    refused_s: float = 600.0
    settled_s: float = 1.0
    attempts: int | None = option(
        None,
        low=1,
        high=1_000_000,
        shown="unlimited",
        help="Stop after N failed connections in a row.",
        heading=Heading.LINK,
    )
    queue_frames: int = 20_000
    queue_chars: int = 64 << 20
    frame_bytes: int = 16 << 20
    reconnects: int | None = option(
        None,
        low=1,
        high=1_000_000,
        shown="20 with a login, else unlimited",
        help="Stop when the connection is lost more than N times in 5 minutes.",
        heading=Heading.LINK,
    )
    reconnect_window_s: float = 300.0
    login_s: float = 5.0
    ping_s: float = 1.0
    ping_lost_s: float = 5.0


@define
class LiveCounts:
    """Counters of the connection so far.

    Attributes:
        connections: connections that the venue accepted.
        failures: attempts that failed.
        frames: frames queued for the session.
        lost_frames: frames dropped because the queue was full.
        refused: messages that are not frames, or came after the end of their connection.
        stray_acks: answers to a request of an earlier connection, or of a page itself, dropped.
    """

    connections: int = 0
    failures: int = 0
    frames: int = 0
    lost_frames: int = 0
    refused: int = 0
    stray_acks: int = 0


@frozen
class SendBudget:
    """Our own limit on requests, below any that a venue may have.

    Attributes:
        per_s: requests a second, sustained.
        burst: requests at once.
        kept_for_exits: how many of the burst entries may not use.
    """

    per_s: float = 8.0
    burst: int = 8
    kept_for_exits: int = 2


@frozen
class BudgetLeft:
    """What is left now.

    Attributes:
        sends: requests that could be sent at once.
        reconnects: how often the link may still be lost before the session ends, None for any number.
    """

    sends: int
    reconnects: int | None


class SendBucket:
    """Tokens of a :class:`SendBudget`."""

    def __init__(self, budget: SendBudget, clock: Clock) -> None:
        self._budget = budget
        self._clock = clock
        self._left = float(budget.burst)
        self._at_ns = clock.monotonic_ns()

    def left(self) -> float:
        """Return the requests that may be sent now; changes nothing, so that any thread may ask."""
        gained = (self._clock.monotonic_ns() - self._at_ns) / NS_PER_S * self._budget.per_s
        return min(float(self._budget.burst), self._left + gained)

    def allows(self, *, entry: bool) -> bool:
        """Return whether one more request may be sent."""
        return self.left() >= 1 + (self._budget.kept_for_exits if entry else 0)

    def take(self) -> None:
        """Charge one request."""
        self._left, self._at_ns = self.left() - 1, self._clock.monotonic_ns()
