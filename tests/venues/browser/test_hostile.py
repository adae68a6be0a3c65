"""The browser venue against every entry of the corpus of hostile frames, sent to its page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.venues.browser.chrome import FLAGS, closed
from tests.venues.browser.kit import START_S, Opened, is_fresh, need_browser
from tests.venues.browser.site import PageSite
from tests.venues.hostile_attack import Attack
from tests.venues.hostile_corpus import CORPUS
from tests.venues.live_kit import TOKEN
from tests.venues.raw_venue import RawVenue
from vectra_bot.venues.browser.launch import open_browser
from vectra_bot.venues.browser.profile import BrowserProfile

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


async def test_the_browser_venue_survives_the_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is accounted for; the page's link lives or is rebuilt, and the frames after it are there."""
    need_browser()
    monkeypatch.setenv("VECTRA_BROWSER_FLAGS", FLAGS)
    profile = BrowserProfile(tmp_path / "profile")
    async with RawVenue() as raw, PageSite(raw.url) as site:
        with closed(profile):
            await open_browser(profile, site.url)
            await site.ask("look", limit_s=START_S)
            await site.ask("login", TOKEN)
            page = Opened(None, site, profile, [])
            async with page.watched() as seen:
                await seen.until(lambda: is_fresh(seen), START_S)
                attack = Attack(raw, seen, pages=True)
                for entry in CORPUS:
                    await attack.send(entry)
                attack.in_order()

    assert attack.problems == []
