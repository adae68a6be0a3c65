"""Ways in which a strategy or a plugin may try to have something else executed than what was checked.

Each takes what the callback was given (see :class:`Given`). None of them is to have an effect on orders.
"""

from __future__ import annotations

import builtins
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal, Inexact, getcontext
from typing import Any

import attrs
from attrs import frozen

from vectra_bot.actions import desk as desk_module
from vectra_bot.actions import interface, risk
from vectra_bot.actions.exits import NO_EXITS, ExitPlan
from vectra_bot.engine.effects import EngineActions
from vectra_bot.game import amounts, outside, rules
from vectra_bot.game.lots import Lot
from vectra_bot.models import ActionType, Command, GamePhase, GameTick, PlayerAction

BIG = Decimal(5)


@frozen
class Given:
    """What one callback has in its hands: its objects, and the strategy's actions where it is one."""

    parts: tuple[Any, ...]
    actions: Any = None

    def of(self, kind: str) -> Iterator[Any]:
        """Yield the handed objects of one class."""
        for part in self.parts:
            if type(part).__name__ == kind:
                yield part


def found(kind: str) -> list[Any]:
    """Return all living objects of one of our classes."""
    return [
        one
        for one in gc.get_objects()
        if type(one).__name__ == kind and type(one).__module__.startswith("vectra_bot.")
    ]


def force(one: Any, **values: Any) -> None:
    """Write attributes of a frozen object."""
    for name, value in values.items():
        object.__setattr__(one, name, value)


def handed_setattr(given: Given) -> None:
    for part in given.parts:
        for name, value in (("amount", BIG), ("price", 9.0), ("cash", BIG), ("tick", 1)):
            with suppress(AttributeError):
                setattr(part, name, value)


def handed_object_setattr(given: Given) -> None:
    for part in given.parts:
        for name, value in (("amount", BIG), ("price", "x"), ("cash", BIG), ("leverage", 5)):
            with suppress(AttributeError, TypeError):
                object.__setattr__(part, name, value)


def handed_dict(given: Given) -> None:
    for part in given.parts:
        with suppress(AttributeError):
            part.__dict__.update(price=None, tick="x", amount=BIG, game_id=None)


def handed_class(given: Given) -> None:
    for part in given.parts:
        with suppress(TypeError, AttributeError):
            object.__setattr__(part, "__class__", type("Lie", (type(part),), {"__slots__": ()}))


def handed_descriptors(given: Given) -> None:
    for part in given.parts:
        for kind in type(part).__mro__:
            for descriptor in vars(kind).values():
                with suppress(AttributeError, TypeError):
                    descriptor.__set__(part, BIG)


def handed_referents(given: Given) -> None:
    for part in given.parts:
        for one in gc.get_referents(part):
            if attrs.has(type(one)):
                for name in ("amount", "cash", "price", "stake", "tick"):
                    with suppress(AttributeError, TypeError):
                        object.__setattr__(one, name, BIG)


def handed_nested(given: Given) -> None:
    for action in given.of("PlayerAction"):
        force(action.state_before, cash=BIG)
        force(action.game_context, price=BIG, tick=None)
        force(action.timestamps, client_ts=None)


def handed_rows(given: Given) -> None:
    for game in given.of("GameView"):
        for row in game.leaderboard:
            force(row, pnl=None, position_qty="x")
        game.prices._values = ()
        with suppress(TypeError):
            game.prices[0] = 3.0


def view_state(given: Given) -> None:
    for game in given.of("GameView"):
        now = outside.state_of(game).now
        now.price, now.tick, now.phase = 1e-9, 0, GamePhase.PRESALE


def view_garbage(given: Given) -> None:
    for game in given.of("GameView"):
        now = outside.state_of(game).now
        now.price, now.tick, now.game_id = None, "x", None


def view_table(given: Given) -> None:
    for view, state in list(outside._STATES.items()):
        outside._STATES[view] = type("Lie", (), {"now": state})()


def all_actions(given: Given) -> None:
    for action in found("PlayerAction"):
        force(action, amount=BIG, leverage=5)


def all_commands(given: Given) -> None:
    for command in found("Command"):
        force(command, amount=BIG, action_type=ActionType.SIDEBET, leverage=5)


def all_tracked(given: Given) -> None:
    for tracked in found("Tracked"):
        if tracked.command is not None:
            tracked.command = attrs.evolve(tracked.command, amount=BIG)
        tracked.action = attrs.evolve(tracked.action, amount=BIG)
        tracked.amount, tracked.booked = 1, "x"


def all_books(given: Given) -> None:
    for book in found("ActionBook"):
        book._open.clear()
        book._unexplained = "x"


def limits_raised(given: Given) -> None:
    for limits in found("Limits"):
        force(limits, stake=Decimal(1000), session_loss=Decimal(10**6), leverage=5)


def limits_replaced(given: Given) -> None:
    for gate in found("RiskGate"):
        gate.limits = risk.Limits(stake=Decimal(5), session_loss=Decimal(1000))


class NoLimits:
    """Claims to be equal to everything, and to allow it."""

    stake = session_loss = Decimal(10**6)
    actions_per_game = leverage = 10**6

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


def limits_equal_to_all(given: Given) -> None:
    for gate in found("RiskGate"):
        gate.limits = NoLimits()


class NoGate:
    """Denies nothing."""

    sent_this_game = 0

    def check(self, *_: Any, **__: Any) -> None:
        return None


def gate_replaced(given: Given) -> None:
    for desk in found("ActionDesk"):
        desk.gate = NoGate()


def gate_class(given: Given) -> None:
    for gate in found("RiskGate"):
        lie = type("RiskGate", (risk.RiskGate,), {"__slots__": (), "check": NoGate.check})
        object.__setattr__(gate, "__class__", lie)


def gate_counts(given: Given) -> None:
    for gate in found("RiskGate"):
        gate.sent_this_game, gate.stopped = -(10**9), None
        gate.halts["x"] = 5


def rich(given: Given) -> None:
    for account in found("Account"):
        account.cash = account.session_start_cash = 10**18


def poor_types(given: Given) -> None:
    for account in found("Account"):
        account.cash, account.bonus, account.stated = "much", None, "x"


class Endless(int):
    """An amount that nothing is above."""

    def __sub__(self, other: Any) -> Any:
        return self

    def __lt__(self, other: Any) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


def endless_cash(given: Given) -> None:
    for account in found("Account"):
        account.cash = Endless(account.cash)


def lots_added(given: Given) -> None:
    for account in found("Account"):
        account.lots.append(Lot(10**12, 1, 0, 1.0))
        account.stakes["x"] = account._pending.append("x")


def desk_bet(given: Given) -> None:
    for desk in found("ActionDesk"):
        desk.bet = 5 * 10**9
        desk.session_id = None


def ids_counter(given: Given) -> None:
    for ids in found("ActionIds"):
        ids.counter = "x"


def exits_declared(given: Given) -> None:
    force(NO_EXITS, take_profit=None, stop_loss=10**6)
    force(NO_EXITS, stop_loss=None, trailing_stop=2.0)
    for exits in found("DeclaredExits"):
        exits.plan, exits.tries = ExitPlan(trailing_stop=0.999), -5
        exits.highest = 1e9


def effects_exchanged(given: Given) -> None:
    for effects in found("Effects"):
        effects._found[:] = [
            attrs.evolve(one, amount=BIG) if isinstance(one, Command) else one
            for one in effects._found
        ]


def effects_added(given: Given) -> None:
    for effects in found("Effects"):
        effects.command(a_command())


def effects_asked(given: Given) -> None:
    for effects in found("Effects"):
        lie = a_command()
        effects._found.append(lie)
    for desk in found("ActionDesk"):
        desk.sent += (lie,)


def reviewers_removed(given: Given) -> None:
    for manager in found("PluginManager"):
        manager.calls["review_action"] = ()


def reviewers_quiet(given: Given) -> None:
    for loaded in found("_Loaded"):
        loaded.calls["review_action"] = (0, lambda *_: None)
    for manager in found("PluginManager"):
        manager._resolve()


def frames(given: Given) -> None:
    frame: Any = sys._getframe()
    while frame is not None:
        one = frame.f_locals.get("self")
        if type(one).__name__ == "Callbacks":
            force(one.desk.gate.limits, stake=Decimal(1000))
            one.desk.account.cash = 10**15
        frame = frame.f_back


def traceback_frames(given: Given) -> None:
    try:
        raise ValueError
    except ValueError as error:
        trace: Any = error.__traceback__
        frame = trace.tb_frame.f_back
    while frame is not None:
        for one in list(frame.f_locals.values()):
            if type(one).__name__ == "Engine":
                one.account.cash = "x"
                one._gate.limits = NoLimits()
        frame = frame.f_back


def referrers(given: Given) -> None:
    seen = gc.get_referrers(*given.parts, *([given.actions] if given.actions is not None else []))
    for one in seen:
        if type(one).__name__ in ("ActionDesk", "Engine", "Surroundings"):
            for name in ("account", "_gate", "gate"):
                with suppress(AttributeError, TypeError):
                    object.__setattr__(one, name, NoGate())


# Code that decides.


def allow(*_: Any, **__: Any) -> None:
    """Allow everything."""


def patched_gate(given: Given) -> None:
    risk.RiskGate.check = allow  # type: ignore[method-assign]


def patched_gate_code(given: Given) -> None:
    risk.RiskGate._check_entry.__code__ = allow.__code__


def _lying_init(self: Any, *args: Any, **kwargs: Any) -> None:
    kwargs.pop("amount", None)
    self.__attrs_init__(*args, amount=BIG, **kwargs)


def patched_command(given: Given) -> None:
    before = Command.__init__

    def init(self: Any, **values: Any) -> None:
        before(self, **{**values, "amount": BIG})

    Command.__init__ = init  # type: ignore[method-assign]


def patched_action(given: Given) -> None:
    def init(self: Any, *_: Any, **__: Any) -> None:
        raise SystemExit

    PlayerAction.__init__ = init  # type: ignore[method-assign]


def patched_tick(given: Given) -> None:
    PlayerAction.amount = property(lambda _: BIG)  # type: ignore[assignment,misc]


def patched_amounts(given: Given) -> None:
    amounts.to_sol = lambda _: BIG
    desk_module.to_sol = lambda _: BIG  # type: ignore[attr-defined]


def patched_lamports(given: Given) -> None:
    for module in (amounts, risk, interface, desk_module):
        module.to_lamports = lambda _: 1  # type: ignore[attr-defined]


def patched_submit(given: Given) -> None:
    def submit(self: Any, command: Command) -> None:
        interface.desk_of(self).deliver(attrs.evolve(command, amount=BIG))

    EngineActions._submit = submit  # type: ignore[method-assign]


def patched_rules(given: Given) -> None:
    rules.MAX_STAKE = Decimal(10**6)  # type: ignore[misc]
    rules.MIN_STAKE = Decimal(0)  # type: ignore[misc]


def patched_builtins(given: Given) -> None:
    builtins.sum = lambda *_: 0  # type: ignore[assignment]


def patched_modules(given: Given) -> None:
    fake = type(sys)("vectra_bot.actions.risk")
    fake.__dict__.update(vars(risk), RiskGate=NoGate)
    sys.modules["vectra_bot.actions.risk"] = fake


def patched_enum(given: Given) -> None:
    object.__setattr__(ActionType.BUY, "_value_", "SIDEBET")


def patched_closures(given: Given) -> None:
    seen = vars(type(given.actions)) if given.actions is not None else {}
    for function in seen.values():
        for cell in getattr(function, "__closure__", None) or ():
            cell.cell_contents = NoGate()


def decimal_context(given: Given) -> None:
    getcontext().prec = 1
    getcontext().traps[Inexact] = True


def a_command() -> Command:
    """Return a command that nobody has checked."""
    return Command(
        action_id="x",
        trace_id="0" * 32,
        action_type=ActionType.BUY,
        game_id="x",
        tick=1,
        price=1.0,
        amount=BIG,
    )


def _a_tick() -> GameTick:
    return GameTick(game_id="x", tick=1, price=9.0, phase=GamePhase.ACTIVE)


Attempt = Callable[[Given], None]

BOTH: list[Attempt] = [
    handed_setattr, handed_object_setattr, handed_dict, handed_class, handed_descriptors,
    handed_referents, handed_nested, handed_rows, view_state, view_garbage, all_actions,
    all_commands, all_tracked, all_books, limits_raised, limits_replaced, limits_equal_to_all,
    gate_replaced, gate_class, gate_counts, rich, poor_types, endless_cash, lots_added, desk_bet,
    ids_counter, exits_declared, effects_exchanged, effects_added, effects_asked,
    reviewers_removed, reviewers_quiet, frames, traceback_frames, referrers, patched_gate,
    patched_gate_code, patched_command, patched_action, patched_tick, patched_amounts,
    patched_lamports, patched_submit, patched_rules, patched_builtins, patched_modules,
    patched_enum, patched_closures, decimal_context, view_table,
]  # fmt: skip
"""What strategies and plugins try alike."""
