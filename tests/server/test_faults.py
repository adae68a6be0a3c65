"""Fault injection: each fault affects the given messages of the given client, and no others."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.server.raw_client import RawClient, broadcasts, name_of, trace
from vectra_bot.errors import InputError
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.game.fair import play_game
from vectra_bot.server import ExchangeServer, Login

TOKENS = {"secret-1": Login(player_id="did:privy:one")}
STATE = "gameStateUpdate"
LONG_GAME = 12


def server(seed: int = LONG_GAME, **more: Any) -> ExchangeServer:
    """Return a server that keeps what it sends and waits to be resumed."""
    config = ExchangeConfig(seed=seed, crowd=0, past_games=10)
    return ExchangeServer(config, tokens=TOKENS, paused=True, keep_sent=True, **more)


async def run(
    arm: Callable[[ExchangeServer], object], frames: int = 30
) -> tuple[list[str], list[str]]:
    """Arm a fault for the first of two clients; return the state frames of both after the snapshot."""
    async with (
        server(speed=100) as served,
        RawClient(served.url) as victim,
        RawClient(served.url) as bystander,
    ):
        await victim.join()
        await bystander.join()
        arm(served)
        served.resume()
        await bystander.until(lambda: len(broadcasts(bystander)) >= frames)
        last = broadcasts(bystander)[frames - 1]
        await victim.until(lambda: last in victim.texts)
        seen = broadcasts(victim)
        assert victim.texts[1:] == list(served.sent_log(1))[: len(victim.texts) - 1]
        return seen[: seen.index(last) + 1], broadcasts(bystander)[:frames]


async def test_a_dropped_frame_is_missing_for_its_client_only() -> None:
    """The next three state frames never reach the victim."""
    seen, whole = await run(
        lambda served: served.faults.drop(event=STATE, client=served.clients[0], count=3)
    )

    assert seen == whole[3:]


async def test_a_duplicate_comes_twice() -> None:
    """The next two frames come twice each, side by side."""
    seen, whole = await run(
        lambda served: served.faults.duplicate(event=STATE, client=served.clients[0], count=2)
    )

    assert seen == [whole[0], whole[0], whole[1], whole[1], *whole[2:]]


async def test_a_reordered_frame_is_overtaken_by_the_next() -> None:
    """The next frame is swapped with the one after it."""
    seen, whole = await run(
        lambda served: served.faults.reorder(event=STATE, client=served.clients[0])
    )

    assert seen == [whole[1], whole[0], *whole[2:]]


async def test_a_delay_holds_the_stream_back_in_order() -> None:
    """Nothing overtakes a delayed frame, and the bystander is ahead meanwhile."""
    async with (
        server(speed=100) as served,
        RawClient(served.url) as victim,
        RawClient(served.url) as bystander,
    ):
        await victim.join()
        await bystander.join()
        served.faults.delay(0.5, client=served.clients[0])
        served.resume()
        await bystander.until(lambda: len(broadcasts(bystander)) >= 20)
        ahead = len(broadcasts(victim))
        await victim.until(lambda: len(broadcasts(victim)) >= 20)

    assert ahead == 0
    assert broadcasts(victim)[:20] == broadcasts(bystander)[:20]


async def test_a_fault_for_all_counts_for_each_client_on_its_own() -> None:
    """Without a client, each client loses the next frame that matches."""
    seen, whole = await run(lambda served: served.faults.drop(event=STATE), frames=10)
    timers = [json.loads(text[2:])[1]["cooldownTimer"] for text in whole]

    assert seen == whole
    assert timers[0] == 14_800


async def test_a_contradiction_changes_what_one_client_sees() -> None:
    """The changed text is sent in place of the original; a text without a change does not count."""
    seen, whole = await run(
        lambda served: served.faults.contradict(
            lambda text: text.replace('"cooldownTimer":14700', '"cooldownTimer":1'),
            client=served.clients[0],
        )
    )

    assert whole[2] != seen[2]
    assert json.loads(seen[2][2:])[1]["cooldownTimer"] == 1
    assert [*seen[:2], *seen[3:]] == [*whole[:2], *whole[3:]]


async def test_cleared_faults_do_nothing() -> None:
    """After `clear` everything is as before."""

    def arm(served: ExchangeServer) -> None:
        served.faults.drop(count=1_000)
        served.faults.clear()

    seen, whole = await run(arm)

    assert seen == whole
    assert len(whole) == 30


async def test_an_order_without_acknowledgement_is_carried_out() -> None:
    """`no_ack` drops the answer, not the request; the next one is answered."""
    async with server(speed=20) as served, RawClient(served.url) as client:
        await client.join()
        served.resume()
        await client.log_in("secret-1")
        await client.until(lambda: client.states()[-1].get("tickCount", 0) >= 1)
        fault = served.faults.no_ack(client="did:privy:one")
        await client.send(f'421["buyOrder",{trace()},{{"amount":0.01}}]')
        await client.send(f'422["buyOrder",{trace()},{{"amount":0.02}}]')
        assert await client.ack(2) == [{"success": True}]
        account = served.exchange.books.get("did:privy:one")

    assert [text for text in client.texts if name_of(text) == "ack"] == ['432[{"success":true}]']
    assert fault.hits == 1
    assert account is not None
    assert account.ledger.cash == 970_000_000


@pytest.mark.parametrize("how", ["close", "disconnect", "abort"])
async def test_a_kick_ends_the_connection_and_close_loses_nothing(how: str) -> None:
    """Each way ends it; `close` and `disconnect` deliver what was sent, `disconnect` says so first."""
    async with server(speed=100) as served, RawClient(served.url) as client:
        await client.join()
        served.resume()
        await client.until(lambda: len(client.texts) > 20)
        number = served.faults.kick(how=how)
        async with asyncio.timeout(10):
            await client.closed.wait()
        log, gone = list(served.sent_log(1)), served.connections[0].gone
        await served.wait_clients(0)

    assert number == 1
    assert gone == "kicked"
    assert served.clients == ()
    assert client.texts[1:] == log[: len(client.texts) - 1]
    assert (client.texts[-1] == "41") == (how == "disconnect")
    if how != "abort":
        assert client.texts[1:] == log


async def test_a_kick_by_player_spares_the_others() -> None:
    """A player id selects the connection; an unknown way is rejected."""
    async with (
        server(speed=20) as served,
        RawClient(served.url) as player,
        RawClient(served.url) as public,
    ):
        await player.join()
        await public.join()
        await player.send('42["authenticate",{"token":"secret-1"}]')
        await served.wait_players(1)
        served.resume()
        assert served.faults.kick("did:privy:nobody") == 0
        assert served.faults.kick("did:privy:one") == 1
        async with asyncio.timeout(10):
            await player.closed.wait()
        count = len(public.states())
        await public.until(lambda: len(public.states()) > count + 5)
        with pytest.raises(InputError, match="close, disconnect or abort"):
            served.faults.kick(how="gently")


async def test_a_half_open_link_is_silent_and_stays_up() -> None:
    """Nothing is sent or received, but the connection is not closed."""
    async with (
        server(speed=50) as served,
        RawClient(served.url) as victim,
        RawClient(served.url) as bystander,
    ):
        await victim.join()
        await bystander.join()
        served.resume()
        await victim.until(lambda: len(victim.texts) > 10)
        served.faults.half_open(served.clients[0])
        log = len(served.sent_log(1))
        await victim.send('421["ping"]')
        count = len(bystander.states())
        await bystander.until(lambda: len(bystander.states()) > count + 30)
        texts = [text for text in victim.texts if text.startswith("42")]

    assert len(texts) == log == len(served.sent_log(1))
    assert "ack" not in victim.names()
    assert not served.counts.ended["ping timeout"]


async def test_a_lie_about_a_seed_is_one_game_in_every_frame_and_connection() -> None:
    """One game is revealed with a wrong seed, consistently; every other seed is true."""
    async with server(seed=11, speed=None, games=3) as served, RawClient(served.url) as client:
        await client.join()
        fault = served.faults.lie_about_seed()
        served.resume()
        await served.wait_over()
        await client.until(
            lambda: sum(state["cooldownTimer"] == 15_000 for state in client.states()) == 4
        )
        async with RawClient(served.url) as late:
            await late.join()
            shown = [client.states(), late.states()]

    false: dict[str, set[bool]] = {}
    for states in shown:
        for state in states:
            for game in state.get("gameHistory", []):
                fair = game["provablyFair"]
                digest = hashlib.sha256(fair["serverSeed"].encode()).hexdigest()
                false.setdefault(game["id"], set()).add(digest != fair["serverSeedHash"])
    lies = [game_id for game_id, wrong in false.items() if True in wrong]
    first = client.states()[0]["gameId"]
    assert lies == [first]
    assert false[first] == {True}
    assert fault.hits >= 3


async def test_a_lie_about_a_price_is_one_tick_once() -> None:
    """Exactly one live price of one game differs from what the seed says."""
    async with server(seed=9, speed=None, games=2) as served, RawClient(served.url) as client:
        await client.join()
        served.faults.lie_about_price()
        served.resume()
        await served.wait_over()
        await client.until(
            lambda: sum(state["cooldownTimer"] == 15_000 for state in client.states()) == 3
        )
    seeds = {
        game["id"]: game["provablyFair"]["serverSeed"]
        for state in client.states()
        for game in state.get("gameHistory", [])
    }
    wrong = []
    for state in client.states():
        if state.get("active") and not state["rugged"] and state["gameId"] in seeds:
            price = play_game(seeds[state["gameId"]], state["gameId"]).prices[state["tickCount"]]
            if price != state["price"]:
                wrong.append((state["tickCount"], state["price"] / price))

    assert wrong == [(2, 2.0)]
