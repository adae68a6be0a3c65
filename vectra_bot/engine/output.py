"""What the engine lets out: effects for the session, hooks for plugins, callbacks for the strategy."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable
from decimal import localcontext
from typing import Any, TypeAlias

from attrs import frozen

from vectra_bot.actions.ids import ActionIds
from vectra_bot.actions.interface import ActionContext, BotActionInterface
from vectra_bot.actions.risk import Limits, RiskGate
from vectra_bot.actions.tracker import ActionTracker
from vectra_bot.errors import safe_error, safe_text, safe_trace
from vectra_bot.game import state as game_state
from vectra_bot.game.account import Account
from vectra_bot.models import (
    ActionState,
    Command,
    DocType,
    Document,
    GameSummary,
    Mode,
    SystemEvent,
)
from vectra_bot.plugins import PluginManager
from vectra_bot.strategy import HISTORY_GAMES, Strategy, Surroundings, bind

Effect: TypeAlias = Command | Document


@frozen
class StrategyFailure:
    """A strategy raised: what, where, and the whole traceback."""

    callback: str
    error: str
    trace: str
    exception: BaseException


class _EngineActions(BotActionInterface):
    """Puts commands among the effects of the input under way."""

    def __init__(self, desk: ActionContext, effects: list[Effect]) -> None:
        super().__init__(desk)
        self._effects = effects

    def _submit(self, command: Command) -> None:
        self._effects.append(command)


class EngineOutput:
    """The outward half of the engine; the inward half is :class:`vectra_bot.engine.Engine`."""

    def __init__(
        self,
        *,
        session_id: str,
        mode: Mode,
        strategy: Strategy,
        plugins: PluginManager,
        limits: Limits,
    ) -> None:
        self.session_id = session_id
        self.mode = mode
        self.strategy = strategy
        self.plugins = plugins
        self.failure: StrategyFailure | None = None
        self.counts: Counter[str] = Counter()
        self.states: Counter[ActionState] = Counter()
        self.plugin_errors: Counter[str] = Counter()
        self.account = Account()
        self.history: deque[GameSummary] = deque(maxlen=HISTORY_GAMES)
        self._state = game_state.GameState()
        self._gate = RiskGate(limits)
        self._effects: list[Effect] = []
        ids = ActionIds(session_id)
        self.tracker = ActionTracker(
            session_id, mode, ids, self.account, self._state.view, self._gate
        )
        self._desk = ActionContext(
            session_id,
            mode,
            ids,
            self._state.view,
            self.account,
            self.tracker,
            self._gate,
            self._review,
        )
        self._actions = _EngineActions(self._desk, self._effects)
        side_games = self.tracker.rounds.view
        bind(strategy, Surroundings(self._actions, self.account.view, self.history, side_games))

    @property
    def game(self) -> game_state.GameView:
        """Return the running game, read-only."""
        return self._state.view

    @property
    def now_ns(self) -> int:
        """Return the time of the newest event, nanoseconds since the epoch."""
        return self._desk.now_ns

    # Hooks and the strategy.

    # Foreign code runs in a decimal context of its own: what it sets there ends with the call.

    def _review(self, action: Any) -> str | None:
        with localcontext():
            return self.plugins.review(action, self.game, self.account.view)

    def _tell(self, hook: str, *args: Any) -> None:
        """Run a hook in every plugin, then the strategy's method of the same name."""
        with localcontext():
            self.plugins.call(hook, *args)
        self._desk.in_callback = True
        try:
            self._guarded(hook, getattr(self.strategy, hook), *args)
        finally:
            self._desk.in_callback = False

    def _guarded(self, callback: str, method: Callable[..., Any], *args: Any) -> Any:
        if self.failure is not None:
            return None
        try:
            with localcontext():
                return method(*args)
        except BaseException as error:  # noqa: BLE001 - a strategy's exception ends trading, not the host
            self._fail(callback, error)
            return None

    def _fail(self, callback: str, error: BaseException) -> None:
        trace = safe_trace(error)
        name = type(self.strategy).__name__
        self.failure = StrategyFailure(f"{name}.{callback}", safe_error(error), trace, error)
        self._gate.stop_all(f"{name}.{callback} raised")
        self._system(
            "strategy.error",
            "critical",
            f"{name}.{callback} raised {type(error).__name__}",
            error=safe_text(error),
            traceback=trace,
        )

    def _store_faults(self) -> None:
        for fault in self.plugins.faults:
            self.plugin_errors[fault.plugin] += 1
            self._system(
                "plugin.quarantined" if fault.quarantined else "plugin.error",
                "error",
                f"plugin {fault.plugin!r} failed in {fault.hook}: {fault.error}",
                plugin=fault.plugin,
                hook=fault.hook,
                traceback=fault.trace,
            )
        self.plugins.faults.clear()

    # Documents.

    def _system(self, kind: str, severity: str, message: str, **detail: Any) -> None:
        self._store_system(
            SystemEvent(
                kind=kind,
                severity=severity,
                message=message,
                detail_json=json.dumps(detail, sort_keys=True),
            )
        )

    def _store_system(self, record: SystemEvent) -> None:
        self._document(DocType.SYSTEM_EVENT, record, "engine")

    def _document(
        self,
        doc_type: DocType,
        record: Any,
        source: str,
        *,
        game_id: str | None = None,
        player_id: str | None = None,
    ) -> None:
        self._effects.append(
            Document(
                doc_type=doc_type,
                record=record,
                ts_ns=self._desk.now_ns,
                source=source,
                game_id=self.game.game_id if game_id is None else game_id,
                player_id=self.account.player_id if player_id is None else player_id,
            )
        )
