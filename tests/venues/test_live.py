"""The live feed over real sockets: raw text kept, nothing obeyed, every end noticed, every wait bounded."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from tests.venues.scripted import JOINED, Peer, Script, ScriptedServer, tick
from vectra_bot.errors import ConfigError, InputError
from vectra_bot.models import ConnectionChanged, Frame, Link
from vectra_bot.venues.base import Feed, FeedItem
from vectra_bot.venues.endpoint import Endpoint
from vectra_bot.venues.live import LiveFeed
from vectra_bot.venues.patience import LiveSettings

QUICK: dict[str, Any] = {"backoff_s": 0.01, "backoff_cap_s": 0.05, "connect_s": 20.0}


def says(*messages: str | bytes, close: bool = False) -> Script:
    """Return a script that accepts the client and sends *messages*."""

    async def script(peer: Peer) -> None:
        await peer.say(JOINED, *messages)
        if close:
            await peer.socket.close()

    return script


async def items_until(feed: LiveFeed, enough: Any, limit_s: float = 30.0) -> list[FeedItem]:
    """Return the items of *feed* until *enough* of them."""
    items: list[FeedItem] = []
    async with asyncio.timeout(limit_s):
        while not enough(items):
            item = await feed.next_item(0.1)
            if item is not None:
                items.append(item)
    return items


async def overflow(feed: LiveFeed) -> None:
    """Take the first item of *feed*, and no other until its queue has refused a frame."""
    assert await feed.next_item(20.0) is not None
    async with asyncio.timeout(30):
        while not feed.counts.lost_frames:  # noqa: ASYNC110 - no event reports it
            await asyncio.sleep(0.01)


def raws(items: list[FeedItem]) -> list[str]:
    """Return the texts of the frames."""
    return [item.raw for item in items if isinstance(item, Frame)]


def links(items: list[FeedItem]) -> list[str]:
    """Return the states of the connection."""
    return [item.link.value for item in items if isinstance(item, ConnectionChanged)]


def frames(number: int) -> Any:
    """Return a condition: that many frames."""
    return lambda items: len(raws(items)) >= number


def ends(number: int) -> Any:
    """Return a condition: that many ends of the connection."""
    return lambda items: links(items).count("disconnected") >= number


def test_it_is_a_feed() -> None:
    """The live feed is a feed like the others, named by its host, and can be iterated once."""
    feed = LiveFeed("https://venue.example:8443")

    assert isinstance(feed, Feed)
    assert feed.venue == "venue.example"


async def test_frames_are_kept_as_they_stood_on_the_wire() -> None:
    """Text is passed on byte for byte and in order, whatever its content."""
    texts = [
        tick(0),
        '42["a",{"x":1.50,"y" : 1e2}]',
        '42["é\\u00e9",1]',
        '4217["wants an answer"]',
        tick(1),
    ]
    async with ScriptedServer(says(*texts)) as server:
        feed = LiveFeed(server.url)
        items = await items_until(feed, frames(5))
        await feed.aclose()

    assert raws(items) == texts
    assert links(items) == ["connecting", "connected"]
    times = [item.recv_ns for item in items]
    assert times == sorted(times)


async def test_nonsense_keeps_its_place_among_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that the library would dispatch later than the next ones is not overtaken, on any Python."""

    async def wait_for(awaitable: Any, *_: Any, **__: Any) -> Any:
        return await awaitable  # as from Python 3.12 on: without a separate task

    monkeypatch.setattr(asyncio, "wait_for", wait_for)
    texts = [text for n in range(20) for text in (tick(n), f'45-["binary",{n}]', f'49["new",{n}]')]
    async with ScriptedServer(says(*texts)) as server:
        feed = LiveFeed(server.url)
        items = await items_until(feed, frames(len(texts)))
        await feed.aclose()

    assert raws(items) == texts


async def test_the_connection_is_made_as_the_venue_expects_it() -> None:
    """Websocket only, with the page's version, under the path of the URL; nothing else is sent."""
    async with ScriptedServer(says(tick(0), '427["answer me"]', tick(1))) as server:
        feed = LiveFeed(f"{server.url}/behind?x=1")
        await items_until(feed, frames(3))
        await asyncio.sleep(0.05)
        heard = list(server.peers[0].heard)
        await feed.aclose()

    assert heard == ["40{}"]
    assert server.paths == ["/behind/socket.io/"]
    query = server.queries[0]
    assert {
        "frontend-version": "1.0",
        "EIO": "4",
        "transport": "websocket",
        "x": "1",
    }.items() <= query.items()


@pytest.mark.parametrize(
    ("hostile", "kept"),
    [
        ('42["disconnect"]', 1),
        ('42["connect"]', 1),
        ('42["__disconnect_final"]', 1),
        ("430[]", 1),
        ("43999999999999999999[]", 1),
        ('451-["x",{"_placeholder":true,"num":0}]', 1),
        ("45999999999-", 1),
        ('42["x",NaN]', 1),
        ("42[", 1),
        ("4", 1),
        ("49", 1),
        ("4x", 1),
        ('42/admin,["x"]', 1),
        ('40{"sid":"again"}', 0),
        ("40/admin,{}", 0),
        (b"\x00\x01", 0),
        ('4{"event":1}', 0),
        ("6", 0),
        ("", 0),
        ("hello", 0),
    ],
)
async def test_hostile_messages_do_not_hurt_the_next_one(hostile: str | bytes, kept: int) -> None:
    """An invalid event is passed on as text or refused and counted; the connection and its order remain."""
    async with ScriptedServer(says(tick(0), hostile, tick(1), tick(2))) as server:
        feed = LiveFeed(server.url)
        items = await items_until(feed, lambda seen: tick(2) in raws(seen))
        await feed.aclose()

    assert raws(items) == [tick(0), *[str(hostile)] * kept, tick(1), tick(2)]
    assert links(items) == ["connecting", "connected"]
    assert len(server.peers) == 1


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ("41", "the venue ended the connection"),
        ("44", "the venue refused to continue"),
        ('44{"message":"no"}', "the venue refused to continue"),
        ("1", "the transport was closed"),
    ],
)
async def test_every_end_is_noticed_and_the_link_made_again(last: str, reason: str) -> None:
    """A kick, an error in mid-session, a closing or an invalid frame ends a connection; a new one follows."""
    first = says(tick(0), last)
    async with ScriptedServer(first, says(tick(1))) as server:
        feed = LiveFeed(server.url, settings=LiveSettings(**QUICK))
        items = await items_until(feed, frames(2))
        await feed.aclose()

    assert raws(items) == [tick(0), tick(1)]
    assert links(items) == ["connecting", "connected", "disconnected", "connecting", "connected"]
    assert [i.reason for i in items if isinstance(i, ConnectionChanged)][2] == reason
    assert len(server.peers) == 2


async def test_frames_before_the_end_are_not_lost() -> None:
    """All that was sent before a closing comes before its marker."""
    many = [tick(number) for number in range(500)]
    async with ScriptedServer(says(*many, close=True), says()) as server:
        feed = LiveFeed(server.url, settings=LiveSettings(**QUICK))
        items = await items_until(feed, ends(1))
        await feed.aclose()

    assert raws(items) == many
    assert isinstance(items[-1], ConnectionChanged)


async def test_a_link_without_game_frames_is_dead() -> None:
    """The watchdog counts game frames: chatter and heartbeats do not keep a connection alive."""

    async def chatter(peer: Peer) -> None:
        await peer.say(JOINED, tick(0))
        for _ in range(1000):
            await peer.say("2", '42["newChatMessage",{}]')
            await asyncio.sleep(0.02)

    async with ScriptedServer(chatter) as server:
        feed = LiveFeed(server.url, settings=LiveSettings(stale_s=0.3, quiet_s=60.0, **QUICK))
        started = asyncio.get_running_loop().time()
        items = await items_until(feed, ends(1))
        seconds = asyncio.get_running_loop().time() - started
        await feed.aclose()

    last = items[-1]
    assert isinstance(last, ConnectionChanged)
    assert last.reason.startswith("no game frame for 0.3")
    assert seconds > 0.25


async def test_silence_after_a_rug_is_allowed_for_longer() -> None:
    """The venue settles after a rug: the silence that ends a live connection is waited for there."""
    rugged = tick(5).replace('"rugged":false', '"rugged":true')
    async with ScriptedServer(says(tick(4), rugged)) as server:
        feed = LiveFeed(server.url, settings=LiveSettings(stale_s=0.2, quiet_s=1.0, **QUICK))
        await items_until(feed, frames(2))
        quiet = await feed.next_item(0.4)
        after = await items_until(feed, ends(1))
        await feed.aclose()

    assert quiet is None
    assert links(after)[0] == "disconnected"


async def test_a_late_heartbeat_is_no_reason_to_leave() -> None:
    """Only game frames keep a connection alive: the library's own limit on heartbeats is off."""

    async def slow(peer: Peer) -> None:
        await peer.say(JOINED, tick(0))
        await asyncio.sleep(0.6)
        await peer.say(tick(1))

    opening = '0{"sid":"e","upgrades":[],"pingInterval":100,"pingTimeout":100}'
    async with ScriptedServer(slow, opening=opening) as server:
        feed = LiveFeed(server.url, settings=LiveSettings(**QUICK))
        items = await items_until(feed, frames(2))
        await feed.aclose()

    assert links(items) == ["connecting", "connected"]
    assert len(server.peers) == 1


async def test_time_in_which_we_were_busy_is_no_silence() -> None:
    """A blocked loop cannot have read anything: what waits in the socket is read first."""

    async def steady(peer: Peer) -> None:
        await peer.say(JOINED)
        for number in range(1000):
            await peer.say(tick(number))
            await asyncio.sleep(0.02)

    async with ScriptedServer(steady) as server:
        feed = LiveFeed(server.url, settings=LiveSettings(stale_s=0.3, quiet_s=0.3, **QUICK))
        await items_until(feed, frames(3))
        wait_until = asyncio.get_running_loop().time() + 0.7
        while asyncio.get_running_loop().time() < wait_until:
            sum(range(1000))  # the loop is blocked
        items = await items_until(feed, frames(10))
        await feed.aclose()

    assert links(items) == []


async def test_a_full_queue_counts_what_it_loses_and_drops_the_link() -> None:
    """A slow consumer costs frames, counted in the marker; memory stays bounded."""
    many = [tick(number) for number in range(200)]
    async with ScriptedServer(says(*many)) as server:
        feed = LiveFeed(server.url, settings=LiveSettings(queue_frames=50, **QUICK))
        await overflow(feed)
        connections_before = len(server.peers)
        items = await items_until(feed, ends(1))
        again = await items_until(feed, lambda seen: "connected" in links(seen))
        await feed.aclose()

    kept, marker = raws(items), items[-1]
    assert isinstance(marker, ConnectionChanged)
    assert kept == many[: len(kept)]
    assert 40 <= len(kept) <= 50
    assert (marker.link, marker.reason) == (Link.DISCONNECTED, "the queue was full")
    assert marker.lost_frames == feed.counts.lost_frames >= 1
    assert connections_before == 1
    assert "connected" in links(again)


async def test_the_queue_is_bounded_by_size_too() -> None:
    """A few giant frames fill the queue as many small ones do."""
    giant = '42["x","' + "y" * 1_000_000 + '"]'
    async with ScriptedServer(says(*[giant] * 8)) as server:
        feed = LiveFeed(server.url, settings=LiveSettings(queue_chars=4_000_000, **QUICK))
        await overflow(feed)
        items = await items_until(feed, ends(1))
        await feed.aclose()

    assert len(raws(items)) <= 4
    assert feed.counts.lost_frames >= 1


async def test_a_frame_beyond_the_limit_ends_the_link_only() -> None:
    """A message longer than allowed is refused; the next connection continues."""
    giant = '42["x","' + "y" * 100_000 + '"]'
    async with ScriptedServer(says(giant), says(tick(1))) as server:
        feed = LiveFeed(server.url, settings=LiveSettings(frame_bytes=50_000, **QUICK))
        items = await items_until(feed, frames(1))
        await feed.aclose()

    assert raws(items) == [tick(1)]
    assert links(items)[2] == "disconnected"


async def test_an_unreachable_venue_is_tried_as_often_as_allowed() -> None:
    """After the allowed failures in a row the feed ends with one clear line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        feed = LiveFeed(url, settings=LiveSettings(attempts=3, **QUICK))
        with pytest.raises(InputError, match=r"127\.0\.0\.1 could not be reached in 3 attempts"):
            await items_until(feed, lambda _: False)
        await feed.aclose()

    assert feed.counts.failures == 3


@pytest.mark.parametrize(
    ("status", "headers", "tries"),
    [
        (403, {}, 1),
        (401, {}, 1),
        (429, {"Retry-After": "60"}, 1),
        (503, {}, 3),
        (503, {"Retry-After": "\u00b2"}, 3),
        (503, {"Retry-After": "soon"}, 3),
    ],
)
async def test_a_venue_that_refuses_is_not_hammered(
    status: int, headers: dict[str, str], tries: int
) -> None:
    """401 and 403 are waited out, Retry-After is obeyed, anything else is retried soon."""
    async with ScriptedServer(says(), status=status, headers=headers) as server:
        feed = LiveFeed(server.url, settings=LiveSettings(**QUICK))
        async with asyncio.timeout(30):
            while len(server.queries) < tries:
                await feed.next_item(0.05)
        if tries == 1:
            assert await feed.next_item(0.7) is None
        await feed.aclose()

    assert (len(server.queries) == 1) == (tries == 1)


async def test_a_refused_namespace_is_a_failed_attempt() -> None:
    """A venue that opens the transport and refuses the connection is retried, with its message logged."""

    async def refuse(peer: Peer) -> None:
        await peer.say('44{"message":"old version"}')

    async with ScriptedServer(refuse, refuse, says(tick(0))) as server:
        feed = LiveFeed(server.url, settings=LiveSettings(**QUICK))
        items = await items_until(feed, frames(1))
        await feed.aclose()

    assert links(items) == ["connecting", "connected"]
    assert feed.counts.failures == 2


async def test_what_a_venue_says_when_it_refuses_is_shown_as_inert_text() -> None:
    """Control characters and line ends of a foreign server reach no terminal."""

    async def refuse(peer: Peer) -> None:
        await peer.say('44{"message":"\x1b[31mno\r\nerror: forged"}')

    async with ScriptedServer(refuse) as server:
        feed = LiveFeed(server.url, settings=LiveSettings(**QUICK, attempts=1))
        with pytest.raises(InputError, match="the venue refused the connection") as caught:
            await items_until(feed, lambda _: False)
        await feed.aclose()

    assert str(caught.value).isprintable()


async def test_a_server_that_ends_before_it_is_open_is_noticed_at_once() -> None:
    """A connection that ends during the handshake is not waited for."""

    async def leave(peer: Peer) -> None:
        await peer.socket.close()

    async with ScriptedServer(leave, says(tick(0))) as server:
        feed = LiveFeed(server.url, settings=LiveSettings(**QUICK))
        items = await items_until(feed, frames(1), limit_s=10.0)
        await feed.aclose()

    assert links(items) == ["connecting", "connected"]
    assert feed.counts.failures == 1


async def test_a_server_that_never_lets_in_is_given_up() -> None:
    """A handshake that hangs is bounded like every other wait."""

    async def silent(peer: Peer) -> None:
        await peer.say()

    async with ScriptedServer(silent) as server:
        feed = LiveFeed(
            server.url, settings=LiveSettings(connect_s=0.2, backoff_s=0.01, attempts=2)
        )
        with pytest.raises(InputError, match=r"no connection within 0\.2 s|2 attempts"):
            await items_until(feed, lambda _: False)
        await feed.aclose()

    assert feed.counts.failures == 2


def test_waits_grow_with_jitter_up_to_a_cap() -> None:
    """Each failure doubles the longest wait; the jitter takes up to half of it; the cap holds."""
    settings = LiveSettings(backoff_s=0.1, backoff_cap_s=5.0)
    lazy = LiveFeed("http://127.0.0.1:1", settings=settings, jitter=lambda: 1.0)
    eager = LiveFeed("http://127.0.0.1:1", settings=settings, jitter=lambda: 0.0)

    longest = [lazy.supervisor.backoff(failures) for failures in (0, 1, 2, 3, 6, 7, 10_000)]
    shortest = [eager.supervisor.backoff(failures) for failures in (1, 10_000)]

    assert longest == pytest.approx([0.1, 0.1, 0.2, 0.4, 3.2, 5.0, 5.0])
    assert shortest == pytest.approx([0.05, 2.5])


async def test_closing_leaves_nothing_behind() -> None:
    """No task, no connection and no client of the library outlives the feed; closing twice is harmless."""
    import engineio

    before = asyncio.all_tasks()
    async with ScriptedServer(says(tick(0))) as server:
        feed = LiveFeed(server.url)
        await items_until(feed, frames(1))
        await feed.aclose()
        await feed.aclose()
        rest = feed.rest()
        async with asyncio.timeout(30):
            await server.peers[0].left.wait()

    assert isinstance(rest, ConnectionChanged)
    assert rest.reason == "closed by us"
    assert feed.rest() is None
    assert asyncio.all_tasks() == before
    assert engineio.base_client.connected_clients == []


async def test_iterating_gives_the_items_until_the_feed_is_closed() -> None:
    """``async for`` works as with any feed."""
    seen: list[FeedItem] = []
    async with ScriptedServer(says(tick(0), tick(1))) as server:
        feed = LiveFeed(server.url)
        async for item in feed:
            seen.append(item)
            if len(raws(seen)) == 2:
                await feed.aclose()

    assert raws(seen) == [tick(0), tick(1)]


@pytest.mark.parametrize(
    ("text", "url", "path", "host"),
    [
        ("https://v.example", "https://v.example?frontend-version=1.0", "socket.io", "v.example"),
        ("wss://v.example/", "https://v.example?frontend-version=1.0", "socket.io", "v.example"),
        ("ws://h:80/socket.io/", "http://h:80?frontend-version=1.0", "socket.io", "h"),
        ("http://[::1]:5/a/b", "http://[::1]:5?frontend-version=1.0", "a/b/socket.io", "::1"),
        (" http://h?frontend-version=2 ", "http://h?frontend-version=2", "socket.io", "h"),
    ],
)  # fmt: skip
def test_addresses(text: str, url: str, path: str, host: str) -> None:
    """An address may be written in any usual form."""
    endpoint = Endpoint.parse(text)

    assert (endpoint.url, endpoint.path, endpoint.host) == (url, path, host)


def test_an_address_is_written_down_without_its_query() -> None:
    """What a user puts into the query is sent to the venue and is in no journal."""
    endpoint = Endpoint.parse("https://v.example?key=secret")

    assert "key=secret" in endpoint.url
    assert endpoint.address == "https://v.example"


@pytest.mark.parametrize(
    "text",
    ["", "rugs.fun", "ftp://h", "http://", "http://h:port", "http://me:secret@h", "http://h:99999"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """The error names what to give, and never repeats a password."""
    with pytest.raises(ConfigError, match="url") as refused:
        Endpoint.parse(text)

    assert "secret" not in str(refused.value)
