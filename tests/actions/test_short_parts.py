"""Parts of what is known of a short: the rug's trades, the bonus part of a payout, the stored position."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot.actions.limits import Limits
from vectra_bot.actions.risk import RiskGate
from vectra_bot.actions.shorts import _short_record, bonus_of, short_of
from vectra_bot.game import rules
from vectra_bot.game.account import Account
from vectra_bot.game.holdings import ShortView, SidebetView
from vectra_bot.game.lots import Lot
from vectra_bot.models import ActionState, DocType, ShortInfo
from vectra_bot.testing import Bench

SOL = 10**9


def a_bench() -> Bench:
    """Return a bench in a running game at price 1.2."""
    bench = Bench(Scripted())
    bench.start_game((1.0, 1.1, 1.2))
    return bench


def test_the_rugs_trade_is_told_by_its_fall() -> None:
    """Before the rug's frame by what only a rug falls to; after it by its price alone."""
    bench = a_bench()
    shorts, low = bench.engine.tracker.shorts, 1.2 * rules.FORCED_SELL_SHARE
    trade = bench.trade_event("sell", 5, 5, trace_id="f" * 32)
    for price, rugs in ((low, True), (low * 1.001, False), (low / 2, True), (1.2, False)):
        assert shorts.is_rugs(attrs.evolve(trade, price=price)) is rugs
    bench.rug(0.02, settle=False)
    for price, rugs in ((0.02, True), (0.019, False), (0.021, False)):
        assert shorts.is_rugs(attrs.evolve(trade, price=price)) is rugs


@given(st.integers(1, SOL), st.integers(0, 2 * SOL), st.integers(0, 100))
def test_a_payout_without_a_stated_part_is_split_as_the_stake(
    stake: int, payout: int, share: int
) -> None:
    """Rounded down to a lamport; a stated part is taken as it is."""
    bench = a_bench()
    bonus = stake * share // 100
    shorts, account = bench.engine.tracker.shorts, bench.engine.tracker.account
    trade = attrs.evolve(bench.trade_event("short_close", payout, 0), bonus_portion=None)
    assert shorts._bonus_paid(trade) == 0
    account.short = ShortView(Decimal(stake) / SOL, 1.0, 1, Decimal(1), bonus=Decimal(bonus) / SOL)
    assert shorts._bonus_paid(trade) == payout * bonus // stake
    for stated in (Decimal("0.000000003"), Decimal(0)):
        said = attrs.evolve(trade, bonus_portion=stated)
        assert shorts._bonus_paid(said) == bonus_of(said) == int(stated * SOL)


@pytest.mark.parametrize(("value", "at_risk"), [(49, True), (50, False), (51, False)])
def test_a_short_is_at_risk_below_half_its_stake(value: int, at_risk: bool) -> None:
    """The stored position has size, entry and what it gained."""
    short = ShortView(Decimal("1.00"), 2.0, 3, Decimal(value) / 100)
    stored = _short_record(short)
    assert stored.doc_type is DocType.SHORT_POSITION
    record = stored.record
    assert (record.has_short, record.short_qty, record.short_entry_price) == (
        True,
        Decimal("0.5"),
        Decimal("2.0"),
    )
    assert (record.short_pnl, record.at_risk) == (Decimal(value - 100) / 100, at_risk)


def test_a_closed_short_has_what_it_brought() -> None:
    """Nothing is known without a payout, or without the short."""
    short = ShortView(Decimal("1.00"), 2.0, 3, Decimal("0.7"))
    for closed, payout, price, pnl in (
        (short, Decimal("1.25"), Decimal("2.0"), Decimal("0.25")),
        (short, None, Decimal("2.0"), Decimal(0)),
        (None, Decimal("1.25"), Decimal(0), Decimal(0)),
    ):
        record: Any = _short_record(None, closed=closed, payout=payout).record
        assert (record.has_short, record.short_qty) == (False, Decimal(0))
        assert (record.short_entry_price, record.short_pnl) == (price, pnl)


def test_a_short_that_an_update_proves_is_as_stated() -> None:
    """Amount, entry and value are the venue's, id and bonus part the action's."""
    stated = ShortInfo(
        amount=Decimal(3), entry_price=1.5, entry_tick=4, value=Decimal(2), pnl=Decimal(-1)
    )
    assert short_of(stated, "a", Decimal("0.5")) == ShortView(
        Decimal(3), 1.5, 4, Decimal(2), "a", Decimal("0.5")
    )


@pytest.mark.parametrize(
    ("payout", "won"), [(49_999_999, False), (50_000_000, False), (50_000_001, True)]
)
def test_a_short_is_won_above_its_stake(payout: int, won: bool) -> None:
    """What it paid back exactly is not won."""
    strategy: Any = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0, 1.0))
    strategy.todo = [lambda a: a.short_open("0.05")]
    bench.tick(1.0)
    bench.execute(bench.commands[0])
    strategy.todo = [lambda a: a.short_close()]
    bench.tick(1.0)
    bench.ledger.close_short(1.0, bench._tick, payout)
    bench.trade("short_close", payout, 0, trace_id=bench.commands[1].trace_id)
    (settled,) = strategy.named("on_stake_settled")
    assert (settled.won, settled.payout) == (won, Decimal(payout) / SOL)
    assert settled.action_id == bench.commands[0].action_id
    assert bench.engine.account.cash == bench.ledger.cash == SOL - 50_000_000 + payout


@given(st.integers(-1, 1), st.booleans(), st.integers(0, 50_000_000), st.integers(0, 9))
def test_a_limit_is_spent_when_the_smallest_stake_could_pass_it(
    by: int, of_day: bool, opened: int, bonus: int
) -> None:
    """What is open counts at cost, without the bonus money in it."""
    limit = 100_000_000
    other = Decimal(10)
    gate = RiskGate(
        Limits(session_loss=other, day_loss=Decimal("0.1"))
        if of_day
        else Limits(session_loss=Decimal("0.1"), day_loss=other)
    )
    account = Account(cash=0, session_start_cash=SOL)
    account.lots = [Lot(5, opened + bonus, 0, 1.0, 1, bonus)]
    account.sidebet = SidebetView(Decimal(opened) / SOL, 0, 40)
    account.short = ShortView(Decimal(opened) / SOL, 1.0, 0, Decimal(9))
    account.cash = SOL - limit + 1_000_000 - 3 * opened - by
    reason = gate.spent(account)
    if by > 0:
        what = "day" if of_day else "session"
        assert reason == f"limit.{what}_loss: the {what} has lost its limit of 0.1 SOL"
    else:
        assert reason is None


def test_an_open_that_was_shown_before_is_no_second_one() -> None:
    """The statement proves it; its trade only states the price."""
    strategy: Any = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0, 1.0))
    strategy.todo = [lambda a: a.short_open("0.05")]
    bench.tick(1.0)
    (command,) = bench.commands
    fill = bench.carry_out(command)
    bench.update()
    assert bench.actions[0].state is ActionState.CONFIRMED
    before = bench.engine.account.short
    bench.feed(bench.fill_event(command, fill))
    assert bench.engine.account.short == before
    assert bench.engine.account.cash == bench.ledger.cash
