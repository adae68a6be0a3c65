"""Seals: what limits and orders depend on, compared after code that is not ours has run.

Strategies and plugins get views and copies, so what they do with these changes nothing here. But Python hides
no object from code in the same process: ``gc.get_objects()``, a frame or a private module leads to the
engine's own state, and any function can be replaced. Therefore the books are sealed while such code runs:
their values are noted before and compared by identity afterwards, because a foreign class may lie about
equality. What differs is restored and reported with the name of the code that ran. The code itself is
compared before commands leave, because that takes longer.

A seal detects and repairs; it is not a sandbox against code that knows it.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum
from functools import cache, lru_cache
from operator import attrgetter, is_
from types import FunctionType, ModuleType
from typing import Any

import attrs
from attrs import define, field, frozen

from vectra_bot.actions.book import ActionBook
from vectra_bot.actions.desk import ActionDesk
from vectra_bot.actions.exits import DeclaredExits
from vectra_bot.actions.freshness import Freshness
from vectra_bot.actions.ids import ActionIds
from vectra_bot.actions.risk import RiskGate
from vectra_bot.game.account import Account
from vectra_bot.game.outside import BareView, shows
from vectra_bot.game.state import GameState
from vectra_bot.models import (
    Event,
    GameFrame,
    PlayerGameUpdate,
    RoundBet,
    RoundResult,
    RoundUpdate,
    SidebetPlaced,
    SidebetResult,
    Trade,
    UnknownEvent,
    VenueNotice,
)
from vectra_bot.plugins import PluginManager

# What is compared of the parts whose content changes; of a record it is every field.
_FIELDS: dict[type, tuple[str, ...]] = {
    Account: (
        *("player_id", "cash", "bonus", "lots", "sidebet", "short", "stakes", "stated"),
        *("session_start_cash", "game_start_cash", "_stated_qty", "_total_invested"),
        *("_cumulative_pnl", "_pending", "_unexplained"),
    ),
    ActionBook: ("session_id", "account", "game", "gate", "ids", "_open", "_unexplained"),
    ActionDesk: (
        *("session_id", "mode", "ids", "game", "account", "rounds", "book", "gate", "review"),
        *("deliver", "exits", "bet", "reviewed", "sent", "outermost", "opened", "closed"),
    ),
    ActionIds: ("session_id", "counter"),
    DeclaredExits: ("plan", "tries", "highest"),
    Freshness: ("limit_ns", "last_ns", "tick", "stalled_ns", "stalled_tick", "is_old", "lacking"),
    RiskGate: (
        *("limits", "arming", "halts", "stopped", "sent_this_game", "external_this_game"),
        *("sent_ns", "freshness", "day_pnl", "day_start", "day_end_ns", "_stake"),
    ),
}
# Modules whose code decides what is sent.
_DECIDING = (
    "vectra_bot.actions.arming",
    "vectra_bot.actions.book",
    "vectra_bot.actions.desk",
    "vectra_bot.actions.exits",
    "vectra_bot.actions.freshness",
    "vectra_bot.actions.ids",
    "vectra_bot.actions.interface",
    "vectra_bot.actions.limits",
    "vectra_bot.actions.risk",
    "vectra_bot.engine.callbacks",
    "vectra_bot.engine.control",
    "vectra_bot.engine.core",
    "vectra_bot.engine.decimals",
    "vectra_bot.engine.effects",
    "vectra_bot.engine.flatten",
    "vectra_bot.engine.seals",
    "vectra_bot.game.account",
    "vectra_bot.game.amounts",
    "vectra_bot.game.lots",
    "vectra_bot.game.outside",
    "vectra_bot.game.rules",
    "vectra_bot.game.state",
    "vectra_bot.game.view",
    "vectra_bot.models.action",
    "vectra_bot.models.command",
    "vectra_bot.plugins",
    "vectra_bot.serde.text",
    "vectra_bot.session.shell",
    "vectra_bot.strategy",
    "vectra_bot.venues.embedded",
    "vectra_bot.venues.paper",
    "vectra_bot.wire.amounts",
    "vectra_bot.wire.encode",
)

_ATOMS = frozenset({bool, Decimal, float, int, str, type, type(None)})
_Reader = Callable[[Any], tuple[Any, ...]]
# A part with its class, the function that reads its fields, and what it read when the books were sealed.
_Cell = tuple[Any, type, _Reader, tuple[Any, ...]]


@define
class SealedBooks:
    """The state of one engine that limits and orders depend on, sealed while other code runs.

    Attributes:
        desk: leads to account, limits, actions, exits and ids.
        state: the running game.
        plugins: those that review actions, in this order.
        names: the engine's own attributes.
        views: those that are kept, each with the state that it shows.
        sealed: whether other code may run now.
        seen: the running game and the fields of its newest tick; None if something else happened to it
            since.
    """

    desk: ActionDesk
    state: GameState
    plugins: PluginManager
    names: dict[str, Any]
    views: tuple[tuple[BareView, Any], ...] = ()
    sealed: bool = False
    seen: tuple[Any, dict[str, Any]] | None = None
    _cells: list[_Cell] = field(factory=list)
    _contents: list[tuple[Any, tuple[Any, ...]]] = field(factory=list)
    _guards: tuple[Any, ...] = ()

    def close(self) -> None:
        """Seal the books, unless they are."""
        if self.sealed:
            return
        self.sealed = True
        desk, cells = self.desk, self._cells
        account, gate, book, exits = desk.account, desk.gate, desk.book, desk.exits
        for part in (desk, account, gate, book, exits, desk.ids):
            _add(cells, part)
        if gate.freshness is not None:
            _add(cells, gate.freshness)
        for record in (
            gate.limits,
            gate.arming,
            exits.plan,
            account.sidebet,
            account.short,
            account.stated,
        ):
            if record is not None:
                _note(cells, record)
        lists: list[Any] = [account.lots, *_awaited(account), account.stakes, book.incomplete]
        lists.append(gate.halts)
        self._contents = [(part, _items(part)) for part in (*lists, self.names)]
        for part in lists:
            for item in part.values() if isinstance(part, dict) else part:
                _note(cells, item)
        for item in desk.reviewed or ():
            _note(cells, item)
        self._guards = self.plugins.reviewers

    def open(self) -> str:
        """Break the seal: the engine changes its books now. Return what was changed, see :meth:`check`."""
        if not self.sealed:
            return ""
        changed = self.check()
        self._cells.clear()
        self.sealed = False
        return changed

    def check(self) -> str:
        """Compare the books with the seal and put back what differs; return its names, empty if none."""
        changed: list[str] = []
        for part, kind, read, values in self._cells:
            if type(part) is not kind:
                changed.append(f"the class of {kind.__name__}")
                object.__setattr__(part, "__class__", kind)
            try:
                same = all(map(is_, read(part), values))
            except AttributeError:
                same = False
            if not same:
                changed += _put_back(part, kind, values)
        for part, items in self._contents if self.sealed else ():
            found = _items(part)
            if len(found) != len(items) or not all(map(is_, found, items)):
                changed.append(f"a {type(part).__name__} of the session")
                _fill(part, items)
        if self.sealed and not _are_among(self._guards, self.plugins.reviewers):
            changed.append("the plugins that review actions")
            self.plugins.reviewers = self._guards
        for view, state in self.views:
            if not shows(view, state):
                changed.append(f"what a {type(view).__name__} shows")
        changed += self._game_changed()
        return ", ".join(changed)

    def _game_changed(self) -> Iterator[str]:
        """Restore the running game's newest values; yield the names of those that differ."""
        if self.seen is None:
            return
        game, values = self.seen
        if self.state.now is not game:
            self.state.now = game
            yield "the running game"
        for name in ("game_id", "phase", "tick", "price"):
            value = values[name]
            if getattr(game, name) is not value:
                setattr(game, name, value)
                yield f"game.{name}"


_awaited = attrgetter("_pending", "_unexplained")


@cache
def _names(kind: Any) -> tuple[str, ...]:
    """Return the fields of one of our classes that are compared; none for another class."""
    if kind in _FIELDS or not attrs.has(kind):
        return _FIELDS.get(kind, ())
    return tuple(one.name for one in attrs.fields(kind))


@cache
def _reader(kind: Any) -> _Reader:
    """Return the function that reads the fields of a part, and its class: so it gives a tuple for one."""
    return attrgetter(*_names(kind), "__class__")


def _add(cells: list[_Cell], part: Any) -> None:
    kind: Any = type(part)
    read = _reader(kind)
    cells.append((part, kind, read, read(part)))


def _note(cells: list[_Cell], record: Any) -> None:
    """Add the values of *record* and of the records in it."""
    kind: Any = type(record)
    if kind not in _FIELDS and _names(kind):
        _add(cells, record)
        for value in cells[-1][-1]:
            if type(value) not in _ATOMS:
                _note(cells, value)


def _put_back(part: Any, kind: type, values: tuple[Any, ...]) -> Iterator[str]:
    for name, value in zip(_names(kind), values, strict=False):
        if getattr(part, name, part) is not value:
            object.__setattr__(part, name, value)
            yield f"{kind.__name__}.{name.strip('_')}"


def _items(part: Any) -> tuple[Any, ...]:
    if isinstance(part, dict):
        return (*part, *part.values())
    return tuple(part)


def _fill(part: Any, items: tuple[Any, ...]) -> None:
    part.clear()
    if isinstance(part, dict):
        half = len(items) // 2
        part.update(zip(items[:half], items[half:], strict=True))
    else:
        part.extend(items)


def _are_among(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    """Return whether all pairs of *before* are in *after*; one more can only deny more."""
    if before is after:
        return True
    found = {tuple(map(id, pair)) for pair in after}
    return all(tuple(map(id, pair)) in found for pair in before)


# Events that do not change our money, and those that do not if they are about another player. Our own row
# changes the value of a short alone.
_PUBLIC = (GameFrame, PlayerGameUpdate, RoundUpdate, VenueNotice, UnknownEvent)
_OF_PLAYERS = (Trade, SidebetPlaced, SidebetResult, RoundBet, RoundResult)


def is_public(event: Event, player_id: str) -> bool:
    """Return whether *event* itself changes no money and no action of the player, as nearly all do."""
    if isinstance(event, _OF_PLAYERS):
        return event.player_id != player_id
    return type(event) in _PUBLIC  # a drawing is a notice, but may be about our money


@frozen(eq=False, repr=False)
class _Listing:
    """The names and functions of some modules, as they were when it was made.

    Attributes:
        spaces: modules, classes and members of enumerations, each with its place and its names.
        values: what each name means, in the order of the names.
        functions: functions, methods and getters.
        bodies: what each of them runs.
    """

    modules: tuple[ModuleType, ...]
    spaces: tuple[tuple[Any, str, tuple[str, ...]], ...]
    values: tuple[tuple[Any, ...], ...]
    functions: tuple[FunctionType, ...]
    bodies: tuple[Any, ...]

    @classmethod
    def of(cls, modules: tuple[ModuleType, ...]) -> _Listing:
        """Return the listing of *modules* now."""
        owners: list[tuple[Any, str]] = [(builtins, "builtins")]
        functions: list[FunctionType] = []
        for module in modules:
            name = module.__name__
            owners.append((module, name))
            for value in list(vars(module).values()):
                if getattr(value, "__module__", None) == name:
                    _list(value, name, owners, functions)
        spaces = tuple((owner, place, tuple(vars(owner))) for owner, place in owners)
        values = tuple(tuple(vars(owner).values()) for owner, _ in owners)
        return cls(modules, spaces, values, tuple(functions), tuple(map(_body, functions)))

    def differs(self) -> bool:
        """Return whether anything was replaced since."""
        return not (
            all(
                all(map(is_, vars(space[0]).values(), values))
                for space, values in zip(self.spaces, self.values, strict=True)
            )
            and all(map(is_, map(_body, self.functions), self.bodies))
        )


def _list(
    value: Any, module: str, owners: list[tuple[Any, str]], functions: list[FunctionType]
) -> None:
    """Add a function, or a class with its functions, to what is compared."""
    if isinstance(value, FunctionType):
        functions.append(value)
    elif isinstance(value, type):
        place = f"{module}.{value.__name__}"
        owners.append((value, place))
        for part in vars(value).values():
            function = part
            if isinstance(part, property):
                function = part.fget
            elif isinstance(part, staticmethod | classmethod):
                function = part.__func__
            if isinstance(function, FunctionType) and function.__module__ == module:
                functions.append(function)
        if issubclass(value, Enum):
            owners += [(member, f"{place}.{member.name}") for member in value]


@lru_cache(maxsize=4)
def _listing(modules: tuple[ModuleType, ...]) -> _Listing:
    return _Listing.of(modules)


class Code:
    """The functions and classes that decide what is sent, as they were when the engine was made."""

    def __init__(self) -> None:
        modules = tuple(sys.modules[name] for name in _DECIDING if name in sys.modules)
        known = _listing(modules)
        self._known = _Listing.of(modules) if known.differs() else known

    def check(self) -> str:
        """Put back what was replaced; return its names, empty if nothing was."""
        known = self._known
        changed: list[str] = []
        for module in known.modules:
            if sys.modules.get(module.__name__) is not module:
                sys.modules[module.__name__] = module
                changed.append(module.__name__)
        if known.differs():
            for (owner, place, names), values in zip(known.spaces, known.values, strict=True):
                changed += _replaced(owner, place, names, values)
            for function, body in zip(known.functions, known.bodies, strict=True):
                if function.__code__ is not body:
                    function.__code__ = body
                    changed.append(f"{function.__module__}.{function.__qualname__}")
        return ", ".join(changed)


_body = attrgetter("__code__")


def _replaced(
    owner: Any, place: str, names: tuple[str, ...], values: tuple[Any, ...]
) -> Iterator[str]:
    for name, value in zip(names, values, strict=True):
        if vars(owner).get(name) is not value:
            if isinstance(owner, type):
                type.__setattr__(owner, name, value)
            else:
                vars(owner)[name] = value
            yield f"{place}.{name}"


__all__ = ["Code", "SealedBooks", "is_public"]
