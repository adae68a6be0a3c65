"""Shorts on the exchange: payoffs at the price in force, late fills, the rug (protocol 5.2, 8)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.exchange.driver import ME, Client, config, live_tick
from tests.exchange.scenario import (
    LONG,
    SOL,
    account_of,
    ask,
    balanced,
    joined,
    law,
    ledger_of,
    received,
)
from vectra_bot.exchange import EvidenceDelays
from vectra_bot.exchange.accounts import BookEntry
from vectra_bot.game.ledger import lamports_from_double
from vectra_bot.game.shorts import OpenShort, ShortAtRug, ShortPayoff, ShortTerms

GAME = law()
OPENED, CLOSED = 60, 70
HIGH = max(range(GAME.rug_tick), key=GAME.prices.__getitem__)  # a short from here lives to the rug


def with_terms(payoff: str = "textbook", at_rug: str = "settle", **more: Any) -> Client:
    """Return a client on an exchange with these terms."""
    return joined(config(seed=LONG, short_payoff=payoff, short_at_rug=at_rug), **more)


def expected(payoff: ShortPayoff, opened: int, closed: int) -> int:
    """Return what one SOL opened and closed at these ticks is worth, by the price path alone."""
    late = payoff is ShortPayoff.LATE_OPEN
    short = OpenShort(SOL, GAME.prices[opened], opened, 0, None if late else GAME.prices[opened])
    closed += payoff is ShortPayoff.LATE_CLOSE
    for tick in range(opened + 1, closed + 1):
        short = short.moved(GAME.prices[tick - 1], GAME.prices[tick])
    return short.value(GAME.prices[closed], ShortTerms(payoff=payoff))


@pytest.mark.parametrize("payoff", ShortPayoff)
def test_a_short_pays_what_its_terms_give(payoff: ShortPayoff) -> None:
    """Opened at tick 60 and closed at 70, each payoff pays the value of the path between."""
    client = with_terms(payoff)
    client.until_tick(OPENED)
    assert ask(client, "shortOrder", amount=1)["success"]
    opening = received(client, "standard/newTrade")[-1]
    assert (opening["type"], opening["qty"], opening["amount"]) == ("short_open", 0, 1)
    assert not {"leverage", "bonusPortion", "realPortion"} & set(opening)
    client.until_tick(CLOSED)
    trace_id = client.send("closeShort", {}, after_ms=0)
    client.until_tick(CLOSED + 2)
    late = payoff is ShortPayoff.LATE_CLOSE
    (closing,) = [
        seen for seen in client.answers("standard/newTrade") if "short_close" in seen.text
    ]
    assert closing.trace_id == trace_id
    assert (closing.payload["type"], closing.payload["qty"]) == ("short_close", 0)
    assert closing.payload["tickIndex"] == CLOSED + late
    paid = lamports_from_double(closing.payload["amount"])
    assert paid == expected(payoff, OPENED, CLOSED) > 0
    assert account_of(client).sol.cash == 99 * SOL + paid
    assert ledger_of(client).short is None
    assert balanced(client)


def test_the_payoffs_differ() -> None:
    """The scenario above distinguishes every payoff from every other."""
    assert len({expected(payoff, OPENED, CLOSED) for payoff in ShortPayoff}) == len(ShortPayoff)


def test_a_row_shows_the_open_short() -> None:
    """``shortPosition`` and ``shortPnl`` follow the price; after the close the part is null."""
    client = with_terms()
    client.until_tick(OPENED)
    ask(client, "shortOrder", amount=0.5)
    client.until_tick(CLOSED)
    row = received(client, "gameStatePlayerUpdate")[-1]["leaderboardEntry"]
    part, price = row["shortPosition"], GAME.prices[CLOSED - 1]  # rows are one tick old
    value = OpenShort(SOL // 2, GAME.prices[OPENED], OPENED, 0, GAME.prices[OPENED]).value(
        price, ShortTerms()
    )
    assert (part["amount"], part["entryPrice"], part["entryTick"]) == (
        0.5,
        GAME.prices[OPENED],
        OPENED,
    )
    assert lamports_from_double(part["currentValue"]) == value
    assert lamports_from_double(row["shortPnl"]) == value - SOL // 2
    assert row["pnl"] == row["shortPnl"] == part["pnl"]
    assert (part["bonusPortion"], part["realPortion"]) == (0, 0.5)
    assert row["totalInvested"] == 0.5
    ask(client, "closeShort")
    update = received(client, "playerUpdate")[-1]
    assert update["shortPosition"] is None
    assert lamports_from_double(update["cumulativePnL"]) == account_of(client).sol.cash - 100 * SOL


@pytest.mark.parametrize(("event", "payload"), [("shortOrder", {"amount": 1}), ("closeShort", {})])
def test_no_shorts_outside_the_game(event: str, payload: dict[str, Any]) -> None:
    """No short opens in the cooldown, in the presale, or after the rug."""
    client = with_terms()
    assert ask(client, event, **payload)["message"] == "Trading is closed until the presale"
    client.until_presale()
    assert ask(client, event, **payload)["message"] == "No shorts in the presale"
    client.until_rug()
    assert ask(client, event, **payload)["message"] == "Game has rugged"
    assert account_of(client).sol.cash == 100 * SOL


def test_one_short_at_a_time_on_the_exchange() -> None:
    """A second open is rejected, and so is a close if none is open; after the close the next may open."""
    client = with_terms()
    client.until_tick(OPENED)
    assert ask(client, "closeShort")["message"] == "No short position to close"
    assert ask(client, "shortOrder", amount=1)["success"]
    assert ask(client, "shortOrder", amount=1)["message"] == "A short position is already open"
    assert ask(client, "closeShort")["success"]
    assert ask(client, "closeShort")["message"] == "No short position to close"
    assert ask(client, "shortOrder", amount=1)["success"]
    assert balanced(client)


@pytest.mark.parametrize("amount", [0.0009, 5.1, -1, "1", None, True, [1]])
def test_a_shorts_stake_has_the_usual_limits(amount: object) -> None:
    """0.001 to 5 SOL, as a number; nothing is taken otherwise."""
    client = with_terms()
    client.until_tick(OPENED)
    message = ask(client, "shortOrder", amount=amount)["message"]
    wrong = "Invalid amount" if type(amount) not in {int, float} else "between 0.001 and 5 SOL"
    assert wrong in message
    assert ledger_of(client).short is None


# ---- late fills


def test_a_late_close_is_refused_twice_and_settled_once() -> None:
    """Between request and next tick the short is being closed: a second close is refused."""
    client = with_terms("late-close")
    client.until_tick(OPENED)
    ask(client, "shortOrder", amount=1)
    client.until_tick(CLOSED)
    assert ask(client, "closeShort") == {"success": True}
    assert ask(client, "closeShort")["message"] == "No short position to close"
    assert ask(client, "shortOrder", amount=1)["message"] == "A short position is already open"
    client.until_tick(CLOSED + 1)
    client.drain()
    assert (
        len([t for t in received(client, "standard/newTrade") if t["type"] == "short_close"]) == 1
    )
    assert ask(client, "shortOrder", amount=1)["success"]


@pytest.mark.parametrize("at_rug", ShortAtRug)
def test_a_late_close_asked_at_the_last_tick_ends_at_the_rug(at_rug: ShortAtRug) -> None:
    """There is no next tick: the rug's rule decides, and the trade has the request's trace id."""
    client = with_terms("late-close", at_rug)
    client.until_tick(GAME.rug_tick - 1)
    ask(client, "shortOrder", amount=1)
    trace_id = client.send("closeShort", {}, after_ms=0)
    client.games(1)
    (closing,) = [
        seen for seen in client.answers("standard/newTrade") if "short_close" in seen.text
    ]
    assert (closing.payload["tickIndex"], closing.trace_id) == (GAME.rug_tick, trace_id)
    assert account_of(client).flows.counts[BookEntry.SHORT_CLOSE] == 1
    assert balanced(client)
    client.until_presale()
    assert ask(client, "buyOrder", amount=1)["success"]


def test_a_late_open_at_the_last_tick_gives_the_stake_back() -> None:
    """Its entry is the next price, the rug's, so settling there pays the stake."""
    client = with_terms("late-open")
    client.until_tick(GAME.rug_tick - 1)
    ask(client, "shortOrder", amount=1)
    assert received(client, "standard/newTrade")[-1]["price"] == GAME.prices[GAME.rug_tick - 1]
    client.games(1)
    assert account_of(client).sol.cash == 100 * SOL


# ---- the rug


@pytest.mark.parametrize(
    ("at_rug", "paid"),
    [
        (
            "settle",
            OpenShort(SOL, GAME.prices[HIGH], HIGH, 0, GAME.prices[HIGH]).value(
                GAME.rug_price, ShortTerms()
            ),
        ),
        ("lose", 0),
        ("refund", SOL),
    ],
)
def test_an_open_short_at_the_rug(at_rug: str, paid: int) -> None:
    """It is settled at the rug price, lost, or given back, as configured; sent as a ``short_close``."""
    client = with_terms(at_rug=at_rug)
    client.until_tick(HIGH)
    ask(client, "shortOrder", amount=1)
    client.games(1)
    closing = received(client, "standard/newTrade")[-1]
    assert (closing["type"], closing["price"], closing["tickIndex"]) == (
        "short_close",
        GAME.rug_price,
        GAME.rug_tick,
    )
    assert lamports_from_double(closing["amount"]) == paid
    assert account_of(client).sol.cash == 99 * SOL + paid
    assert balanced(client)


def test_the_owner_of_a_short_learns_of_the_rug_first() -> None:
    """Close, account and row come 150 ms before the public frame (protocol 10)."""
    client = with_terms()
    client.until_tick(HIGH)
    ask(client, "shortOrder", amount=1)
    rug = client.until_rug()
    early = [seen.name for seen in client.seen if seen.at_ns == rug.at_ns - 150_000_000]
    assert early == ["standard/newTrade", "playerUpdate", "gameStatePlayerUpdate"]


def test_bet_short_and_position_end_in_their_order_at_the_rug() -> None:
    """Bet and account, then short, position and the account as both left it, then the row (protocol 10)."""
    client = with_terms()
    client.until_tick(HIGH)
    ask(client, "buyOrder", amount=1)
    ask(client, "shortOrder", amount=1)
    client.until_tick(GAME.rug_tick - 1)
    ask(client, "requestSidebet", amount=1, xPayout=5)
    cash = account_of(client).sol.cash
    rug = client.until_rug()
    early = [seen for seen in client.seen if seen.at_ns == rug.at_ns - 150_000_000]
    assert [seen.name for seen in early] == [
        "currentSidebetResult",
        "playerUpdate",
        "standard/newTrade",
        "standard/newTrade",
        "playerUpdate",
        "gameStatePlayerUpdate",
    ]
    result, first, short, sale, last, row = (seen.payload for seen in early)
    assert [short["type"], sale["type"]] == ["short_close", "sell"]
    paid = [lamports_from_double(p) for p in (result["payout"], short["amount"], sale["amount"])]
    assert lamports_from_double(first["cash"]) == cash + paid[0]
    assert lamports_from_double(last["cash"]) == cash + sum(paid)
    assert (first["positionQty"] > 0, last["positionQty"]) == (True, 0)
    assert lamports_from_double(row["leaderboardEntry"]["pnl"]) == cash + sum(paid) - 100 * SOL
    assert balanced(client)


def test_a_short_held_less_than_20_ticks_into_the_rug_counts() -> None:
    """Like a long that is sold by the rug it gives experience (protocol 6.1)."""
    client = with_terms()
    client.until_tick(GAME.rug_tick - 3)
    ask(client, "shortOrder", amount=1)
    client.games(1)
    assert account_of(client).total_xp == 1_000


def test_a_worthless_short_is_closed_by_the_venue() -> None:
    """When the price has doubled a short is worth nothing: closed for 0 at that tick, once."""
    entry = min(range(1, 60), key=lambda tick: GAME.prices[tick])
    end = next(
        tick for tick in range(entry, GAME.rug_tick) if GAME.prices[tick] >= 2 * GAME.prices[entry]
    )
    client = with_terms()
    client.until_tick(entry)
    ask(client, "shortOrder", amount=1)
    client.until_tick(end - 1)
    assert ledger_of(client).short is not None
    client.until_tick(end + 1)
    closing = received(client, "standard/newTrade")[-1]
    assert (closing["type"], closing["amount"], closing["tickIndex"]) == ("short_close", 0, end)
    assert ask(client, "shortOrder", amount=1)["success"]
    client.games(1)
    assert account_of(client).flows.counts[BookEntry.SHORT_CLOSE] == 2
    assert balanced(client)


def test_bonus_money_in_a_short_comes_back_in_its_share() -> None:
    """A stake of 1 with 0.25 of bonus money returns a quarter of its value as bonus money."""
    client = with_terms(bonus=SOL // 4)
    client.until_tick(OPENED)
    ask(client, "shortOrder", amount=1)
    part = received(client, "playerUpdate")[-1]["shortPosition"]
    assert (part["bonusPortion"], part["realPortion"]) == (0.25, 0.75)
    client.until_tick(CLOSED)
    ask(client, "closeShort")
    value = expected(ShortPayoff.TEXTBOOK, OPENED, CLOSED)
    update = received(client, "playerUpdate")[-1]
    assert lamports_from_double(update["bonusBalance"]) == value // 4
    assert lamports_from_double(update["cash"]) == 100 * SOL - SOL * 3 // 4 + value - value // 4
    assert balanced(client)


def test_a_client_that_left_with_a_short_gets_its_money() -> None:
    """The short is settled at the rug; a player who reconnects later gets the money in the first update."""
    client = with_terms(at_rug="refund")
    client.until_tick(HIGH)
    ask(client, "shortOrder", amount=1)
    client.exchange.disconnect(ME)
    client.games(1)
    assert account_of(client).sol.cash == 100 * SOL
    client.exchange.connect(ME, delays=EvidenceDelays.none())
    update = client.until(lambda seen: seen.name == "playerUpdate").payload
    assert (update["cash"], update["shortPosition"]) == (100, None)


def test_coming_back_in_the_middle_of_the_game_shows_the_open_short() -> None:
    """The account after a reconnect holds the short and its value now; it can be closed."""
    client = with_terms()
    client.until_tick(OPENED)
    ask(client, "shortOrder", amount=1)
    client.exchange.disconnect(ME)
    client.until(lambda seen: live_tick(seen) == CLOSED)
    client.exchange.connect(ME, delays=EvidenceDelays.none())
    update = client.until(lambda seen: seen.name == "playerUpdate").payload
    value = expected(ShortPayoff.TEXTBOOK, OPENED, CLOSED)
    assert lamports_from_double(update["shortPosition"]["currentValue"]) == value
    assert ask(client, "closeShort")["success"]
    assert account_of(client).sol.cash == 99 * SOL + value


def test_long_and_short_of_one_game_are_two_books() -> None:
    """A position and a short side by side: the row's PnL is the sum of its parts to the lamport."""
    client = with_terms()
    client.until_tick(OPENED)
    ask(client, "buyOrder", amount=1)
    ask(client, "shortOrder", amount=1)
    ask(client, "requestSidebet", amount=0.01, xPayout=5)
    client.until_tick(GAME.rug_tick - 1)
    for seen in client.answers("gameStatePlayerUpdate"):
        row = seen.payload.get("leaderboardEntry")
        if row and "shortPnl" in row:
            parts = (row["regularPnl"], row["sidebetPnl"], row["shortPnl"])
            assert lamports_from_double(row["pnl"]) == sum(map(lamports_from_double, parts))
    client.games(1)
    assert ledger_of(client).total_invested == 0
    assert balanced(client)
