"""Requests and logins that a test has the server refuse, postpone or leave without an answer."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from tests.actions.strategies import Scripted
from tests.server.raw_client import RawClient, name_of, trace
from vectra_bot.errors import InputError
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.models import ActionState, Frame
from vectra_bot.server import ExchangeServer, Login, RefusalShape, TokenTable
from vectra_bot.server.faults.requests import PROOFS, ack_of
from vectra_bot.testing import Bench
from vectra_bot.testing.faults.tokens import unsigned_token
from vectra_bot.wire.decode import decode

TOKENS = {
    "secret-1": Login(player_id="did:privy:one", username="one"),
    "secret-2": Login(player_id="did:privy:two", username="two"),
}
WORDS = "not now, said the venue"


def quick(tokens: TokenTable | None = None) -> ExchangeServer:
    """Return a server at 20 times real time whose first game is long."""
    config = ExchangeConfig(seed=12, crowd=0, past_games=10)
    return ExchangeServer(config, tokens=tokens or TOKENS, speed=20)


async def playing(client: RawClient) -> None:
    """Log in and wait for a tick."""
    await client.join()
    await client.log_in("secret-1")
    await client.until(lambda: client.states()[-1].get("tickCount", 0) >= 1)


def buy(ack_id: int) -> str:
    """Return a buy as a client sends it."""
    return f'42{ack_id}["buyOrder",{trace()},{{"amount":0.01}}]'


def cash(served: ExchangeServer) -> int:
    """Return the lamports of the first player."""
    account = served.exchange.books.get("did:privy:one")
    assert account is not None
    return int(account.ledger.cash)


def acks(client: RawClient) -> list[str]:
    """Return the acknowledgements that a client got."""
    return [text for text in client.texts if name_of(text) == "ack"]


async def test_a_refusal_in_any_shape_executes_nothing_and_the_next_order_is_filled() -> None:
    """Each shape is sent as declared, nothing is executed, and what is not refused is as before."""
    async with quick() as served, RawClient(served.url) as client:
        await playing(client)
        for number, shape in enumerate(RefusalShape, 1):
            refusal = served.faults.refuse(shape, message=WORDS, seconds=0.05, kind="buy")
            await client.send(buy(number))
            expected = ack_of(shape, number, WORDS)
            if expected is not None:
                await client.until(lambda text=expected: text in client.texts)  # type: ignore[misc]
            elif shape is RefusalShape.EVENT_ONLY:
                assert WORDS in await client.wait_for("gameNotification")
            else:
                await client.send('42900["ping",{}]')
                await client.ack(900)
            assert refusal.hits == 1
        assert cash(served) == 1_000_000_000
        await client.send(buy(99))
        assert await client.ack(99) == [{"success": True}]

    assert len(RefusalShape) >= 12
    assert (
        len(acks(client)) == len(RefusalShape) - 2 + 2
    )  # all shapes but two, a ping, the last order
    assert cash(served) == 990_000_000


async def test_a_refusal_is_for_its_kind_and_its_client() -> None:
    """An order of another kind or player is executed."""
    async with quick() as served, RawClient(served.url) as client:
        await playing(client)
        served.faults.refuse(kind="sell")
        served.faults.refuse(client="did:privy:two")
        await client.send(buy(1))
        assert await client.ack(1) == [{"success": True}]
        await client.send(f'422["sellOrder",{trace()},{{"percentage":100}}]')
        assert (await client.ack(2))[0]["success"] is False
        served.faults.refuse("bare")
        served.faults.clear()
        await client.send(buy(3))
        assert await client.ack(3) == [{"success": True}]


@pytest.mark.parametrize("shape", list(RefusalShape))
def test_a_shape_is_read_as_a_refusal_only_if_it_proves_one(shape: RefusalShape) -> None:
    """REJECTED with the venue's words for a proof; anything else ends by evidence, never by a guess."""
    strategy = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0, 1.1))
    strategy.todo = [lambda actions: actions.buy(Decimal("0.01"))]
    bench.tick(1.2)
    text = ack_of(shape, 1, WORDS)
    if text is not None:
        bench.feed(decode(Frame(bench.now_ns, text)))
    if shape in PROOFS:
        (action,) = bench.actions
        assert action.state is ActionState.REJECTED
        assert action.outcome is not None
        worded = shape not in {RefusalShape.CODE, RefusalShape.BARE}
        assert action.outcome.error_reason == (WORDS if worded else "no reason given")
    else:
        assert bench.actions == []
        (pending,) = bench.engine.tracker.book.pending
        assert pending.state in {ActionState.SENT, ActionState.UNKNOWN}


async def test_a_postponed_order_is_executed_later() -> None:
    """The order is acknowledged when it is executed, some ticks later."""
    async with quick() as served, RawClient(served.url) as client:
        await playing(client)
        tick = client.states()[-1]["tickCount"]
        served.faults.postpone(2.0)
        await client.send(buy(1))
        await client.ack(1)
        trade: dict[str, Any] = json.loads((await client.wait_for("standard/newTrade"))[2:])[-1]

    assert trade["tickIndex"] >= tick + 7


async def test_a_login_is_late_or_never_answered_or_another_accounts_or_refused() -> None:
    """Each fault is for the next login; the one after it is as the token says."""
    async with quick() as served:
        served.faults.login("never")
        async with RawClient(served.url) as client:
            await client.join()
            await client.send('42["authenticate",{"token":"secret-1"}]')
            await client.send('421["ping",{}]')
            await client.ack(1)
            assert not {"usernameStatus", "playerUpdate"} & set(client.names())
            served.faults.login("refused")
            await client.send('42["authenticate",{"token":"secret-1"}]')
            assert "token expired" in await client.wait_for("gameNotification")
            served.faults.login("late", seconds=0.1)
            await client.log_in("secret-1")
        served.faults.login("other-account", player_id="did:privy:wrong")
        async with RawClient(served.url) as other:
            await other.join()
            await other.send('42["authenticate",{"token":"secret-2"}]')
            assert '"did:privy:wrong"' in await other.wait_for("usernameStatus")
        async with RawClient(served.url) as last:
            await last.join()
            await last.log_in("secret-2")
            assert '"did:privy:two"' in await last.wait_for("usernameStatus")


async def test_a_login_ends_without_a_word_and_the_feed_goes_on() -> None:
    """After `log_out` the client receives ticks and no answer but refusals."""
    async with quick() as served, RawClient(served.url) as client:
        await playing(client)
        assert served.faults.log_out("did:privy:one") == 1
        assert served.faults.log_out("did:privy:one") == 0
        await client.send(buy(1))
        assert await client.ack(1) == [{"success": False, "message": "Not logged in"}]
        tick = client.states()[-1]["tickCount"]
        await client.until(lambda: client.states()[-1]["tickCount"] > tick)

    assert cash(served) == 1_000_000_000


class Now:
    """A clock that a test sets."""

    ns = 1_000

    def now_ns(self) -> int:
        return self.ns

    def monotonic_ns(self) -> int:
        return self.ns


def test_tokens_expire_and_are_revoked() -> None:
    """A token is valid before its end; a revoked one never again, also where any is accepted."""
    clock = Now()
    table = TokenTable(
        {"short": Login(player_id="a", expires_ns=2_000), "long": Login(player_id="b")},
        open_login=True,
        clock=clock,
    )
    assert table.find("short") is not None
    clock.ns = 2_000
    assert table.find("short") is None
    assert table.revoke("long")
    assert not table.revoke("long")
    assert table.find("long") is None
    assert table.revoke("guest")
    assert table.find("guest") is None
    assert table.find("another") is not None


def test_a_token_for_tests_has_its_claims() -> None:
    """Its claims can be read, and tokens of one subject can differ."""
    first, second = (unsigned_token("did:privy:x", 1_700_000_000, salt=salt) for salt in "ab")

    assert first != second
    assert first.count(".") == 2
    assert first.isascii()


def test_an_unknown_shape_is_named() -> None:
    """A misspelt shape or login fault lists what there is."""

    async def misspelt() -> None:
        served = ExchangeServer(ExchangeConfig(seed=1, crowd=0))
        with pytest.raises(InputError, match="shape was 'no': give message, reason"):
            served.faults.refuse("no")
        with pytest.raises(InputError, match="fault was 'no': give late, never"):
            served.faults.login("no")

    asyncio.run(misspelt())
