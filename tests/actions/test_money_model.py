"""The tracker's money beside the venue's ledger: repeated and reordered evidence, unexplained changes."""

from __future__ import annotations

from collections import Counter
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from itertools import combinations
from math import floor
from typing import Any

import attrs
from hypothesis import example, given
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot.actions.book import MAX_UNEXPLAINED
from vectra_bot.actions.risk import HaltCause
from vectra_bot.models import (
    ActionState,
    ActionType,
    Actor,
    DocType,
    SidebetResult,
    SideGameKind,
    StateCause,
)
from vectra_bot.testing import Bench

PRICES = st.sampled_from([0.8, 1.0, 1.3, 2.5])


def started(**options: Any) -> Bench:
    """Return a bench at tick 1 of a running game."""
    bench = Bench(Scripted(), **options)
    bench.start_game((1.0, 1.1))
    return bench


def act(bench: Bench, *acts: Any, price: float = 1.2) -> list[Any]:
    """Let the strategy do *acts* at the next tick; return their commands."""
    assert isinstance(bench.engine.strategy, Scripted)
    before = len(bench.commands)
    bench.engine.strategy.todo = list(acts)
    bench.tick(price)
    return bench.commands[before:]


def agrees(bench: Bench, price: float) -> None:
    """Check every figure of our account against the venue's ledger."""
    ours, venue = bench.engine.account, bench.ledger
    assert (ours.cash, ours.bonus) == (venue.cash, venue.bonus)
    assert [(o.qty, o.cost, o.bonus) for o in ours.lots] == [
        (o.qty, o.cost, o.bonus) for o in venue.lots
    ]
    assert (ours.sidebet is None) == (venue.sidebet is None)
    equity = Fraction(venue.cash)
    for lot in venue.lots:
        gained = lot.leverage * (lot.qty * Fraction(price) - lot.cost)
        worth = max(0, floor(lot.cost + gained))
        equity += worth - floor(Fraction(worth * lot.bonus, lot.cost))
    if venue.sidebet is not None:
        equity += venue.sidebet.amount - venue.sidebet.bonus
        assert ours.sidebet is not None
        assert ours.sidebet.end_tick == venue.sidebet.end_tick
    assert ours.equity(price) == equity


# ---- evidence that comes again

plans = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "sidebet", "external", "external sell"]),
        st.integers(1, 100),
        PRICES,
        st.lists(st.booleans(), min_size=2, max_size=2),
    ),
    min_size=1,
    max_size=8,
)


class _Evidence:
    """Delivers evidence in the venue's order and repeats old pieces of it at any later time."""

    def __init__(self, bench: Bench, draw: Any) -> None:
        self.bench, self.draw = bench, draw
        self.old: list[Any] = []

    def give(self, event: Any) -> None:
        self.bench.feed(event)
        self.old.append(event)
        for again in self.draw(st.lists(st.sampled_from(self.old), max_size=2)):
            self.bench.feed(attrs.evolve(again, recv_ns=self.bench.now_ns))


@given(plans, st.sampled_from(["0", "0.02", "1"]), st.data())
def test_repeated_evidence_books_nothing(plan: list[Any], bonus: str, data: st.DataObject) -> None:
    """Trades, bets and results that come again change no money and document nothing a second time."""
    bench = started(cash=3, bonus=bonus)
    evidence = _Evidence(bench, data.draw)
    external, price = 0, 1.2
    for number, (kind, size, price, (first, second)) in enumerate(plan):
        amount = Decimal(size) / 1000
        if kind.startswith("external"):
            act(bench, price=price)
            trace = f"{number + 1:032x}"
            if kind == "external":
                fill = bench.ledger.buy(size * 1_000_000, price, number + 2)
                event = bench.trade_event("buy", fill.amount, fill.qty, trace_id=trace)
            elif bench.ledger.position_qty * size // 100:
                fill = bench.ledger.sell(size, price, number + 2)
                event = bench.trade_event("sell", fill.amount, fill.qty, trace_id=trace)
            else:
                continue
            external += 1
            evidence.give(attrs.evolve(event, bonus_portion=Decimal(fill.bonus).scaleb(-9)))
            bench.update()
        else:
            acts = {
                "buy": lambda a, s=amount: a.buy(s),
                "sell": lambda a, s=size: a.sell(s),
                "sidebet": lambda a, s=amount: a.sidebet(s),
            }
            for command in act(bench, acts[kind], price=price):
                _carry_out(bench, command, evidence, first, second)
        agrees(bench, price)
    _settle_bet(bench, evidence)
    agrees(bench, price)
    held = _rug(bench, evidence)
    agrees(bench, price)
    bench.end()

    documents = Counter(a.action_id for a in bench.actions)
    assert set(documents.values()) <= {1}
    assert sum(a.actor is Actor.EXTERNAL for a in bench.actions) == external
    assert bench.engine.counts["forced_sells"] == (1 if held else 0)
    rows = bench.of_type(DocType.SERVER_STATE)
    assert any(row.cause is StateCause.FORCED_SELL for row in rows) is held
    assert HaltCause.MONEY not in bench.engine.tracker.book.gate.halts


def _carry_out(bench: Bench, command: Any, evidence: _Evidence, first: bool, second: bool) -> None:
    """Execute *command* at the venue: trade or bet, then the update, the acknowledgement anywhere."""
    if command.action_type is ActionType.SELL and not (
        bench.ledger.position_qty * command.percentage // 100
    ):
        bench.ack(command, success=False, message="nothing to sell")
        return
    if first:
        bench.ack(command)
    if command.action_type is ActionType.SIDEBET:
        bet = bench.ledger.place_sidebet(int(command.amount * 10**9), bench.engine.game.tick)
        evidence.give(bench.sidebet_event(command, bet.start_tick, bet.end_tick))
    else:
        evidence.give(bench.fill_event(command, bench.carry_out(command)))
    if second and not first:
        bench.ack(command)
    bench.update()


def _settle_bet(bench: Bench, evidence: _Evidence) -> None:
    """Let an open sidebet win at the next tick."""
    if bench.ledger.sidebet is None:
        return
    tick = bench.engine.game.tick + 1
    bet = bench.ledger.settle_sidebet(tick, tick)
    assert bet is not None
    sol = [Decimal(value).scaleb(-9) for value in (bet.amount, bet.payout, bet.pnl)]
    evidence.give(
        SidebetResult(
            recv_ns=bench.now_ns,
            game_id=bench.game_id,
            player_id=bench.player_id,
            amount=sol[0],
            payout=sol[1],
            profit=sol[2],
            start_tick=bet.start_tick,
            end_tick=bet.end_tick,
            tick=tick,
        )
    )
    bench.update()
    assert bench.engine.counts["settlements"] == 1


def _rug(bench: Bench, evidence: _Evidence) -> bool:
    """Sell what is open at a rug's price, say so to us, and rug; return whether anything was."""
    fill = bench.ledger.forced_sell(0.02, bench.engine.game.tick + 1)
    if fill is not None:
        event = bench.trade_event("sell", fill.amount, fill.qty, trace_id="f" * 32)
        bonus = Decimal(fill.bonus).scaleb(-9)
        evidence.give(attrs.evolve(event, price=0.02, bonus_portion=bonus))
        bench.update()
    bench.rug(0.02)
    return fill is not None


@given(st.integers(1_000_000, 99_999_999), st.integers(1, 9))
def test_what_a_bet_gained_is_exact_in_any_decimal_context(amount: int, digits: int) -> None:
    """Documents and hooks have every lamport, with however few digits the caller works."""
    bench = started(cash=3)
    stake = Decimal(amount).scaleb(-9)
    with localcontext(Context(prec=digits)):
        (command,) = act(bench, lambda a: a.sidebet(stake))
        bench.execute(command)
        bench.rug()
    assert isinstance(bench.engine.strategy, Scripted)
    (settled,) = bench.engine.strategy.named("on_stake_settled")
    found = [int(value.scaleb(9)) for value in (settled.stake, settled.payout, settled.pnl)]

    assert found == [amount, 5 * amount, 4 * amount]
    row = bench.of_type(DocType.SERVER_STATE)[-2]
    assert int(row.delta_cash.scaleb(9)) == 5 * amount
    assert bench.engine.account.cash == bench.ledger.cash


@given(
    st.lists(st.tuples(st.integers(1, 90), st.sampled_from([1, 1, 3])), min_size=1, max_size=3),
    st.sampled_from(["0", "0.02", "1"]),
    st.sampled_from([0.02, 1.0]),
)
def test_what_the_venue_sells_brings_bonus_money_back(
    buys: list[tuple[int, int]], bonus: str, price: float
) -> None:
    """At a liquidation and at the rug the bonus part of what was paid comes back as bonus money."""
    bench = started(cash=3, bonus=bonus)
    for size, leverage in buys:
        act(bench, lambda a, s=size, x=leverage: a.buy(Decimal(s) / 1000, leverage=x))
        bench.execute(bench.commands[-1])
    bench.tick(price)
    agrees(bench, price)
    bench.rug(0.01)
    agrees(bench, 0.01)

    assert bench.engine.account.pending == ()
    assert HaltCause.MONEY not in bench.engine.tracker.book.gate.halts


# ---- changes without a cause

causes = st.lists(st.tuples(st.sampled_from(["unexplained", "explained"]), st.integers(0, 9)))


@example([("unexplained", 0), ("explained", 0)] * MAX_UNEXPLAINED)
@example([("unexplained", 0)] * (MAX_UNEXPLAINED - 1))
@example([("unexplained", 0)] * MAX_UNEXPLAINED)
@given(causes)
def test_entries_are_halted_when_three_changes_are_unexplained_at_once(steps: list[Any]) -> None:
    """A change that later evidence explains stops counting, in whatever order; the third one halts."""
    bench = started(cash=4)
    waiting: list[Any] = []
    worst = 0
    for number, (kind, place) in enumerate(steps[:20]):
        if kind == "unexplained":
            fill = bench.ledger.buy((number + 1) * 1_000_000, 1.1, 1)
            trace = f"{number + 1:032x}"
            waiting.append(bench.trade_event("buy", fill.amount, fill.qty, trace_id=trace))
            bench.update()
        elif waiting:
            bench.feed(waiting.pop(place % len(waiting)))
        worst = max(worst, len(waiting))
        halted = HaltCause.MONEY in bench.engine.tracker.book.gate.halts
        assert halted is (worst >= MAX_UNEXPLAINED)
    explained = [a for a in bench.actions if a.actor is Actor.EXTERNAL]
    assert all(a.state is ActionState.CONFIRMED and a.state_after is not None for a in explained)
    assert bench.engine.account.cash == bench.ledger.cash


# ---- evidence without a name

SIZES = st.lists(st.sampled_from([10, 20]), min_size=1, max_size=3)


def only_set(commands: list[Any], size: int) -> list[Any]:
    """Return the only commands with stakes of *size* thousandths together, none if there are several sets."""
    found = [
        list(chosen)
        for count in range(1, len(commands) + 1)
        for chosen in combinations(commands, count)
        if sum(command.amount for command in chosen) * 1000 == size
    ]
    return found[0] if len(found) == 1 else []


@given(SIZES, st.sampled_from([10, 20]), st.sampled_from(["trade", "update", "bet"]))
def test_evidence_without_a_name_is_of_the_only_action_or_of_none(
    sizes: list[int], size: int, kind: str
) -> None:
    """Nothing is matched by its place in a queue: of several sets that could be meant, none is proven.

    A trade without a trace id is of the only action in flight, an update of the only set that explains it.
    """
    bench = started(cash=3)
    acts = [lambda a, s=Decimal(s) / 1000: a.buy(s) for s in sizes]
    if kind == "bet":
        acts = [lambda a, s=Decimal(s) / 1000: a.sidebet(s) for s in sizes[:1]]
    commands = act(bench, *acts)
    amount = size * 1_000_000
    if kind == "bet":
        bet = bench.ledger.place_sidebet(amount, 2)
        event = bench.sidebet_event(commands[0], bet.start_tick, bet.end_tick)
        bench.feed(attrs.evolve(event, trace_id=None, amount=Decimal(amount).scaleb(-9)))
    else:
        fill = bench.ledger.buy(amount, 1.2, 2)
        if kind == "trade":
            bench.trade("buy", fill.amount, fill.qty)
    bench.update()

    meant = [*commands] if [c.amount for c in commands] == [Decimal(size) / 1000] else []
    if kind == "update":
        meant = only_set(commands, size)
    done = [a.action_id for a in bench.actions if a.actor is Actor.BOT]
    assert done == [command.action_id for command in meant]
    assert len([a for a in bench.actions if a.actor is Actor.EXTERNAL]) == (
        0 if meant or kind == "update" else 1
    )
    assert (bench.engine.account.cash, bench.engine.account.qty) == (
        bench.ledger.cash,
        bench.ledger.position_qty,
    )


@given(st.lists(st.sampled_from([10, 20]), min_size=2, max_size=2), st.sampled_from([10, 20, 30]))
def test_of_two_stakes_in_rounds_an_update_proves_the_one_that_fits(
    sizes: list[int], size: int
) -> None:
    """It does not distinguish two of one amount, and their sum is both of them."""
    bench = started(cash=3)
    bench.rounds.open(SideGameKind.BBC, "b")
    bench.rounds.open(SideGameKind.CANDLEFLIP, "c")
    first, second = (Decimal(value) / 1000 for value in sizes)
    commands = act(
        bench, lambda a: a.bbc_predict("BULL", first), lambda a: a.candleflip_bet("RED", second)
    )
    bench.ledger.stake("round", size * 1_000_000)
    bench.update()

    proven = [command.action_id for command in only_set(commands, size)]
    assert [a.action_id for a in bench.actions] == proven
    assert [stake.action_id for stake in bench.engine.account.stakes.values()] == proven
    cause = bench.of_type(DocType.SERVER_STATE)[-1].cause
    assert cause is (StateCause.ACTION if proven else StateCause.UNEXPLAINED)


# ---- what an update alone proves


@given(
    st.integers(1, 90), st.integers(-1, 1), st.integers(-1, 1), st.sampled_from(["0", "0.01", "1"])
)
def test_an_update_proves_a_buy_by_its_money_and_its_tokens(
    size: int, off_money: int, tokens: int, bonus: str
) -> None:
    """The one action in flight is proven only if its whole stake is gone and tokens have come."""
    bench = started(bonus=bonus)
    (command,) = act(bench, lambda a: a.buy(Decimal(size) / 1000))
    free = min(bench.ledger.bonus, size * 1_000_000)
    shown = bench.update_event()
    shown = attrs.evolve(
        shown,
        cash=shown.cash - Decimal(size * 1_000_000 - free + off_money).scaleb(-9),
        bonus_balance=shown.bonus_balance - Decimal(free).scaleb(-9),
        position_qty=shown.position_qty + (Decimal("0.5") if tokens > 0 else Decimal(0)),
    )
    bench.feed(shown)

    proven = off_money == 0 and tokens > 0
    assert [a.action_id for a in bench.actions] == ([command.action_id] if proven else [])
    if proven:
        (action,) = bench.actions
        assert action.outcome is not None
        assert action.outcome.executed_amount == command.amount
        assert action.outcome.executed_bonus == (Decimal(free).scaleb(-9) if free else None)
        (lot,) = bench.engine.account.lots
        assert (lot.qty, lot.cost, lot.bonus) == (500_000_000, size * 1_000_000, free)


@given(st.integers(1, 100), st.integers(-2, 2), st.sampled_from([-1, 0, 1, 10_000_000]))
def test_an_update_proves_a_sale_by_its_share(percentage: int, off: int, brought: int) -> None:
    """Within a billionth of the share that was asked for, and for money."""
    bench = started()
    (buy,) = act(bench, lambda a: a.buy("0.1"))
    bench.execute(buy)
    held = bench.ledger.position_qty
    (command,) = act(bench, lambda a: a.sell(percentage))
    sold = min(held, held * percentage // 100 + off)
    shown = bench.update_event()
    shown = attrs.evolve(
        shown,
        cash=shown.cash + Decimal(brought if brought <= 1 else sold).scaleb(-9),
        position_qty=shown.position_qty - Decimal(sold).scaleb(-9),
    )
    bench.feed(shown)

    money = brought if brought <= 1 else sold
    rugs = sold == held and 0 <= money <= sold * 1.2 * 0.1
    proven = money > 0 and abs(sold - held * percentage // 100) <= 1 and not rugs
    done = [a.action_id for a in bench.actions if a.action_type is ActionType.SELL]
    assert done == ([command.action_id] if proven else [])
    assert bench.engine.account.qty == held - sold
    if proven:  # the book had it right at once: nothing was left to correct
        kinds = {event.kind for event in bench.of_type(DocType.SYSTEM_EVENT)}
        assert "account.corrected" not in kinds
    else:
        cause = bench.of_type(DocType.SERVER_STATE)[-1].cause
        assert cause is (StateCause.FORCED_SELL if rugs else StateCause.UNEXPLAINED)
