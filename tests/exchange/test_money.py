"""Money is conserved to the lamport, for clients and crowd, by the books and by the frames only."""

from __future__ import annotations

import gc
import tracemalloc
from statistics import fmean, median

import pytest

from tests.exchange.driver import ME, Client, config, connected, kind_of, live_tick, state
from vectra_bot.exchange import Exchange
from vectra_bot.exchange.accounts import BookEntry, Money
from vectra_bot.game import fair
from vectra_bot.game.ledger import to_lamports
from vectra_bot.models import PlayerUpdate, SidebetPlaced, SidebetResult, Trade


@pytest.fixture(scope="module")
def busy() -> Client:
    """Return a client that traded and bet through twelve games among a crowd."""
    client = connected(config(seed=9, crowd=300), cash=to_lamports(20))
    script = {2: (0.1, 0), 6: (0.033, 0.002), 11: (0, 0.01), 30: (0.2, 0), 60: (0.0563112, 0)}
    while client.exchange.games_opened < 12:
        for seen in client.step():
            tick = live_tick(seen)
            if state(seen).get("cooldownTimer") == 5_000:
                client.buy(0.05)
                client.sidebet(0.004)
            if tick in script:
                stake, bet = script[tick]
                if stake:
                    client.buy(stake)
                if bet:
                    client.sidebet(bet)
            if tick in {9, 21, 44}:
                client.sell(tick)
    return client


def test_every_accounts_cash_is_its_flows(busy: Client) -> None:
    """Cash = start + deposits - buys + sells - stakes + payouts, for all 301 accounts."""
    accounts = busy.exchange.books.all()
    assert len(accounts) == 301
    for account in accounts:
        for money in Money:
            assert account.flows.balance(money) == account.held(money) >= 0
    assert sum(account.flows.total(BookEntry.BUY) < 0 for account in accounts) > 200
    assert sum(account.flows.total(BookEntry.SIDEBET_PAYOUT) > 0 for account in accounts) > 5
    assert list(busy.exchange.books.differences()) == []


def test_the_clients_cash_follows_from_its_frames_alone(busy: Client) -> None:
    """Trades, bets and results in frames add up to every balance the venue stated at the end."""
    cash = to_lamports(20)
    trades = {"buy": 0, "sell": 0}
    for seen in busy.seen:
        if not seen.private:
            continue
        event = seen.event
        if isinstance(event, Trade):
            amount = to_lamports(event.amount)
            cash += amount if event.kind == "sell" else -amount
            trades[event.kind] += 1
        elif isinstance(event, SidebetPlaced):
            cash -= to_lamports(event.amount)
        elif isinstance(event, SidebetResult):
            cash += to_lamports(event.payout)
    account = busy.exchange.books.get(ME)
    assert account is not None
    assert account.ledger.cash == cash
    last = busy.answers("playerUpdate")[-1].event
    assert isinstance(last, PlayerUpdate)
    assert to_lamports(last.cash) == cash
    assert min(trades.values()) > 15


def test_each_player_update_holds_one_change_of_cash(busy: Client) -> None:
    """No update hides two effects: every change is one trade, one stake or one payout."""
    steps: list[int] = []
    cash = to_lamports(20)
    effects: set[int] = {0}
    for seen in busy.seen:
        if not seen.private:
            continue
        event = seen.event
        if isinstance(event, Trade):
            effects.add(to_lamports(event.amount) * (1 if event.kind == "sell" else -1))
        elif isinstance(event, SidebetPlaced):
            effects.add(-to_lamports(event.amount))
        elif isinstance(event, SidebetResult):
            effects.add(to_lamports(event.payout))
        elif isinstance(event, PlayerUpdate):
            steps.append(to_lamports(event.cash) - cash)
            cash += steps[-1]
    assert len(steps) > 60
    assert set(steps) <= effects


def test_what_the_hook_gets_is_what_happens(busy: Client) -> None:
    """Accepted buys and stakes of the records add up to the account's flows."""
    account = busy.exchange.books.get(ME)
    assert account is not None
    accepted = [record for record in busy.records if record.accepted]
    sums = {
        kind: sum(record.amount for record in accepted if record.kind == kind)
        for kind in ("buy", "sell", "sidebet")
    }
    assert sums["buy"] == -account.flows.total(BookEntry.BUY)
    assert sums["sidebet"] == -account.flows.total(BookEntry.SIDEBET)
    assert 0 < sums["sell"] <= account.flows.total(BookEntry.SELL)
    assert len(accepted) < len(busy.records)


def test_nothing_is_open_after_a_game(busy: Client) -> None:
    """After the new-game frame no account has a position, a bet or sums of the old game."""
    for account in busy.exchange.books.all():
        assert account.ledger.position_qty == 0
        assert account.ledger.sidebet is None
        assert account.ledger.total_invested == 0


@pytest.mark.long
def test_the_crowd_trades_as_often_as_the_real_one() -> None:
    """Trades, presale share, forced sells and connected players lie near the figures of protocol 13."""
    total, presale, forced, per_tick, connected_players = [], [], [], [], []
    for seed in (21, 22, 23):  # thirty games alone differ by a tenth
        client = connected(config(seed=seed, crowd=300))
        client.games(30)
        before: dict[str, int] = {}
        for frame in (frame for seen in client.seen if (frame := state(seen))):
            connected_players.append(frame["connectedPlayers"])
            if kind_of(frame) not in {"tick", "rug"}:
                continue
            count, tick = frame["tradeCount"], frame["tickCount"]
            if kind_of(frame) == "rug":
                total.append(count)
                forced.append(count - before["tradeCount"])
            elif tick == 2:
                presale.append(count)
            elif 80 < tick <= 160:
                per_tick.append(count - before["tradeCount"])
            before = frame
    assert 180 < median(total) < 400  # 261
    assert 40 < median(presale) < 62  # 51
    assert 12 < median(forced) < 24  # 16, and what was traded in the last interval
    assert 1.0 < fmean(per_tick) < 1.22  # 1.11
    assert 0.30 < per_tick.count(0) / len(per_tick) < 0.45  # 33 to 44 %
    assert min(connected_players) >= 180
    assert max(connected_players) <= 290


def test_an_exchange_without_a_crowd_is_quiet() -> None:
    """``crowd=0``: nobody trades, one player is connected, tables are empty."""
    client = connected(config(seed=3))
    client.games(1)
    seen = [frame for message in client.seen if (frame := state(message))]
    assert {frame["connectedPlayers"] for frame in seen} == {1}
    assert all(frame["leaderboard"] == [] for frame in seen)
    assert {frame.get("tradeCount", 0) for frame in seen} == {0}


@pytest.mark.long
def test_memory_is_flat_over_many_games(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of an exchange does not grow with the number of games."""
    # Without the cache of games that the tests share.
    monkeypatch.setattr("vectra_bot.exchange.exchange.play_game", fair.play_game)
    exchange = Exchange(config(seed=2, crowd=10, countdown_step=5_000))

    def play(games: int) -> int:
        end = exchange.games_opened + games
        while exchange.games_opened < end:
            exchange.step()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        warm = play(11)
        later = play(12)
    finally:
        tracemalloc.stop()
    assert later - warm < 120_000
