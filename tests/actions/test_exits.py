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
     ("stop_loss", "0.7", 0.7), ("stop_loss", 1e-300, 1e-300), ("stop_loss", Decimal("0.99"), 0.99),
     ("trailing_stop", "0.8", 0.8), ("trailing_stop", Fraction(3, 4), 0.75)],
)  # fmt: skip
def test_an_exit_is_a_plain_float(name: str, value: Any, exact: float) -> None:
    """Whatever class of number is given, from just above 0 to just below 10**12."""
    changes: dict[str, Any] = {name: value}
    plan = ExitPlan(**changes)
    assert getattr(plan, name) == exact
    assert type(getattr(plan, name)) is float


@pytest.mark.parametrize("name", ["take_profit", "stop_loss", "trailing_stop"])
@pytest.mark.parametrize(
    "value", [0, -1, True, False, 10**12, 1e12, 2**2000, "high", math.nan, math.inf, 1j, []]
)
def test_an_exit_that_is_no_multiple_is_refused(name: str, value: Any) -> None:
    """Also a number too large for a float, and a truth value."""
    with pytest.raises(ConfigError, match=f"^{name} was "):
        ExitPlan(**{name: value})


@pytest.mark.parametrize("name", ["stop_loss", "trailing_stop"])
@pytest.mark.parametrize("stop", [1, 1.0, "1.2", Decimal(2)])
def test_a_stop_above_the_entry_is_refused(name: str, stop: Any) -> None:
    """It would sell at once; the message says so."""
    with pytest.raises(ConfigError, match=rf"^{name} was .*, so it would sell at once"):
        ExitPlan(**{name: stop})


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
    trailing = ExitPlan(trailing_stop=0.8)
    assert first.merged(trailing).merged(second).trailing_stop == 0.8
    assert trailing.merged(ExitPlan(trailing_stop=0.9)) == ExitPlan(trailing_stop=0.9)
    exits = DeclaredExits()
    exits.declare(first, [])
    exits.declare(ExitPlan(), [])
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


def looks(exits: DeclaredExits, account: Account, *prices: float) -> list[bool]:
    """Return whether an exit is due at each of the next ticks."""
    return [exits.due(at(price, tick), account) for tick, price in enumerate(prices, 2)]


def test_a_trailing_stop_follows_the_highest_value_since_the_entry() -> None:
    """At its share of the highest, or below; the price of the entry is the first that counts."""
    exits = DeclaredExits(ExitPlan(trailing_stop=0.75))
    account = Account(lots=[Lot(10**9, 2 * 10**9, 1, 2.0)])

    assert looks(exits, account, 1.0, 2.0, 1.51, 4.0, 3.01, 3.0) == [False] * 5 + [True]
    assert looks(exits, account, 3.01, 2.99) == [False, True]
    exits.clear()
    exits.declare(ExitPlan(trailing_stop=0.75), account.lots)
    assert looks(exits, account, 1.51, 1.5) == [False, True]


def test_a_later_buy_neither_sells_nor_moves_a_trailing_stop() -> None:
    """It changes the cost: the highest is what all that is held now would be worth at the highest price."""
    exits = DeclaredExits(ExitPlan(trailing_stop=0.75))
    account = Account(lots=[Lot(10**9, 10**9, 1, 1.0)])
    assert looks(exits, account, 2.0, 1.75) == [False, False]

    account.lots.append(Lot(10**9, 1_750_000_000, 3, 1.75))
    exits.declare(ExitPlan(take_profit=9), account.lots)
    assert looks(exits, account, 1.75, 1.51, 1.5) == [False, False, True]
    exits.declare(ExitPlan(trailing_stop=0.5), account.lots)  # another share, the same highest
    assert looks(exits, account, 1.01, 1.0) == [False, True]


def test_a_partial_sale_neither_sells_nor_moves_a_trailing_stop() -> None:
    """Although it sells the cheaper lot first, so that value over cost falls from 1.4 to 1.05."""
    exits = DeclaredExits(ExitPlan(trailing_stop=0.75))
    account = Account(lots=[Lot(10**9, 10**9, 1, 1.0), Lot(10**9, 2 * 10**9, 2, 2.0)])
    assert looks(exits, account, 2.5, 2.1) == [False, False]

    account.lots = account.lots[1:]
    assert looks(exits, account, 2.1, 1.88, 1.875) == [False, False, True]


def test_a_trailing_stop_begins_with_the_buy_that_declares_it() -> None:
    """Prices from before, while the position had other exits, do not count."""
    exits = DeclaredExits(ExitPlan(max_ticks=90))
    account = Account(lots=[Lot(10**9, 10**9, 1, 1.0)])
    assert looks(exits, account, 8.0, 3.0) == [False, False]

    exits.declare(ExitPlan(trailing_stop=0.5), account.lots)
    assert looks(exits, account, 3.0, 1.6, 1.5) == [False, False, True]


def test_the_highest_counts_while_another_exit_is_due() -> None:
    """A sale may be refused or take time: what was seen meanwhile was seen."""
    exits = DeclaredExits(ExitPlan(take_profit=2, trailing_stop=0.75))
    account = Account(lots=[Lot(10**9, 10**9, 1, 1.0)])

    assert looks(exits, account, 2.5, 1.9, 1.875) == [True, False, True]


def test_a_trailing_stop_of_a_leveraged_position_follows_its_value() -> None:
    """What it would sell for, not the price: twice the gain, twice the fall."""
    exits = DeclaredExits(ExitPlan(trailing_stop=0.75))
    account = Account(lots=[Lot(10**9, 10**9, 1, 1.0, leverage=2)])

    # Worth 2, 1.51 and 1.5 times its cost.
    assert looks(exits, account, 1.5, 1.255, 1.25) == [False, False, True]
