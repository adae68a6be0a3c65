"""A venue through the user's own browser: the feed and the gateway of the page's connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vectra_bot.clock import Clock, SessionClock
from vectra_bot.models import Command, SendResult
from vectra_bot.venues.base import Wire
from vectra_bot.venues.browser.link import BrowserLink, PageWriter
from vectra_bot.venues.browser.settings import BrowserSettings
from vectra_bot.venues.endpoint import Endpoint
from vectra_bot.venues.inbox import Inbox
from vectra_bot.venues.link import LinkState
from vectra_bot.venues.live import LiveFeed, LiveGateway
from vectra_bot.venues.patience import LiveCounts, LiveSettings, SendBucket, SendBudget
from vectra_bot.wire.profile import Profile, default_profile

_BUDGET: Final = SendBudget()


class BrowserFeed(LiveFeed):
    """The inbound half: what the venue sends to the page, and what the person at the page asks for."""

    def __init__(
        self,
        url: str,
        *,
        settings: LiveSettings | None = None,
        clock: Clock | None = None,
        browser: BrowserSettings | None = None,
        profile: Profile | None = None,
        renews: bool = False,
    ) -> None:
        """Prepare the feed; the browser is reached when the first item is requested.

        Args:
            url: address of the venue's page.
            settings: timeouts and queue limits.
            clock: stamps received frames.
            browser: how the browser is reached.
            profile: the venue's names of requests.
            renews: whether a connection must be seen from its beginning, see :class:`BrowserLink`.

        Raises:
            ConfigError: *url* is not a valid address.
            InputError: no browser is installed.
            StoreError: another session uses the browser.
        """
        super().__init__(url, settings=settings, clock=clock)
        self.endpoint = Endpoint.parse(url)
        self.counts = LiveCounts()
        self._inbox = Inbox(self.settings.queue_frames, self.settings.queue_chars)
        self.link = BrowserLink(
            self.endpoint,
            self.settings,
            clock or SessionClock(),
            self._inbox,
            self.counts,
            browser=browser or BrowserSettings(browser=True),
            profile=profile or default_profile(),
            renews=renews,
        )
        self.supervisor = self.link
        self.link.check()


class BrowserGateway(LiveGateway):
    """The outbound half: each command is sent on the page's connection once, or not at all."""

    async def _write(self, command: Command, wire: Wire, raw: str, ack_id: int) -> SendResult:
        """Send one frame: the browser's own report that it left is the proof."""
        assert isinstance(wire, PageWriter)
        self._bucket.take()
        delivery = await wire.deliver(raw)
        if not delivery.sent:
            reason = f"link: {delivery.reason}"
            self.refused["link"] += 1
        else:
            reason = f"not proven: {delivery.doubt}" if delivery.doubt else ""
            self.sent += 1
        return SendResult(
            recv_ns=self._clock.now_ns(),
            action_id=command.action_id,
            sent=delivery.sent,
            ack_id=ack_id if delivery.sent else None,
            raw=raw if delivery.sent else None,
            reason=reason or None,
        )


class BrowserVenue:
    """A venue through its page in the user's own browser.

    Attributes:
        feed: the inbound half.
        gateway: the outbound half.
        link: what is known of the page's connection.

    Example:
        ``venue = BrowserVenue("https://rugs.fun")``
    """

    def __init__(
        self,
        url: str,
        *,
        browser: BrowserSettings | None = None,
        settings: LiveSettings | None = None,
        clock: Clock | None = None,
        profile: Profile | None = None,
        stopped: Callable[[], str | None] = lambda: None,
        budget: SendBudget = _BUDGET,
    ) -> None:
        """Prepare the venue; the browser is reached when the feed's first item is requested.

        Args:
            url: address of the venue's page.
            browser: how the browser is reached.
            settings: timeouts and queue limits.
            clock: the session's clock.
            profile: the venue's names of requests.
            stopped: returns why nothing may be sent any more, None while that is not so.
            budget: limit on requests.

        Raises:
            ConfigError: *url* is not a valid address.
            InputError: no browser is installed.
            StoreError: another session uses the browser.
        """
        profile = profile or default_profile()
        self.feed = BrowserFeed(
            url, settings=settings, clock=clock, browser=browser, profile=profile, renews=True
        )
        self._link = self.feed.link
        bucket = SendBucket(budget, self._link.clock)
        self.gateway = BrowserGateway(self._link, bucket, profile=profile, stopped=stopped)
        self.link = LinkState(self._link, bucket)

    def cut(self) -> None:
        """Let nothing more out, at once and permanently, while the event loop hangs too; for any thread."""
        self._link.cut()

    async def aclose(self) -> None:
        """Detach from the page and leave it alone; may be called twice."""
        await self.gateway.aclose()
        await self.feed.aclose()


__all__ = ["BrowserFeed", "BrowserGateway", "BrowserVenue"]
