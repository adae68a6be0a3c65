"""What tests with a real browser share: an exchange, its page in a browser, and a venue on that page."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from tests.venues.browser.chrome import FLAGS, closed
from tests.venues.browser.site import PageSite
from tests.venues.live_kit import TOKEN, Watched, quick, server
from vectra_bot.clock import SessionClock
from vectra_bot.exchange import RequestRecord
from vectra_bot.server import ExchangeServer
from vectra_bot.venues.browser.launch import find_browser, open_browser
from vectra_bot.venues.browser.profile import BrowserProfile
from vectra_bot.venues.browser.settings import BrowserSettings
from vectra_bot.venues.browser.venue import BrowserVenue
from vectra_bot.venues.link import LinkStage
from vectra_bot.venues.patience import LiveSettings

START_S = 60.0


def need_browser() -> None:
    """Skip the test where no browser is installed; where `CI` is set, fail."""
    if find_browser() is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium is installed: .ci/run installs it where it can")
        pytest.skip("no Chromium or Chrome is installed")


@define(eq=False)
class Opened:
    """A page that is open in a browser.

    Attributes:
        requests: the actions that reached the exchange.
    """

    served: ExchangeServer
    site: PageSite
    profile: BrowserProfile
    requests: list[RequestRecord]

    def venue(self, **more: object) -> Watched:
        """Return a venue on the page, which nothing reads yet."""
        clock = SessionClock()
        return Watched(self.made(clock, quick(), **more), clock)  # type: ignore[arg-type]

    def made(self, clock: SessionClock, settings: LiveSettings, **more: Any) -> BrowserVenue:
        """Return a venue on the page."""
        names = ("stopped", "budget")
        given = {name: more.pop(name) for name in names if name in more}
        browser = BrowserSettings(
            **{"browser": True, "browser_profile": self.profile.folder, "renew_s": 1.0, **more}
        )
        return BrowserVenue(self.site.url, browser=browser, clock=clock, settings=settings, **given)

    @asynccontextmanager
    async def watched(self, **more: object) -> AsyncIterator[Watched]:
        """Attach to the page and read its feed."""
        seen = self.venue(**more)
        reading = asyncio.create_task(seen.read())
        try:
            yield seen
        finally:
            await seen.venue.aclose()
            reading.cancel()
            await asyncio.wait([reading])


@asynccontextmanager
async def opened(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    flags: str = "",
    speed: float = 4,
    keep_sent: bool = False,
) -> AsyncIterator[Opened]:
    """Serve an exchange, open its page in a browser, and log in there."""
    need_browser()
    monkeypatch.setenv("VECTRA_BROWSER_FLAGS", f"{FLAGS} {flags}")
    profile = BrowserProfile(folder / "profile")
    requests: list[RequestRecord] = []
    serving = server(speed=speed, on_request=requests.append, keep_sent=keep_sent)
    async with serving as served, PageSite(served.url) as site:
        with closed(profile):
            await open_browser(profile, site.url)
            await site.ask("look", limit_s=START_S)
            await site.ask("login", TOKEN)
            yield Opened(served, site, profile, requests)


def is_fresh(seen: Watched) -> bool:
    """Return whether the link can be traded on."""
    return seen.venue.link.state is LinkStage.FRESH


def is_trading(seen: Watched) -> bool:
    """Return whether the link can be traded on while a game runs."""
    return is_fresh(seen) and seen.ticking()
