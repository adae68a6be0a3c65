"""The venues keep the contract that a session relies on: embedded, paper on a feed, and Socket.IO."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.venues.rigs import live_rig, paper_rig
from vectra_bot.testing import check_venue, embedded_rig

pytestmark = pytest.mark.timeout(240)


async def test_the_embedded_exchange_keeps_it() -> None:
    """It waits for the session, so that it has no queue, and its one connection is never lost."""
    report = await check_venue(embedded_rig())

    assert report.ok, str(report)
    assert set(report.not_asked) == {
        "queue", "lost", "epochs", "no-link", "stale", "never-resent", "stop", "cut", "secrets",
    }  # fmt: skip


async def test_paper_on_a_feed_keeps_it() -> None:
    """It has no login to hide and nothing that a stop must keep from a venue."""
    async with paper_rig() as rig:
        report = await check_venue(rig)

    assert report.ok, str(report)
    assert set(report.not_asked) == {"waits", "epochs", "stop", "cut", "secrets"}


async def test_the_live_venue_keeps_it(tmp_path: Path) -> None:
    """Every promise but that of a feed that waits."""
    async with live_rig(tmp_path) as rig:
        report = await check_venue(rig)

    assert report.ok, str(report)
    assert set(report.not_asked) == {"waits"}
