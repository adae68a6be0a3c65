"""The outcome of an alert: a deterministic function of alerts, times and preferences.

Theory of operation. Every alert gets one decision: its reason, and the sinks that get it. In this order:
``off`` and ``expired`` reach no sink. What is repeated too often is raised by one severity first. ``silent``,
``priority``, ``duplicate``, ``quiet``, ``do_not_disturb``, ``rate`` (of its type) and ``limit`` (of all
types) reach only the sinks that interrupt nobody. The rest is ``delivered`` to every sink whose severity it
has. An alert that nobody acknowledged in time is decided again, one severity higher.

Two times are given: that of the session, for windows and rates, and that of the wall, for the hours of a
person's day. Neither is read here. Memory is bounded: the oldest entries of each table are forgotten.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from attrs import define, evolve, field, frozen

from vectra_bot.alerts.preferences import RANKS, AlertPreferences, TypePreferences
from vectra_bot.models import AlertTrigger, AlertType
from vectra_bot.models.times import NS_PER_S

MAX_KEYS: Final = 1_024
"""Alerts that are remembered, to know their repetitions."""
MAX_UNSEEN: Final = 64
"""Alerts that wait for their acknowledgement."""

DELIVERED: Final = "delivered"
NO_SINK: Final = "no_sink"
REASONS: Final = (
    DELIVERED, "off", "expired", "silent", "priority", "duplicate", "quiet", "do_not_disturb", "rate",
    "limit", NO_SINK,
)  # fmt: skip
"""Every reason of a decision."""

_RAISED: Final = {"info": "warning", "success": "warning", "warning": "error", "error": "error"}
_MINUTE_NS: Final = 60 * NS_PER_S


@frozen(kw_only=True)
class SinkTraits:
    """What the policy knows of a sink: its name, and whether it interrupts a person."""

    name: str
    interrupts: bool


@frozen(kw_only=True)
class AlertDecision:
    """The outcome of one alert.

    Attributes:
        alert: the alert as the rule made it.
        severity: its severity, raised if it escalated.
        reason: one of :data:`REASONS`.
        sinks: names of the sinks that get it.
        sound: whether it makes a sound.
        escalated: whether its severity was raised.
        again: whether it was decided before, and nobody acknowledged it.
    """

    alert: AlertTrigger
    severity: str
    reason: str
    sinks: tuple[str, ...] = ()
    sound: bool = False
    escalated: bool = False
    again: bool = False


@define
class TokenBucket:
    """Lets *burst* pass at once and *per_minute* after those."""

    tokens: float
    at_ns: int

    def refill(self, burst: float, per_minute: float, now_ns: int) -> float:
        """Return the tokens that there are at *now_ns*."""
        passed = max(0, now_ns - self.at_ns)
        self.tokens = min(float(burst), self.tokens + passed * per_minute / _MINUTE_NS)
        self.at_ns = max(self.at_ns, now_ns)
        return self.tokens


@define
class _Known:
    """What is remembered of equal alerts: when one last interrupted, and when they came."""

    shown_ns: int | None = None
    came: deque[int] = field(factory=deque)


@frozen(kw_only=True)
class _Unseen:
    """An alert that waits for its acknowledgement."""

    alert: AlertTrigger
    severity: str
    due_ns: int


@define
class AlertPolicy:
    """Decides about the alerts of one session, in their order.

    Attributes:
        preferences: in force; may be replaced at any time.
        sinks: of the session, in the order of registration.
    """

    preferences: AlertPreferences
    sinks: tuple[SinkTraits, ...]
    _known: OrderedDict[tuple[str, ...], _Known] = field(factory=OrderedDict)
    _buckets: OrderedDict[str, TokenBucket] = field(factory=OrderedDict)
    _all: TokenBucket | None = None
    _unseen: OrderedDict[str, _Unseen] = field(factory=OrderedDict)

    def decide(self, alert: AlertTrigger, now_ns: int, wall_ns: int) -> AlertDecision:
        """Return the outcome of *alert*.

        Args:
            alert: the alert.
            now_ns: the session's time, nanoseconds since the epoch.
            wall_ns: the time of day where the person is, nanoseconds since the epoch.
        """
        kind = type_key(alert)
        wanted = self.preferences.of(kind, alert.severity)
        if wanted.mode == "off":
            return AlertDecision(alert=alert, severity=alert.severity, reason="off")
        if expires_ns(alert, wanted) <= now_ns:
            return AlertDecision(alert=alert, severity=alert.severity, reason="expired")
        known = self._remember(alert, kind, wanted)
        escalated = self._repeats(known, wanted, now_ns)
        severity = _RAISED[alert.severity] if escalated else alert.severity
        reason = self._held_back(alert, wanted, known, now_ns, escalated=escalated)
        reason = reason or self._disturbs(severity, wall_ns)
        return self._decided(alert, severity, reason, known, now_ns, escalated=escalated)

    def due(self, now_ns: int, wall_ns: int) -> list[AlertDecision]:
        """Return the decisions about alerts that nobody acknowledged in time, oldest first."""
        found = []
        for unseen in [one for one in self._unseen.values() if one.due_ns <= now_ns]:
            alert, severity = unseen.alert, _RAISED[unseen.severity]
            del self._unseen[alert.alert_id]
            wanted = self.preferences.of(type_key(alert), alert.severity)
            if wanted.mode == "off" or wanted.unseen_s is None:
                continue
            known = self._remember(alert, type_key(alert), wanted)
            decision = self._decided(
                alert, severity, self._disturbs(severity, wall_ns), known, now_ns, escalated=True
            )
            found.append(evolve(decision, again=True))
            if unseen.severity == "error":
                self._unseen.pop(alert.alert_id, None)  # it was as urgent as it can be
        return found

    def next_due_ns(self) -> int | None:
        """Return when :meth:`due` has something to say, None if never."""
        return min((one.due_ns for one in self._unseen.values()), default=None)

    def acknowledge(self, alert_id: str = "") -> int:
        """Take an alert, all if none is named, for seen; return how many waited for it."""
        if not alert_id:
            number = len(self._unseen)
            self._unseen.clear()
            return number
        return int(self._unseen.pop(alert_id, None) is not None)

    # The steps of a decision.

    def _remember(self, alert: AlertTrigger, kind: str, wanted: TypePreferences) -> _Known:
        parts = {
            "type": kind,
            "game": alert.game_id or "",
            "player": alert.player_id or "",
            "title": alert.title,
            "message": alert.message,
        }
        key = (kind, *(parts[part] for part in wanted.dedupe or ()))
        known = self._known.setdefault(key, _Known())
        self._known.move_to_end(key)
        if len(self._known) > MAX_KEYS:
            self._known.popitem(last=False)
        return known

    def _repeats(self, known: _Known, wanted: TypePreferences, now_ns: int) -> bool:
        """Count the alert; return whether it came so often that its severity is raised."""
        after = wanted.escalate_after
        if after is None:
            return False
        came = known.came
        came.append(now_ns)
        window_ns = int((wanted.escalate_s or 0) * NS_PER_S)
        while came and (now_ns - came[0] > window_ns or len(came) > after):
            came.popleft()
        if len(came) < after:
            return False
        came.clear()
        return True

    def _held_back(
        self,
        alert: AlertTrigger,
        wanted: TypePreferences,
        known: _Known,
        now_ns: int,
        *,
        escalated: bool,
    ) -> str:
        """Return why the person does not want to be interrupted by it, whatever the hour."""
        if wanted.mode == "silent":
            return "silent"
        if alert.priority < (wanted.min_priority or 0):
            return "priority"
        shown, window_ns = known.shown_ns, int((wanted.dedupe_s or 0) * NS_PER_S)
        if not escalated and shown is not None and now_ns - shown < window_ns:
            return "duplicate"
        return ""

    def _disturbs(self, severity: str, wall_ns: int) -> str:
        preferences = self.preferences
        off = preferences.do_not_disturb
        if off.overridden(severity):
            return ""
        if off.hold(wall_ns):
            return "do_not_disturb"
        return "quiet" if preferences.quiet.hold(wall_ns) else ""

    def _decided(
        self,
        alert: AlertTrigger,
        severity: str,
        reason: str,
        known: _Known,
        now_ns: int,
        *,
        escalated: bool,
    ) -> AlertDecision:
        """Return the decision; one that interrupts takes its tokens, and waits for its acknowledgement."""
        wanted = self.preferences.of(type_key(alert), alert.severity)
        loud = [
            one.name for one in self.sinks if one.interrupts and self._takes(one.name, severity)
        ]
        if not reason and loud:
            reason = self._spend(type_key(alert), severity, wanted, now_ns, escalated=escalated)
        heard = not reason
        sinks = tuple(
            one.name
            for one in self.sinks
            if self._takes(one.name, severity) and (heard or not one.interrupts)
        )
        if heard and loud:
            known.shown_ns = now_ns
            self._wait(alert, severity, wanted, now_ns)
        sound = alert.sound_enabled if wanted.sound is None else wanted.sound
        return AlertDecision(
            alert=alert,
            severity=severity,
            reason=reason or (DELIVERED if sinks else NO_SINK),
            sinks=sinks,
            sound=bool(heard and loud and sound),
            escalated=escalated,
        )

    def _takes(self, name: str, severity: str) -> bool:
        sink = self.preferences.sink(name)
        return sink.on and RANKS[severity] >= RANKS[sink.severity]

    def _spend(
        self, kind: str, severity: str, wanted: TypePreferences, now_ns: int, *, escalated: bool
    ) -> str:
        """Take a token of the type and one of all types; return which of them there is not."""
        limit = self.preferences.limit
        burst = float(wanted.burst or 1)
        bucket = self._buckets.setdefault(kind, TokenBucket(burst, now_ns))
        self._buckets.move_to_end(kind)
        if len(self._buckets) > MAX_KEYS:
            self._buckets.popitem(last=False)
        everything = self._all
        if everything is None:
            everything = self._all = TokenBucket(float(limit.burst), now_ns)
        left = bucket.refill(burst, wanted.per_minute or 0.0, now_ns)
        left_of_all = everything.refill(limit.burst, limit.per_minute, now_ns)
        if left < 1 and not escalated:
            return "rate"
        kept = 0 if severity == "error" else min(limit.reserve, limit.burst - 1)
        if left_of_all < 1 + kept:
            return "limit"
        bucket.tokens = max(0.0, left - 1)
        everything.tokens = left_of_all - 1
        return ""

    def _wait(
        self, alert: AlertTrigger, severity: str, wanted: TypePreferences, now_ns: int
    ) -> None:
        if wanted.unseen_s is None:
            return
        due_ns = now_ns + int(wanted.unseen_s * NS_PER_S)
        self._unseen[alert.alert_id] = _Unseen(alert=alert, severity=severity, due_ns=due_ns)
        self._unseen.move_to_end(alert.alert_id)
        if len(self._unseen) > MAX_UNSEEN:
            self._unseen.popitem(last=False)


def type_key(alert: AlertTrigger) -> str:
    """Return the type of *alert* as preferences name it."""
    kind = alert.alert_type
    return kind.value if isinstance(kind, AlertType) else kind


def expires_ns(alert: AlertTrigger, wanted: TypePreferences) -> float:
    """Return when *alert* stops being of interest, nanoseconds since the epoch; infinite for never."""
    if alert.expires_at is not None:
        return _ns(alert.expires_at)
    if wanted.expire_s is None:
        return float("inf")
    return _ns(alert.triggered_at) + int(wanted.expire_s * NS_PER_S)


def _ns(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1_000


def traits_of(sinks: Iterable[Any]) -> tuple[SinkTraits, ...]:
    """Return what the policy knows of *sinks*."""
    return tuple(SinkTraits(name=one.name, interrupts=bool(one.interrupts)) for one in sinks)


__all__ = [
    "DELIVERED",
    "REASONS",
    "AlertDecision",
    "AlertPolicy",
    "SinkTraits",
    "expires_ns",
    "traits_of",
    "type_key",
]
