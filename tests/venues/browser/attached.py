"""A process that attaches to a page, and then waits to be killed: ``attached.py URL PROFILE``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from vectra_bot.venues.browser.settings import BrowserSettings
from vectra_bot.venues.browser.venue import BrowserVenue
from vectra_bot.venues.link import LinkStage


async def main(url: str, profile: str) -> None:
    """Read the feed, and say when the link is fresh."""
    settings = BrowserSettings(browser=True, browser_profile=Path(profile), renew_s=0.5)
    venue, said = BrowserVenue(url, browser=settings), False
    while True:
        await venue.feed.next_item(0.1)
        if not said and venue.link.state is LinkStage.FRESH:
            said = True
            sys.stdout.write("fresh\n")
            sys.stdout.flush()


asyncio.run(main(*sys.argv[1:]))
