"""Declared exits alone: which numbers they are made of, and how a later plan changes an earlier one."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.actions.strategies import Scripted
from vectra_bot.actions.exits import DeclaredExits, ExitPlan
from vectra_bot.errors import ConfigError
from vectra_bot.game.account import Account
from vectra_bot.game.lots import Lot
from vectra_bot.game.state import GameView
from vectra_bot.testing import Bench


class _Ticks(int):
    """A whole number of another class."""


@pytest.mark.parametrize(
    ("name", "value", "exact"),
    [("take_profit", 1, 1.0), ("take_profit", 0.5, 0.5), ("take_profit", Decimal("1.5"), 1.5),
     ("take_profit", _Ticks(2), 2.0), ("take_profit", "1.5", 1.5), ("take_profit", Fraction(5, 4), 1.25),
     ("take_profit", 999_999_999_999, 999_999_999_999.0), ("stop_loss", 0.5, 0.5),
     ("stop_loss", "0.7", 0.7), ("stop_loss", 1e-300, 1e-300), ("stop_loss", Decimal("0.99"), 0.99)],
)  # fmt: skip
def test_an_exit_is_a_plain_float(name: str, value: Any, exact: float) -> None:
    """Whatever class of number is given, from just above 0 to just below 10**12."""
    changes: dict[str, Any] = {name: value}
    plan = ExitPlan(**changes)
    assert getattr(plan, name) == exact
    assert type(getattr(plan, name)) is float


@pytest.mark.parametrize("name", ["take_profit", "stop_loss"])
@pytest.mark.parametrize(
    "value", [0, -1, True, False, 10**12, 1e12, 2**2000, "high", math.nan, math.inf, 1j, []]
)
def test_an_exit_that_is_no_multiple_is_refused(name: str, value: Any) -> None:
    """Also a number too large for a float, and a truth value."""
    with pytest.raises(ConfigError, match=f"^{name} was "):
        ExitPlan(**{name: value})


@pytest.mark.parametrize("stop", [1, 1.0, "1.2", Decimal(2)])
def test_a_stop_above_the_entry_is_refused(stop: Any) -> None:
    """It would sell at once; the message says so."""
    with pytest.raises(ConfigError, match="so it would sell at once"):
        ExitPlan(stop_loss=stop)


@pytest.mark.parametrize(("ticks", "fits"), [(1, True), (0, False), (-1, False), (True, False)])
def test_a_time_exit_is_at_least_a_tick(ticks: Any, fits: bool) -> None:
    """A whole number, not a truth value."""
    if fits:
        assert ExitPlan(max_ticks=ticks).max_ticks == ticks
        return
    with pytest.raises(ConfigError, match=r"^max_ticks was "):
        ExitPlan(max_ticks=ticks)


def test_a_later_plan_replaces_what_it_declares() -> None:
    """And nothing else; one that declares nothing changes nothing."""
    first, second = ExitPlan(take_profit=2, stop_loss=0.5, max_ticks=9), ExitPlan(stop_loss=0.25)
    assert first.merged(second) == ExitPlan(take_profit=2, stop_loss=0.25, max_ticks=9)
    assert second.merged(first) == first
    exits = DeclaredExits()
    exits.declare(first)
    exits.declare(ExitPlan())
    exits.tries = 2
    assert (exits.plan, exits.tries) == (first, 2)
    exits.clear()
    assert (exits.plan, exits.tries) == (ExitPlan(), 0)


def at(price: float, tick: int = 2) -> GameView:
    """Return a game at a tick and a price."""
    bench = Bench(Scripted())
    bench.start_game((1.0, 1.1))
    bench.tick(price, tick)
    return bench.engine.game


@pytest.mark.parametrize(("tick", "due"), [(11, False), (12, True), (13, True)])
def test_a_time_exit_counts_from_the_oldest_lot(tick: int, due: bool) -> None:
    """Whatever was bought later; after three tries, or with nothing held, nothing is due."""
    exits = DeclaredExits(ExitPlan(max_ticks=9))
    game, account = at(1.0, tick), Account()
    assert not exits.due(game, account)
    account.lots = [Lot(5, 5, 3, 1.0), Lot(5, 5, 8, 1.0)]
    assert exits.due(game, account) is due
    exits.tries = 2
    assert exits.due(game, account) is due
    exits.tries = 3
    assert not exits.due(game, account)


@pytest.mark.parametrize(("price", "due"), [(0.5, True), (0.51, False), (1.99, False), (2.0, True)])
def test_marks_include_their_value(price: float, due: bool) -> None:
    """Value over cost at or above the one, at or below the other."""
    exits = DeclaredExits(ExitPlan(take_profit=2, stop_loss=0.5))
    game = at(price)
    account = Account(lots=[Lot(10**9, 10**9, 0, 1.0)])
    assert exits.due(game, account) is due
    assert not DeclaredExits(ExitPlan()).due(game, account)
