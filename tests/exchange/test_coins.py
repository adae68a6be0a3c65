"""Practice coin and bonus balance besides SOL: which balance pays, which is shown, what never mixes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.exchange.driver import ME, Client, config, state
from tests.exchange.scenario import (
    LONG,
    OTHER,
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
from vectra_bot.exchange.accounts import BookEntry, Coin, Money
from vectra_bot.game.ledger import lamports_from_double

GAME = law()
PRACTICE = "0xPractice"


def practising(tick: int = 2, **more: Any) -> Client:
    """Return a client with the practice coin selected, in the game at *tick*."""
    client = joined(config(seed=LONG, **more))
    assert ask(client, "selectCoin", coinAddress=PRACTICE) == {"success": True}
    client.until_tick(tick)
    return client


# ---- selecting


def test_a_coin_is_selected_between_games() -> None:
    """The account's update shows it; null selects SOL again (protocol 5.2)."""
    client = joined()
    ask(client, "selectCoin", coinAddress=PRACTICE)
    shown = received(client, "playerUpdate")[-1]
    assert shown["selectedCoin"]["address"] == PRACTICE
    assert (shown["cash"], shown["shitcoinBalances"]) == (100, {PRACTICE: 100})
    for address in (None, "So11111111111111111111111111111111111111112"):
        assert ask(client, "selectCoin", coinAddress=address)["success"]
        assert received(client, "playerUpdate")[-1]["selectedCoin"] is None


@pytest.mark.parametrize("address", ["0xOther", "", 5, True, [PRACTICE], {"address": PRACTICE}])
def test_an_unknown_coin_is_refused(address: object) -> None:
    """A value that is not a coin's address, of any type, selects nothing."""
    client = joined()
    ask(client, "selectCoin", coinAddress=PRACTICE)
    assert ask(client, "selectCoin", coinAddress=address)["message"] == "Unknown coin"
    assert account_of(client).coin is Coin.PRACTICE


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("buyOrder", {"amount": 0.1}),
        ("requestSidebet", {"amount": 0.1, "xPayout": 5}),
        ("shortOrder", {"amount": 0.1}),
    ],
)
def test_a_game_that_was_joined_keeps_its_coin(event: str, payload: dict[str, Any]) -> None:
    """After any stake in the game the coin cannot be switched until the next (protocol 6.1: D)."""
    client = joined()
    client.until_tick(2)
    assert ask(client, event, **payload)["success"]
    refused = ask(client, "selectCoin", coinAddress=PRACTICE)
    assert refused == {"success": False, "message": "Coin cannot be switched during a game"}
    assert ask(client, "selectCoin", coinAddress=None)["success"]
    client.until_rug()
    assert not ask(client, "selectCoin", coinAddress=PRACTICE)["success"]
    client.games(1)
    assert ask(client, "selectCoin", coinAddress=PRACTICE)["success"]
    assert balanced(client)


def test_who_only_watches_may_switch_in_the_game() -> None:
    """Without a stake in the game the coin can be switched."""
    client = joined()
    client.until_tick(2)
    assert ask(client, "selectCoin", coinAddress=PRACTICE)["success"]
    assert ask(client, "buyOrder", amount=50)["success"]
    assert account_of(client).sol.cash == 100 * SOL


# ---- practice money


def test_practice_play_never_touches_sol() -> None:
    """Buys, sells, shorts and stakes move the practice balance alone, until the forced sale."""
    client = practising()
    ask(client, "buyOrder", amount=40)
    ask(client, "shortOrder", amount=10)
    ask(client, "requestSidebet", amount=1, coinAddress=PRACTICE, xPayout=5)
    client.until_tick(20)
    ask(client, "sellOrder", percentage=50)
    update = received(client, "playerUpdate")[-1]
    account = account_of(client)
    assert (update["cash"], update["bonusBalance"]) == (100, 0)
    assert lamports_from_double(update["shitcoinBalances"][PRACTICE]) == account.practice.cash
    assert update["sideBet"]["coinAddress"] == PRACTICE
    assert update["shortPosition"]["coinAddress"] == PRACTICE
    client.games(1)
    assert account.sol.cash == 100 * SOL
    assert account.practice.cash != 100 * SOL
    assert account.flows.balance(Money.PRACTICE) == account.practice.cash
    assert {entry for money, entry in account.flows.sums if money is not Money.PRACTICE} == {
        BookEntry.DEPOSIT
    }
    assert client.exchange.books.house.balance(Money.SOL) == 0
    assert balanced(client)


def test_practice_rows_say_so() -> None:
    """The row names the practice coin, its maximum bet and the smaller of the two maximum wins."""
    client = practising()
    ask(client, "buyOrder", amount=10)
    client.until_tick(5)
    row = received(client, "gameStatePlayerUpdate")[-1]["leaderboardEntry"]
    coin = row["selectedCoin"]
    assert (coin["address"], coin["max_bet"], coin["max_win"]) == (PRACTICE, 10_000, 50_000)
    trade = received(client, "standard/newTrade")[0]
    assert (trade["coin"], trade["bonusPortion"]) == (PRACTICE, 0)


def test_a_practice_stake_is_neither_real_nor_bonus_money() -> None:
    """Both portions of an open practice bet are 0, as in all 73 captured ones."""
    client = practising()
    ask(client, "requestSidebet", amount=5, coinAddress=PRACTICE, xPayout=5)
    ask(client, "shortOrder", amount=5)
    client.until_tick(5)
    row = received(client, "gameStatePlayerUpdate")[-1]["leaderboardEntry"]
    for part in (row["sideBet"], row["shortPosition"]):
        assert (part["bonusPortion"], part["realPortion"]) == (0, 0)
    assert (row["sideBet"]["betAmount"], row["shortPosition"]["amount"]) == (5, 5)
    client.games(1)
    (placed,) = [
        bet
        for bet in state(client.seen[-2])["gameHistory"][0]["globalSidebets"]
        if bet["type"] == "placed"
    ]
    assert (placed["betAmount"], placed["bonusPortion"], placed["realPortion"]) == (5, 0, 0)


def test_practice_trades_are_shown_to_their_owner_alone() -> None:
    """No practice trade was ever seen in the public stream, however big (protocol 5.5)."""
    client = practising()
    ask(client, "buyOrder", amount=100)
    client.games(1)
    public = [seen for seen in client.seen if seen.name == "standard/newTrade" and not seen.private]
    assert public == []
    assert len(client.answers("standard/newTrade")) == 2


def test_practice_stakes_have_their_own_limits() -> None:
    """0.001 to 10000 of the practice coin, as far as the balance goes."""
    client = practising()
    assert "between 0.001 and 10000" in ask(client, "buyOrder", amount=10_000.1)["message"]
    assert "Insufficient funds: 100.000000000" in ask(client, "buyOrder", amount=100.1)["message"]
    assert ask(client, "buyOrder", amount=100)["success"]


def test_a_sidebet_must_be_in_the_selected_coin() -> None:
    """A bet in another coin, or one of no coin's type, is refused; null means SOL."""
    client = practising()
    for address in ("So11111111111111111111111111111111111111112", None, "0xOther", 7):
        answer = ask(client, "requestSidebet", amount=1, coinAddress=address, xPayout=5)
        assert answer["message"] == "The side bet is in another coin than the selected one"
    plain = joined()
    plain.until_tick(2)
    assert ask(plain, "requestSidebet", amount=1, coinAddress=None, xPayout=5)["success"]


def test_practice_play_earns_no_experience_and_no_entries() -> None:
    """Levels, the rugpool and Golden Hours count SOL only: a lost practice game does not affect them."""
    client = joined(config(seed=28, rugpool_threshold=1))  # the first game rugs at tick 6
    ask(client, "selectCoin", coinAddress=PRACTICE)
    client.until_presale()
    ask(client, "buyOrder", amount=90)
    client.games(1)
    account = account_of(client)
    assert account.practice.cash < 15 * SOL
    assert (account.total_xp, account.golden) == (0, 0)
    assert client.exchange.books.pool.sums.get((Money.SOL, BookEntry.RUGPOOL_FEED), 0) == 0
    detail = received(client, "gameStatePlayerUpdate")[-1]["rugpool"]
    assert (detail["totalEntries"], detail["rugpoolAmount"]) == (0, 0)


def test_practice_winnings_have_their_own_cap() -> None:
    """SOL's cap of 20 does not apply to practice winnings: five times 100 is paid in full."""
    client = practising(GAME.rug_tick - 1)
    ask(client, "requestSidebet", amount=100, coinAddress=PRACTICE, xPayout=5)
    client.games(1)
    assert account_of(client).practice.cash == 500 * SOL
    assert not received(client, "playerUpdate")[-1]["hitMaxWin"]


# ---- bonus money


def test_bonus_money_is_spent_first_and_shown() -> None:
    """``bonusBalance`` falls before ``cash``; the trade's portions say how it was paid (protocol 5.5)."""
    client = joined(bonus=SOL // 4)
    client.until_tick(2)
    ask(client, "buyOrder", amount=0.1)
    first = received(client, "playerUpdate")[-1]
    assert (first["cash"], first["bonusBalance"]) == (100, 0.15)
    ask(client, "buyOrder", amount=0.2)
    second = received(client, "playerUpdate")[-1]
    assert (second["cash"], second["bonusBalance"]) == (99.95, 0)
    portions = [
        (t["bonusPortion"], t["realPortion"]) for t in received(client, "standard/newTrade")
    ]
    assert portions == [(0.1, 0), (0.15, 0.05)]
    assert balanced(client)


def test_the_portions_of_every_own_trade_add_up() -> None:
    """Real and bonus portion are the amount, on buys, sells and the forced sale."""
    client = joined(bonus=SOL)
    client.until_tick(2)
    for tick in range(3, 15):
        ask(client, "buyOrder", amount=0.077)
        ask(client, "sellOrder", percentage=33)
        client.until_tick(tick)
    client.games(1)
    trades = received(client, "standard/newTrade")
    assert len(trades) == 2 * 12 + 1
    for trade in trades:
        parts = (trade["bonusPortion"], trade["realPortion"])
        assert sum(map(lamports_from_double, parts)) == lamports_from_double(trade["amount"])
        assert trade["coin"] == "solana"
    assert balanced(client)


def test_bonus_money_in_a_sidebet() -> None:
    """A bet of bonus money states its portions and pays five times the bonus portion as bonus."""
    client = joined(bonus=SOL // 100)
    client.until_tick(GAME.rug_tick - 1)
    answer = ask(client, "requestSidebet", amount=0.02, xPayout=5)
    bet = answer["sidebet"]
    assert (bet["bonusPortion"], bet["realPortion"]) == (0.01, 0.01)
    client.games(1)
    (result,) = received(client, "currentSidebetResult")
    assert (result["bonusPortion"], result["realPortion"], result["payout"]) == (0.05, 0.05, 0.1)
    shown = received(client, "playerUpdate")[-1]
    assert (shown["bonusBalance"], shown["cash"]) == (0.05, 100.04)
    assert balanced(client)


def test_bonus_money_is_not_practice_money() -> None:
    """With the practice coin selected bonus money is neither spent nor offered."""
    client = joined(bonus=SOL)
    ask(client, "selectCoin", coinAddress=PRACTICE)
    client.until_tick(2)
    assert "100.000000000 SOL free" in ask(client, "buyOrder", amount=100.5)["message"]
    ask(client, "buyOrder", amount=100)
    shown = received(client, "playerUpdate")[-1]
    assert (shown["bonusBalance"], shown["shitcoinBalances"][PRACTICE]) == (1, 0)
    assert balanced(client)


# ---- leaving and coming back


def test_coming_back_keeps_coin_position_and_bet() -> None:
    """After a reconnect in the game the account is unchanged; open stakes are settled as usual."""
    client = practising()
    ask(client, "buyOrder", amount=10)
    ask(client, "requestSidebet", amount=1, coinAddress=PRACTICE, xPayout=5)
    client.exchange.disconnect(ME)
    client.until_tick(10)
    client.exchange.connect(ME, delays=EvidenceDelays.none())
    shown = client.until(lambda seen: seen.name == "playerUpdate").payload
    assert shown["selectedCoin"]["address"] == PRACTICE
    assert shown["positionQty"] > 0
    assert shown["sideBet"]["startedAtTick"] == 2
    assert not ask(client, "selectCoin", coinAddress=None)["success"]
    client.games(1)
    assert (ledger_of(client).position_qty, ledger_of(client).sidebet) == (0, None)
    assert balanced(client)


def test_what_happened_while_away_is_in_the_money() -> None:
    """Bets won and positions sold while disconnected are in the first update after the reconnect."""
    client = joined()
    client.until_tick(GAME.rug_tick - 2)
    ask(client, "buyOrder", amount=1)
    ask(client, "requestSidebet", amount=1, xPayout=5)
    client.exchange.disconnect(ME)
    client.games(1)
    client.until_presale()
    client.exchange.connect(ME, delays=EvidenceDelays.none())
    shown = client.until(lambda seen: seen.name == "playerUpdate").payload
    forced = account_of(client).flows.total(BookEntry.FORCED_SELL)
    assert lamports_from_double(shown["cash"]) == 103 * SOL + forced
    assert (shown["positionQty"], shown["totalInvested"], shown["sideBet"]) == (0, 0, None)
    assert balanced(client)


def test_a_later_connection_gets_no_earlier_answer() -> None:
    """Messages in flight when a client disconnects are lost, even if it reconnects immediately."""
    client = joined()
    client.until_tick(2)
    slow = EvidenceDelays()
    client.exchange.disconnect(ME)
    client.exchange.connect(ME, delays=slow)
    client.drain()
    client.buy(1, after_ms=0)
    client.until(lambda seen: '"buy"' in seen.text)
    client.exchange.disconnect(ME)
    client.exchange.connect(ME, delays=slow)
    client.drain()
    assert client.answers("ack") == []
    assert received(client, "playerUpdate")[-1]["cash"] == 99


def test_two_clients_share_nothing() -> None:
    """One player's coin, money and messages are not the other's."""
    client = joined()
    client.exchange.connect(OTHER, "other", 5 * SOL, bonus=SOL, delays=EvidenceDelays.none())
    client.until_tick(2)
    at_ns = client.exchange.now_ns
    client.exchange.request(at_ns, OTHER, '421["buyOrder",{"amount":2}]')
    ask(client, "buyOrder", amount=1)
    assert [trade["playerId"] for trade in received(client, "standard/newTrade")] == [ME]
    assert account_of(client, OTHER).sol.free == 4 * SOL
    assert account_of(client).sol.free == 99 * SOL
    assert balanced(client)
