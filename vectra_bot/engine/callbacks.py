"""Guarded calls of code that is not ours: the plugins' hooks and the strategy's methods."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from decimal import getcontext, setcontext
from typing import Any

from attrs import define, field, frozen

from vectra_bot.actions.interface import ActionContext
from vectra_bot.engine.effects import Effects
from vectra_bot.errors import CallInterrupted, StopNow, safe_error, safe_text, safe_trace
from vectra_bot.models import DocType, SystemEvent
from vectra_bot.plugins import PluginManager
from vectra_bot.strategy import Strategy

MAX_STATE_BYTES = 1 << 20

STATE_KIND = "strategy.state"
"""Kind of the system event that contains what :meth:`Strategy.save` returned."""


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

    Attributes:
        failure: what the strategy raised; after that it is not called again.
        plugin_errors: number of exceptions by plugin.
    """

    strategy: Strategy
    plugins: PluginManager
    desk: ActionContext
    effects: Effects
    failure: StrategyFailure | None = None
    plugin_errors: Counter[str] = field(factory=Counter)

    def notify(self, hook: str, *args: Any) -> None:
        """Run a hook in every plugin, then the strategy's method of the same name."""
        self.plugins.call(hook, *args)
        if self.failure is not None:
            return
        self.desk.in_callback = True
        try:
            self.guarded(hook, getattr(self.strategy, hook), *args)
        finally:
            self.desk.in_callback = False

    def guarded(self, callback: str, method: Callable[..., Any], *args: Any) -> Any:
        """Return what a method of the strategy returns, None if it raises or raised before."""
        if self.failure is not None:
            return None
        ours = getcontext()
        setcontext(ours.copy())  # changes of the decimal context end with the call
        try:
            return method(*args)
        except StopNow:
            raise
        except BaseException as error:  # noqa: BLE001 - a strategy's exception ends trading, not the host
            setcontext(ours)
            self.fail(callback, error)
            return None
        finally:
            setcontext(ours)

    def fail(self, callback: str, error: BaseException) -> None:
        """End trading: the strategy raised *error* in *callback*, or was interrupted there."""
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
        """Store the exceptions of plugins since the last call."""
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

    def save(self) -> None:
        """Store the state that the strategy wants to keep across restarts."""
        state = self.guarded("save", self.strategy.save)
        if state is None:
            return
        try:
            text = json.dumps(state, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
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
