"""One tab and its connection, by the events of a browser: no browser is needed for these."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, field

from vectra_bot.clock import VirtualClock
from vectra_bot.models.times import NS_PER_MS, NS_PER_S
from vectra_bot.venues.browser import cdp
from vectra_bot.venues.browser.cdp import CdpDecoder, CdpEvent, PageFrame
from vectra_bot.venues.browser.client import CdpClient
from vectra_bot.venues.browser.page import Page, is_venue_socket, same_site, socket_host
from vectra_bot.venues.browser.transports import NotWritten

ADDRESS = "https://rugs.example"
SOCKET = "wss://backend.rugs.example/socket.io/?EIO=4"
GAME = '42["gameStateUpdate",{"gameId":"g","active":true}]'
ORDER = '42900000["buyOrder",{},{"amount":0.01}]'
REQUEST = '427["buyOrder",{},{"amount":0.01}]'


@define(eq=False)
class ScriptedTransport:
    """A browser that answers each call with what the test says: a result, text for a refusal, or nothing."""

    answer: Callable[[dict[str, Any]], Any]
    calls: list[dict[str, Any]] = field(factory=list)
    closed: bool = False
    take: Callable[[bytes | str], None] = lambda _: None
    ended: Callable[[str], None] = lambda _: None

    def start(self, take: Callable[[bytes | str], None], ended: Callable[[str], None]) -> None:
        self.take, self.ended = take, ended

    async def write(self, message: bytes) -> None:
        if self.closed:
            raise NotWritten("the connection to the browser is closed")
        call = json.loads(message)
        self.calls.append(call)
        result = self.answer(call)
        if result is None:
            return
        error = isinstance(result, str)
        reply = {"error": {"message": result}} if error else {"result": result}
        asyncio.get_running_loop().call_soon(self.take, json.dumps({"id": call["id"], **reply}))

    def cut(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


@define(eq=False)
class Watched:
    """A page with a scripted browser."""

    transport: ScriptedTransport
    page: Page
    requests: list[str]

    def event(self, method: str, session: str = "S", **params: Any) -> None:
        self.page.hear(CdpEvent(method, session, params))

    def frame(self, raw: str, request_id: str = "1", *, sent: bool = False) -> None:
        self.page.hear(PageFrame("S", request_id, raw, 1.0, sent))

    def connect(self, request_id: str = "1", url: str = SOCKET) -> None:
        self.event(cdp.CREATED, requestId=request_id, url=url)
        self.frame('40{"sid":"x"}', request_id)


def watched(answer: Callable[[dict[str, Any]], Any] = lambda _: {}) -> Watched:
    """Return a page whose browser gives *answer* to each call."""
    transport, requests = ScriptedTransport(answer), []
    client = CdpClient(transport, CdpDecoder(lambda _: True), lambda _: None)
    client.start()
    page = Page(client, "S", "T", ADDRESS, 100, lambda frame: requests.append(frame.raw))
    return Watched(transport, page, requests)


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        (SOCKET, True),
        ("wss://rugs.example/socket.io/", True),
        ("wss://rugs.example/hand", False),
        ("wss://rugs.example.evil.test/socket.io/", False),
        ("wss://evilrugs.example/socket.io/", False),
        ("wss://chat.test/socket.io/", False),
        ("wss://[::/socket.io/", False),
    ],
)
def test_the_venues_socket_is_known_by_host_and_path(url: str, ours: bool) -> None:
    """The page's other websockets are not touched."""
    assert is_venue_socket(url, socket_host(ADDRESS)) is ours


def test_a_page_is_of_the_venue_only_at_its_address() -> None:
    """Scheme, host and port must be the venue's."""
    assert same_site("https://rugs.example/trade?x=1", ADDRESS)
    for url in (
        "http://rugs.example/",
        "https://rugs.example:8443/",
        "https://x.test/",
        "about:blank",
    ):
        assert not same_site(url, ADDRESS)


async def test_frames_are_held_until_the_socket_is_taken() -> None:
    """Nothing of a new connection is lost while its handle is looked for."""
    seen, got, ends = watched(), [], []
    seen.connect()
    seen.frame(GAME)
    seen.frame("2")
    socket = seen.page.newest()
    assert socket is not None
    socket.take(got.append, ends.append)
    seen.frame("43900000[]")
    seen.event(cdp.CLOSED, requestId="1")

    assert socket.whole
    assert got == [GAME, "43900000[]"]
    assert ends == ["the page's connection to the venue was closed"]
    assert seen.page.newest() is None


async def test_a_socket_older_than_us_is_known_by_its_game_frames() -> None:
    """A connection that was there before is found, and known not to be seen from its beginning."""
    seen = watched()
    seen.frame('42["chat",1]', "9")
    assert seen.page.newest() is None
    seen.frame(GAME, "9")
    socket = seen.page.newest()

    assert socket is not None
    assert not socket.whole


async def test_a_connection_that_began_by_polling_is_not_whole() -> None:
    """A websocket that the page has upgraded to does not begin with Socket.IO's connect packet."""
    seen = watched()
    seen.event(cdp.CREATED, requestId="1", url=SOCKET)
    seen.frame("3probe")
    seen.frame(GAME)
    socket = seen.page.newest()

    assert socket is not None
    assert not socket.whole


async def test_a_socket_that_was_left_needs_a_sign_of_life() -> None:
    """What a session has left is taken again only after a game frame."""
    seen = watched()
    seen.connect()
    socket = seen.page.newest()
    assert socket is not None
    socket.take(lambda _: None, lambda _: None)
    socket.leave()
    assert seen.page.newest() is None
    seen.frame(GAME)

    assert seen.page.newest() is socket


async def test_a_frame_that_comes_late_is_known_to_be_late() -> None:
    """What waited between the browser and us is older than its receipt."""
    seen, clock = watched(), VirtualClock(50 * NS_PER_S)
    seen.page.clock = clock
    seen.connect()
    lags = []
    for now_ms, at_ms in ((50_010, 1_000), (50_255, 1_250), (51_500, 1_500), (51_760, 1_750)):
        clock.advance_to(now_ms * NS_PER_MS)
        seen.page.hear(PageFrame("S", "1", GAME, at_ms / 1_000, False))
        lags.append(seen.page.lag_ms)

    assert lags == [10, 5, 1_000, 1_010]


async def test_more_than_can_be_held_makes_a_socket_unusable() -> None:
    """A connection that nobody takes does not fill the memory."""
    seen = watched()
    seen.connect()
    for _ in range(101):
        seen.frame(GAME)

    assert seen.page.newest() is None


@pytest.mark.parametrize(
    ("method", "session", "params", "reason"),
    [
        (cdp.CRASHED, "", {"targetId": "T"}, "the page crashed"),
        (cdp.DESTROYED, "", {"targetId": "T"}, "the tab was closed"),
        (cdp.DETACHED, "", {"sessionId": "S"}, "the browser ended our access to the tab"),
        (
            cdp.CHANGED,
            "",
            {"targetInfo": {"targetId": "T", "url": "https://elsewhere.test/"}},
            "the tab went to another address",
        ),
        (cdp.CREATED, "S", {"requestId": "2", "url": SOCKET}, "second connection"),
        (cdp.CLOSED, "S", {"requestId": "1"}, "was closed"),
        (cdp.LOADED, "S", {"frame": {"id": "T", "url": "https://a.test/"}}, "another address"),
        (
            cdp.LOADED,
            "S",
            {"frame": {"id": "T", "url": f"{ADDRESS}/x"}},
            "the page was loaded again",
        ),
    ],
)
async def test_whatever_ends_the_page_ends_the_link(
    method: str, session: str, params: dict[str, Any], reason: str
) -> None:
    """Each way to lose the page is one clear line, at once."""
    seen, ends = watched(), []
    seen.connect()
    socket = seen.page.newest()
    assert socket is not None
    socket.take(lambda _: None, ends.append)
    seen.event(method, session, **params)

    assert len(ends) == 1
    assert reason in ends[0]


async def test_other_tabs_are_ignored() -> None:
    """What happens to other tabs does not end the link."""
    seen, ends = watched(), []
    seen.connect()
    socket = seen.page.newest()
    assert socket is not None
    socket.take(lambda _: None, ends.append)
    seen.event(cdp.DESTROYED, "", targetId="X")
    seen.event(cdp.DETACHED, "", sessionId="X")
    seen.event(cdp.CHANGED, "", targetInfo={"targetId": "X", "url": "https://elsewhere.test/"})
    seen.event(cdp.LOADED, "S", frame={"id": "F", "parentId": "T"})
    seen.page.hear(PageFrame("X", "1", GAME, 1.0, False))

    assert ends == []


async def test_only_the_persons_requests_are_told() -> None:
    """Our own frames, also those whose proof is late, are not the person's."""
    seen = watched(lambda _: None)
    seen.connect()
    socket = seen.page.newest()
    assert socket is not None
    socket.take(lambda _: None, lambda _: None)
    delivery = await seen.page.send("H", ORDER, leave_s=0.1, limit_s=0.02)
    seen.frame(ORDER, sent=True)
    seen.frame(REQUEST, sent=True)

    assert delivery.sent
    assert "did not confirm it within" in delivery.doubt
    assert seen.requests == [REQUEST]


def said(value: str) -> dict[str, Any]:
    """Return the reply of the page's function."""
    return {"result": {"type": "string", "value": value}}


async def sent_with(
    answer: Callable[[dict[str, Any]], Any], then: Callable[[Watched], None] = lambda _: None
) -> tuple[bool, str, str]:
    """Send an order to a browser that gives *answer*, while *then* happens."""
    seen = watched(answer)
    seen.connect()
    sending = asyncio.create_task(seen.page.send("H", ORDER, leave_s=0.1, limit_s=0.2))
    await asyncio.sleep(0)
    then(seen)
    delivery = await sending
    assert len(seen.transport.calls) <= 1
    return delivery.sent, delivery.doubt, delivery.reason


async def test_the_browsers_report_is_the_proof() -> None:
    """The frame with exactly our text was sent: no doubt is left."""
    found = await sent_with(lambda _: said("sent"), lambda seen: seen.frame(ORDER, sent=True))

    assert found == (True, "", "")


async def test_a_closed_connection_is_proof_that_nothing_left() -> None:
    """The page says so, or has no such object any more."""
    closed = await sent_with(lambda _: said("closed"))
    late = await sent_with(lambda _: said("late"))
    missing = await sent_with(lambda _: "Could not find object with given id")
    gone = await sent_with(lambda _: {}, lambda seen: seen.transport.cut())

    assert closed == (False, "", "the page says that its connection is closed")
    assert late == (False, "", "the page was too busy to send it in time")
    assert missing == (False, "", "the page has no such connection any more")
    assert gone[0] is True  # it had been handed over before


async def test_a_cut_transport_sends_nothing() -> None:
    """After a stop has cut the transport, an order is not sent."""
    seen = watched(lambda _: said("sent"))
    seen.transport.cut()
    delivery = await seen.page.send("H", ORDER, leave_s=0.1, limit_s=0.2)

    assert (delivery.sent, delivery.reason) == (False, "the connection to the browser is closed")
    assert seen.transport.calls == []


@pytest.mark.parametrize(
    ("then", "doubt"),
    [
        (lambda seen: seen.transport.ended("the browser was closed"), "the browser was closed"),
        (lambda seen: seen.event(cdp.CRASHED, "", targetId="T"), "the page crashed"),
    ],
)
async def test_a_browser_that_is_lost_meanwhile_leaves_doubt(
    then: Callable[[Watched], None], doubt: str
) -> None:
    """An order that may have left counts as sent, not proven."""
    sent, found, _ = await sent_with(lambda _: None, then)

    assert sent
    assert doubt in found


def closing(seen: Watched) -> None:
    """Close the connection that the session uses."""
    socket = seen.page.newest()
    assert socket is not None
    socket.take(lambda _: None, lambda _: None)
    seen.event(cdp.CLOSED, requestId="1")


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ("sent", (True, "the page's connection to the venue was closed", "")),
        ("closed", (False, "", "the page says that its connection is closed")),
    ],
)
async def test_a_connection_that_ends_meanwhile_is_not_waited_for(
    answer: str, result: tuple[bool, str, str]
) -> None:
    """The page's own answer decides; no report of a sent frame follows the end of its connection."""
    assert await sent_with(lambda _: said(answer), closing) == result


async def test_a_page_that_raises_leaves_doubt() -> None:
    """An exception in the page, and any other refusal of the browser, prove nothing."""
    raised = await sent_with(lambda _: {"exceptionDetails": {}, "result": {}})
    refused = await sent_with(lambda _: "Inspected target navigated or closed")

    assert raised == (True, "the page raised while it was sent", "")
    assert refused[0]
    assert "navigated" in refused[1]
