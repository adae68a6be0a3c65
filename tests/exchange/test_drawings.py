"""Rugpool and Golden Hour: funding, winners, frames (protocol 5.7, 5.9, 12)."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.exchange.driver import MS, Client, Seen, config, kind_of, state
from tests.exchange.scenario import (
    LONG,
    OTHER,
    SOL,
    account_of,
    ask,
    balanced,
    joined,
    law,
    received,
)
from vectra_bot.errors import ConfigError
from vectra_bot.exchange import EvidenceDelays
from vectra_bot.exchange.accounts import BookEntry, Books, Money, VenueAccount
from vectra_bot.exchange.config import START_NS, GoldenPlan
from vectra_bot.exchange.dice import Dice
from vectra_bot.exchange.features.golden import GoldenHour
from vectra_bot.exchange.features.rugpool import Drawing, Pool, pick
from vectra_bot.game import rules
from vectra_bot.game.ledger import lamports_from_double

INSTARUG = 28  # the first game of this seed rugs at tick 6, the third at 9
ALWAYS = GoldenPlan(every_min=60, after_min=0, length_min=60, chance=1.0)
NEVER = GoldenPlan(every_min=0)
MINUTE = 60_000_000_000


def dice(seed: int = 1) -> Dice:
    return Dice(Random(seed))


def players(count: int, level: int = 10) -> tuple[Books, list[VenueAccount]]:
    books = Books()
    return books, [books.open(f"p{n}", None, level, SOL) for n in range(count)]


def fed(lost: int) -> int:
    """Return what a loss of *lost* lamports in an instarug puts into the pool (protocol 12)."""
    return lost * 31 // 100


def beside(client: Client, amount: float = 1.0) -> VenueAccount:
    """Let a second client buy in the presale: no drawing is held for a single player."""
    client.exchange.connect(OTHER, "other", 100 * SOL, delays=EvidenceDelays.none())
    client.until_presale()
    client.exchange.request(client.exchange.now_ns, OTHER, f'421["buyOrder",{{"amount":{amount}}}]')
    client.drain()
    return account_of(client, OTHER)


def event(client: Client, name: str) -> list[Seen]:
    return [seen for seen in client.seen if seen.name == name]


# ---- the rugpool alone


@given(
    st.lists(st.integers(-SOL, SOL), max_size=6),
    st.integers(1, 3),
    st.integers(0, 99),
)
def test_the_pool_conserves_money(pnls: list[int], threshold: int, seed: int) -> None:
    """31 % of what players lose goes from the house to the pool; prizes leave it, the rest stays in it."""
    added = fed(sum(-pnl for pnl in pnls if pnl < 0))
    books, accounts = players(len(pnls))
    pool = Pool(books, dice(seed), threshold=threshold)
    entries = list(zip(accounts, pnls, strict=True))
    for number in range(4):
        before = pool.amount
        drawing = pool.draw(number) if pool.count_rug(1, entries) else None
        paid = 0
        if drawing is not None:
            assert drawing.total == before + added
            assert drawing.reward == drawing.total // 3
            winners = [account.player_id for account, _ in drawing.winners]
            assert len(set(winners)) == len(winners) <= 3
            paid = drawing.reward * len(winners)
        assert pool.amount == before + added - paid >= 0
        assert list(books.differences()) == []
    assert books.house.balance(Money.SOL) == -4 * added


def test_a_long_game_is_no_instarug() -> None:
    """A rug at tick 6 counts, one at tick 7 does not (protocol 12)."""
    books, (one,) = players(1)
    pool = Pool(books, dice())
    assert not pool.count_rug(7, [(one, -SOL)])
    assert (pool.amount, b'"instarugCount":0' in bytes(pool.brief)) == (0, True)
    pool.count_rug(6, [(one, -SOL)])
    assert (pool.amount, b'"instarugCount":1' in bytes(pool.brief)) == (fed(SOL), True)


@pytest.mark.parametrize(
    ("lost", "entries"),
    [
        (0, 0),
        (-SOL, 0),
        (999_999, 0),
        (1_000_000, 1),
        (1_999_999, 1),
        (SOL, 1_000),
        (9 * SOL, 5_000),
    ],
)
def test_entries_are_one_per_thousandth_lost(lost: int, entries: int) -> None:
    """One entry per 0.001 SOL lost, none for less or for a gain, at most 5000 a player."""
    books, (one,) = players(1)
    pool = Pool(books, dice())
    pool.count_rug(1, [(one, -lost)])
    pool.count_rug(1, [(one, -lost)])
    total = min(5_000, 2 * entries)
    assert f'"totalEntries":{total},'.encode() in bytes(pool.detail)


def test_the_tenth_instarug_draws_three_winners() -> None:
    """Equal thirds, three different players, and the count and the entries start again."""
    books, accounts = players(8)
    pool = Pool(books, dice())
    losses = [(account, -SOL // 100) for account in accounts]
    for _ in range(9):
        assert not pool.count_rug(3, losses)
    assert pool.count_rug(3, losses)
    total = 10 * fed(8 * SOL // 100)
    assert pool.amount == total
    drawing = pool.draw(1234)
    assert isinstance(drawing, Drawing)
    assert (drawing.total, drawing.reward) == (total, total // 3)
    assert pool.amount == total - 3 * (total // 3) == 2
    payload = drawing.payload()
    assert (payload.timestamp, len(payload.winners)) == (1234, 3)
    assert {winner.entries for winner in payload.winners} == {100}
    for account, _ in drawing.winners:
        assert account.sol.cash == SOL + drawing.reward
    assert b'"totalEntries":0,' in bytes(pool.detail)
    assert b'"lastDrawing":{"timestamp":1234' in bytes(pool.detail)
    assert pool.drawings == 1


def test_without_entries_the_pool_keeps_its_money() -> None:
    """Nobody lost enough, or only one did: no drawing, and what is in the pool waits for the next one."""
    books, (one, other, _) = players(3)
    pool = Pool(books, dice(), threshold=1)
    assert pool.count_rug(1, [(one, -999_999), (other, -900_000)])
    assert pool.draw(0) is None
    kept = fed(1_899_999)
    assert pool.amount == kept
    assert pool.count_rug(1, [(one, -SOL)])
    assert pool.draw(0) is None
    kept += fed(SOL)
    assert pool.amount == kept
    assert pool.count_rug(1, [(one, -SOL), (other, -SOL)])
    drawing = pool.draw(0)
    assert drawing is not None
    assert sorted(account.player_id for account, _ in drawing.winners) == ["p0", "p1"]
    kept += fed(2 * SOL)
    assert pool.amount == kept - 2 * (kept // 3)


def test_chances_are_by_entries() -> None:
    """A player with nine of ten entries wins nine of ten drawings (4,000 fixed draws)."""
    _, (one, other) = players(2)
    entries = {"p0": (one, 9), "p1": (other, 1)}
    die = dice(5)
    counts = Counter(pick(die, entries) for _ in range(4_000))
    assert abs(counts["p1"] - 400) < 60
    assert sum(counts.values()) == 4_000


# ---- the rugpool on the exchange


def test_an_instarug_is_drawn_and_announced() -> None:
    """0.3 s after the rug frame it is announced; the winners have their shares, frames show the rest."""
    client = joined(config(seed=INSTARUG, rugpool_threshold=1, golden=NEVER))
    other = beside(client)
    ask(client, "buyOrder", amount=1)
    rug = client.until_rug()
    assert state(rug)["tickCount"] == 6
    client.games(1)
    account = account_of(client)
    forced = account.flows.total(BookEntry.FORCED_SELL)
    pool = fed(2 * (SOL - forced))
    (drawing,) = event(client, "rugpoolDrawing")
    assert (drawing.private, round((drawing.at_ns - rug.at_ns) / MS)) == (False, 300)
    payload = drawing.payload
    assert lamports_from_double(payload["totalPoolAmount"]) == pool
    winners = {winner["playerId"]: winner for winner in payload["winners"]}
    assert set(winners) == {account.player_id, other.player_id}
    for winner in winners.values():
        assert winner["entries"] == (SOL - forced) // rules.RUGPOOL_LAMPORTS_PER_ENTRY
        assert lamports_from_double(winner["reward"]) == pool // 3
    assert account.sol.cash == 99 * SOL + forced + pool // 3
    assert lamports_from_double(received(client, "playerUpdate")[-1]["cash"]) == account.sol.cash
    detail = received(client, "gameStatePlayerUpdate")[-1]["rugpool"]
    assert lamports_from_double(detail["rugpoolAmount"]) == pool - 2 * (pool // 3)
    assert detail["lastDrawing"] == payload
    assert balanced(client)


def test_no_drawing_is_held_for_a_single_player() -> None:
    """Without other players there is nothing to draw: a bot alone wins no prize in either drawing."""
    client = joined(config(seed=INSTARUG, rugpool_threshold=1, golden=ALWAYS))
    client.until_presale()
    ask(client, "buyOrder", amount=1)
    client.games(1)
    assert event(client, "rugpoolDrawing") == event(client, "goldenHourDrawing") == []
    flows = account_of(client).flows
    assert flows.total(BookEntry.RUGPOOL_PRIZE) == flows.total(BookEntry.GOLDEN_PRIZE) == 0


def test_nobody_learns_of_his_prize_before_the_drawing() -> None:
    """Before the announcement no update, row or pool part reveals it; then cash rises immediately."""
    client = joined(config(seed=INSTARUG, rugpool_threshold=1, golden=NEVER))
    beside(client)
    ask(client, "buyOrder", amount=1)
    client.until(lambda seen: seen.name == "rugpoolDrawing")
    forced = account_of(client).flows.total(BookEntry.FORCED_SELL)
    cash = [lamports_from_double(update["cash"]) for update in received(client, "playerUpdate")]
    assert cash[-2:] == [99 * SOL + forced] * 2  # with the forced sale, and with the rug frame
    assert all(
        seen.payload["rugpool"]["lastDrawing"] is None
        for seen in client.answers("gameStatePlayerUpdate")
        if "rugpool" in seen.payload and seen is not client.seen[-1]
    )
    client.drain()
    prize = account_of(client).flows.total(BookEntry.RUGPOOL_PRIZE)
    assert prize > 0
    assert lamports_from_double(received(client, "playerUpdate")[-1]["cash"]) == cash[-1] + prize


def test_tick_frames_show_the_pool_filling() -> None:
    """Below the threshold an instarug is counted and funds the pool; nothing is drawn."""
    client = joined(config(seed=INSTARUG, golden=NEVER))
    client.until_presale()
    ask(client, "buyOrder", amount=1)
    client.games(1)
    client.until_tick(1)
    brief = state(client.until_tick(2))["rugpool"]
    forced = account_of(client).flows.total(BookEntry.FORCED_SELL)
    assert (brief["instarugCount"], brief["threshold"]) == (1, 10)
    assert lamports_from_double(brief["rugpoolAmount"]) == fed(SOL - forced)
    assert event(client, "rugpoolDrawing") == []


def test_a_winner_that_left_is_paid() -> None:
    """The prize is paid to the account, whether its player is connected or not."""
    client = joined(config(seed=INSTARUG, rugpool_threshold=1, golden=NEVER))
    beside(client)
    ask(client, "buyOrder", amount=1)
    client.exchange.disconnect(OTHER)
    client.games(1)
    (drawing,) = event(client, "rugpoolDrawing")
    assert OTHER in [winner["playerId"] for winner in drawing.payload["winners"]]
    assert account_of(client, OTHER).flows.total(BookEntry.RUGPOOL_PRIZE) > 0
    assert balanced(client)


# ---- Golden Hour alone


@given(st.integers(0, 500), st.integers(1, 500), st.integers(1, 500), st.integers(0, 4_000))
def test_windows_follow_their_plan(after: int, every: int, length: int, minute: int) -> None:
    """Windows start at the given interval, last the given length, and there is none in between."""
    length = min(length, every)
    plan = GoldenPlan(every_min=every, after_min=after, length_min=length, chance=0.5)
    golden = GoldenHour(plan, START_NS, Books(), dice())
    now = START_NS + minute * MINUTE
    inside = minute >= after and (minute - after) % every < length
    event_now = golden.event_at(now)
    assert (event_now is not None) == inside
    if event_now is not None:
        assert event_now.start_ns <= now < event_now.end_ns
        assert event_now.end_ns - event_now.start_ns == length * MINUTE
        assert (event_now.start_ns - START_NS - after * MINUTE) % (every * MINUTE) == 0


def test_without_windows_nothing_is_golden() -> None:
    """``every_min=0``: no window now or ever, and no game is golden."""
    golden = GoldenHour(NEVER, START_NS, Books(), dice())
    golden.begin_game(START_NS + 100 * MINUTE)
    assert golden.event_at(START_NS) is None
    assert golden.event_at(START_NS + 100 * MINUTE) is None
    assert not golden.is_golden


@pytest.mark.parametrize(
    "plan",
    [
        {"every_min": 10, "length_min": 11},
        {"length_min": 0},
        {"every_min": -1},
        {"after_min": 1.5},
        {"chance": 1.1},
        {"chance": -0.1},
        {"chance": float("nan")},
    ],
)
def test_plans_that_make_no_sense_are_refused(plan: dict[str, Any]) -> None:
    """Windows do not overlap, have a length, whole minutes and a share of games from 0 to 1."""
    with pytest.raises(ConfigError, match="golden"):
        GoldenPlan(**plan)


def test_a_golden_drawing_has_entries_of_those_who_may_enter() -> None:
    """One entry per 0.001 counted, at most 50 a player, none below level 10; the winner gets 0.05."""
    books, (one, other, third) = players(3)
    low = books.open("low", None, 9, SOL)
    one.golden, other.golden, third.golden, low.golden = 999_999, 2_500_000, 9 * SOL, 9 * SOL
    golden = GoldenHour(ALWAYS, START_NS, books, dice())
    drawing = golden.draw([one, other, third, low])
    assert drawing is not None
    assert [(account.player_id, count) for account, count in drawing.entries] == [
        ("p1", 2),
        ("p2", 50),
    ]
    payload = drawing.payload("id", "game", 7)
    assert payload.winner_player_id == payload.entries[payload.winner_index].player_id
    assert sum(entry.entry_percentage for entry in payload.entries) == pytest.approx(100)
    assert drawing.winner.sol.cash == SOL + 50_000_000
    assert books.house.total(BookEntry.GOLDEN_PRIZE) == -50_000_000
    assert list(books.differences()) == []
    assert golden.draw([one]) is None
    assert golden.draw([one, other, low]) is None


# ---- Golden Hour on the exchange


def test_a_golden_game_starts_with_the_history_and_ends_with_a_drawing() -> None:
    """Tick 0 is followed by a settlement-type frame of the live game; the drawing comes after the rug."""
    client = joined(config(seed=LONG, golden=ALWAYS))
    other = beside(client)
    ask(client, "buyOrder", amount=0.5)
    client.until_tick(1)
    start, frame = [frame for seen in client.seen if (frame := state(seen))][-3:-1]
    assert kind_of(start) == "start"
    assert (frame["active"], frame["rugged"], frame["tickCount"], frame["price"]) == (
        True,
        False,
        0,
        1,
    )
    assert "gameHistory" in frame
    assert "prices" not in frame
    rug = client.until_rug()
    game_id = state(rug)["gameId"]
    account = account_of(client)
    cash = {who.player_id: who.sol.cash for who in (account, other)}
    client.games(1)
    (drawing,) = event(client, "goldenHourDrawing")
    assert (drawing.private, round((drawing.at_ns - rug.at_ns) / MS)) == (False, 300)
    assert drawing.payload["gameId"] == game_id
    assert drawing.payload["prizeAmount"] == 0.05
    entries = {entry["playerId"]: entry["entryCount"] for entry in drawing.payload["entries"]}
    assert entries == {account.player_id: 50, OTHER: 50}
    winner = account_of(client, drawing.payload["winnerPlayerId"])
    assert winner.sol.cash == cash[winner.player_id] + 50_000_000
    after = [seen for seen in client.answers("playerUpdate") if seen.at_ns >= drawing.at_ns]
    if winner is account:
        assert lamports_from_double(after[0].payload["cash"]) == account.sol.cash
    assert balanced(client)


def _golden_after(
    client: Client, event_name: str, sells_at: int | None = None, **payload: Any
) -> int:
    """Return what counts for golden entries at the rug of a game in which one request was made."""
    ask(client, event_name, **payload)
    if sells_at is not None:
        client.until_tick(sells_at)
        ask(client, "sellOrder", percentage=100)
    client.until_rug()
    client.drain()
    return account_of(client).golden


@pytest.mark.parametrize(("presale", "times"), [(True, 0), (False, 4)])
def test_live_sidebets_count_four_times_and_presale_ones_not(presale: bool, times: int) -> None:
    client = joined(config(seed=LONG, golden=ALWAYS))
    if presale:
        client.until_presale()
    else:
        client.until_tick(3)
    counted = _golden_after(client, "requestSidebet", amount=0.01, xPayout=5)
    assert counted == times * SOL // 100


@pytest.mark.parametrize(("sells_at", "share"), [(20, 30), (60, 57), (140, 120)])
def test_a_long_counts_by_how_long_it_was_held(sells_at: int, share: int) -> None:
    """Once for up to 30 ticks, four times from 120 on, in between in proportion (protocol 12)."""
    client = joined(config(seed=LONG, golden=ALWAYS))
    client.until_tick(3)
    counted = _golden_after(client, "buyOrder", sells_at=sells_at, amount=0.03)
    assert counted == 3 * SOL // 100 * share // 30


def test_a_drawing_comes_before_the_next_game() -> None:
    """The players of the rugged game are drawn from, however soon the next one is announced.

    The 29th game of this seed rugs right after a tick that was late, and the next one follows quickly.
    """
    plain = config(
        seed=18, golden=ALWAYS, rugpool_threshold=1, instarug_ticks=5_000, countdown_step=5_000
    )
    client = joined(attrs.evolve(plain, side_games=False, notices=False), cash=1_000 * SOL)
    client.exchange.connect(OTHER, "other", 1_000 * SOL, delays=EvidenceDelays.none())
    order: list[str] = []
    while client.exchange.games_opened < 30:
        for seen in client.step():
            if seen.private:
                continue
            if "Drawing" in seen.name:
                order.append(seen.name)
            elif (frame := state(seen)) and frame.get("cooldownTimer") == rules.COOLDOWN_MS:
                order.append("new game")
            elif frame.get("allowPreRoundBuys") and "price" in frame:
                client.buy(0.5, after_ms=0)
                other = '421["buyOrder",{"amount":0.5}]'
                client.exchange.request(client.exchange.now_ns, OTHER, other)
        client.seen.clear()
    drawn = ["goldenHourDrawing", "new game", "rugpoolDrawing"]
    assert [sorted(order[n : n + 3]) for n in range(0, len(order), 3)] == [drawn] * 30
    assert order[2::3] == ["new game"] * 30
    assert balanced(client)


def test_other_games_have_neither() -> None:
    """Outside a window the start frame is sent alone and nothing is drawn."""
    client = joined(config(seed=LONG, golden=NEVER))
    client.until_presale()
    ask(client, "buyOrder", amount=0.5)
    client.games(1)
    kinds = [kind_of(frame) for seen in client.seen if (frame := state(seen))]
    assert kinds[kinds.index("start") + 1] == "tick"
    assert event(client, "goldenHourDrawing") == []


def test_a_golden_game_is_the_same_game() -> None:
    """Golden games keep the law: the same seed plays the same prices with and without a window."""
    prices = []
    for plan in (ALWAYS, NEVER):
        client = joined(config(seed=23, golden=plan))
        client.games(2)
        prices.append(
            [
                frame["price"]
                for seen in client.seen
                if (frame := state(seen)) and kind_of(frame) in {"tick", "rug"}
            ]
        )
    assert prices[0] == prices[1]
    assert prices[0][: law(23).rug_tick - 1] == list(law(23).prices[1 : law(23).rug_tick])


def test_stakes_of_the_last_game_give_no_entries() -> None:
    """Entries belong to one game: a player who stakes only in the first is not in the second's drawing."""
    client = joined(config(seed=23, golden=ALWAYS))
    beside(client)
    ask(client, "buyOrder", amount=0.5)
    client.games(2)
    assert len(event(client, "goldenHourDrawing")) == 1
    assert account_of(client).golden == account_of(client, OTHER).golden == 0
