"""Limits and presale rules: stakes, the cap on winnings, one sidebet, wrong types (protocol 6.1, 7)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.exchange.driver import Client, config
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
from vectra_bot.errors import ConfigError
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.exchange.accounts import BookEntry

GAME = law()
HIGH = max(range(GAME.rug_tick), key=GAME.prices.__getitem__)
LOW = min(range(HIGH), key=GAME.prices.__getitem__)
ORDERS = ("buyOrder", "sellOrder", "requestSidebet", "shortOrder", "closeShort")
WRONG = (None, True, "0.1", [0.1], {"amount": 0.1}, 1e300, -1e300)


def capped(cap: str, tick: int) -> Client:
    """Return a client in the game at *tick* that may win *cap* SOL in it."""
    client = joined(config(seed=LONG, max_win=Decimal(cap)))
    client.until_tick(tick)
    return client


# ---- the cap on winnings


def test_winnings_of_a_game_end_at_the_cap() -> None:
    """A sale above it pays stake and cap, the account says so, and the next game starts at zero."""
    client = capped("0.5", LOW)
    ask(client, "buyOrder", amount=1)
    client.until_tick(HIGH)
    assert GAME.prices[HIGH] / GAME.prices[LOW] > 2
    ask(client, "sellOrder", percentage=100)
    assert received(client, "standard/newTrade")[-1]["amount"] == 1.5
    shown = received(client, "playerUpdate")[-1]
    assert (shown["hitMaxWin"], shown["cash"]) == (True, 100.5)
    assert client.records[-1].amount == SOL * 3 // 2
    assert client.exchange.capped == 0
    client.games(1)
    assert client.exchange.capped == 1
    client.until_presale()
    ask(client, "buyOrder", amount=0.1)
    assert received(client, "playerUpdate")[-1]["hitMaxWin"] is False
    assert balanced(client)


def test_the_cap_counts_all_of_a_game_together() -> None:
    """Sale, then a won sidebet: together they win exactly the cap."""
    client = capped("0.3", LOW)
    ask(client, "buyOrder", amount=0.05)
    client.until_tick(HIGH)
    ask(client, "sellOrder", percentage=100)
    won = account_of(client).sol.cash - 100 * SOL
    assert 0 < won < 3 * SOL // 10
    client.until_tick(GAME.rug_tick - 1)
    ask(client, "requestSidebet", amount=1, xPayout=5)
    client.games(1)
    (result,) = received(client, "currentSidebetResult")
    assert account_of(client).sol.cash == 100 * SOL + 3 * SOL // 10
    assert round(result["profit"] * SOL) == 3 * SOL // 10 - won
    assert client.exchange.capped == 1
    assert balanced(client)


def test_side_games_are_outside_the_cap() -> None:
    """A cap is on a game's winnings; a round belongs to no game (protocol 6.1, 11)."""
    client = joined(config(seed=LONG, max_win=Decimal("0.001")))
    for _ in range(4):
        client.until(lambda seen: "candleflipRound" in seen.text and '"open"' in seen.text)
        ask(client, "candleflipBet", amount=1, choice="red")
    won = account_of(client).flows.total(BookEntry.CANDLEFLIP_PAYOUT)
    assert won
    assert won % (194 * SOL // 100) == 0
    assert not account_of(client).sol.hit_max_win


@pytest.mark.parametrize("cap", [0, -1, 1_000_001])
def test_a_cap_that_is_none_is_refused(cap: int) -> None:
    """The cap must be above 0."""
    with pytest.raises(ConfigError, match="max_win"):
        ExchangeConfig(max_win=Decimal(cap))


# ---- presale


def test_presale_orders_cannot_be_taken_back() -> None:
    """No sell and no second sidebet in the presale; what was bought is there at tick 0."""
    client = joined()
    client.until_presale()
    ask(client, "buyOrder", amount=1)
    ask(client, "buyOrder", amount=0.5)
    ask(client, "requestSidebet", amount=0.1, xPayout=5)
    for _ in range(2):
        assert ask(client, "sellOrder", percentage=1)["message"] == "No sells in the presale"
    again = ask(client, "requestSidebet", amount=0.1, xPayout=5)
    assert again["message"] == "A side bet is already open"
    client.until_tick(0)
    assert ledger_of(client).position_qty == 3 * SOL // 2
    assert [lot.tick for lot in ledger_of(client).lots] == [0, 0]
    assert ask(client, "sellOrder", percentage=100)["success"]
    assert own_trades(client)[-1] == ("sell", 0, 1)
    assert account_of(client).sol.cash == 100 * SOL - SOL // 10


def test_a_presale_sidebet_wins_up_to_tick_40() -> None:
    """It starts at tick 0: a rug at 6 wins it, one at 144 has lost it at tick 40."""
    for seed, won in ((28, True), (LONG, False)):
        client = joined(config(seed=seed))
        client.until_presale()
        bet = ask(client, "requestSidebet", amount=0.1, xPayout=5)["sidebet"]
        assert (bet["startTick"], bet["endTick"], bet["price"]) == (0, 40, 1)
        client.games(1)
        (result,) = received(client, "currentSidebetResult")
        assert (result["payout"] > 0) is won
        assert result["tickIndex"] == (law(seed).rug_tick if won else 40)


def test_nothing_is_taken_before_the_presale_and_after_the_rug() -> None:
    """Every request is rejected with the phase's reason, whatever else is wrong with it."""
    client = joined()
    for event in ORDERS:
        message = ask(client, event, amount=99, percentage=500)["message"]
        assert message == "Trading is closed until the presale"
    client.until_rug()
    for event in ORDERS:
        assert ask(client, event, amount=99, percentage=500)["message"] == "Game has rugged"
    assert account_of(client).sol.cash == 100 * SOL
    assert account_of(client).interacted is False


# ---- sidebets


def test_sidebets_follow_each_other_without_a_pause() -> None:
    """The tick that decides a bet accepts the next, every 40 ticks of a game (protocol 7: no cooldown)."""
    client = joined()
    client.until_tick(1)
    for start in (1, 41, 81):
        if start > 1:
            client.until_tick(start)
        assert ask(client, "requestSidebet", amount=0.01, xPayout=5)["success"]
        again = ask(client, "requestSidebet", amount=0.01, xPayout=5)
        assert again["message"] == "A side bet is already open"
    client.games(1)
    results = received(client, "currentSidebetResult")
    assert [(r["startTick"], r["endTick"]) for r in results] == [(1, 41), (41, 81), (81, 121)]
    assert account_of(client).sol.cash == 100 * SOL - 3 * SOL // 100
    assert balanced(client)


def test_the_next_game_starts_with_no_bet() -> None:
    """A bet decided by the rug does not block one in the next presale."""
    client = joined()
    client.until_tick(GAME.rug_tick - 1)
    ask(client, "requestSidebet", amount=0.01, xPayout=5)
    client.until_presale()
    assert ask(client, "requestSidebet", amount=0.01, xPayout=5)["success"]
    assert [r["payout"] for r in received(client, "currentSidebetResult")] == [0.05]


# ---- wrong types


@pytest.mark.parametrize("event", ["buyOrder", "requestSidebet", "shortOrder"])
@pytest.mark.parametrize("amount", WRONG)
def test_amounts_of_a_wrong_type_are_refused(event: str, amount: Any) -> None:
    """Only a JSON number of SOL is an amount; the refusal is one ack, and nothing else happens."""
    client = joined()
    client.until_tick(2)
    client.seen.clear()
    answer = ask(client, event, amount=amount, xPayout=5)
    assert answer == {"success": False, "message": "Invalid amount"}
    assert [s.name for s in client.seen if s.private and "State" not in s.name] == ["ack"]
    assert account_of(client).sol.cash == 100 * SOL


@pytest.mark.parametrize("percentage", [None, True, "50", 50.0, 0, 101, -1, [50], 10**30])
def test_percentages_of_a_wrong_type_are_refused(percentage: Any) -> None:
    """Only a whole number from 1 to 100 is a share."""
    client = joined()
    client.until_tick(2)
    ask(client, "buyOrder", amount=1)
    answer = ask(client, "sellOrder", percentage=percentage)
    assert answer["message"] == "Percentage must be a whole number from 1 to 100"
    assert ledger_of(client).cost == SOL


@pytest.mark.parametrize("payout", [4, "5", None, True, [5]])
def test_sidebets_pay_five_times_or_are_refused(payout: Any) -> None:
    """``xPayout`` is 5, or missing."""
    client = joined()
    client.until_tick(2)
    answer = ask(client, "requestSidebet", amount=0.1, xPayout=payout)
    assert answer["message"] == "Side bets pay 5 times the stake"
    assert ask(client, "requestSidebet", amount=0.1)["success"]


def test_a_position_too_small_for_its_share_cannot_be_sold() -> None:
    """A share below a billionth of a token is rejected, not sold for nothing."""
    client = joined()
    client.until_tick(2)
    ask(client, "buyOrder", amount=0.001)
    for _ in range(3):
        ask(client, "sellOrder", percentage=99)
    assert 0 < ledger_of(client).position_qty < 100
    assert ask(client, "sellOrder", percentage=1)["message"] == "No position to sell"
    assert balanced(client)


def test_stakes_that_need_more_than_there_is_are_refused() -> None:
    """Staked money is not available until it is paid back; the message states the free balance."""
    client = joined(cash=SOL)
    client.until_tick(2)
    ask(client, "buyOrder", amount=0.6)
    for event in ("buyOrder", "requestSidebet", "shortOrder"):
        message = ask(client, event, amount=0.5, xPayout=5)["message"]
        assert message == "Insufficient funds: 0.400000000 SOL free"
    ask(client, "buyOrder", amount=0.4)
    message = ask(client, "buyOrder", amount=0.001)["message"]
    assert message == "Insufficient funds: 0.000000000 SOL free"
