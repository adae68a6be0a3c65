"""A shadow session's account: logs in at the venue and learns its cash; no order is ever sent for it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable
from decimal import Decimal
from typing import Final

from attrs import define, frozen

from vectra_bot.clock import Clock
from vectra_bot.errors import ConfigError, InputError
from vectra_bot.models import Frame, LoginStatus, PlayerUpdate
from vectra_bot.models.times import NS_PER_S
from vectra_bot.session.live.config import LOGIN_S, CheckedAccount
from vectra_bot.session.shell import read_frame
from vectra_bot.venues.base import FeedItem
from vectra_bot.venues.live import LiveVenue
from vectra_bot.venues.paper import WaitingFeed
from vectra_bot.wire.decode import is_private
from vectra_bot.wire.profile import Profile

NO_ORDERS: Final = "a shadow session sends no orders"
_MOST_ITEMS: Final = 20_000
_WAIT_S: Final = 0.2


@define(eq=False)
class ResumedFeed:
    """A feed whose first items were taken from it before its session began."""

    source: WaitingFeed
    first: deque[FeedItem]

    @property
    def venue(self) -> str:
        """Return the venue's host."""
        return self.source.venue

    async def next_item(self, timeout_s: float) -> FeedItem | None:
        """Return the next item, None if there was none within *timeout_s* seconds."""
        return self.first.popleft() if self.first else await self.source.next_item(timeout_s)

    def rest(self) -> FeedItem | None:
        """Return the next item received before the feed was closed, None if there are no more."""
        return self.first.popleft() if self.first else self.source.rest()

    async def __aiter__(self) -> AsyncGenerator[FeedItem, None]:
        """Yield items until the task that iterates is cancelled."""
        while True:
            item = await self.next_item(1.0)
            if item is not None:
                yield item

    async def aclose(self) -> None:
        """Close the source."""
        await self.source.aclose()


@frozen
class ShadowStart:
    """What a shadow session begins with: the account's cash, and the feed from its first item on."""

    cash: Decimal
    feed: ResumedFeed


async def log_in(
    venue: LiveVenue,
    checked: CheckedAccount,
    clock: Clock,
    profile: Profile,
    stopped: Callable[[], str | None],
) -> ShadowStart:
    """Connect and log in, and return the account's cash with everything received so far.

    Raises:
        ConfigError: the venue logged in another account, or none in time.
        InputError: the venue was not reached, or the session was stopped meanwhile.
    """
    items = deque[FeedItem]()
    named, opened_ns = "", None
    while len(items) < _MOST_ITEMS:
        if (why := stopped()) is not None:
            raise InputError(f"the session was stopped before it began ({why})")
        item = await venue.feed.next_item(_WAIT_S)
        if opened_ns is None and venue.link.epoch:
            opened_ns = clock.monotonic_ns()
        if opened_ns is not None and clock.monotonic_ns() - opened_ns > LOGIN_S * NS_PER_S:
            break
        if item is None:
            continue
        items.append(item)
        if not isinstance(item, Frame) or not is_private(item.raw, profile):
            continue
        event = read_frame(item, profile)
        if isinstance(event, LoginStatus | PlayerUpdate):
            named = event.player_id
            if named != checked.account:
                raise ConfigError(checked.other(named))
        if isinstance(event, PlayerUpdate):
            return ShadowStart(event.cash, ResumedFeed(venue.feed, items))
    what = "the cash of" if named else "the login of"
    raise ConfigError(checked.unconfirmed(venue.feed.venue, what))


__all__ = ["NO_ORDERS", "ResumedFeed", "ShadowStart", "log_in"]
