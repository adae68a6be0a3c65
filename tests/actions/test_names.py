"""A trade that comes after the statement that showed it only names what it brought."""

from __future__ import annotations

from typing import Any

from tests.actions.strategies import Scripted
from vectra_bot.models import ActionState
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
