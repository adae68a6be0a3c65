"""The venue through a real page: a client, logged in to the exchange, in a browser."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.venues.browser.chrome import browser_of, descendants, keeper_of, listening
from tests.venues.browser.kit import Opened, is_fresh, is_trading, opened
from tests.venues.live_kit import PLAYER, TOKEN, Watched
from vectra_bot.errors import StoreError
from vectra_bot.models import (
    Ack,
    ActionType,
    Direction,
    Frame,
    Link,
    PlayerRequest,
    SendResult,
    Trade,
)
from vectra_bot.venues.link import LinkStage

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def requests(seen: Watched) -> list[PlayerRequest]:
    """Return what the person asked for."""
    return [item for item in seen.items if isinstance(item, PlayerRequest)]


def outbound(seen: Watched) -> list[str]:
    """Return the frames that the page itself sent."""
    return [
        item.raw
        for item in seen.items
        if isinstance(item, Frame) and item.direction is Direction.OUT
    ]


def ends(seen: Watched) -> list[str]:
    """Return why each connection ended."""
    return [change.reason for change in seen.links() if change.link is Link.DISCONNECTED]


async def sent_at_once(seen: Watched, kind: ActionType) -> SendResult:
    """Send an order while a game runs; a busy machine may be too late for one tick, and tries the next."""
    while True:
        await seen.until(lambda: is_trading(seen), 60)
        result = await seen.venue.gateway.send(seen.command(kind))
        if result.sent:
            return result
        await asyncio.sleep(0.05)


def trace_of(result: SendResult) -> str:
    """Return the trace id in the frame that was sent."""
    found = re.search(r"00-([0-9a-f]{32})-", result.raw or "")
    assert found
    return found[1]


CLOSED = "the browser is closed: open it again (`vectra-bot browser login`) or stop the session"


async def noticed(seen: Watched, line: str) -> list[str]:
    """Wait until the operator is shown *line*; return it with what was shown since the last call."""
    found: list[str] = []
    await seen.until(lambda: found.extend(seen.venue.link.take_notices()) or line in found)
    return found


async def lost_and_back(seen: Watched, page: Opened, what: str) -> str:
    """Let the page lose its connection with an order pending, and wait until it is back."""
    before = len(ends(seen))
    await sent_at_once(seen, ActionType.BUY)
    await page.site.ask(what)
    await seen.until(lambda: len(ends(seen)) > before)
    await seen.until(lambda: seen.links()[-1].link is Link.CONNECTED and is_fresh(seen), 40)
    return ends(seen)[-1]


async def test_orders_leave_on_the_pages_own_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that was open and logged in before carries our orders; clicks beside them are the person's."""
    async with opened(tmp_path, monkeypatch) as page, page.watched() as seen:
        # A ping of the page has its id 0, to which no answer can be read.
        await seen.until(lambda: seen.venue.link.rtt_ms is not None, 60)
        bought = await sent_at_once(seen, ActionType.BUY)
        looked = await page.site.ask("press", "buy")
        await seen.until(lambda: requests(seen))
        sold = await sent_at_once(seen, ActionType.SELL)
        await seen.until(lambda: len(seen.of(Ack)) == 3)
        click, (request,) = looked["clicks"][0], requests(seen)
        answers = {ack.ack_id: ack.success for ack in seen.of(Ack)}
        traces = {
            bought.ack_id: trace_of(bought),
            request.ack_id: click[2],
            sold.ack_id: trace_of(sold),
        }
        accepted = {traces[ack_id] for ack_id, success in answers.items() if success}
        await seen.until(lambda: {trade.trace_id for trade in seen.of(Trade)} >= accepted)
        player = seen.venue.link.player_id
        ports = listening(descendants(keeper_of(page.profile) or 0))

    assert (bought.reason, bought.ack_id, sold.reason) == (None, 900_000, None)
    assert answers.keys() == traces.keys()
    assert answers[bought.ack_id]
    assert player == PLAYER
    assert (request.action_type, request.trace_id) == (ActionType.BUY, click[2])
    assert 0 <= request.recv_ns / 1e6 - click[1] < 500
    assert len(outbound(seen)) == 1
    assert "authenticate" not in repr(outbound(seen))
    assert TOKEN not in repr(seen.items)
    assert ports == []


async def test_the_link_follows_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropped, reloaded, elsewhere, with a second connection: down at once with one line, then back."""
    async with opened(tmp_path, monkeypatch) as page, page.watched() as seen:
        reasons = [await lost_and_back(seen, page, what) for what in ("drop", "reload")]
        await page.site.ask("second")
        await seen.until(lambda: len(ends(seen)) == 3)
        two = await noticed(seen, "the page has 2 connections to the venue: reload it")
        await page.site.ask("single")
        await seen.until(lambda: is_fresh(seen), 40)
        await page.site.ask("go", f"{page.site.url.replace('127.0.0.1', 'localhost')}/elsewhere")
        await seen.until(lambda: ends(seen)[-1] == "the tab went to another address")
        refused = await seen.venue.gateway.send(seen.command())

    assert reasons == ["the page's connection to the venue was closed", "the page was loaded again"]
    # The browser may say of the old connection that it was closed before it says why.
    closed = "the page's connection to the venue was closed"
    assert [end for end in ends(seen)[2:] if end != closed] == [
        "the page opened a second connection to the venue",
        "the tab went to another address",
    ]
    # Messages of the other connection may be counted as well.
    assert all("were not frames and were skipped" in line for line in two[:-1])
    assert (refused.sent, refused.reason) == (False, "link: there is no connection")
    assert seen.venue.gateway.sent == 2


async def test_a_stop_leaves_the_page_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a session the page goes on, a second one is refused meanwhile, and the next one attaches."""
    async with opened(tmp_path, monkeypatch) as page:
        async with page.watched() as seen:
            await seen.until(lambda: is_fresh(seen), 60)
            with pytest.raises(StoreError, match="is used by another session"):
                page.venue()
        browser = browser_of(page.profile)
        before = await page.site.ask("look")
        await asyncio.sleep(2.2)
        after = await page.site.ask("look")
        async with page.watched() as again:
            await again.until(lambda: is_fresh(again), 60)

    assert browser is not None
    assert after["pongs"] >= before["pongs"] + 2
    assert after["connects"] == before["connects"]
    assert page.site.visits == 1


async def test_a_killed_bot_does_not_harm_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`kill -9` of the process that is attached: browser and page continue, and the next session attaches."""
    script = Path(__file__).with_name("attached.py")
    async with opened(tmp_path, monkeypatch) as page:
        for _ in range(2):
            bot = await asyncio.create_subprocess_exec(
                sys.executable, str(script), page.site.url, str(page.profile.folder),
                stdout=subprocess.PIPE,
            )  # fmt: skip
            assert bot.stdout is not None
            assert await asyncio.wait_for(bot.stdout.readline(), 60) == b"fresh\n"
            bot.kill()
            await bot.wait()
        before = await page.site.ask("look")
        await asyncio.sleep(1.2)
        after = await page.site.ask("look")
        async with page.watched() as seen:
            await seen.until(lambda: is_fresh(seen), 60)

    assert after["pongs"] > before["pongs"]
    assert page.site.visits == 1


async def test_a_browser_that_is_killed_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its browser a session sends nothing, and says how to open it."""
    async with opened(tmp_path, monkeypatch) as page, page.watched() as seen:
        await seen.until(lambda: is_fresh(seen), 60)
        os.kill(browser_of(page.profile) or 0, signal.SIGKILL)
        await seen.until(lambda: seen.links()[-1].link is Link.CONNECTING and len(seen.links()) > 1)
        await noticed(seen, CLOSED)
        refused = await seen.venue.gateway.send(seen.command())
        state = seen.venue.link.state

    assert [change.link for change in seen.links()].count(Link.DISCONNECTED) == 1
    assert not refused.sent
    assert state is LinkStage.DIALING


async def test_a_cut_lets_nothing_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a cut from another thread nothing is sent any more; the page continues."""
    async with opened(tmp_path, monkeypatch) as page:
        async with page.watched() as seen:
            await seen.until(lambda: is_trading(seen), 60)
            await asyncio.to_thread(seen.venue.cut)
            refused = await seen.venue.gateway.send(seen.command())
        looked = await page.site.ask("look")

    assert (refused.sent, refused.reason) == (False, "link: there is no connection")
    assert looked["errors"] == 0


async def test_a_page_that_hangs_sends_nothing_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order that the page could not send in time is not sent when it can again."""
    async with opened(tmp_path, monkeypatch, speed=1) as page, page.watched() as seen:
        await seen.until(lambda: is_trading(seen), 60)
        await page.site.ask("hang", "2500")
        result = await seen.venue.gateway.send(seen.command())
        await asyncio.sleep(3)
        looked = await page.site.ask("press", "buy")
        await seen.until(lambda: page.requests)

    assert (result.sent, result.reason) == (
        True,
        "not proven: the browser did not confirm it within 1 s",
    )
    assert [request.trace_id for request in page.requests] == [looked["clicks"][0][2]]


async def test_attaching_to_a_port_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The port of a running browser can be used, with a warning for the operator."""
    flags = "--remote-debugging-port=0"
    async with opened(tmp_path, monkeypatch, flags=flags) as page:
        active = page.profile.user_data / "DevToolsActivePort"
        port = int(active.read_text().splitlines()[0])
        async with page.watched(browser_port=port) as seen:
            sent = await sent_at_once(seen, ActionType.BUY)
            notices = seen.venue.link.take_notices()

    assert (sent.sent, sent.reason) == (True, None)
    assert any("every program on this machine can control that browser" in text for text in notices)
