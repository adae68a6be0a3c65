"""Evidence that comes after what it proves was known only names what it brought."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.actions.strategies import Scripted
from vectra_bot.models import ActionState, Actor, SidebetResult
from vectra_bot.testing import Bench


def act(bench: Bench, price: float, *acts: Any) -> None:
    """Let the strategy do *acts* at the next tick."""
    strategy: Any = bench.engine.strategy
    strategy.todo = list(acts)
    bench.tick(price)


def playing() -> Bench:
    """Return a bench in a running game."""
    bench = Bench(Scripted())
    bench.start_game((1.0, 1.0))
    return bench


def lots(bench: Bench) -> list[tuple[int, int, float]]:
    """Return quantity, tick and price of what is held."""
    return [(lot.qty, lot.tick, lot.price) for lot in bench.engine.account.lots]


def test_a_buy_is_named_by_its_trade() -> None:
    """The statement alone gives the tick of the newest frame and the mean price."""
    bench = playing()
    act(bench, 1.0, lambda a: a.buy("0.05"))
    fill = bench.carry_out(bench.commands[0])
    trade = bench.fill_event(bench.commands[0], fill)
    bench.tick(1.5)
    bench.update()
    assert lots(bench) == [(50_000_000, 3, 1.0)]
    bench.feed(trade)
    assert lots(bench) == [(50_000_000, 2, 1.0)]
    assert bench.engine.account.cash == bench.ledger.cash


def test_a_sale_names_nothing() -> None:
    """Also if as much is still held as was sold."""
    bench = playing()
    for _ in range(2):
        act(bench, 1.0, lambda a: a.buy("0.05"))
        bench.execute(bench.commands[-1])
    act(bench, 2.0, lambda a: a.sell(50))
    fill = bench.carry_out(bench.commands[2])
    bench.update()
    assert bench.actions[-1].state is ActionState.CONFIRMED
    before = lots(bench)
    bench.feed(bench.fill_event(bench.commands[2], fill))
    assert lots(bench) == before == [(50_000_000, 3, 1.0)]
    assert bench.engine.account.cash == bench.ledger.cash


def test_a_buy_of_the_last_game_names_nothing_in_this_one() -> None:
    """Also if a lot of the same size is held."""
    bench = playing()
    act(bench, 1.0, lambda a: a.buy("0.05"))
    late = bench.fill_event(bench.commands[0], bench.carry_out(bench.commands[0]))
    bench.update()
    bench.rug()
    bench.start_game((1.0, 1.0))
    bench.tick(1.0)
    bench.tick(1.0)
    act(bench, 1.0, lambda a: a.buy("0.05"))
    bench.execute(bench.commands[1])
    before = lots(bench)
    bench.feed(late)
    assert lots(bench) == before == [(50_000_000, 4, 1.0)]
    assert bench.engine.account.cash == bench.ledger.cash


@pytest.mark.parametrize(("stated", "leverage"), [(None, 2), (2, 2), (3, 3)])
def test_a_lot_has_the_leverage_that_its_trade_states(stated: int | None, leverage: int) -> None:
    """Else that of the action."""
    bench = playing()
    act(bench, 1.0, lambda a: a.buy("0.05", leverage=2))
    trade = bench.fill_event(bench.commands[0], bench.carry_out(bench.commands[0]))
    bench.feed(attrs.evolve(trade, leverage=stated))
    assert [lot.leverage for lot in bench.engine.account.lots] == [leverage]
    assert bench.engine.account.pending[0].unverified


@pytest.mark.parametrize(("stated", "leverage"), [(None, 1), (1, 1), (2, 2)])
def test_a_buy_of_another_client_has_the_leverage_of_its_trade(
    stated: int | None, leverage: int
) -> None:
    """Above 1 no capture shows it."""
    bench = playing()
    trade = bench.trade_event("buy", 5_000_000, 5_000_000, trace_id="a" * 32)
    bench.feed(attrs.evolve(trade, leverage=stated))
    (tracked,) = bench.engine.tracker.book.incomplete.values()
    assert (tracked.action.leverage, tracked.action.unverified) == (leverage, leverage > 1)
    assert tracked.action.actor is Actor.EXTERNAL
    assert [lot.leverage for lot in bench.engine.account.lots] == [leverage]
    assert (tracked.price, tracked.amount, tracked.bonus) == (1.0, 5_000_000, 0)


@pytest.mark.parametrize("kind", ["buy", "sell"])
def test_a_trade_of_a_game_that_is_over_moves_the_real_money_alone(kind: str) -> None:
    """A buy takes it, a sale brings it; bonus money and position are of the game."""
    bench = playing()
    late = attrs.evolve(
        bench.trade_event(kind, 5_000_000, 5_000_000, trace_id="a" * 32),
        bonus_portion=Decimal("0.002"),
    )
    bench.rug()
    bench.start_game((1.0, 1.0))
    bench.feed(late)
    moved = 3_000_000 if kind == "sell" else -3_000_000
    assert bench.engine.account.cash == 10**9 + moved
    assert bench.engine.account.lots == []


def test_a_bet_event_after_the_result_places_nothing() -> None:
    """The result proved and booked the bet."""
    bench = playing()
    act(bench, 1.0, lambda a: a.sidebet("0.01"))
    (command,) = bench.commands
    bench.ledger.place_sidebet(10_000_000, 2)
    placed = bench.sidebet_event(command, 2, 42)
    bench.ledger.settle_sidebet(3, 3)
    bench.feed(
        SidebetResult(
            recv_ns=bench.now_ns, game_id=bench.game_id, player_id="did:privy:bench",
            amount=Decimal("0.01"), payout=Decimal("0.05"), profit=Decimal("0.04"),
            start_tick=2, end_tick=42,
        )
    )  # fmt: skip
    bench.feed(placed)
    assert bench.engine.account.cash == bench.ledger.cash == 1_040_000_000
    assert bench.engine.account.sidebet is None
