"""The numbers of actions and money: constants by their value, and what applies where nothing is given."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vectra_bot.actions
from vectra_bot.actions.exits import NO_EXITS
from vectra_bot.actions.ids import ActionIds
from vectra_bot.game.ledger import Ledger
from vectra_bot.game.lots import Fill, Lot

NUMBERS = int | float | str | Decimal | bool
CONSTANTS = {
    "actions.arming.FRESH_TICKS": 8,
    "actions.book.EVIDENCE_TIMEOUT_NS": 2_000_000_000,
    "actions.book.MAX_REMEMBERED": 1024,
    "actions.book.MAX_UNEXPLAINED": 3,
    "actions.desk.MAX_CALLS_PER_INPUT": 64,
    "actions.exits.MAX_EXIT_TRIES": 3,
    "actions.freshness.STALL_NS": 500_000_000,
    "actions.freshness.PACE_NS": 100_000_000,
    "actions.freshness.CLEAN_TICKS": 4,
    "actions.freshness._TICK_NS": 250_750_000,
    "actions.limits.MAX_ACTIONS": 1_000_000,
    "actions.limits.MAX_PER_MINUTE": 6_000,
    "actions.limits.MAX_SOL": Decimal(100_000),
    "actions.limits.SOL": "a positive amount of SOL, at most 100000",
    "actions.reconcile.ends.OVERDUE_NS": 10_000_000_000,
    "actions.reconcile.fills.MAX_CANDIDATES": 8,
    "actions.reconcile.fills.MAX_PATHS": 20_000,
    "actions.reconcile.fills.LATE_TICKS": 20,
    "actions.risk.MAX_IN_FLIGHT": 8,
    "actions.risk._DAY_NS": 86_400_000_000_000,
    "actions.risk._MINUTE_NS": 60_000_000_000,
    "actions.risk._NEVER": 2**63,
    "actions.rounds.GRACE_NS": 10_000_000_000,
    "actions.rounds.LOST_NS": 300_000_000_000,
    "actions.shorts._NOTHING": Decimal(0),
    "game.account.MAX_PENDING": 64,
    "game.account.PENDING_NS": 2_000_000_000,
}
# All other defaults are None, 0, False or empty: what is new has seen and counted nothing.
FIELDS = {
    "actions.arming.LiveTerms.positions": "halt",
    "actions.arming.LiveTerms.fresh_ticks": 8,
    "actions.desk.ActionDesk.bet": 1_000_000,
    "actions.exits.DeclaredExits.plan": NO_EXITS,
    "actions.limits.Limits.stake": Decimal("0.1"),
    "actions.limits.Limits.session_loss": Decimal("0.5"),
    "actions.limits.Limits.actions_per_game": 20,
    "actions.limits.Limits.leverage": 5,
    "actions.notes.Tracked.plan": NO_EXITS,
    "actions.risk.Ask.leverage": 1,
    "game.lots.Fill.leverage": 1,
    "game.lots.Lot.leverage": 1,
}
PARAMETERS = {
    "actions.book.ActionBook.decide_unproven.what": "settled game",
    "actions.desk.ActionDesk.ask.reviewed": True,
    "actions.interface.BotActionInterface.buy.leverage": 1,
    "actions.interface.BotActionInterface.sell.percentage": 100,
    "actions.interface.BotActionInterface.bet_increment.step": "0.01",
    "actions.interface.BotActionInterface.bet_decrement.step": "0.01",
    "actions.reconcile.fills.subsets.least": 1,
    "game.account.Account.shown.leverage": 1,
    "game.ledger.Ledger.buy.leverage": 1,
}

_NEW: type[Any] = type(attrs.Factory(list))  # the type of "a new container for each"


def _modules() -> list[ModuleType]:
    found = walk_packages(vectra_bot.actions.__path__, "vectra_bot.actions.")
    names = [module.name for module in found if not module.ispkg]
    return [
        import_module(name)
        for name in (*names, "vectra_bot.game.account", "vectra_bot.game.ledger")
    ]


def _owned(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield the classes and functions of a module, with their names."""
    home = module.__name__.removeprefix("vectra_bot.")
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) == module.__name__:
            yield f"{home}.{name}", value


def _constants() -> dict[str, Any]:
    """Return the numbers and texts that a module defines, without those that it imports."""
    found = {}
    for module in _modules():
        source = inspect.getsource(module)
        home = module.__name__.removeprefix("vectra_bot.")
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, NUMBERS) and f"\n{name} = " in source:
                found[f"{home}.{name}"] = value
    return found


def _classes() -> Iterator[tuple[str, Any]]:
    for module in _modules():
        yield from (
            (name, owned)
            for name, owned in _owned(module)
            if inspect.isclass(owned) and attrs.has(owned)
        )


def _functions() -> Iterator[tuple[str, Any]]:
    for module in _modules():
        for name, owned in _owned(module):
            if inspect.isfunction(owned):
                yield name, owned
            elif inspect.isclass(owned):
                yield from (
                    (f"{name}.{method}", function)
                    for method, function in vars(owned).items()
                    if inspect.isfunction(function) and not method.startswith("__")
                )


def test_constants_have_their_values() -> None:
    """What a document or a measurement gives is no other number, and a new one is listed here."""
    assert _constants() == CONSTANTS


def test_a_field_that_is_not_given_is_empty() -> None:
    """State begins at nothing; the few other defaults are listed."""
    found = {
        f"{name}.{field.name}": field.default
        for name, owned in _classes()
        for field in attrs.fields(owned)
        if field.default is not attrs.NOTHING
        and not isinstance(field.default, _NEW)
        and not callable(field.default)
    }
    for owned in (Fill, Lot):
        tuples = owned._field_defaults.items()
        found |= {f"game.lots.{owned.__name__}.{name}": value for name, value in tuples}
    others = {name: value for name, value in found.items() if value}
    assert others == FIELDS
    assert all(value is None or value == type(value)() for value in found.values() if not value)


def test_an_argument_that_is_not_given_changes_nothing() -> None:
    """Defaults of arguments are None, 0 or False; the few others are listed."""
    found = {
        f"{name}.{argument.name}": argument.default
        for name, function in _functions()
        for argument in inspect.signature(function).parameters.values()
        if argument.default is not argument.empty
    }
    assert {name: value for name, value in found.items() if value} == PARAMETERS


def test_a_ledger_is_given_money_alone() -> None:
    """Its books are its own: nobody else can begin them at another sum."""
    assert list(inspect.signature(Ledger).parameters) == ["cash", "bonus", "max_win"]
    made = Ledger(7)
    assert (made.cash, made.bonus, made.max_win, made.free) == (7, 0, None, 7)
    assert (made.lots, made.position_qty, made.cost, made.total_invested) == ((), 0, 0, 0)
    assert (made.booked, made.settled_pnl, made.leveraged, made.hit_max_win) == (0, 0, False, False)


@pytest.mark.parametrize("what", ["action", "episode"])
@given(st.uuids(), st.integers(1, 5))
def test_ids_are_random_uuids_in_form(what: str, session: UUID, number: int) -> None:
    """Every id says version 4, as the readers of stored data expect it."""
    ids = ActionIds(str(session), number - 1)
    given_ = ids.next()[0] if what == "action" else ids.episode(f"game-{number}")
    assert UUID(given_).version == 4
    assert str(UUID(given_)) == given_
