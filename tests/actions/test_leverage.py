"""Leverage: what is requested, what is open, and liquidations, which are external."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.actions.strategies import Scripted
from vectra_bot.actions.risk import Limits
from vectra_bot.errors import ConfigError
from vectra_bot.models import ActionState, ActionType, Actor, DocType, LeveragedInfo, StateCause
from vectra_bot.testing import Bench


def bench_with(*acts: Any, **options: Any) -> Bench:
    """Return a bench whose strategy does *acts* at tick 2, price 1."""
    strategy = Scripted()
    bench = Bench(strategy, **options)
    bench.start_game((1.0, 1.0))
    strategy.todo = list(acts)
    bench.tick(1.0)
    return bench


def act(bench: Bench, price: float, *acts: Any) -> None:
    """Let the strategy do *acts* at the next tick."""
    assert isinstance(bench.engine.strategy, Scripted)
    bench.engine.strategy.todo = list(acts)
    bench.tick(price)


def reason(bench: Bench) -> str:
    """Return why the last action was denied."""
    outcome = bench.actions[-1].outcome
    assert outcome is not None
    return outcome.error_reason or ""


def test_a_leveraged_buy_is_asked_for_held_and_marked() -> None:
    """The command names the leverage, the lot has it, and the document says that it is unverified."""
    bench = bench_with(lambda a: a.buy("0.05", leverage=3))
    bench.execute(bench.commands[0])

    (action,) = bench.actions
    assert (bench.commands[0].leverage, action.leverage, action.unverified) == (3, 3, True)
    assert [lot.leverage for lot in bench.engine.account.lots] == [3]
    assert bench.of_type(DocType.SERVER_STATE)[-1].unverified


def test_value_and_multiple_follow_the_leverage() -> None:
    """A 3x position gains three times as much, and is worth nothing at worst."""
    bench = bench_with(lambda a: a.buy("0.05", leverage=3))
    bench.execute(bench.commands[0])
    position = bench.engine.account.view.position

    assert position.multiple(1.1) == pytest.approx(1.3)
    assert position.value(1.1) == Decimal("0.065")
    assert position.value(0.5) == 0
    assert (position.leverage, position.liquidation_price) == (3, pytest.approx(0.9))


def test_declared_exits_work_on_value_over_stake() -> None:
    """A take profit of 1.5 on 5x is reached at a rise of 10 %."""
    bench = bench_with(lambda a: a.buy("0.05", leverage=5, take_profit=1.5))
    bench.execute(bench.commands[0])
    bench.tick(1.09)
    assert len(bench.commands) == 1
    bench.tick(1.1)

    assert [c.action_type for c in bench.commands] == [ActionType.BUY, ActionType.SELL]
    bench.execute(bench.commands[1])
    assert bench.engine.account.cash == bench.ledger.cash == 1_025_000_000


def test_a_liquidation_is_external_and_takes_the_very_lot() -> None:
    """Of three lots the leveraged one in the middle is liquidated, as an external sale."""
    bench = bench_with(
        lambda a: a.buy("0.01"), lambda a: a.buy("0.02", leverage=2), lambda a: a.buy("0.03")
    )
    for command in list(bench.commands):
        bench.execute(command)
    bench.tick(0.75)

    sale = bench.actions[-1]
    assert (sale.action_type, sale.actor, sale.state) == (
        ActionType.SELL,
        Actor.EXTERNAL,
        ActionState.CONFIRMED,
    )
    assert (sale.leverage, sale.unverified) == (2, True)
    assert [lot.cost for lot in bench.engine.account.lots] == [10_000_000, 30_000_000]
    assert bench.engine.account.cash == bench.ledger.cash
    last = bench.of_type(DocType.SERVER_STATE)[-1]
    assert (last.cause, last.unverified) == (StateCause.EXTERNAL, True)


def test_a_liquidation_is_never_attributed_to_a_sale_in_flight() -> None:
    """Even without a trace id it is not ours: an action at that price would have found the lot gone."""
    bench = bench_with(lambda a: a.buy("0.02", leverage=4))
    bench.execute(bench.commands[0])
    act(bench, 1.0, lambda a: a.sell())
    (_, sell) = bench.commands
    (fill,) = bench.ledger.liquidate(0.9, 5)
    event = bench.trade_event("sell", fill.amount, fill.qty)
    bench.feed(attrs.evolve(event, price=0.9))
    bench.update()
    bench.ack(sell, success=False, message="No position to sell")

    ended = {a.action_id: a for a in bench.actions}
    assert ended[sell.action_id].state is ActionState.REJECTED
    assert [a.actor for a in bench.actions if a.action_type is ActionType.SELL] == [
        Actor.EXTERNAL,
        Actor.BOT,
    ]
    assert bench.engine.account.cash == bench.ledger.cash


def test_an_update_alone_does_not_prove_a_sale_of_a_leveraged_lot() -> None:
    """A liquidation would look the same: the sale remains undecided until its trade comes."""
    bench = bench_with(lambda a: a.buy("0.02", leverage=2))
    bench.execute(bench.commands[0])
    act(bench, 1.1, lambda a: a.sell())
    sell = bench.commands[-1]
    fill = bench.carry_out(sell)
    bench.update()
    assert [p.action_id for p in bench.engine.tracker.book.pending] == [sell.action_id]
    bench.feed(bench.fill_event(sell, fill))

    assert bench.actions[-1].state is ActionState.CONFIRMED
    assert bench.engine.account.cash == bench.ledger.cash


def test_two_liquidations_at_one_tick_may_share_an_update() -> None:
    """Both sales are booked; the one update that shows their sum is explained."""
    bench = bench_with(lambda a: a.buy("0.02", leverage=2), lambda a: a.buy("0.03", leverage=5))
    for command in list(bench.commands):
        bench.execute(command)
    fills = bench.ledger.liquidate(0.7, 4)
    assert len(fills) == 2
    for fill in fills:
        event = bench.trade_event("sell", fill.amount, fill.qty, trace_id=f"{fill.qty:032x}")
        bench.feed(attrs.evolve(event, price=0.7))
    bench.update()

    assert bench.of_type(DocType.SERVER_STATE)[-1].cause is StateCause.EXTERNAL
    assert not bench.engine.account.lots
    assert bench.engine.account.cash == bench.ledger.cash


@pytest.mark.parametrize(
    ("leverage", "code"), [(3, "limit.leverage"), (6, "venue.leverage"), (0, "venue.leverage")]
)
def test_leverage_is_limited(leverage: int, code: str) -> None:
    """Our own limit and the venue's are each named in the denial."""
    bench = bench_with(lambda a: a.buy("0.01", leverage=leverage), limits=Limits(leverage=2))

    assert bench.commands == []
    assert reason(bench).startswith(code)


def test_the_limit_of_leverage_is_one_to_five() -> None:
    """Five is the default, as at the venue; other numbers are not limits."""
    assert Limits().leverage == 5
    for value in (0, 6, 1.5, True, "2"):
        with pytest.raises(ConfigError, match="leverage"):
            Limits(leverage=value)


def test_an_account_stated_with_leverage_is_taken_up() -> None:
    """A position that was open before the session gets its leverage from the first statement."""
    bench = Bench(Scripted(), cash=1)
    bench.start_game((1.0, 1.0))
    fill = bench.ledger.buy(20_000_000, 1.0, 1, 2)
    stated = LeveragedInfo(
        amount=Decimal("0.02"),
        qty=Decimal(fill.qty) / 10**9,
        leverage=2,
        entry_price=1.0,
        entry_tick=1,
        liquidation_price=0.8,
    )
    bench.feed(attrs.evolve(bench.update_event(), leveraged=(stated,)))

    (lot,) = bench.engine.account.lots
    assert (lot.leverage, lot.cost, lot.tick) == (2, 20_000_000, 1)
