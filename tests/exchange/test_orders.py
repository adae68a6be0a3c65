"""Requests: the price in force at arrival, order and time of answers, rejections, the end of a game."""

from __future__ import annotations

import pytest

from tests.exchange.driver import ME, MS, Client, Seen, config, connected, live_tick, state
from vectra_bot.errors import InputError, WireError
from vectra_bot.exchange import EvidenceDelays, Exchange
from vectra_bot.exchange.accounts import Money
from vectra_bot.game import rules
from vectra_bot.game.ledger import to_lamports, to_sol
from vectra_bot.models import Ack, PlayerUpdate, SidebetPlaced, SidebetResult, Trade

LONG = 11  # the first game of this seed lives long enough for every scenario below


@pytest.fixture
def client() -> Client:
    """Return a client in a long game without a crowd."""
    client = connected(config(seed=LONG))
    client.until_tick(5)
    client.seen.clear()
    return client


def cash_of(client: Client) -> int:
    account = client.exchange.books.get(ME)
    assert account is not None
    assert account.flows.balance(Money.SOL) == account.ledger.cash
    return account.ledger.cash


def refusal(client: Client) -> str:
    """Wait for the answer to the last request and return why it was refused."""
    before = cash_of(client)
    ack = client.until(lambda seen: seen.name == "ack").event
    assert isinstance(ack, Ack)
    assert ack.success is False
    record = client.records[-1]
    assert (record.accepted, record.reason) == (False, ack.message)
    assert cash_of(client) == before
    return record.reason


def evidence(client: Client, since_ns: int, trace_id: str) -> list[tuple[str, float]]:
    """Return name and time after *since_ns* of what a request caused, in the order of arrival."""
    client.drain()
    caused = [
        (seen.name, (seen.at_ns - since_ns) / MS)
        for before, seen in zip([None, *client.seen], client.seen, strict=False)
        if seen.private and not (before and state(before) and seen.name == "gameStatePlayerUpdate")
    ]
    traces = [
        seen.trace_id
        for seen in client.seen
        if seen.name in {"standard/newTrade", "currentSidebet"}
    ]
    assert traces == [trace_id]
    return caused


def test_a_buys_answers_come_when_the_venues_did(client: Client) -> None:
    """Trade, player update, row and ack leave 70, 198, 213 and 219 ms after sending (protocol 2.3)."""
    sent = client.exchange.now_ns
    trace_id = client.buy(0.01)
    assert evidence(client, sent, trace_id) == [
        ("standard/newTrade", 70),
        ("playerUpdate", 198),
        ("gameStatePlayerUpdate", 213),
        ("ack", 219),
    ]


def test_a_sidebets_answers_come_in_their_order(client: Client) -> None:
    """Player update, ``currentSidebet``, ack with the whole bet (protocol 10)."""
    sent = client.exchange.now_ns
    trace_id = client.sidebet(0.002)
    assert evidence(client, sent, trace_id) == [
        ("playerUpdate", 198),
        ("currentSidebet", 213),
        ("ack", 219),
    ]
    placed = client.answers("currentSidebet")[0].payload
    ack = client.answers("ack")[0].payload
    assert ack == {"success": True, "message": "Side bet placed", "sidebet": placed}
    assert (placed["startTick"], placed["endTick"], placed["betAmount"]) == (5, 45, 0.002)


def test_without_latency_everything_is_answered_at_once() -> None:
    """With latency 0 the answers come at the moment of sending, before anything else happens."""
    client = connected(config(seed=LONG), delays=EvidenceDelays.none())
    tick = client.until_tick(5)
    client.seen.clear()
    client.buy(0.01, after_ms=0)
    client.until(lambda seen: seen.name == "ack")
    names = [seen.name for seen in client.seen]
    assert names == ["standard/newTrade", "playerUpdate", "gameStatePlayerUpdate", "ack"]
    assert {seen.at_ns for seen in client.seen} == {tick.at_ns}


def test_a_request_fills_at_the_price_in_force_at_its_arrival() -> None:
    """Up to the nanosecond of a tick the old price counts (the request comes first), after it the new."""
    probe = connected(config(seed=LONG))
    price = {tick: probe.until_tick(tick) for tick in (9, 10)}
    for shift, tick in ((-1, 9), (0, 9), (1, 10)):
        client = connected(config(seed=LONG))
        client.until_tick(8)
        client.buy(0.01, at_ns=price[10].at_ns + shift)
        trade = client.until(lambda seen: seen.name == "standard/newTrade").event
        assert isinstance(trade, Trade)
        assert (trade.tick, trade.price) == (tick, state(price[tick])["price"])
        record = client.records[0]
        assert (record.tick, record.price, record.at_ns) == (
            tick,
            trade.price,
            price[10].at_ns + shift,
        )


def test_a_sale_pays_what_the_hook_got(client: Client) -> None:
    """The record of a sale has its proceeds, before it is executed."""
    client.buy(0.1)
    client.until_tick(8)
    client.sell(33)
    trade = client.until(
        lambda seen: seen.name == "standard/newTrade" and '"sell"' in seen.text
    ).event
    assert isinstance(trade, Trade)
    record = client.records[-1]
    assert (record.kind, record.percentage, to_sol(record.amount)) == ("sell", 33, trade.amount)
    assert record.accepted


def test_the_hook_runs_before_the_exchange_acts() -> None:
    """When the hook is called for a buy, the money is still there."""
    cash: list[int] = []
    exchange = Exchange(
        config(seed=LONG), lambda _: cash.append(exchange.books.all()[0].ledger.cash)
    )
    exchange.connect(ME, cash=10**9)
    client = Client(exchange)
    client.until_tick(5)
    client.buy(0.25)
    client.drain()
    assert cash == [10**9]
    assert cash_of(client) == 10**9 - to_lamports("0.25")


@pytest.mark.parametrize(
    ("event", "payload", "reason"),
    [
        ("buyOrder", {"amount": 0.000999999}, "Amount must be between 0.001 and 5 SOL"),
        ("buyOrder", {"amount": 5.000000001}, "Amount must be between 0.001 and 5 SOL"),
        ("buyOrder", {"amount": -1}, "Amount must be between 0.001 and 5 SOL"),
        ("buyOrder", {"amount": 1.000000001}, "Insufficient funds: 1.000000000 SOL free"),
        ("buyOrder", {"amount": "0.1"}, "Invalid amount"),
        ("buyOrder", {}, "Invalid amount"),
        ("buyOrder", {"amount": 0.1, "leverage": 6}, "Leverage must be between 1 and 5"),
        ("sellOrder", {"percentage": 100}, "No position to sell"),
        ("sellOrder", {"percentage": 0}, "Percentage must be a whole number from 1 to 100"),
        ("sellOrder", {"percentage": 101}, "Percentage must be a whole number from 1 to 100"),
        ("sellOrder", {"percentage": 33.5}, "Percentage must be a whole number from 1 to 100"),
        ("requestSidebet", {"amount": 0.01, "xPayout": 6}, "Side bets pay 5 times the stake"),
        (
            "requestSidebet",
            {"amount": 0.01, "coinAddress": "0xPractice"},
            "The side bet is in another coin than the selected one",
        ),
        ("requestSidebet", {"amount": 6}, "Amount must be between 0.001 and 5 SOL"),
    ],
)
def test_impossible_requests_are_refused(
    client: Client, event: str, payload: dict[str, object], reason: str
) -> None:
    """A request outside the rules gets one rejecting acknowledgement after 219 ms, and nothing changes."""
    sent = client.exchange.now_ns
    client.send(event, payload)
    assert refusal(client) == reason
    assert client.exchange.now_ns == sent + 219 * MS
    assert not client.answers("playerUpdate")


def test_limits_themselves_are_taken() -> None:
    """0.001 and 5 SOL are legal stakes."""
    client = connected(config(seed=LONG), cash=to_lamports(11))
    client.until_tick(5)
    client.buy(0.001)
    client.buy(5)
    client.sidebet(5)
    client.drain()
    assert [record.accepted for record in client.records] == [True] * 3
    assert cash_of(client) == to_lamports("0.999")


def test_one_sidebet_at_a_time_and_no_cooldown() -> None:
    """A second bet is rejected while one is open; at the tick that decides it the next is accepted."""
    client = connected(config(seed=LONG), delays=EvidenceDelays.none())
    client.until_tick(2)
    client.sidebet(0.01, after_ms=0)
    client.until(lambda seen: seen.name == "ack")
    client.sidebet(0.01, after_ms=0)
    assert refusal(client) == "A side bet is already open"
    client.until_tick(42)
    client.sidebet(0.02, after_ms=0)
    client.until(lambda seen: seen.name == "ack")
    assert [record.accepted for record in client.records] == [True, False, True]
    assert [seen.payload["startTick"] for seen in client.answers("currentSidebet")] == [2, 42]


def test_a_lost_sidebet_is_settled_when_its_last_tick_arrives_alive(client: Client) -> None:
    """Result and account follow the frame of tick ``end``, not an earlier one (protocol 7)."""
    client.sidebet(0.01)
    client.drain()
    client.seen.clear()
    end = client.until_tick(45)
    assert not client.answers("currentSidebetResult")
    after = client.until(lambda seen: seen.name == "playerUpdate")
    result = client.answers("currentSidebetResult")[0]
    assert result.at_ns == after.at_ns == end.at_ns
    event = result.event
    assert isinstance(event, SidebetResult)
    assert (event.payout, event.profit) == (0, -to_sol(10_000_000))
    assert cash_of(client) == 10**9 - 10_000_000


@pytest.mark.parametrize(("before_rug", "wins"), [(40, True), (41, False), (1, True)])
def test_a_sidebet_wins_up_to_its_last_tick(before_rug: int, wins: bool) -> None:
    """A bet at ``rug - 40`` wins (rug tick <= end), one a tick earlier loses, one at ``rug - 1`` wins."""
    probe = connected(config(seed=LONG))
    rug_tick = state(probe.until_rug())["tickCount"]
    client = connected(config(seed=LONG), delays=EvidenceDelays.none())
    client.until_tick(rug_tick - before_rug)
    client.sidebet(0.01, after_ms=0)
    client.until_rug()
    results = [seen.event for seen in client.answers("currentSidebetResult")]
    assert len(results) == 1
    assert isinstance(results[0], SidebetResult)
    assert (results[0].payout > 0) == wins
    assert cash_of(client) == 10**9 + (40_000_000 if wins else -10_000_000)


def test_presale_takes_buys_and_bets_at_price_one_but_no_sales() -> None:
    """Before the presale no request is accepted; in it price is 1, tick 0, and a position cannot be sold."""
    client = connected(config(seed=LONG))
    client.buy(0.01)
    assert refusal(client) == "Trading is closed until the presale"
    client.until_presale()
    client.buy(0.1)
    client.sidebet(0.01)
    client.until(lambda seen: seen.name == "ack")
    client.until(lambda seen: seen.name == "ack")
    client.sell(100)
    assert refusal(client) == "No sells in the presale"
    trade = client.answers("standard/newTrade")[0].event
    bet = client.answers("currentSidebet")[0].event
    assert isinstance(trade, Trade)
    assert isinstance(bet, SidebetPlaced)
    assert (trade.price, trade.tick, trade.qty) == (1, 0, trade.amount)
    assert (bet.start_tick, bet.end_tick, bet.price) == (0, 40, 1)
    row = client.answers("gameStatePlayerUpdate")[-1].payload["leaderboardEntry"]
    assert "regularPnl" not in row
    assert row["positionQty"] == 0.1


def rug_of(client: Client) -> tuple[int, list[Seen]]:
    """Run to the new game; return the time of the rug frame and what was seen around it."""
    client.seen.clear()
    rug = client.until_rug()
    client.games(1)
    start = rug.at_ns - rules.PRIVATE_BEFORE_RUG_MS * MS
    return rug.at_ns, [seen for seen in client.seen if seen.at_ns >= start]


def test_the_owner_learns_of_the_rug_first() -> None:
    """Private settlement comes 150 ms before the public frame, in the order of protocol 10."""
    client = connected(config(seed=LONG, jitter=False), delays=EvidenceDelays.none())
    client.until_tick(5)
    client.buy(0.1, after_ms=0)
    rug_tick = state(connected(config(seed=LONG)).until_rug())["tickCount"]
    client.until_tick(rug_tick - 3)
    client.sidebet(0.01, after_ms=0)
    client.until(lambda seen: seen.name == "ack")
    rug_ns, around = rug_of(client)
    assert [seen.name for seen in around] == [
        "currentSidebetResult",
        "playerUpdate",
        "standard/newTrade",
        "playerUpdate",
        "gameStatePlayerUpdate",
        "gameStateUpdate",
        "gameStatePlayerUpdate",
        "playerUpdate",
        "gameStateUpdate",
        "gameStatePlayerUpdate",
        "gameStateUpdate",
        "gameStatePlayerUpdate",
    ]
    times = [(seen.at_ns - rug_ns) / MS for seen in around]
    assert times == [-150] * 5 + [0] * 3 + [624] * 2 + [735] * 2
    forced, updates = around[2].event, [around[1].event, around[3].event]
    assert isinstance(forced, Trade)
    assert (forced.kind, forced.price, forced.tick) == ("sell", state(around[5])["price"], rug_tick)
    assert isinstance(updates[0], PlayerUpdate)
    assert isinstance(updates[1], PlayerUpdate)
    assert updates[1].cash - updates[0].cash == forced.amount
    assert (updates[0].position_qty > 0, updates[1].position_qty) == (True, 0)
    assert updates[1].total_invested > 0


def test_what_arrives_after_the_rug_was_decided_is_refused() -> None:
    """A request in the 150 ms before the public rug frame is too late; one just before them is filled."""
    rug = connected(config(seed=LONG)).until_rug()
    for early_ms, accepted in ((151, True), (149, False), (1, False), (-300, False)):
        client = connected(config(seed=LONG))
        client.until_tick(state(rug)["tickCount"] - 3)
        client.buy(0.01, at_ns=rug.at_ns - early_ms * MS)
        client.games(1)
        assert client.records[0].accepted is accepted
        assert client.records[0].reason == ("" if accepted else "Game has rugged")
        assert [seen.payload["success"] for seen in client.answers("ack")] == [accepted]


def test_private_messages_never_overtake_each_other() -> None:
    """A rug's settlement is sent after answers in flight; the public frame comes after all of them."""
    rug = connected(config(seed=LONG)).until_rug()
    client = connected(config(seed=LONG))
    client.until_tick(state(rug)["tickCount"] - 3)
    client.buy(0.01, at_ns=rug.at_ns - 151 * MS)
    rug_ns, _ = rug_of(client)
    private = [seen for seen in client.seen if seen.private and live_tick(seen) is None]
    order = [seen.name for seen in private if seen.name != "gameStatePlayerUpdate"]
    trade = ["standard/newTrade", "playerUpdate"]
    assert order == [*trade, "ack", *trade, "playerUpdate"]
    ack = client.answers("ack")[0]
    forced = client.answers("standard/newTrade")[1]
    assert ack.at_ns == forced.at_ns == rug_ns - 2 * MS


def test_a_fast_second_order_answers_after_the_first(client: Client) -> None:
    """Answers of two orders sent together keep the order of the requests."""
    client.buy(0.01, after_ms=70)
    client.buy(0.02, after_ms=75)
    client.drain()
    amounts = [seen.payload["amount"] for seen in client.answers("standard/newTrade")]
    assert amounts == [0.01, 0.02]
    cash = [seen.payload["cash"] for seen in client.answers("playerUpdate")]
    assert cash == [0.99, 0.97]
    times = [
        seen.at_ns for seen in client.seen if seen.private and seen.name != "gameStatePlayerUpdate"
    ]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("event", "payload", "answers"),
    [
        ("ping", {"lastPing": 12.5}, ["ack"]),
        ("checkUsername", {}, ["usernameStatus", "ack"]),
        ("authenticate", {"token": "x"}, ["usernameStatus", "playerUpdate", "ack"]),
        ("getLeaderboard", {"period": "7d"}, ["leaderboardData", "ack"]),
        ("chatHistory", {}, ["chatHistory", "ack"]),
        ("somethingElse", {}, ["ack"]),
    ],
)
def test_other_requests_get_their_answer(
    client: Client, event: str, payload: dict[str, object], answers: list[str]
) -> None:
    """Requests other than actions are answered immediately and never reach the hook."""
    client.send(event, payload)
    client.until(lambda seen: seen.name == "ack")
    private = [seen.name for seen in client.seen if seen.private]
    assert [name for name in private if name != "gameStatePlayerUpdate"] == answers
    assert not client.records
    assert client.answers("ack")[0].text.endswith("[]")


@pytest.mark.parametrize(
    "text", ["", "hello", "42", '42["buyOrder",', '43["x"]', '421["buyOrder",[]]']
)
def test_garbage_is_an_error_and_changes_nothing(client: Client, text: str) -> None:
    """A frame that is not an event raises one typed error; the next request is served."""
    with pytest.raises(WireError):
        client.exchange.request(client.exchange.now_ns, ME, text)
    client.buy(0.01)
    client.drain()
    assert client.records[0].accepted


def test_an_unknown_player_is_not_served(client: Client) -> None:
    """Only requests of a connected player are accepted."""
    with pytest.raises(InputError, match="not connected"):
        client.exchange.request(client.exchange.now_ns, "did:privy:nobody", '42["ping"]')
    assert not client.records


def test_a_request_of_an_ended_connection_is_not_carried_out_for_the_next_one() -> None:
    """A request in flight when its player reconnects is dropped: acknowledgement ids restart."""
    exchange = Exchange(config(seed=LONG))
    exchange.connect(ME, "me")
    while not exchange.books.clients or exchange.games_opened < 1:
        exchange.step()
    exchange.request(exchange.now_ns + MS, ME, '421["selectCoin",{"coinAddress":"0xPractice"}]')
    exchange.disconnect(ME)
    exchange.connect(ME, "me")
    end_ns = exchange.now_ns + 1000 * MS
    texts = []
    while exchange.next_ns() <= end_ns:
        texts += [message.text for message in exchange.step() if message.player_id == ME]

    account = exchange.books.get(ME)
    assert account is not None
    assert not account.is_practice
    assert not any(text.startswith("43") for text in texts)
