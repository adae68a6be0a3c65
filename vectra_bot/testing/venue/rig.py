"""What the author of a venue gives to have it checked: the venue, and its other side."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from attrs import frozen

from vectra_bot.venues.base import Feed, Gateway


class WatchedLink(Protocol):
    """What a link says about itself."""

    @property
    def epoch(self) -> int:
        """Return the number of the newest connection, 0 before the first."""

    @property
    def state(self) -> Any:
        """Return a member of an enum; ``FRESH`` is the value of a link that can be traded on."""


@frozen(kw_only=True)
class VenueParts:
    """One venue under test, not connected yet.

    Attributes:
        feed: the inbound half. Unless the rig says that it waits, it also has ``next_item`` and ``rest``.
        gateway: the outbound half.
        now_ns: the session's clock, nanoseconds since the epoch: when commands are decided.
        link: what is known of the connection; None for a venue without one.
        cut: lets nothing more out, called from another thread; None if the venue has no such thing.
    """

    feed: Feed
    gateway: Gateway
    now_ns: Callable[[], int]
    link: WatchedLink | None = None
    cut: Callable[[], object] | None = None


@frozen(kw_only=True)
class VenueRig:
    """A venue under test with its other side.

    The other side sends game frames, lets an account trade that the venue is logged in to, and answers each
    request with an acknowledgement. What is None is not checked, and the report says so.

    Attributes:
        open: makes the venue; called several times, each time after the venue before was closed.
        arrived: returns the trace id of every request that has reached the other side, in order.
        written: returns the frames that the other side wrote to the newest venue, a list for each connection.
        drop: ends the connection as a failure of the network does.
        flood: writes so many frames at once.
        queue_frames: capacity of the feed's queue in frames; more than a few seconds of the venue.
        stop: sets the stop flag of the newest venue, with a reason.
        waits: whether the venue does nothing until the next item is requested.
        adds_frames: whether the feed has frames that the other side did not write, as a paper desk's.
        secrets: what must not appear anywhere, the token above all.
        settle_s: how long something unwanted may take to arrive, in seconds.
        limit_s: longest wait for something that must happen, in seconds.
    """

    open: Callable[[], VenueParts]
    arrived: Callable[[], Sequence[str]]
    written: Callable[[], Sequence[Sequence[str]]]
    drop: Callable[[], Awaitable[object]] | None = None
    flood: Callable[[int], Awaitable[object]] | None = None
    queue_frames: int | None = None
    stop: Callable[[str], object] | None = None
    waits: bool = False
    adds_frames: bool = False
    secrets: tuple[str, ...] = ()
    settle_s: float = 0.2
    limit_s: float = 30.0


__all__ = ["VenueParts", "VenueRig", "WatchedLink"]
