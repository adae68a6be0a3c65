"""Clients that misbehave: rejected or disconnected; other clients are not affected."""

from __future__ import annotations

import asyncio
import resource
import socket
from typing import Any

import aiohttp
import pytest

from tests.server.raw_client import RawClient, trace
from vectra_bot.errors import ConfigError
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.models.times import NS_PER_S
from vectra_bot.server import ExchangeServer, Login, ServerLimits
from vectra_bot.server.limits import Bucket, MessageVerdict, ack_id_of

TOKENS = {
    "secret-1": Login(player_id="did:privy:one"),
    "secret-2": Login(player_id="did:privy:two"),
}
DEEP = "[" * 30_000 + "]" * 30_000
LONG_GAME = 12

ENDS = {
    "half an array": "42[",
    "an object": '42{"a":1}',
    "a text": '42"buyOrder"',
    "no name": "42[]",
    "a number for a name": "42[1,2]",
    "no JSON": '42["buyOrder",{amount:1}]',
    "not a number": '42["buyOrder",{"amount":NaN}]',
    "nothing": "",
    "an empty message": "4",
    "an unknown type": "49[1]",
    "no protocol": "hello",
    "an Engine.IO open": '0{"sid":"x"}',
    "deep below Engine.IO": f"4{DEEP}",
    "deep in the event": f'42["buyOrder",{DEEP}]',
    "an endless id": f'42{"9" * 40}["buyOrder",{trace()},{{"amount":1}}]',
    "an event with attachments": '451-["buyOrder",{"_placeholder":true,"num":0}]',
    "an acknowledgement with attachments": '461-5[{"_placeholder":true,"num":0}]',
    "many attachments": '459999999-["x"]',
    "bytes": b"\x04binary",
    "a foreign namespace": '42/admin,["buyOrder",{"amount":1}]',
    "a second join": "40",
    "a refusal of ours": '44{"message":"no"}',
    "a giant": '42["buyOrder",{"amount":"' + "9" * 200_000 + '"}]',
    "a giant in base64": "b" + "A" * 100,
}
REFUSED = {
    "a number": '425["buyOrder",5]',
    "a list": '425["buyOrder",[1,2,3]]',
    "a text amount": '425["buyOrder",{"amount":"1"}]',
    "no amount": '425["buyOrder",{}]',
    "null": '425["buyOrder",null]',
    "a negative amount": '425["buyOrder",{"amount":-1}]',
    "a huge amount": '425["buyOrder",{"amount":1e308}]',
    "true": '425["buyOrder",{"amount":true}]',
    "half a percent": '425["sellOrder",{"percentage":0.5}]',
    "another payout": '425["requestSidebet",{"amount":0.01,"xPayout":500}]',
    "a far leverage": '425["buyOrder",{"amount":0.01,"leverage":1000}]',
}
IGNORED = {
    "an answer to nothing": "43999[1]",
    "an answer without id": "43[1]",
    "an answer with an endless id": f"43{'9' * 60}[1]",
    "an answer that is no array": '435{"a":1}',
    "joining a foreign namespace": "40/admin,",
    "a pong nobody asked for": "3",
    "a noop": "6",
    "an empty order": '42["buyOrder"]',
}


def config(crowd: int = 0) -> ExchangeConfig:
    """Return an exchange whose first game is long."""
    return ExchangeConfig(seed=LONG_GAME, crowd=crowd, past_games=10)


async def goes_on(bystander: RawClient) -> None:
    """Check that a bystander gets further frames and has missed none so far."""
    count = len(bystander.states())
    await bystander.until(lambda: len(bystander.states()) >= count + 10)
    ticks: dict[str, list[int]] = {}
    for state in bystander.states()[1:]:
        if state.get("active") and "tradeCount" in state:
            ticks.setdefault(state["gameId"], []).append(state["tickCount"])
    assert ticks
    for game in ticks.values():
        assert game == list(range(game[0], game[0] + len(game)))
    assert not bystander.closed.is_set()


@pytest.mark.parametrize("message", ENDS.values(), ids=ENDS.keys())
async def test_what_cannot_be_read_ends_its_own_connection_only(message: str | bytes) -> None:
    """A frame that is not a request ends its connection; another client misses no tick."""
    async with (
        ExchangeServer(config(), speed=200) as server,
        RawClient(server.url) as hostile,
        RawClient(server.url) as bystander,
    ):
        await hostile.join()
        await bystander.join()
        await bystander.until(lambda: bystander.states()[-1].get("tickCount", 0) > 1)
        await hostile.send(message)
        async with asyncio.timeout(10):
            await hostile.closed.wait()
        await goes_on(bystander)
        # The client may see its end before the server has cleared up.
        async with asyncio.timeout(10):
            await server._until(lambda: [client.number for client in server.clients] == [2])


@pytest.mark.parametrize("message", REFUSED.values(), ids=REFUSED.keys())
async def test_what_can_be_read_and_is_wrong_is_refused_in_one_shape(message: str) -> None:
    """Wrong types and values are rejected by the acknowledgement; connection and money are unchanged."""
    async with (
        ExchangeServer(config(), tokens=TOKENS, speed=200) as server,
        RawClient(server.url) as client,
    ):
        await client.join()
        await client.log_in("secret-1")
        await client.until(lambda: client.states()[-1].get("tickCount", 0) > 1)
        await client.send(message)
        answer = await client.ack(5)
        await goes_on(client)
        account = server.exchange.books.get("did:privy:one")

    assert [list(part) for part in answer] == [["success", "message"]]
    assert answer[0]["success"] is False
    assert account is not None
    assert account.ledger.cash == TOKENS["secret-1"].cash


@pytest.mark.parametrize("message", IGNORED.values(), ids=IGNORED.keys())
async def test_what_asks_for_nothing_is_ignored(message: str) -> None:
    """Unrequested answers, and impossible requests without an id, change nothing."""
    async with (
        ExchangeServer(config(), tokens=TOKENS, speed=200) as server,
        RawClient(server.url) as client,
    ):
        await client.join()
        await client.log_in("secret-1")
        await client.until(lambda: client.states()[-1].get("tickCount", 0) > 1)
        await client.send(message)
        await client.send('427["ping"]')
        assert await client.ack(7) == []
        await goes_on(client)
        ended = dict(server.counts.ended)

    assert ended == {}


async def test_ten_thousand_requests_at_once_end_the_one_who_sends_them() -> None:
    """A flood is answered by rejections, then by a disconnect; another player misses nothing."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with (
        ExchangeServer(config(), tokens=TOKENS, speed=1) as server,
        RawClient(server.url) as hostile,
        RawClient(server.url) as player,
    ):
        await hostile.join()
        await player.join()
        await hostile.log_in("secret-1")
        await player.log_in("secret-2")
        await hostile.until(lambda: hostile.states()[-1].get("allowPreRoundBuys", False), 20)
        for number in range(10_000):
            if hostile.closed.is_set():
                break
            await hostile.send(f'42{number}["buyOrder",{trace()},{{"amount":0.001}}]')
        async with asyncio.timeout(20):
            await hostile.closed.wait()
        await player.send(f'421["buyOrder",{trace()},{{"amount":0.001}}]')
        answer = await player.ack(1)
        count = len(player.states())
        await player.until(lambda: len(player.states()) >= count + 10)
        timers = [state["cooldownTimer"] for state in player.states()[1:] if "active" not in state]
        refusals = [text for text in hostile.texts if '"Too many requests"' in text]
        ended, requests = dict(server.counts.ended), server.counts.requests

    limits = ServerLimits()
    assert ended == {"flood": 1}
    assert answer == [{"success": True}]
    assert refusals
    assert refusals[0].endswith('[{"success":false,"message":"Too many requests"}]')
    assert requests <= limits.burst + limits.requests_per_s * 20
    assert timers == list(range(timers[0], timers[0] - 100 * len(timers), -100))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # KiB


async def test_a_flood_of_heartbeats_ends_its_sender() -> None:
    """Messages that request nothing are charged too."""
    async with (
        ExchangeServer(config(), speed=1) as server,
        RawClient(server.url) as hostile,
    ):
        await hostile.join()
        for _ in range(2_000):
            await hostile.send("3")
        async with asyncio.timeout(20):
            await hostile.closed.wait()
        ended = dict(server.counts.ended)

    assert ended == {"flood": 1}


async def test_unusable_requests_cost_more_than_good_ones() -> None:
    """A client with only invalid payloads is disconnected after fewer messages than the bucket has tokens."""
    async with (
        ExchangeServer(config(), speed=1, paused=True) as server,
        RawClient(server.url) as hostile,
    ):
        await hostile.join()
        for number in range(200):
            await hostile.send(f'42{number}["buyOrder",5]')
        async with asyncio.timeout(20):
            await hostile.closed.wait()
        refused, ended = server.counts.refused, dict(server.counts.ended)

    assert ended == {"flood": 1}
    assert 5 <= refused <= ServerLimits().overdraft + 10


async def test_more_connections_than_allowed_are_turned_away() -> None:
    """The number of connections is bounded, those that never join a namespace included."""
    limits = ServerLimits(clients=3)
    async with (
        ExchangeServer(config(), limits=limits, speed=20) as server,
        RawClient(server.url) as first,
        RawClient(server.url),
        aiohttp.ClientSession() as session,
    ):
        await first.join()
        answers = []
        for _ in range(4):
            async with session.get(f"{server.url}/socket.io/?EIO=4&transport=polling") as response:
                answers.append(response.status)
        count = len(first.states())
        await first.until(lambda: len(first.states()) > count + 5)

    assert answers == [200, 401, 401, 401]
    assert server.counts.turned_away == 3


async def polled(session: aiohttp.ClientSession, url: str, sid: str, *messages: str) -> str:
    """Post messages as a polling client, then poll once."""
    address = f"{url}/socket.io/?EIO=4&transport=polling&sid={sid}"
    async with session.post(address, data="\x1e".join(messages)):
        pass
    async with session.get(address) as response:
        return await response.text()


async def polling_sid(session: aiohttp.ClientSession, url: str) -> str:
    """Open an Engine.IO session that polls."""
    async with session.get(f"{url}/socket.io/?EIO=4&transport=polling") as response:
        text = await response.text()
    return text.partition('"sid":"')[2].partition('"')[0]


@pytest.mark.parametrize(
    "message",
    ["42[", "451-[]", '42/admin,["x"]', f"4{DEEP}", "bAAAA"],
    ids=["json", "binary", "namespace", "deep", "base64"],
)
async def test_hostile_frames_by_polling_end_their_session_only(message: str) -> None:
    """The same limits apply to a polling client."""
    async with (
        ExchangeServer(config(), speed=200) as server,
        RawClient(server.url) as bystander,
        aiohttp.ClientSession() as session,
    ):
        await bystander.join()
        await bystander.until(lambda: bystander.states()[-1].get("tickCount", 0) > 1)
        sid = await polling_sid(session, server.url)
        first = await polled(session, server.url, sid, "40")
        assert "gameHistory" in first
        await polled(session, server.url, sid, message)
        await goes_on(bystander)
        numbers = [client.number for client in server.clients]

    expected = [1, 2] if message.startswith(f"4{DEEP[:9]}") else [1]
    assert numbers == expected  # the library drops what it cannot parse before we see it


async def test_a_client_that_polls_too_seldom_is_given_up() -> None:
    """Unread data of a polling client is bounded too."""
    limits = ServerLimits(unread_packets=50)
    async with (
        ExchangeServer(config(), limits=limits, speed=1, paused=True) as server,
        aiohttp.ClientSession() as session,
        RawClient(server.url) as bystander,
    ):
        sid = await polling_sid(session, server.url)
        await polled(session, server.url, sid, "40")
        await bystander.join()
        await server.wait_clients(2)
        server.faults.duplicate(client=server.clients[-1], count=1_000)
        server.resume()
        async with asyncio.timeout(20):
            await bystander.until(lambda: server.counts.ended["does not read"] == 1)
        await bystander.until(lambda: len(bystander.states()) > 10)

    assert not bystander.texts[-1].startswith("41")


async def deaf_client(url: str) -> socket.socket:
    """Return a joined websocket that does not read any more."""
    host, port = url.removeprefix("http://").split(":")
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, (host, int(port)))
    request = (
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
        f"Host: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await loop.sock_sendall(deaf, request.encode())
    answer = b""
    while b"maxPayload" not in answer:
        answer += await loop.sock_recv(deaf, 4_096)
    await loop.sock_sendall(deaf, bytes([0x81, 0x82, 0, 0, 0, 0]) + b"40")
    return deaf


@pytest.mark.parametrize("speed", [None, 1.0])
async def test_a_client_that_does_not_read_is_disconnected_and_others_miss_nothing(
    speed: float | None,
) -> None:
    """A client that does not read is disconnected: by time when accelerated, by bytes at speed 1."""
    limits = ServerLimits(patience_s=0.3, unread_bytes=2**20)
    async with (
        ExchangeServer(config(), limits=limits, speed=speed, paused=True) as server,
        RawClient(server.url) as bystander,
    ):
        await bystander.join()
        deaf = await deaf_client(server.url)
        await server.wait_clients(2)
        padding = " " * 2**18
        server.faults.contradict(
            lambda text: text + padding, client=server.clients[-1], count=1_000_000
        )
        server.resume()
        await bystander.until(lambda: server.counts.ended["does not read"] == 1)
        count = len(bystander.states())
        await bystander.until(lambda: len(bystander.states()) > count + 10)
        numbers = [client.number for client in server.clients]
        deaf.close()

    timers = [state["cooldownTimer"] for state in bystander.states()[1:] if "active" not in state]
    assert numbers == [1]
    assert timers[:20] == list(range(timers[0], timers[0] - 2_000, -100))


async def test_a_dead_link_is_found_by_the_heartbeat_and_a_live_one_stays() -> None:
    """A client without pongs is disconnected, and so is a half-open one; one that answers stays connected."""
    limits = ServerLimits(ping_interval_s=1, ping_timeout_s=1)
    async with (
        ExchangeServer(config(), limits=limits, speed=1) as server,
        RawClient(server.url) as live,
        RawClient(server.url) as half_open,
    ):
        await live.join()
        await half_open.join()
        dead = await deaf_client(server.url)
        await server.wait_clients(3)
        server.faults.half_open(server.clients[1])
        await live.until(lambda: len(server.clients) == 1)
        count = len(live.states())
        await live.until(lambda: len(live.states()) > count + 20)
        numbers = [client.number for client in server.clients]
        dead.close()

    assert numbers == [1]


async def test_connections_leave_nothing_behind() -> None:
    """Disconnected clients are removed from memory, players too."""
    async with ExchangeServer(config(), tokens=TOKENS, speed=20) as server:
        for number in range(60):
            async with RawClient(server.url) as client:
                await client.join()
                if number % 2:
                    await client.log_in("secret-1")
        async with RawClient(server.url) as last:
            await last.join()
            await last.until(lambda: sum(server.counts.ended.values()) == 60)
            left = [len(server.clients), len(server._roster.clients), len(server._by_sid)]
            sockets, players = len(server._sio.eio.sockets), server._roster.players

    assert left == [1, 1, 1]
    assert sockets == 1
    assert players == {}
    assert server.exchange.books.clients == []


def test_a_bucket_refuses_below_zero_and_ends_far_below() -> None:
    """The bucket refills with time; debt rejects messages, and too much of it ends the connection."""
    bucket = Bucket(rate_per_s=2, burst=3, overdraft=4, now_ns=0)

    first = [bucket.take(1, 0) for _ in range(5)]
    later = bucket.take(1, 3 * NS_PER_S)
    rest = [bucket.take(1, 3 * NS_PER_S) for _ in range(9)]

    assert first == [MessageVerdict.TAKEN] * 3 + [MessageVerdict.REFUSED] * 2
    assert later is MessageVerdict.TAKEN
    assert (
        rest
        == [MessageVerdict.TAKEN] * 2 + [MessageVerdict.REFUSED] * 4 + [MessageVerdict.LAST] * 3
    )


@pytest.mark.parametrize(
    ("text", "number"),
    [("4212[1]", 12), ("420[", 0), ("42[1]", None), ("4299999999999999999[1]", None), ("43", None)],
)
def test_the_id_of_a_request_is_read_from_its_head(text: str, number: Any) -> None:
    """A rejection finds its id, whatever follows it."""
    assert ack_id_of(text) == number


@pytest.mark.parametrize("name", ["requests_per_s", "burst", "unread_bytes", "clients"])
def test_a_limit_is_above_zero(name: str) -> None:
    """A limit that is not above 0 is an error that names it."""
    with pytest.raises(ConfigError, match=name):
        ServerLimits(**{name: 0})
