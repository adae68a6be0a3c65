"""AlertBook: the rules of one engine, called by tuples of bound methods that are resolved once."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final

from attrs import define, field, frozen

from vectra_bot.alerts.model import AlertModel
from vectra_bot.alerts.rule import RULE_CALLBACKS, AlertDraft, AlertRule, RuleSurroundings
from vectra_bot.errors import PluginError, StopNow, safe_error, safe_repr, safe_text, safe_trace
from vectra_bot.hookspecs import adapt
from vectra_bot.models import AlertTrigger
from vectra_bot.models.times import NS_PER_S, utc_from_ns
from vectra_bot.plugins import MAX_TRACEBACK, FaultWindow

MAX_ALERTS: Final = 8
"""Alerts that a rule may give for one event; more are counted and not stored."""
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
        calls: the callbacks of the rules, in the order in which they were registered.
        faults: exceptions since the engine stored them.
        dropped: alerts above the limit of one rule and event, since the engine stored that.
        model: what the alerts' chances come from; None until the rules are bound.
    """

    session_id: str
    calls: dict[str, tuple[_Call, ...]] = field(factory=lambda: dict.fromkeys(RULE_CALLBACKS, ()))
    faults: list[RuleFault] = field(factory=list)
    dropped: int = 0
    model: AlertModel | None = None
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

    def bind(self, account: Any, side_games: Any) -> None:
        """Give the rules what they read; ends the registration."""
        self.model = self.model or AlertModel()
        for one in self._rules:
            one.rule.__dict__["_surroundings"] = RuleSurroundings(account, side_games, self.model)
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
        self, callback: str, args: tuple[Any, ...], now_ns: int, game_id: str
    ) -> list[AlertTrigger]:
        """Run a callback in every rule and return the alerts given, in order; no exception is passed on."""
        found: list[AlertTrigger] = []
        for one, method in self.calls[callback]:
            try:
                given = method(*args)
                if given is not None:
                    self._collect(one, callback, given, now_ns, game_id, found)
            except BaseException as error:  # noqa: BLE001 - foreign code
                self.fault(one.rule, callback, error, now_ns)
        return found

    def _collect(
        self,
        one: _Registered,
        callback: str,
        given: AlertDraft | Iterable[AlertDraft],
        now_ns: int,
        game_id: str,
        found: list[AlertTrigger],
    ) -> None:
        drafts = (given,) if isinstance(given, AlertDraft) else islice(given, MAX_ALERTS + 1)
        for number, draft in enumerate(drafts):
            if number == MAX_ALERTS:
                self.dropped += 1
                return
            if not isinstance(draft, AlertDraft):
                raise TypeError(
                    f"{one.name}.{callback} gave {safe_repr(draft)}: give self.alert(...)"
                )
            found.append(self._trigger(draft, callback, now_ns, game_id))

    def _trigger(self, draft: AlertDraft, callback: str, now_ns: int, game_id: str) -> AlertTrigger:
        expires_ns = None if draft.expires_s is None else now_ns + round(draft.expires_s * NS_PER_S)
        trigger = AlertTrigger(
            alert_id=self._id(self._counter + 1),
            alert_type=draft.alert_type,
            severity=draft.severity,
            triggered_at=utc_from_ns(now_ns),
            expires_at=None if expires_ns is None else utc_from_ns(expires_ns),
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
        digest = hashlib.sha256(f"{self.session_id}:alert:{number}".encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))

    def fault(
        self,
        rule: AlertRule,
        callback: str,
        error: BaseException,
        now_ns: int,
        *,
        at_once: bool = False,
    ) -> None:
        """Count an exception of *rule*; if there were many, or *at_once*, it is not called again.

        Raises:
            StopNow: *error* is the stop that the user asked for.
        """
        if isinstance(error, StopNow):
            raise error
        one = next(known for known in self._rules if known.rule is rule)
        newly = (one.faults.add(now_ns) or at_once) and not one.quarantined
        one.quarantined = one.quarantined or newly
        self.faults.append(
            RuleFault(
                one.name, callback, safe_error(error), safe_trace(error, MAX_TRACEBACK), newly
            )
        )
        if newly:
            self._resolve()


def _defined(cls: type) -> frozenset[str]:
    """Return the callbacks that a rule's class implements."""
    return frozenset(name for name in RULE_CALLBACKS if callable(getattr(cls, name, None)))


__all__ = ["MAX_ALERTS", "AlertBook", "RuleFault"]
