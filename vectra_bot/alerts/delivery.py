"""Delivery: the shell's side of alerts, from a stored alert to the sinks.

Theory of operation. The session's thread gives every ``alert_trigger`` document that it is about to journal
to :meth:`AlertDelivery.take`, which asks the policy and returns a document with the decision; when both are
journaled, :meth:`AlertDelivery.send` queues the notices. Sinks run in separate threads. One more thread
looks at them and at the file of preferences four times a second: what is wrong goes to the log at once, and
into the journal with the session's next input; changed preferences become an input, an ``alerts`` command of
the operator, so that the journal says from where on they held.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Self

from attrs import define, field, frozen

from vectra_bot.alerts.policy import (
    DELIVERED,
    AlertDecision,
    AlertPolicy,
    expires_ns,
    traits_of,
    type_key,
)
from vectra_bot.alerts.preference_file import (
    default_path,
    open_preferences,
    read_preferences,
    signature,
)
from vectra_bot.alerts.preferences import AlertPreferences
from vectra_bot.alerts.sink import AlertNotice, AlertSink, checked_sink, harmless, harmless_values
from vectra_bot.alerts.sink_runner import SinkRunner
from vectra_bot.clock import Clock
from vectra_bot.errors import VectraError
from vectra_bot.models import (
    AlertTrigger,
    DocType,
    Document,
    OperatorCommand,
    OperatorKind,
    SystemEvent,
)
from vectra_bot.plugins import PluginManager

LOOK_S: Final = 0.25
CLOSE_S: Final = 5.0
"""Time that the sinks have to deliver what is queued when a session ends, seconds."""
STOP_S: Final = 0.5
"""The same when it is stopped."""
MAX_NEWS: Final = 256
MAX_REASON: Final = 200

log = logging.getLogger(__name__)


@frozen(kw_only=True)
class SessionFacts:
    """What notices say of their session."""

    session_id: str = ""
    mode: str = ""
    venue: str = ""


@define(eq=False)
class AlertDelivery:
    """Delivers the alerts of one session.

    Attributes:
        policy: decides; used by the session's thread only.
        runners: the sinks, by name.
        path: file of the preferences.
        clock: time of day, and time of calls.
        facts: the session.
    """

    policy: AlertPolicy
    runners: Mapping[str, SinkRunner]
    path: Path
    clock: Clock
    facts: SessionFacts
    _ready: list[AlertDecision] = field(factory=list)
    _news: deque[SystemEvent] = field(factory=lambda: deque(maxlen=MAX_NEWS))
    _changed: deque[tuple[str, AlertPreferences]] = field(factory=lambda: deque(maxlen=1))
    _signature: tuple[int, ...] = ()
    _read: AlertPreferences = field(factory=AlertPreferences)
    _over: threading.Event = field(factory=threading.Event)
    _thread: threading.Thread | None = None

    @classmethod
    def open(
        cls,
        sinks: Iterable[AlertSink],
        path: Path | None,
        clock: Clock,
        facts: SessionFacts,
    ) -> Self:
        """Read the preferences and start the sinks.

        Args:
            sinks: the session's, with different names.
            path: file of the preferences; the user's if None.
            clock: time of day, and time of calls.
            facts: the session.

        Raises:
            InputError: the file cannot be read, or is not TOML.
            ConfigError: a preference is not allowed, or the file's version is newer than ours.
            StoreError: a file of an older version cannot be upgraded.
        """
        path = default_path() if path is None else path
        preferences, known = open_preferences(path), tuple(sinks)
        news: deque[SystemEvent] = deque(maxlen=MAX_NEWS)

        def trouble(name: str, kind: str, line: str) -> None:
            event = SystemEvent.of(
                f"alerts.sink_{kind}",
                "warning",
                f"alert sink {name!r}: {line}",
                sink=name,
            )
            log.warning("session=%s %s", facts.session_id, event.message)
            news.append(event)

        runners = {sink.name: SinkRunner(sink, clock, trouble) for sink in known}
        made = cls(
            AlertPolicy(preferences, traits_of(known)), runners, path, clock, facts, news=news
        )
        made._read, made._signature = preferences, signature(path)
        for runner in runners.values():
            runner.start()
        made._thread = threading.Thread(target=made._look, name="alerts", daemon=True)
        made._thread.start()
        return made

    # The session's thread.

    def opening(self) -> SystemEvent:
        """Return the event that says with which sinks and preferences the session begins."""
        names = list(self.runners)
        return SystemEvent.of(
            "alerts.opened",
            "info",
            f"alerts are delivered to {', '.join(names)}",
            sinks=names,
            preferences=self.policy.preferences.to_table(),
        )

    def take(self, document: Document, now_ns: int) -> list[SystemEvent]:
        """Decide about an alert that is about to be journaled; return what to journal with it.

        Args:
            document: any document; only an alert is decided about.
            now_ns: the session's time, nanoseconds since the epoch.
        """
        if document.doc_type is not DocType.ALERT_TRIGGER:
            return []
        return [self._noted(self.policy.decide(document.record, now_ns, self.clock.now_ns()))]

    def look(self, now_ns: int) -> list[SystemEvent]:
        """Return what to journal that follows from the time and from the sinks."""
        events = []
        due_ns = self.policy.next_due_ns()
        if due_ns is not None and due_ns <= now_ns:
            events += [self._noted(one) for one in self.policy.due(now_ns, self.clock.now_ns())]
        while self._news:
            events.append(self._news.popleft())
        return events

    def send(self) -> None:
        """Queue the notices of what was decided, now that it is journaled."""
        for decision in self._ready:
            notice = self._notice(decision)
            last_ns = self._last_ns(decision.alert)
            for name in decision.sinks:
                self.runners[name].put(notice, last_ns)
        self._ready.clear()

    def send_to_all(self, alert: AlertTrigger) -> None:
        """Queue a notice of *alert* for every sink, whatever the preferences say."""
        decision = AlertDecision(
            alert=alert,
            severity=alert.severity,
            reason=DELIVERED,
            sinks=tuple(self.runners),
            sound=True,
        )
        self._ready.append(decision)
        self.send()

    def commands(self, now_ns: int) -> list[OperatorCommand]:
        """Return the changes of preferences as inputs at *now_ns*."""
        found = []
        while self._changed:
            reason, preferences = self._changed.popleft()
            found.append(
                OperatorCommand(
                    recv_ns=now_ns,
                    kind=OperatorKind.ALERTS,
                    reason=reason,
                    value=json.dumps(preferences.to_table(), sort_keys=True),
                )
            )
        return found

    def obey(self, command: OperatorCommand) -> None:
        """Do what a journaled command asks of alerts; any other command does nothing here."""
        if command.kind is OperatorKind.ALERTS and command.value:
            self.policy.preferences = AlertPreferences.of_table(json.loads(command.value))
        elif command.kind is OperatorKind.ACKNOWLEDGE:
            self.policy.acknowledge(command.reason)

    def drain(self, limit_s: float = CLOSE_S) -> None:
        """Let the sinks deliver what is queued, for at most so many seconds; blocks."""
        ends_ns = self.clock.monotonic_ns() + int(limit_s * 10**9)
        for runner in self.runners.values():
            runner.close()
        for name, runner in self.runners.items():
            left = runner.wait(max(0.0, (ends_ns - self.clock.monotonic_ns()) / 10**9))
            if left:
                runner.trouble(
                    name, "left", f"{left} alerts were not delivered when the session ended"
                )

    def summary(self) -> SystemEvent:
        """Return the event that says at the end the outcomes of the notices."""
        counts = self.counts()
        return SystemEvent.of(
            "alerts.closed", "info", "alerts by sink, at the session's end", sinks=counts
        )

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the outcomes of the notices, by sink."""
        return {name: runner.counts.to_json() for name, runner in self.runners.items()}

    @property
    def queued(self) -> int:
        """Return how many notices wait in all sinks."""
        return sum(runner.queued for runner in self.runners.values())

    def close(self) -> None:
        """Stop looking; may be called twice. The thread of a sink that hangs ends with the process."""
        self._over.set()
        for runner in self.runners.values():
            runner.close()
        if self._thread is not None:
            self._thread.join(timeout=4 * LOOK_S)

    # Parts.

    def _noted(self, decision: AlertDecision) -> SystemEvent:
        """Keep *decision* for :meth:`send`, and return the event of the history."""
        if decision.sinks:
            self._ready.append(decision)
        alert = decision.alert
        delivered = decision.reason == DELIVERED
        return SystemEvent.of(
            "alert.delivery",
            "info",
            f"{type_key(alert)}: {decision.reason}",
            alert_id=alert.alert_id,
            alert_type=type_key(alert),
            alert_severity=decision.severity,
            delivered=delivered,
            reason=decision.reason,
            sinks=list(decision.sinks),
            escalated=decision.escalated,
            again=decision.again,
        )

    def _notice(self, decision: AlertDecision) -> AlertNotice:
        alert = decision.alert
        return AlertNotice(
            alert_id=alert.alert_id,
            kind=type_key(alert),
            severity=decision.severity,
            title=harmless(alert.title, 120),
            message=harmless(alert.message),
            triggered_at=alert.triggered_at,
            priority=alert.priority,
            sound=decision.sound,
            escalated=decision.escalated,
            session_id=self.facts.session_id,
            mode=self.facts.mode,
            venue=self.facts.venue,
            game_id=harmless(alert.game_id or "", 120),
            player_id=harmless(alert.player_id or "", 120),
            data=harmless_values(alert.source_data or {}),
        )

    def _last_ns(self, alert: AlertTrigger) -> float:
        """Return when *alert* stops being of interest, on the monotonic clock, if it was triggered now."""
        wanted = self.policy.preferences.of(type_key(alert), alert.severity)
        left_ns = expires_ns(alert, wanted) - alert.triggered_at.timestamp() * 10**9
        return self.clock.monotonic_ns() + left_ns

    # The thread that looks.

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            for runner in self.runners.values():
                runner.look()
            self._look_at_file()

    def _look_at_file(self) -> None:
        found = signature(self.path)
        if found == self._signature:
            return
        self._signature = found
        try:
            preferences = read_preferences(self.path)
        except VectraError as error:
            event = SystemEvent.of("alerts.preferences", "warning", f"not in effect: {error}")
            log.warning("session=%s %s", self.facts.session_id, event.message)
            self._news.append(event)
            return
        if preferences != self._read:
            reason = changed(self._read, preferences)
            self._read = preferences
            self._changed.append((reason, preferences))


def changed(before: AlertPreferences, after: AlertPreferences) -> str:
    """Return in at most 200 characters which preferences differ, and their new values."""
    old, new = dict(_leaves(before.to_table())), dict(_leaves(after.to_table()))
    parts = [
        f"{name} = {json.dumps(new[name])}" if name in new else f"{name} = default"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    text = "preferences: " + ", ".join(parts)
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 3] + "..."


def _leaves(table: Mapping[str, Any], path: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def sinks_of(plugins: PluginManager, given: Iterable[AlertSink] = ()) -> list[AlertSink]:
    """Return the sinks that were given, and those that plugins register.

    A plugin whose registration is refused is reported as any fault of a plugin.

    Raises:
        PluginError: one that was given is not a sink, or its name is taken.
    """
    found: list[AlertSink] = []

    def register(sink: AlertSink) -> None:
        found.append(checked_sink(sink, {one.name for one in found}))

    for sink in given:
        register(sink)
    plugins.call("register_alert_sinks", register)
    return found


__all__ = ["STOP_S", "AlertDelivery", "SessionFacts", "changed", "sinks_of"]
