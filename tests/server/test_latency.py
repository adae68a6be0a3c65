"""When the server executes requests: on receipt, after a latency, and at the last price shown."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest

from tests.server.raw_client import RawClient, name_of, trace
from vectra_bot.cli.options import given_options
from vectra_bot.cli.serve import ServeConfig, serve
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.game import rules
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.server import ExchangeServer, Login

TOKENS = {"secret-1": Login(player_id="did:privy:one", username="one")}
LONG_GAME = 12  # the first game of this seed has more than a thousand ticks


def steady(**more: Any) -> ExchangeServer:
    """Return a server whose frames have no jitter."""
    config = ExchangeConfig(seed=LONG_GAME, crowd=0, past_games=10, jitter=False)
    return ExchangeServer(config, tokens=TOKENS, **more)


async def at_tick(client: RawClient, tick: int) -> dict[str, Any]:
    """Wait for a tick's frame, and return the newest one."""
    await client.until(lambda: client.states()[-1].get("tickCount", 0) >= tick)
    return client.states()[-1]


def buy(ack_id: int, amount: float = 0.01) -> str:
    """Return a buy as a client sends it."""
    return f'42{ack_id}["buyOrder",{trace()},{{"amount":{amount}}}]'


async def test_at_latency_0_an_order_fills_at_the_last_tick_shown_and_is_answered_at_once() -> None:
    """Trade, account and acknowledgement precede the next tick, and have the price of the one before."""
    async with steady(speed=20, latency_ms=0) as served, RawClient(served.url) as client:
        await client.join()
        await client.log_in("secret-1")
        for number in range(1, 6):
            await at_tick(client, 3 * number)
            await client.send(buy(number))
            await client.ack(number)
    names = client.names()
    filled = [at for at, name in enumerate(names) if name == "standard/newTrade"]

    assert len(filled) == 5
    for at in filled:
        trade = json.loads(client.texts[at][2:])[-1]
        shown = [text for text in client.texts[:at] if name_of(text) == "gameStateUpdate"][-1]
        seen = json.loads(shown[2:])[1]
        assert (trade["tickIndex"], trade["price"]) == (seen["tickCount"], seen["price"])
        assert names[at + 1 : at + 4] == ["playerUpdate", "gameStatePlayerUpdate", "ack"]


async def test_a_latency_is_the_time_from_receipt_to_execution() -> None:
    """With 600 ms an order fills at the second or third tick after the one that was seen."""
    async with steady(speed=10, latency_ms=600) as served, RawClient(served.url) as client:
        await client.join()
        await client.log_in("secret-1")
        seen = await at_tick(client, 3)
        await client.send(buy(1))
        await client.ack(1)
        trade = json.loads((await client.wait_for("standard/newTrade"))[2:])[-1]

    assert 2 <= trade["tickIndex"] - seen["tickCount"] <= 4


async def test_what_the_server_has_received_is_executed_without_its_connection() -> None:
    """An order in transit whose connection has ended is filled; the next connection gets no answer to it."""
    async with steady(speed=10, latency_ms=900) as served:
        async with RawClient(served.url) as client:
            await client.join()
            await client.log_in("secret-1")
            await at_tick(client, 3)
            await client.send(buy(7))
            await client.send('42["ping",{"lastPing":1}]')
            await client.until(lambda: served.counts.requests >= 3)
        async with RawClient(served.url) as later:
            await later.join()
            await later.log_in("secret-1")
            await later.wait_for("standard/newTrade")
            await at_tick(later, later.states()[-1]["tickCount"] + 3)
    account = served.exchange.books.get("did:privy:one")

    assert account is not None
    assert account.ledger.cash == 990_000_000
    assert "ack" not in later.names()


async def test_without_jitter_ticks_are_evenly_spaced() -> None:
    """The exchange's times of ticks differ by exactly one tick."""
    async with steady(speed=None, games=1, paused=True) as served:
        times: list[int] = []
        step = served.exchange.step

        def observed() -> Any:
            messages = step()
            times.extend(
                message.at_ns
                for message in messages
                if message.text.startswith('42["gameStateUpdate"')
                and '"active":true' in message.text
            )
            return messages

        served.exchange.step = observed  # type: ignore[method-assign]
        served.resume()
        await served.wait_over()
    gaps = {later - earlier for earlier, later in pairwise(times[1:-3])}

    assert gaps == {int(rules.TICK_MS * NS_PER_MS)}


@pytest.mark.parametrize("latency_ms", [None, 0])
async def test_the_rug_is_decided_before_it_is_shown(latency_ms: int | None) -> None:
    """What comes after the decision is refused, also at latency 0."""
    async with (
        steady(speed=None, latency_ms=latency_ms, paused=True) as served,
        RawClient(served.url) as client,
    ):
        await client.join()
        await client.send('42["authenticate",{"token":"secret-1"}]')
        await served.wait_players(1)
        exchange = served.exchange
        while not exchange._market.rugged:
            exchange.step()
        await client.send(buy(1))
        while served.counts.requests < 2:  # noqa: ASYNC110 - no event reports it
            await asyncio.sleep(0.01)
        served.resume()
        answer = await client.ack(1)

    assert answer == [{"success": False, "message": "Game has rugged"}]


def test_the_command_has_both_options() -> None:
    """What is not given is as on the venue."""
    plain = ServeConfig()
    assert (plain.latency_ms, plain.jitter) == (None, True)
    words = ["--latency-ms", "0", "--no-jitter"]
    given = ServeConfig(**given_options(ServeConfig, serve.make_context("serve", words).params))

    assert (given.latency_ms, given.jitter) == (0, False)
