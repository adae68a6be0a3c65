"""Preferences of alerts: which of them reach a person, how often, when, and by which sinks.

Values only: reading and writing the file is in :mod:`~vectra_bot.alerts.preference_file`, what follows from
them in :mod:`~vectra_bot.alerts.policy`. A preference of a type overrides one of its severity, and that
overrides ``[default]``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, tzinfo
from typing import Any, Final

import attrs
from attrs import field, frozen

from vectra_bot.errors import ConfigError
from vectra_bot.models import AlertType
from vectra_bot.params import Refused, advice, declared, option, options_of, parse_options

VERSION: Final = 2
"""Version of the preferences' layout."""

MODES: Final = ("on", "silent", "off")
SEVERITIES: Final = ("info", "success", "warning", "error")
RANKS: Final = {"info": 0, "success": 0, "warning": 1, "error": 2}
"""How urgent a severity is."""

KEY_PARTS: Final = ("type", "game", "player", "title", "message")
NEVER: Final = "never"
MAX_TYPES: Final = 256
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_SINK = re.compile(r"[a-z][a-z0-9-]{0,31}")
_TYPE = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+", re.IGNORECASE)


def _clock(value: Any) -> str:
    if isinstance(value, time):
        value = value.strftime("%H:%M")
    if not isinstance(value, str) or (value and not _CLOCK.fullmatch(value)):
        raise Refused('a time of day such as "22:00", or "" for none')
    return value


def zone_of(name: str) -> tzinfo:
    """Return the time zone *name*; its database is found when it is first asked for."""
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


def _zone(value: Any) -> str:
    try:
        return str(zone_of(value))
    except (OSError, KeyError, ValueError, TypeError):
        raise Refused("a time zone such as Europe/Vienna, or UTC") from None


def _until(value: Any) -> str:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) and value else value
        if isinstance(found, datetime) and found.tzinfo is not None:
            return found.astimezone(UTC).isoformat()
    except ValueError:
        found = None
    if found == "":
        return ""
    raise Refused('a time with its zone such as 2026-12-01T08:00:00+01:00, or "" for none')


def _parts(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    found = tuple(value.replace(",", " ").split()) if isinstance(value, str) else tuple(value)
    if not found or not set(found) <= set(KEY_PARTS):
        raise Refused(f"some of {', '.join(KEY_PARTS)}")
    return tuple(part for part in KEY_PARTS if part in found)


def _as_written(value: Any) -> Any:
    return value


@frozen(kw_only=True, field_transformer=declared)
class TypePreferences:
    """Preferences of one alert type or severity; None: as the next wider ones say.

    Attributes:
        mode: ``on`` reaches the person; ``silent`` reaches only sinks that interrupt nobody; ``off`` is kept
            in the history alone.
        min_priority: alerts of a lower priority are treated as silent.
        dedupe: parts of an alert that, when all are equal, make it a repetition.
        dedupe_s: time in which a repetition interrupts nobody, seconds.
        burst: alerts that may interrupt at once.
        per_minute: alerts that may interrupt after those, per minute.
        expire_s: age from which an alert is of no interest, seconds, for alerts that do not say it.
        sound: whether it makes a sound; None: as the alert says.
        escalate_after: repetitions within *escalate_s* that raise the severity by one step.
        escalate_s: see *escalate_after*, seconds.
        unseen_s: an alert that nobody acknowledges for so long, seconds, is sent again with a raised
            severity; None: never.
    """

    mode: str | None = option(None, flag=None, key="mode", choices=MODES, help="On, silent or off.")
    min_priority: int | None = option(
        None, flag=None, key="min_priority", help="Lower priorities are silent."
    )
    dedupe: tuple[str, ...] | None = option(
        None, flag=None, key="dedupe", take=_parts, read=_as_written,
        words=f"some of {', '.join(KEY_PARTS)}", help="Equal parts that make a repetition.",
    )  # fmt: skip
    dedupe_s: float | None = option(
        None, flag=None, key="dedupe_s", low=0, high=86_400, help="Time without repetitions, s."
    )
    burst: int | None = option(
        None, flag=None, key="burst", low=1, high=1_000, help="Alerts that may come at once."
    )
    per_minute: float | None = option(
        None, flag=None, key="per_minute", low=0, high=1_000, help="Alerts per minute after those."
    )
    expire_s: float | None = option(
        None, flag=None, key="expire_s", low=0, high=86_400, help="Age of no interest any more, s."
    )
    sound: bool | None = option(None, flag=None, key="sound", help="Whether it makes a sound.")
    escalate_after: int | None = option(
        None, flag=None, key="escalate_after", low=2, high=1_000,
        help="Repetitions that raise the severity.",
    )  # fmt: skip
    escalate_s: float | None = option(
        None, flag=None, key="escalate_s", low=1, high=86_400, help="Time in which they count, s."
    )
    unseen_s: float | None = option(
        None, flag=None, key="unseen_s", low=1, high=86_400,
        help="Time without acknowledgement that raises the severity, s.",
    )  # fmt: skip


@frozen(kw_only=True, field_transformer=declared)
class ToastLimit:
    """How many alerts of all types together may interrupt; *reserve* of them only errors.

    In any minute at most ``burst + per_minute`` do.
    """

    burst: int = option(3, flag=None, key="burst", low=1, high=1_000, help="Alerts at once.")
    per_minute: float = option(
        3.0, flag=None, key="per_minute", low=0, high=1_000, help="Alerts per minute after those."
    )
    reserve: int = option(
        1, flag=None, key="reserve", low=0, high=100, help="Of `burst`, for errors alone."
    )


@frozen(kw_only=True, field_transformer=declared)
class QuietHours:
    """Hours of the day in which alerts interrupt nobody; they may span midnight."""

    start: str = option(
        "", flag=None, key="start", take=_clock, read=_as_written,
        words='a time of day such as "22:00"', help="First minute.",
    )  # fmt: skip
    end: str = option(
        "", flag=None, key="end", take=_clock, read=_as_written,
        words='a time of day such as "07:00"', help="First minute after.",
    )  # fmt: skip
    zone: str = option(
        "UTC", flag=None, key="zone", take=_zone, read=_as_written,
        words="a time zone such as Europe/Vienna", help="Their time zone.",
    )  # fmt: skip

    def hold(self, wall_ns: int) -> bool:
        """Return whether *wall_ns*, nanoseconds since the epoch, is in them."""
        if not self.start or not self.end or self.start == self.end:
            return False
        now = datetime.fromtimestamp(wall_ns // 10**9, zone_of(self.zone)).strftime("%H:%M")
        if self.start < self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end


@frozen(kw_only=True, field_transformer=declared)
class DoNotDisturb:
    """Nothing interrupts while it is on, or until a time.

    A severity from *override* on interrupts anyway, in quiet hours too.
    """

    on: bool = option(False, flag=None, key="on", help="Nothing interrupts.")
    until: str = option(
        "", flag=None, key="until", take=_until, read=_as_written,
        words="a time with its zone", help="Nothing interrupts before this time.",
    )  # fmt: skip
    override: str = option(
        "error", flag=None, key="override", choices=("warning", "error", NEVER),
        help="Severity that interrupts anyway, in quiet hours too.",
    )  # fmt: skip

    def hold(self, wall_ns: int) -> bool:
        """Return whether it is on at *wall_ns*, nanoseconds since the epoch."""
        if self.on or not self.until:
            return self.on
        return wall_ns < int(datetime.fromisoformat(self.until).timestamp()) * 10**9

    def overridden(self, severity: str) -> bool:
        """Return whether an alert of *severity* interrupts anyway."""
        return self.override != NEVER and RANKS[severity] >= RANKS[self.override]


@frozen(kw_only=True, field_transformer=declared)
class SinkPreferences:
    """Whether a sink is used, and for which alerts; a raised severity reaches sinks of higher ones too."""

    on: bool = option(True, flag=None, key="on", help="Whether it is used.")
    severity: str = option(
        "info", flag=None, key="severity", choices=SEVERITIES, help="Lowest severity that it gets."
    )


BASE: Final = TypePreferences(
    mode="on",
    min_priority=0,
    dedupe=("type", "game", "player"),
    dedupe_s=30.0,
    burst=2,
    per_minute=2.0,
    escalate_s=300.0,
)
"""What holds where a file says nothing."""

BASE_SEVERITIES: Final[Mapping[str, TypePreferences]] = {
    "warning": TypePreferences(escalate_after=5)
}
"""What holds besides, by severity: a warning that is repeated becomes an error; success does not."""

QUIET_TYPES: Final = frozenset(
    {
        "bbc_optimal_pred",
        "bbc_round_start",
        "candleflip_start",
        "candleflip_streak",
        "game_start",
        "high_potential_entry",
        "high_potential_exit",
        "short_entry_signal",
        "short_exit_signal",
        "sidebet_optimal_zone",
        "survival_milestone",
        "volatility_calm",
    }
)
"""Types that are silent unless a file says otherwise: they come in every game, and by the law none of them
is an edge."""

_SINGLE: Final[Mapping[str, type]] = {
    "limit": ToastLimit,
    "quiet": QuietHours,
    "do_not_disturb": DoNotDisturb,
}


@frozen(kw_only=True)
class AlertPreferences:
    """All preferences.

    Attributes:
        default: for every alert.
        severities: by severity.
        types: by alert type: its value, or ``namespace.name``.
        sinks: by name of the sink.
    """

    default: TypePreferences = field(factory=TypePreferences)
    severities: Mapping[str, TypePreferences] = field(factory=dict)
    types: Mapping[str, TypePreferences] = field(factory=dict)
    limit: ToastLimit = field(factory=ToastLimit)
    quiet: QuietHours = field(factory=QuietHours)
    do_not_disturb: DoNotDisturb = field(factory=DoNotDisturb)
    sinks: Mapping[str, SinkPreferences] = field(factory=dict)
    _found: dict[tuple[str, str], TypePreferences] = field(
        factory=dict, init=False, eq=False, repr=False
    )

    def of(self, alert_type: str, severity: str) -> TypePreferences:
        """Return what holds for alerts of a type and severity, every field filled that has a default."""
        key = (alert_type, severity)
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= MAX_TYPES:
                self._found.clear()
            found = self._found[key] = self._merged(alert_type, severity)
        return found

    def _merged(self, alert_type: str, severity: str) -> TypePreferences:
        layers = [
            BASE,
            TypePreferences(mode="silent") if alert_type in QUIET_TYPES else None,
            BASE_SEVERITIES.get(severity),
            self.default,
            self.severities.get(severity),
            self.types.get(alert_type),
        ]
        found: dict[str, Any] = {}
        for layer in layers:
            if layer is not None:
                found |= attrs.asdict(layer, filter=_is_set, recurse=False)
        return TypePreferences(**found)

    def sink(self, name: str) -> SinkPreferences:
        """Return what holds for the sink *name*."""
        return self.sinks.get(name, SinkPreferences())

    def to_table(self) -> dict[str, Any]:
        """Return what differs from the defaults, as :meth:`of_table` reads it."""
        table: dict[str, Any] = {"version": VERSION, "default": _table(self.default)}
        table |= {name: _table(getattr(self, name)) for name in _SINGLE}
        for section, group in (
            ("severity", self.severities),
            ("types", self.types),
            ("sinks", self.sinks),
        ):
            table[section] = {
                name: inner for name, each in sorted(group.items()) if (inner := _table(each))
            }
        return {name: part for name, part in table.items() if part}

    @classmethod
    def of_table(cls, table: Mapping[str, Any], where: str = "") -> AlertPreferences:
        """Return the preferences of a table of the current version.

        Args:
            table: sections by name, as TOML or JSON has them.
            where: the text before a section in messages.

        Raises:
            ConfigError: a section, key or value is not allowed.
        """
        known = ("version", "default", "severity", "types", "sinks", *_SINGLE)
        for section, part in table.items():
            if section not in known:
                raise ConfigError(f"{where}section {section!r} {advice(section, known)}")
            if section != "version" and not isinstance(part, Mapping):
                raise ConfigError(f"{where}{section} is not a section: write it as [{section}]")
        return cls(
            default=_made(TypePreferences, table.get("default", {}), f"{where}[default] "),
            severities=_group(table, "severity", TypePreferences, check_severity, where),
            types=_group(table, "types", TypePreferences, check_type, where),
            sinks=_group(table, "sinks", SinkPreferences, check_sink, where),
            **{
                name: _made(kind, table.get(name, {}), f"{where}[{name}] ")
                for name, kind in _SINGLE.items()
            },
        )


def _is_set(_field: attrs.Attribute[Any], value: Any) -> bool:
    return value is not None


def _table(preferences: Any) -> dict[str, Any]:
    """Return the fields that differ from their defaults, as plain values."""
    return {
        one.name: list(value) if isinstance(value, tuple) else value
        for one in attrs.fields(type(preferences))
        if (value := getattr(preferences, one.name)) != one.default
    }


def _made(kind: Any, values: Mapping[str, Any], where: str) -> Any:
    return kind(**parse_options(options_of(kind), values, where))


def _group(
    table: Mapping[str, Any], section: str, kind: type, check: Any, where: str
) -> dict[str, Any]:
    group = table.get(section, {})
    if len(group) > MAX_TYPES:
        raise ConfigError(f"{where}[{section}] has {len(group)} entries: give at most {MAX_TYPES}")
    found = {}
    for name, values in group.items():
        title = f"{where}[{section}.{name}]"
        check(name, f"{where}[{section}]")
        if not isinstance(values, Mapping):
            raise ConfigError(f"{title} is not a section: write it as [{section}.NAME]")
        found[name] = _made(kind, values, f"{title} ")
    return found


def check_type(name: str, where: str = "alert type") -> str:
    """Return *name* if alerts can have this type.

    Raises:
        ConfigError: they cannot.
    """
    known = [kind.value for kind in AlertType]
    if name not in known and not _TYPE.fullmatch(name):
        raise ConfigError(f"{where} {name!r} {advice(name, [*known, 'namespace.name'])}")
    return name


def check_severity(name: str, where: str = "severity") -> str:
    """Return *name* if it is a severity.

    Raises:
        ConfigError: it is unknown.
    """
    if name not in SEVERITIES:
        raise ConfigError(f"{where} {name!r} {advice(name, SEVERITIES)}")
    return name


def check_sink(name: str, where: str = "sink") -> str:
    """Return *name* if a sink can have it.

    Raises:
        ConfigError: it cannot.
    """
    if not _SINK.fullmatch(name):
        raise ConfigError(
            f"{where} {name!r}: a sink's name has lower-case letters, digits and hyphens, at most 32"
        )
    return name


__all__ = [
    "BASE",
    "MODES",
    "QUIET_TYPES",
    "RANKS",
    "SEVERITIES",
    "VERSION",
    "AlertPreferences",
    "DoNotDisturb",
    "QuietHours",
    "SinkPreferences",
    "ToastLimit",
    "TypePreferences",
    "check_severity",
    "check_sink",
    "check_type",
]
