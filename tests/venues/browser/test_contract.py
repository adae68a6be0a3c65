"""The browser venue keeps the contract that a session relies on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.venues.browser.kit import opened
from tests.venues.live_kit import TOKEN, quick
from tests.venues.rigs import QUEUE, OtherSide
from vectra_bot.clock import SessionClock
from vectra_bot.testing import VenueParts, check_venue

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


async def test_the_browser_venue_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every promise but that of a feed that waits; the token typed into the page is nowhere."""
    async with opened(tmp_path, monkeypatch, keep_sent=True) as page:
        side = OtherSide(page.served, page.requests)

        def made() -> VenueParts:
            side.begin()
            clock = SessionClock()
            venue = page.made(clock, quick(queue_frames=QUEUE), stopped=lambda: side.reason)
            return VenueParts(
                feed=venue.feed,
                gateway=venue.gateway,
                now_ns=clock.now_ns,
                link=venue.link,
                cut=venue.cut,
            )

        report = await check_venue(side.rig(made, stop=side.stop, secrets=(TOKEN,)))

    assert report.ok, str(report)
    assert set(report.not_asked) == {"waits"}
