"""Guarded calls of code that is not ours: the plugins' hooks and the strategy's methods."""

from __future__ import annotations

import inspect
from collections import Counter
from decimal import Context, Decimal, getcontext, setcontext
from enum import Enum
from threading import get_ident
from types import FunctionType, MethodType
from typing import Any

from attrs import Factory, define, field, frozen

from vectra_bot.actions.desk import ActionDesk
from vectra_bot.actions.interface import BotActionInterface
from vectra_bot.alerts import AlertBook
from vectra_bot.engine.call_times import TICK_NS, CallTimes
from vectra_bot.engine.decimals import LentContext
from vectra_bot.engine.effects import Effects
from vectra_bot.engine.seals import Code, SealedBooks
from vectra_bot.errors import (
    CallInterrupted,
    StopNow,
    StrategyError,
    safe_error,
    safe_repr,
    safe_text,
    safe_trace,
)
from vectra_bot.game.outside import BareView, fresh, only_reads, state_of
from vectra_bot.game.rounds import Round
from vectra_bot.game.state import GameView
from vectra_bot.models import ActionState, ActionType, AlertTrigger, DocType, GameTick, SystemEvent
from vectra_bot.params.saved import state_to_text
from vectra_bot.plugins import PluginManager
from vectra_bot.strategy import CALLBACKS, Strategy, Surroundings, bind

MAX_STATE_BYTES = 1 << 20

_new, _set_values = object.__new__, vars(GameTick)["__dict__"].__set__

STATE_KIND = "strategy.state"
"""Kind of the system event that contains what :meth:`Strategy.save` returned."""

# An action that was returned was asked for already, and true or false is some method's own answer.
_LIKE_ORDERS = (str, int, float, Decimal, tuple, list, dict, set, Enum)
_RETURNING = ("save",)

RETURNED_KIND = "strategy.returned"
"""Kind of the system event of a callback that returned what looks like an order."""

_DEFAULTS = {name: vars(Strategy)[name] for name in CALLBACKS}
"""The methods that a strategy inherits, which do nothing."""


def _copy(tick: GameTick) -> GameTick:
    """Return a copy for one receiver, as ``fresh()`` does in twice the time."""
    copy = _new(GameTick)
    _set_values(copy, tick.__dict__.copy())
    return copy


@frozen
class StrategyFailure:
    """A strategy raised: what, where, and the whole traceback."""

    callback: str
    error: str
    trace: str
    exception: BaseException

    @property
    def interrupted(self) -> bool:
        """Return whether a stop ended the call: the strategy was only running at that time."""
        return isinstance(self.exception, CallInterrupted | KeyboardInterrupt)


@define
class Callbacks:
    """Calls plugins and the strategy; their exceptions are stored and go no further.

    Each gets copies of the records and views of the rest; the books are sealed while it runs.

    Attributes:
        shown: the strategy's own view of the running game.
        context: the decimal context of the engine: amounts are exact whatever its caller, a strategy or a
            plugin has set.
        alerts: the rules that give alerts.
        failure: what the strategy raised; after that it is not called again.
        plugin_errors: number of exceptions by plugin and alert rule.
        returned: callbacks that returned what looks like an order.
        times: how long calls of the strategy take.
    """

    strategy: Strategy
    plugins: PluginManager
    desk: ActionDesk
    effects: Effects
    books: SealedBooks
    shown: GameView
    alerts: AlertBook = Factory(lambda self: AlertBook(self.desk.session_id), takes_self=True)
    code: Code = field(factory=Code)
    context: Context = field(factory=lambda: Context(prec=60))
    failure: StrategyFailure | None = None
    plugin_errors: Counter[str] = field(factory=Counter)
    returned: set[str] = field(factory=set)
    times: CallTimes = field(factory=CallTimes)
    _running: str = "__init__"
    _ticked: bool = False
    _for_rules: GameView | None = None
    _reads_ticks: Any = None
    _contexts: tuple[LentContext, ...] = ()

    def begin(self, around: Surroundings) -> None:
        """Give the strategy its surroundings, and watch what it and the plugins do.

        Raises:
            StrategyError: the strategy cannot have attributes.
        """
        desk, books = self.desk, self.books
        desk.opened, desk.closed = self.open, books.close
        desk.outermost = (Callbacks.guarded.__code__, Callbacks.tick.__code__)
        self.plugins.watch = self.changed_by_plugin
        views: tuple[BareView, ...] = (desk.game, self.shown, around.side_games, around.account)
        views += self.plugins.show(desk.game)
        views += self._begin_alerts(around)
        books.views = tuple((view, state_of(view)) for view in views)
        self._contexts = tuple(LentContext(self.context) for _ in range(3))
        bind(self.strategy, around)
        self._see_tick_method()

    def _see_tick_method(self) -> None:
        """Note the strategy's method that only reads the ticks that it is given."""
        method = inspect.getattr_static(type(self.strategy), "on_game_tick", None)
        if isinstance(method, FunctionType) and method.__code__.co_argcount > 1:
            name = method.__code__.co_varnames[1]
            if only_reads(method, name, GameTick):
                self._reads_ticks = method

    def _begin_alerts(self, around: Surroundings) -> tuple[BareView, ...]:
        """Let plugins register alert rules; return the views that rules get, if there are any."""
        self.effects.alerted = self._alerted
        self.plugins.call("register_alert_rules", self.alerts.register)
        self.alerts.bind(fresh(around.account), fresh(around.side_games))
        if not self.alerts.rules:
            return ()
        self._for_rules = fresh(self.desk.game)
        account, side_games = self.alerts.read
        return (self._for_rules, account, side_games)

    def notify(self, hook: str, *args: Any) -> None:
        """Run a hook in every plugin, then the strategy's method of the same name."""
        if self.plugins.calls[hook]:
            self._seal()
            self.plugins.call(hook, *args)
        if self.alerts.calls.get(hook):
            self._run_rules(hook, args)
        if self.failure is None:
            self.desk.thread = get_ident()
            self.guarded(hook, args)

    def tick(self, tick: GameTick) -> None:
        """Run ``on_game_tick``: as :meth:`notify`, in one call, because nearly all are this one.

        The books are compared at their next change, not after each plugin, alert rule and the strategy: that
        would cost ten times as much as these. What one of them changes is then restored and ends trading:
        the others cannot be excluded.
        """
        if not self.books.sealed:
            self.books.close()
        self._running, self._ticked = "on_game_tick", True
        plugins, (to_plugins, to_rules, to_strategy) = self.plugins, self._contexts
        calls, timer = plugins.calls["on_game_tick"], plugins.timer
        try:  # changes of the decimal context end with the calls
            if calls:
                to_plugins.lend()
                for loaded, method in calls:
                    began = 0 if timer is None else timer()
                    given = tick
                    if not loaded.reads_ticks:  # as _copy(), without its call
                        given = _new(GameTick)
                        _set_values(given, tick.__dict__.copy())
                    try:
                        method(given, loaded.game)
                    except BaseException as error:  # noqa: BLE001 - foreign code
                        plugins.fault(loaded, "on_game_tick", error)
                    if timer is not None:
                        loaded.add_time("on_game_tick", timer() - began)
            if self.alerts.calls["on_game_tick"]:
                to_rules.lend()
                self._tick_rules(tick)
            if self.failure is None:
                to_strategy.lend()
                self._tick_strategy(tick)
        finally:
            setcontext(self.context)

    def _tick_rules(self, tick: GameTick) -> None:
        """Run ``on_game_tick`` of the alert rules, and store what they give."""
        alerts = self.alerts.tick(_copy(tick), self._for_rules, self.desk.account.now_ns)
        if alerts:
            setcontext(self.context)
            for alert in alerts:
                self.effects.alert(alert, "alerts", tick.game_id)

    def _tick_strategy(self, tick: GameTick) -> None:
        """Run ``on_game_tick`` of the strategy, as :meth:`guarded` runs the others."""
        desk, timer = self.desk, self.times.timer
        desk.thread = get_ident()
        began_ns = 0 if timer is None else timer()
        try:
            method: Any = self.strategy.on_game_tick
            if type(method) is MethodType and method.__func__ is self._reads_ticks:
                given = method(tick, self.shown)
            else:
                given = method(_copy(tick), self.shown)
            if given is not None:
                self._returned("on_game_tick", given)
        except StopNow:
            raise
        except BaseException as error:  # noqa: BLE001 - as in guarded
            setcontext(self.context)
            self.fail("on_game_tick", error)
        finally:
            desk.thread = 0
            if timer is not None and (took_ns := timer() - began_ns) > TICK_NS:
                self._slow("on_game_tick", took_ns)

    def side_round(self, before: Round | None, now: Round | None) -> None:
        """Run ``on_side_round`` of alert rules if a round is new, closed, or has its result."""
        if now is None or not self.alerts.calls["on_side_round"]:
            return
        if before is None or (before.is_open, before.result) != (now.is_open, now.result):
            self._run_rules("on_side_round", (now, self.desk.game))

    def _run_rules(self, callback: str, args: tuple[Any, ...]) -> None:
        """Run a callback of the alert rules, store what they give, and compare the books after each rule."""
        self._seal()
        game, shown, ours = self.desk.game, self._for_rules, getcontext()
        game_id = args[1].game_id if callback == "on_game_end" else self.effects.game.now.game_id
        given = [shown if one is game else fresh(one) for one in args]
        setcontext(ours.copy())
        try:
            alerts = self.alerts.run(
                callback, given, self.desk.account.now_ns, game_id, watch=self.changed_by_plugin
            )
        finally:
            setcontext(ours)
        for alert in alerts:
            self.effects.alert(alert, "alerts", game_id)

    def _alerted(self, alert: AlertTrigger) -> None:
        if self.plugins.calls["on_alert"]:
            self._seal()
            self.plugins.call("on_alert", alert)

    def guarded(self, callback: str, args: tuple[Any, ...] = ()) -> Any:
        """Return what a method of the strategy returns, None if it raises or raised before."""
        if self._ticked:
            self.open()
        if self.failure is not None:
            return None
        self._running = callback
        desk, ours, timer = self.desk, getcontext(), self.times.timer
        began_ns = 0 if timer is None else timer()
        try:
            method = getattr(self.strategy, callback)
            if getattr(method, "__func__", None) is _DEFAULTS[callback]:
                return None
            if not self.books.sealed:
                self.books.close()
            setcontext(ours.copy())  # changes of the decimal context end with the call
            game, shown = desk.game, self.shown
            given = method(*[shown if one is game else fresh(one) for one in args])
            if given is not None and callback not in _RETURNING:
                self._returned(callback, given)
            return given
        except StopNow:
            raise
        except BaseException as error:  # noqa: BLE001 - a strategy's exception ends trading, not the host
            setcontext(ours)
            self.fail(callback, error)
            return None
        finally:
            desk.thread = 0
            setcontext(ours)
            self.open()
            if timer is not None and (took_ns := timer() - began_ns) > TICK_NS:
                self._slow(callback, took_ns)

    def run_exits(self, actions: BotActionInterface) -> None:
        """Sell everything if a declared exit is due, unless a sale is undecided."""
        self.open()
        desk = self.desk
        if self.failure is not None or not desk.exits.due(desk.game, desk.account):
            return
        if any(action.action_type is ActionType.SELL for action in desk.book.pending):
            return
        desk.thread = get_ident()
        try:
            action = actions.sell()
        finally:
            desk.thread = 0
        self.open()
        if action.state is not ActionState.DENIED:
            desk.exits.tries += 1

    def open(self) -> None:
        """Open the books for the engine's own changes; a strategy that changed them ends trading."""
        self._end_if(self.books.open())
        self._ticked = False

    def _seal(self) -> None:
        """Seal the books, compared first if code ran at the last tick: what that changed is its own fault."""
        if self._ticked:
            self.open()
        self.books.close()

    def check_orders(self) -> None:
        """End trading if the commands of this input are not those that the limits have seen."""
        changed = ", ".join(filter(None, (self.books.open(), self.code.check())))
        if not self.effects.keep(self.desk.sent) or not self._agree():
            changed = changed or "a command"
        self._end_if(changed)
        self._ticked = False

    def explains(self) -> bool:
        """Return whether foreign changes explain an error of the engine; they are restored, trading ends."""
        changed = ", ".join(filter(None, (self.books.open(), self.code.check())))
        self._end_if(changed)
        return bool(changed)

    def _end_if(self, changed: str) -> None:
        if changed and self.failure is None:
            others = [
                loaded.name for loaded, _ in self.plugins.calls["on_game_tick"] if self._ticked
            ]
            by = f" by it or by a plugin ({', '.join(others)})" if others else ""
            error = StrategyError(
                f"the state of the session was changed from outside ({changed}){by}: it was restored and "
                "nothing is sent; act by self.actions alone"
            )
            self.fail(self._running, error)

    def _agree(self) -> bool:
        """Return whether the commands of this input say what their actions do, within the limits."""
        gate, book = self.desk.gate, self.desk.book
        for command in self.desk.sent:
            tracked = book.get(command.action_id)
            if tracked is None or tracked.command is not command:
                return False
            action = tracked.action
            if (
                command.action_type is not action.action_type
                or command.amount is not action.amount
                or (command.percentage, command.leverage) != (action.percentage, action.leverage)
                or not gate.allows(command)
            ):
                return False
        return True

    def changed_by_plugin(self, hook: str) -> str:
        """Return what a plugin has just changed of the engine, which is put back; empty if nothing."""
        changed = self.books.check()
        if not self.effects.keep(self.desk.sent):
            changed = changed or "a command"
        if hook == "review_action":
            changed = ", ".join(filter(None, (changed, self.code.check())))
        return changed

    def _slow(self, callback: str, took_ns: int) -> None:
        name = f"{type(self.strategy).__name__}.{callback}"
        self.times.add(name, took_ns, self.desk.game.game_id, self.desk.game.tick)

    def _returned(self, callback: str, given: Any) -> None:
        """Store a warning, once for each callback, that what it returned does nothing."""
        if callback in self.returned or given is True or given is False:
            return
        if not isinstance(given, _LIKE_ORDERS):
            return
        self.returned.add(callback)
        self.effects.system(
            RETURNED_KIND,
            "warning",
            f"{type(self.strategy).__name__}.{callback} returned {safe_repr(given)}, which does nothing: "
            "act by self.actions.buy() and the like",
        )

    def fail(self, callback: str, error: BaseException) -> None:
        """End trading: the strategy raised *error* in *callback*, or was interrupted there."""
        self.books.open()
        trace = safe_trace(error)
        where = f"{type(self.strategy).__name__}.{callback}"
        self.failure = StrategyFailure(where, safe_error(error), trace, error)
        text = safe_text(error)
        if self.failure.interrupted:
            what = f"{where} was interrupted"
            self.effects.system(
                "strategy.interrupted", "warning", what, error=text, traceback=trace
            )
        else:
            what = f"{where} raised"
            self.effects.system(
                "strategy.error",
                "critical",
                f"{what} {type(error).__name__}",
                error=text,
                traceback=trace,
            )
        self.desk.gate.stop_all(what)

    def store_faults(self) -> None:
        """Store the exceptions of plugins and alert rules since the last call."""
        for fault in self.plugins.faults:
            self.plugin_errors[fault.plugin] += 1
            self.effects.system(
                "plugin.quarantined" if fault.quarantined else "plugin.error",
                "error",
                f"plugin {fault.plugin!r} failed in {fault.hook}: {fault.error}",
                plugin=fault.plugin,
                hook=fault.hook,
                traceback=fault.trace,
            )
        self.plugins.faults.clear()
        for failed in self.alerts.faults:
            self.plugin_errors[f"alert rule {failed.rule}"] += 1
            self.effects.system(
                "alert.rule_quarantined" if failed.quarantined else "alert.rule_error",
                "error",
                f"alert rule {failed.rule!r} failed in {failed.callback}: {failed.error}",
                rule=failed.rule,
                callback=failed.callback,
                traceback=failed.trace,
            )
        self.alerts.faults.clear()

    def save(self) -> None:
        """Store the state that the strategy wants to keep across restarts."""
        state = self.guarded("save")
        if state is None:
            return
        try:
            text = state_to_text(state)
        except BaseException as error:  # noqa: BLE001 - a class of the strategy's own may raise anything
            self.fail("save", error)
            return
        if len(text) > MAX_STATE_BYTES:
            self.effects.system(
                "strategy.state_too_large",
                "error",
                f"save() returned {len(text)} bytes, the maximum is {MAX_STATE_BYTES}: not stored",
            )
            return
        record = SystemEvent(
            kind=STATE_KIND, severity="debug", message="strategy state saved", detail_json=text
        )
        self.effects.document(DocType.SYSTEM_EVENT, record, "engine")
