"""What clients receive: the public feed, the login, requests and their answers."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
import socketio

from tests.server.raw_client import TRACE_ID, RawClient, broadcasts, name_of, trace
from vectra_bot.errors import InputError
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.server import ExchangeServer, Login, TokenTable
from vectra_bot.wire.states import WireFormat

TOKENS = {
    "secret-1": Login(player_id="did:privy:one", username="one"),
    "secret-2": Login(player_id="did:privy:two", username="two"),
}
LONG_GAME = 12  # the first game of this seed has more than a thousand ticks


def config(seed: int = LONG_GAME, crowd: int = 0, **more: Any) -> ExchangeConfig:
    """Return a small exchange."""
    return ExchangeConfig(seed=seed, crowd=crowd, past_games=10, **more)


async def trading(client: RawClient) -> None:
    """Wait until all kinds of actions are accepted."""
    await client.until(lambda: any(state.get("tickCount", 0) >= 1 for state in client.states()[1:]))


@pytest.mark.parametrize("wire_format", list(WireFormat))
async def test_the_first_frame_is_a_snapshot_and_no_tick_is_missing_after_it(
    wire_format: WireFormat,
) -> None:
    """A client that joins mid-game gets every price: those of the snapshot, then one frame for each tick."""
    async with (
        ExchangeServer(config(wire_format=wire_format), speed=40) as server,
        RawClient(server.url) as early,
    ):
        await early.join()
        await early.until(lambda: early.states()[-1].get("tickCount", 0) >= 20)
        async with RawClient(server.url) as late:
            await late.join()
            snapshot = late.states()[0]
            await late.until(lambda: late.states()[-1].get("tickCount", 0) >= 40)
            ticks = [state["tickCount"] for state in late.states()[1:]]

    assert late.texts[0].startswith("40{")
    assert len(snapshot["prices"]) == snapshot["tickCount"] + 1
    assert ticks == list(range(snapshot["tickCount"] + 1, ticks[-1] + 1))


async def test_every_client_gets_the_same_frames_in_the_same_order() -> None:
    """A broadcast reaches a public client, a player and a polling client alike; none is lost or reordered."""
    stock = socketio.AsyncClient()
    seen: list[dict[str, Any]] = []
    news = asyncio.Event()

    def take(payload: dict[str, Any]) -> None:
        seen.append(payload)
        news.set()

    stock.on("gameStateUpdate", take)

    async with ExchangeServer(
        config(seed=7, crowd=40), tokens=TOKENS, speed=None, games=3, paused=True, keep_sent=True
    ) as server:
        async with RawClient(server.url) as public, RawClient(server.url) as player:
            await stock.connect(server.url)  # polls, then upgrades
            await public.join()
            await player.join()
            await player.send('42["authenticate",{"token":"secret-1"}]')
            await server.wait_players(1)
            server.resume()
            await server.wait_over()
            logs = [server.sent_log(number) for number in (1, 2, 3)]
            states = [text for text in logs[0] if name_of(text) == "gameStateUpdate"]
            await public.until(lambda: len(public.states()) == len(states))
            await player.until(lambda: len(player.states()) == len(states))
            async with asyncio.timeout(10):
                while len(seen) < len(states):
                    news.clear()
                    await news.wait()
        await stock.disconnect()

    assert len(states) > 400
    assert [text for text in public.texts if text.startswith("42")] == list(logs[0])
    assert [text for text in player.texts if text.startswith("42")] == list(logs[1])
    assert broadcasts(player) == broadcasts(public)
    assert seen == public.states()


async def test_a_login_is_answered_in_the_order_of_the_capture() -> None:
    """Account, row, name with the login's trace id, other events; then a row after each frame."""
    async with (
        ExchangeServer(config(), tokens=TOKENS, speed=20) as server,
        RawClient(server.url) as client,
    ):
        await client.join()
        await client.log_in("secret-1")
        start = client.names().index("playerUpdate")
        await client.until(lambda: len(client.texts) > start + 20)
        names = client.names()[start:]
        account, first, status = (
            json.loads(text[2:])[-1] for text in client.texts[start : start + 3]
        )
        trace_of_login = json.loads(client.texts[start + 2][2:])[1]["traceparent"]

    assert names[:4] == [
        "playerUpdate",
        "gameStatePlayerUpdate",
        "usernameStatus",
        "mutedPlayers",
    ]
    assert trace_of_login.startswith(f"00-{'a' * 32}-")
    assert status == {"id": "did:privy:one", "hasUsername": True, "username": "one"}
    assert account["cash"] == 1
    assert first["trades"] == []
    states = [index for index, name in enumerate(names[:-1]) if name == "gameStateUpdate"]
    assert states
    assert all(names[index + 1] == "gameStatePlayerUpdate" for index in states)


async def test_a_wrong_token_is_refused_and_the_fifth_ends_the_connection() -> None:
    """A failed login is answered by a notification, and by its acknowledgement if one was requested."""
    async with (
        ExchangeServer(config(), tokens=TOKENS) as server,
        RawClient(server.url) as client,
    ):
        await client.join()
        await client.send(f'427["authenticate",{trace()},{{"token":"wrong"}}]')
        answer = await client.ack(7)
        notice = json.loads((await client.wait_for("gameNotification"))[2:])
        for _ in range(4):
            await client.send('42["authenticate",{"token":5}]')
        async with asyncio.timeout(10):
            await client.closed.wait()
        ended = dict(server.counts.ended)

    assert answer == [{"success": False, "message": "Login refused: unknown token"}]
    assert notice[2]["type"] == "error"
    assert ended == {"failed logins": 1}
    assert server.counts.logins == 0


async def test_without_a_login_one_may_watch_and_ask_but_not_play() -> None:
    """Actions are rejected; requests that the venue's page sends before its login are answered."""
    async with (
        ExchangeServer(config(seed=3, crowd=30), speed=20) as server,
        RawClient(server.url) as client,
    ):
        await client.join()
        await client.send(f'421["buyOrder",{trace()},{{"amount":0.01}}]')
        await client.send('420["ping",{"lastPing":31.5}]')
        await client.send('42["chatHistory"]')
        await client.send('42["getLeaderboard",{"period":"7d"}]')
        await client.send('42["getPlayerLeaderboardPosition",{"playerId":"x","period":"7d"}]')
        await client.send('42["getPlayerCosmetics"]')
        refusal, pong = await client.ack(1), await client.ack(0)
        await client.wait_for("playerCosmetics")
        position = json.loads((await client.wait_for("playerLeaderboardPosition"))[2:])[-1]
        names = client.names()

    assert refusal == [{"success": False, "message": "Not logged in"}]
    assert pong == []
    assert {"chatHistory", "leaderboardData", "playerCosmetics"} <= set(names)
    assert position["success"] is True
    assert position["playerFound"] is False


async def test_a_place_on_the_leaderboard_comes_from_the_books() -> None:
    """A player's rank is by profit or loss since the start."""
    async with (
        ExchangeServer(config(crowd=40), tokens=TOKENS, speed=20) as server,
        RawClient(server.url) as client,
    ):
        await client.join()
        await client.log_in("secret-1")
        await trading(client)
        await client.send(f'421["buyOrder",{trace()},{{"amount":1}}]')
        assert await client.ack(1) == [{"success": True}]
        await client.send('42["getPlayerLeaderboardPosition",{"period":"7d"}]')
        position = json.loads((await client.wait_for("playerLeaderboardPosition"))[2:])[-1]

    assert position["playerFound"] is True
    assert position["rank"] == position["total"]
    assert position["playerEntry"] == {"playerId": "did:privy:one", "username": "one", "pnl": -1}


async def test_unknown_events_are_ignored_and_counted() -> None:
    """An unknown event changes nothing, logged in or not."""
    async with (
        ExchangeServer(config(), tokens=TOKENS, speed=20) as server,
        RawClient(server.url) as client,
    ):
        await client.join()
        await client.send('42["unknownEvent",{"a":1}]')
        await client.log_in("secret-1")
        await client.send('42["norThis"]')
        await client.send('429["ping"]')
        assert await client.ack(9) == []
        unknown = server.counts.unknown

    assert unknown == 2


async def test_an_order_is_answered_in_the_protocols_order_under_its_trace() -> None:
    """Own trade, account, row, acknowledgement; the trade has the trace id of the request."""
    async with (
        ExchangeServer(config(), tokens=TOKENS, speed=10) as server,
        RawClient(server.url) as client,
    ):
        await client.join()
        await client.log_in("secret-1")
        await trading(client)
        begin = len(client.texts)
        await client.send(f'424["buyOrder",{trace()},{{"amount":0.01}}]')
        assert await client.ack(4) == [{"success": True}]
        # Ticks continue meanwhile: the row right after a frame is the tick's, not the order's, and
        # ticks after the acknowledgement may have come with it.
        end = next(at for at, text in enumerate(client.texts) if name_of(text) == "ack") + 1
        own = [
            text
            for before, text in pairwise(client.texts[begin - 1 : end])
            if ("did:privy:one" in text or name_of(text) == "ack")
            and name_of(before) != "gameStateUpdate"
        ]

    assert [name_of(text) for text in own] == [
        "standard/newTrade",
        "playerUpdate",
        "gameStatePlayerUpdate",
        "ack",
    ]
    assert TRACE_ID in own[0]


async def test_a_second_login_takes_over_and_gets_no_answer_of_the_first() -> None:
    """The older connection ends; its pending acknowledgements do not reach the newer one."""
    async with (
        ExchangeServer(config(), tokens=TOKENS, speed=1, paused=True) as server,
        RawClient(server.url) as older,
        RawClient(server.url) as newer,
    ):
        await older.join()
        await newer.join()
        await older.send('42["authenticate",{"token":"secret-1"}]')
        await server.wait_players(1)
        server.resume()
        await older.wait_for("playerUpdate")
        await older.send(f'423["buyOrder",{trace()},{{"amount":0.01}}]')
        await older.send('42["chatHistory"]')
        await older.wait_for("chatHistory")  # the order has arrived; its answer is due in 149 ms
        await newer.send('42["authenticate",{"token":"secret-1"}]')
        async with asyncio.timeout(10):
            await older.closed.wait()
        await newer.until(lambda: newer.names().count("gameStatePlayerUpdate") >= 6)
        players = server.client("did:privy:one")

    assert "ack" not in newer.names()
    assert players is not None
    assert players.number == 2
    assert server.counts.ended["taken over"] == 1


async def test_an_account_outlives_its_connection() -> None:
    """Money and position are unchanged after a reconnect."""
    async with ExchangeServer(config(), tokens=TOKENS, speed=10) as server:
        async with RawClient(server.url) as client:
            await client.join()
            await client.log_in("secret-2")
            await trading(client)
            await client.send(f'421["buyOrder",{trace()},{{"amount":0.25}}]')
            assert await client.ack(1) == [{"success": True}]
        async with RawClient(server.url) as client:
            await client.join()
            await client.log_in("secret-2")
            account = json.loads((await client.wait_for("playerUpdate"))[2:])[-1]

    assert account["cash"] == 0.75
    assert account["positionQty"] > 0


async def test_open_login_makes_a_player_of_every_token() -> None:
    """With open login any token has its own player, the same one each time."""
    table = TokenTable(TOKENS, open_login=True, cash=5)
    async with (
        ExchangeServer(config(), tokens=table, speed=20) as server,
        RawClient(server.url) as client,
    ):
        await client.join()
        await client.log_in("whatever")
        account = json.loads((await client.wait_for("playerUpdate"))[2:])[-1]

    assert account["id"].startswith("did:privy:cm")
    assert table.find("whatever") == table.find("whatever")
    assert table.find("whatever") != table.find("another")
    assert table.find("secret-1") == TOKENS["secret-1"]


async def test_time_stops_while_paused_and_after_the_last_game() -> None:
    """A paused server sends nothing; one limited to two games stops with the announcement of the third."""
    async with (
        ExchangeServer(config(seed=7), speed=None, games=2, paused=True) as server,
        RawClient(server.url) as client,
    ):
        await client.join()
        await asyncio.sleep(0.05)
        assert len(client.texts) == 2
        server.resume()
        await server.wait_over()
        await client.until(
            lambda: sum(state["cooldownTimer"] == 15_000 for state in client.states()) == 3
        )
        await asyncio.sleep(0.05)
        last = client.states()[-1]

    assert server.exchange.games_rugged == 2
    assert last["cooldownTimer"] == 15_000


async def test_pages_of_foreign_sites_are_turned_away() -> None:
    """A foreign Origin or Host gets no connection; the venue's own page does."""
    async with ExchangeServer(config()) as server:
        for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example:80"}):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                async with RawClient(server.url, headers):
                    pass
        async with RawClient(server.url, {"Origin": "https://rugs.fun"}) as client:
            await client.join()
            assert client.states()

    assert server.counts.turned_away == 2


async def test_a_taken_port_is_one_clear_error() -> None:
    """Listening on an address in use is an error that names the address."""
    async with ExchangeServer(config()) as server:
        with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1:{server.port}"):
            await ExchangeServer(config(), port=server.port).start()


async def test_nothing_is_kept_unless_it_was_asked_for() -> None:
    """`sent_log` is an error if the server keeps no logs, or for an unknown connection."""
    async with ExchangeServer(config()) as server, RawClient(server.url) as client:
        await client.join()
        with pytest.raises(InputError, match="keep_sent"):
            server.sent_log(server.clients[0])
        with pytest.raises(InputError, match="connection 9"):
            server.sent_log(9)


async def test_a_stopped_server_leaves_no_task() -> None:
    """Heartbeats of connections that ended, and of one that never joined, end with the server."""
    before = asyncio.all_tasks()
    async with (
        ExchangeServer(config(), tokens=TOKENS, speed=1, paused=True) as server,
        aiohttp.ClientSession() as session,
    ):
        address = f"{server.url}/socket.io/?EIO=4&transport=websocket"
        joins = await session.ws_connect(address)
        await joins.receive()
        await joins.send_str("40")
        await server.wait_clients(1)
        await joins.close()
        never = await session.ws_connect(address)
        await never.receive()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
