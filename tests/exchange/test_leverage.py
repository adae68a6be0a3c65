"""Leverage on the exchange: who may use it, when it is liquidated, the frames of it (protocol 9)."""

from __future__ import annotations

import pytest

from tests.exchange.driver import ME, config, live_tick, state
from tests.exchange.scenario import (
    LONG,
    SOL,
    account_of,
    ask,
    balanced,
    joined,
    law,
    ledger_of,
    own_trades,
    received,
)
from vectra_bot.exchange import EvidenceDelays
from vectra_bot.exchange.accounts import BookEntry
from vectra_bot.game import rules
from vectra_bot.game.ledger import lamports_from_double, lot_value
from vectra_bot.models import PlayerUpdate, Trade

GAME = law()


def first_at_limit(entry_tick: int, leverage: int) -> int:
    """Return the tick that liquidates a lot bought at *entry_tick*, the rug's if none does."""
    fall = rules.LIQUIDATION_FALL.get(leverage)
    if fall is not None:
        for tick in range(entry_tick + 1, GAME.rug_tick):
            if GAME.prices[tick] <= GAME.prices[entry_tick] * (1 - fall):
                return tick
    return GAME.rug_tick


@pytest.mark.parametrize("entry_tick", [2, 40, 77, 120])
def test_each_lot_ends_at_the_first_tick_at_its_limit(entry_tick: int) -> None:
    """2x to 5x are sold at the first price at their threshold, 1x only at the rug."""
    client = joined()
    client.until_tick(entry_tick)
    for leverage in (1, 2, 3, 4, 5):
        assert ask(client, "buyOrder", amount=0.5, leverage=leverage)["success"]
    client.games(1)
    ends = sorted(first_at_limit(entry_tick, leverage) for leverage in (1, 2, 3, 4, 5))
    sold = [(tick, price) for kind, tick, price in own_trades(client) if kind == "sell"]
    alone = [tick for tick in ends if tick < GAME.rug_tick]
    rugged = [GAME.rug_tick] if GAME.rug_tick in ends else []
    assert [tick for tick, _ in sold] == [*alone, *rugged]
    prices = [*GAME.prices, GAME.rug_price]
    assert all(price == prices[tick] for tick, price in sold)
    assert balanced(client)


def test_the_scenarios_above_liquidate_lots() -> None:
    """The entry ticks cover lots that are liquidated at once, later, and not at all."""
    waits = {first_at_limit(entry, 2) - entry for entry in (2, 40, 77, 120)}
    assert len(waits) > 2
    assert first_at_limit(2, 1) == GAME.rug_tick


def test_a_liquidation_is_sent_as_a_plain_sell() -> None:
    """After the tick's frame come a ``sell`` without leverage, the account, the row (protocol 9)."""
    client = joined()
    client.until_tick(2)
    ask(client, "buyOrder", amount=1, leverage=5)
    (lot,) = ledger_of(client).lots
    tick = first_at_limit(2, 5)
    frame = client.until_tick(tick)
    client.seen.clear()
    client.until(lambda seen: live_tick(seen) == tick + 1)
    names = [seen.name for seen in client.seen if seen.private]
    assert names[:3] == ["standard/newTrade", "playerUpdate", "gameStatePlayerUpdate"]
    assert {seen.at_ns for seen in client.seen if seen.private and seen.name == "playerUpdate"} == {
        frame.at_ns
    }
    (trade,) = received(client, "standard/newTrade")
    assert (trade["type"], trade["tickIndex"], "leverage" in trade) == ("sell", tick, False)
    paid = lot_value(lot, GAME.prices[tick])
    assert lamports_from_double(trade["amount"]) == paid < SOL
    update = client.answers("playerUpdate")[0].event
    assert isinstance(update, PlayerUpdate)
    assert (update.position_qty, account_of(client).sol.cash) == (0, 99 * SOL + paid)
    assert account_of(client).flows.total(BookEntry.LIQUIDATION) == paid
    assert client.records[-1].kind == "buy"


def test_lots_that_end_at_one_tick_are_sent_together() -> None:
    """One ``sell`` a lot, oldest first, then the account once, as all of them left it."""
    client = joined()
    client.until_tick(2)
    for amount in (1, 2):
        ask(client, "buyOrder", amount=amount, leverage=5)
    lots = ledger_of(client).lots
    tick = first_at_limit(2, 5)
    client.until_tick(tick - 1)
    client.seen.clear()
    client.until_tick(tick + 1)
    names = [seen.name for seen in client.seen if seen.private]
    at = names.index("standard/newTrade")
    assert names[at : at + 4] == [
        "standard/newTrade",
        "standard/newTrade",
        "playerUpdate",
        "gameStatePlayerUpdate",
    ]
    paid = [
        lamports_from_double(trade["amount"]) for trade in received(client, "standard/newTrade")
    ]
    assert paid == [lot_value(lot, GAME.prices[tick]) for lot in lots]
    (update,) = received(client, "playerUpdate")
    assert lamports_from_double(update["cash"]) == 97 * SOL + sum(paid)


def test_a_leveraged_position_is_listed_until_it_is_gone() -> None:
    """``leveragedPositions`` names stake, entry and limit of every leveraged lot, and only those."""
    client = joined()
    client.until_tick(2)
    ask(client, "buyOrder", amount=0.25)
    ask(client, "buyOrder", amount=0.5, leverage=2)
    (item,) = received(client, "playerUpdate")[-1]["leveragedPositions"]
    price = GAME.prices[2]
    assert (item["amount"], item["leverage"], item["entryTick"]) == (0.5, 2, 2)
    assert (item["entryPrice"], item["liquidationPrice"]) == (price, price * (1 - 0.20))
    ask(client, "sellOrder", percentage=100)
    assert received(client, "playerUpdate")[-1]["leveragedPositions"] == []


def test_a_sale_takes_the_oldest_lot_whatever_its_leverage() -> None:
    """Half of two equal lots, the first at 3x, is the 3x lot; the plain one stays."""
    client = joined()
    client.until_tick(2)
    ask(client, "buyOrder", amount=1, leverage=3)
    ask(client, "buyOrder", amount=1)
    (levered, plain) = ledger_of(client).lots
    client.until_tick(3)
    ask(client, "sellOrder", percentage=50)
    trade = received(client, "standard/newTrade")[-1]
    assert lamports_from_double(trade["amount"]) == lot_value(levered, GAME.prices[3])
    assert ledger_of(client).lots == (plain,)
    assert not ledger_of(client).leveraged
    client.games(1)
    assert own_trades(client)[-1][1] == GAME.rug_tick


@pytest.mark.parametrize(("level", "allowed"), [(9, False), (10, True)])
def test_leverage_is_offered_from_level_10(level: int, allowed: bool) -> None:
    """Below level 10 it is rejected with the level in the message; 1x is always allowed (protocol 9)."""
    client = joined(level=level)
    client.until_tick(2)
    answer = ask(client, "buyOrder", amount=0.01, leverage=2)
    assert answer["success"] is allowed
    assert answer.get("message") == (None if allowed else "Leverage is offered from level 10")
    assert ask(client, "buyOrder", amount=0.01, leverage=1)["success"]


@pytest.mark.parametrize("leverage", [0, -1, 6, 2.5, "2", True, [2], 1e300])
def test_leverage_of_a_wrong_kind_is_refused(leverage: object) -> None:
    """Only whole numbers from 1 to 5 are valid; otherwise nothing is bought."""
    client = joined()
    client.until_tick(2)
    answer = ask(client, "buyOrder", amount=0.01, leverage=leverage)
    assert answer == {"success": False, "message": "Leverage must be between 1 and 5"}
    assert account_of(client).sol.cash == 100 * SOL


def test_a_presale_buy_may_have_leverage() -> None:
    """It is entered at price 1 and tick 0, and the first price at its limit ends it."""
    client = joined()
    client.until_presale()
    assert ask(client, "buyOrder", amount=1, leverage=5)["success"]
    (lot,) = ledger_of(client).lots
    assert (lot.price, lot.tick, lot.leverage) == (1.0, 0, 5)
    client.games(1)
    assert own_trades(client) == [
        ("buy", 0, 1),
        ("sell", end := first_at_limit(0, 5), [*GAME.prices, GAME.rug_price][end]),
    ]
    assert balanced(client)


def test_a_leveraged_lot_at_the_rug_is_sold_for_nothing() -> None:
    """The rug's fall exceeds any leveraged stake: the forced sale pays 0, once, and is booked."""
    client = joined()
    client.until_tick(GAME.rug_tick - 1)
    ask(client, "buyOrder", amount=1, leverage=2)
    client.games(1)
    trades = received(client, "standard/newTrade")
    assert [(t["type"], t["amount"], t["tickIndex"]) for t in trades] == [
        ("buy", 1, GAME.rug_tick - 1),
        ("sell", 0, GAME.rug_tick),
    ]
    assert account_of(client).sol.cash == 99 * SOL
    flows = account_of(client).flows
    assert (flows.counts[BookEntry.FORCED_SELL], BookEntry.LIQUIDATION in flows.counts) == (
        1,
        False,
    )
    assert balanced(client)


def test_a_client_that_left_is_liquidated_too() -> None:
    """Disconnecting does not prevent liquidation; after the reconnect there is the money, not the lot."""
    client = joined()
    client.until_tick(2)
    ask(client, "buyOrder", amount=1, leverage=5)
    client.exchange.disconnect(ME)
    end = first_at_limit(2, 5)
    client.until_tick(end + 1)
    account = account_of(client)
    assert account.ledger.position_qty == 0
    assert own_trades(client) == [("buy", 2, GAME.prices[2])]
    client.exchange.connect(ME, delays=EvidenceDelays.none())
    update = client.until(lambda seen: seen.name == "playerUpdate").payload
    assert lamports_from_double(update["cash"]) == account.sol.cash > 99 * SOL
    assert update["leveragedPositions"] == []


def test_the_public_tape_marks_leverage_on_buys_only() -> None:
    """A buy's row states the leverage; a liquidation is not marked as one."""
    client = joined(config(seed=LONG, crowd=40))
    client.until_tick(2)
    ask(client, "buyOrder", amount=5, leverage=4)
    trade = client.answers("standard/newTrade")[0]
    assert isinstance(trade.event, Trade)
    assert (trade.event.leverage, trade.payload["leverage"]) == (4, 4)
    client.games(1)
    rows = [seen.payload for seen in client.seen if seen.name == "standard/newTrade"]
    assert all(("leverage" in row) == (row["type"] == "buy") for row in rows)
    assert all(row.get("type") in {"buy", "sell", "short_open", "short_close"} for row in rows)
    assert state(client.until_presale())["allowPreRoundBuys"]
