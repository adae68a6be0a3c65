"""AlertBook: the rules of one engine, called by tuples of bound methods that are resolved once."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

from vectra_bot.alerts.model import AlertModel
from vectra_bot.alerts.rule import RULE_CALLBACKS, AlertDraft, AlertRule, RuleSurroundings
from vectra_bot.errors import PluginError, StopNow, safe_error, safe_repr, safe_text, safe_trace
from vectra_bot.hookspecs import adapt
from vectra_bot.models import AlertTrigger, GameTick
from vectra_bot.models.times import utc_from_ns
from vectra_bot.plugins import MAX_TRACEBACK, FaultWindow

if TYPE_CHECKING:
    from vectra_bot.game.rounds import SideGamesView
    from vectra_bot.game.state import GameView
    from vectra_bot.game.view import AccountView

MAX_ALERTS: Final = 8
"""Alerts that a rule may give for one event; the next one is an error of the rule."""
MAX_RULES: Final = 256
MAX_TITLE: Final = 200
MAX_MESSAGE: Final = 2_000


@frozen
class RuleFault:
    """An exception of a rule; ``quarantined``: from now on it is not called."""

    rule: str
    callback: str
    error: str
    trace: str
    quarantined: bool


@define(eq=False)
class _Registered:
    name: str
    rule: AlertRule
    faults: FaultWindow = field(factory=FaultWindow)
    quarantined: bool = False


_Call = tuple[_Registered, Callable[..., Any]]


@define
class AlertBook:
    """Calls the rules of one session and makes records of what they give.

    Attributes:
        session_id: alert ids follow from it and a counter.
        model: what the alerts' chances come from; None until a plugin or :meth:`bind` sets it.
        calls: the callbacks of the rules, in the order in which they were registered.
        faults: exceptions since the engine stored them.
        read: the views that rules read: our account and the side games.
    """

    session_id: str
    model: AlertModel | None = None
    calls: dict[str, tuple[_Call, ...]] = field(factory=lambda: dict.fromkeys(RULE_CALLBACKS, ()))
    faults: list[RuleFault] = field(factory=list)
    read: tuple[Any, ...] = ()
    _counter: int = 0
    _rules: list[_Registered] = field(factory=list)

    def register(self, given: AlertRule | AlertModel) -> None:
        """Add a rule, or set the model; a plugin calls it in ``register_alert_rules``.

        Raises:
            PluginError: it is neither, the model was set before, or there are too many rules.
        """
        if isinstance(given, AlertModel):
            if self.model is not None:
                raise PluginError(
                    f"the alert model {safe_text(given.name)!r} was registered after "
                    f"{safe_text(self.model.name)!r}: enable one plugin with a model"
                )
            self.model = given
            return
        if not isinstance(given, AlertRule):
            raise PluginError(
                f"register was given {safe_repr(given)}: give an AlertRule or an AlertModel, not its class"
            )
        if not given.types():
            raise PluginError(f"{type(given).__name__} has no alert_type: set it in its class")
        if len(self._rules) >= MAX_RULES:
            raise PluginError(f"there are {MAX_RULES} alert rules already: register fewer")
        if any(one.rule is given for one in self._rules):
            raise PluginError(f"{type(given).__name__} was registered twice: register it once")
        self._rules.append(_Registered(type(given).__name__, given))

    def bind(self, account: AccountView, side_games: SideGamesView) -> None:
        """Give the rules what they read; ends the registration."""
        self.read = (account, side_games)
        self.model = self.model or AlertModel()
        for one in self._rules:
            own, asleep = one.rule.__dict__, inspect.getattr_static(type(one.rule), "asleep")
            if isinstance(asleep, bool):  # found faster than in the class, and read at every tick
                own.setdefault("asleep", asleep)
            own["_surroundings"] = RuleSurroundings(account, side_games, self.model)
        self._resolve()

    def _resolve(self) -> None:
        for callback, names in RULE_CALLBACKS.items():
            self.calls[callback] = tuple(
                (one, adapt(getattr(one.rule, callback), names))
                for one in self._rules
                if not one.quarantined and callback in _defined(type(one.rule))
            )

    @property
    def rules(self) -> tuple[AlertRule, ...]:
        """Return the registered rules, in the order of their calls."""
        return tuple(one.rule for one in self._rules)

    def run(
        self,
        callback: str,
        args: Sequence[Any],
        now_ns: int,
        game_id: str,
        *,
        watch: Callable[[str], str] | None = None,
    ) -> list[AlertTrigger]:
        """Run a callback in every rule and return the alerts given, in order; no exception is passed on.

        Args:
            callback: one of :data:`RULE_CALLBACKS`.
            args: its arguments, shared by the rules.
            now_ns: time of the event, nanoseconds since the epoch.
            game_id: the game that the alerts are about.
            watch: returns what a rule has just changed of the engine; None: the caller compares.
        """
        found: list[AlertTrigger] = []
        for one, method in self.calls[callback]:
            try:
                given = method(*args)
                if given is not None:
                    found += self._given(one, given, callback, now_ns, game_id)
            except BaseException as error:  # noqa: BLE001 - foreign code
                self._fault(one, callback, error, now_ns)
            if watch is not None and (changed := watch(callback)):
                text = f"it changed the state of the session ({changed}), which was restored"
                self._fault(one, callback, PluginError(text), now_ns, at_once=True)
        return found

    def tick(self, tick: GameTick, game: GameView | None, now_ns: int) -> list[AlertTrigger]:
        """Run ``on_game_tick`` as :meth:`run` does, in less time: nearly no rule gives an alert at a tick."""
        found: list[AlertTrigger] = []
        for one, method in self.calls["on_game_tick"]:
            try:
                if one.rule.asleep:
                    continue
                given = method(tick, game)
                if given is not None:
                    found += self._given(one, given, "on_game_tick", now_ns, tick.game_id)
            except BaseException as error:  # noqa: BLE001 - foreign code
                self._fault(one, "on_game_tick", error, now_ns)
        return found

    def _given(
        self, one: _Registered, given: Any, callback: str, now_ns: int, game_id: str
    ) -> Iterator[AlertTrigger]:
        """Yield the alerts that a rule gave, until one of them is wrong."""
        drafts = (given,) if type(given) is AlertDraft else _drafts(given, f"{one.name}.{callback}")
        for draft in drafts:
            yield self._trigger(draft, callback, now_ns, game_id)

    def _trigger(self, draft: AlertDraft, callback: str, now_ns: int, game_id: str) -> AlertTrigger:
        now, lasts_s = utc_from_ns(now_ns), draft.expires_s
        trigger = AlertTrigger(
            alert_id=self._id(self._counter + 1),
            alert_type=draft.alert_type,
            severity=draft.severity,
            triggered_at=now,
            expires_at=None if lasts_s is None else now + timedelta(seconds=lasts_s),
            game_id=game_id or None,
            player_id=draft.player_id,
            title=safe_text(draft.title, MAX_TITLE),
            message=safe_text(draft.message, MAX_MESSAGE),
            source_event=callback.removeprefix("on_"),
            source_data=None if draft.data is None else dict(draft.data),
            sound_enabled=draft.sound,
            priority=draft.priority,
        )
        self._counter += 1
        return trigger

    def _id(self, number: int) -> str:
        text = hashlib.sha256(f"{self.session_id}:alert:{number}".encode()).hexdigest()
        variant = "89ab"[int(text[16], 16) & 3]  # as uuid.UUID(bytes=digest[:16], version=4)
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"

    def _fault(
        self,
        one: _Registered,
        callback: str,
        error: BaseException,
        now_ns: int,
        *,
        at_once: bool = False,
    ) -> None:
        if isinstance(error, StopNow):
            raise error
        newly = (one.faults.add(now_ns) or at_once) and not one.quarantined
        one.quarantined = one.quarantined or newly
        trace = safe_trace(error, MAX_TRACEBACK)
        self.faults.append(RuleFault(one.name, callback, safe_error(error), trace, newly))
        if newly:
            self._resolve()


def _drafts(given: Iterable[AlertDraft], source: str) -> Iterator[AlertDraft]:
    """Yield what a callback gave, checked.

    Raises:
        TypeError: it is not an alert.
        PluginError: there are more than :data:`MAX_ALERTS`.
    """
    for number, draft in enumerate(islice(given, MAX_ALERTS + 1)):
        if number == MAX_ALERTS:
            raise PluginError(f"{source} gave more than {MAX_ALERTS} alerts for one event")
        if not isinstance(draft, AlertDraft):
            raise TypeError(f"{source} gave {safe_repr(draft)}: give self.alert(...)")
        yield draft


def _defined(cls: type) -> frozenset[str]:
    """Return the callbacks that a rule's class implements."""
    return frozenset(name for name in RULE_CALLBACKS if callable(getattr(cls, name, None)))


__all__ = ["MAX_ALERTS", "AlertBook", "RuleFault"]
