"""Times as recorders write them: ISO 8601 with or without a zone, and epochs of any unit.

A number's unit is known by its range, because a recording of this venue is from 2025 or later: in seconds
such a time has 10 digits, in milliseconds 13, in microseconds 16, in nanoseconds 19. A number below
:data:`RELATIVE` is not a time since 1970 in any unit but one relative to a start that the file lacks.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import attrs

from vectra_bot.errors import ConfigError
from vectra_bot.models.times import NS_PER_MS, NS_PER_S, NS_PER_US, ns_from_utc
from vectra_bot.venues.captures.lines import RowRefused, TextRow, value_of

TIME_NAMES: Final = ("t", "_recv", "ts", "timestamp", "time", "ts_ns")
RELATIVE: Final = 100_000_000
"""The smallest number that is a time since 1970: of seconds, March 1973."""
DATED_NS: Final = RELATIVE * NS_PER_S
"""The earliest time that is a date; what is before it is only an order."""
UNITS: Final = ((10**11, NS_PER_S), (10**14, NS_PER_MS), (10**17, NS_PER_US), (2**63, 1))
"""Limits of numbers and the nanoseconds of the unit below each."""
_SECONDS: Final = ("t", "_recv")
_GAME_DAY: Final = re.compile(r"(20\d\d)(\d\d)(\d\d)-")
_ANY_GAME: Final = re.compile(rb'"(?:gameId|game_id|id)\\?"\s*:\s*\\?"(20\d{6}-)')
_NUMBER: Final = re.compile(r"\d{1,19}(\.\d{1,9})?")
_OFFSET: Final = re.compile(r"([+-]?)(\d{1,2})(?::?(\d\d))?")
_ZONE: Final = re.compile(r"(?:[zZ]|[+-]\d\d(?::?\d\d){0,2}(?:\.\d+)?)$")


def epoch_ns(value: float) -> int:
    """Return a number of seconds, milliseconds, microseconds or nanoseconds since 1970 as nanoseconds.

    Raises:
        ValueError: it is below :data:`RELATIVE`, not finite or out of range.
    """
    if not math.isfinite(value) or value < RELATIVE:
        raise ValueError("not a time since 1970")
    for limit, unit in UNITS:
        if value < limit:
            return _scaled(value, unit)
    raise ValueError("not a time since 1970")


def _scaled(value: float, unit: int) -> int:
    if isinstance(value, int):
        return value * unit
    # A double of seconds carries microseconds; more digits are noise.
    return (
        round(value * (unit // NS_PER_US)) * NS_PER_US if unit > NS_PER_US else round(value) * unit
    )


def parse_offset(text: str) -> int:
    """Return a UTC offset such as ``-05:00``, ``+1`` or ``0530`` in seconds.

    Raises:
        ConfigError: it is not an offset.
    """
    match = _OFFSET.fullmatch(text.strip())
    if match is not None:
        sign, hours, minutes = match[1], int(match[2]), int(match[3] or 0)
        if hours <= 14 and minutes < 60:
            return (-1 if sign == "-" else 1) * (hours * 3600 + minutes * 60)
    raise ConfigError(
        f"utc offset was {text!r}: give hours and minutes east of UTC, such as -05:00"
    )


def offset_text(seconds: int) -> str:
    """Return a UTC offset as ``+HH:MM``."""
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def has_zone(text: str) -> bool:
    """Return whether a time in ISO 8601 names its zone."""
    time = text.strip()[10:]
    return _ZONE.search(time) is not None


def moment_of(text: str, utc_offset_s: int = 0) -> datetime:
    """Return the time in ISO 8601 *text* in UTC; without a zone it is *utc_offset_s* east of UTC.

    Raises:
        ValueError: it is not a time.
    """
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone(timedelta(seconds=utc_offset_s)))
    return moment.astimezone(UTC)


def day_of_game(game_id: str) -> int | None:
    """Return the start of the day that a game's id names, nanoseconds since 1970; None if it names none."""
    match = _GAME_DAY.match(game_id)
    if match is None:
        return None
    year, month, day = map(int, match.groups())
    try:
        return ns_from_utc(datetime(year, month, day, tzinfo=UTC))
    except ValueError:
        return None


def day_in(data: bytes) -> int | None:
    """Return the start of the day of the first game that a row names."""
    match = _ANY_GAME.search(data)
    return day_of_game(match[1].decode()) if match else None


@attrs.define
class RowClock:
    """Reads the receive times of a capture's rows.

    Attributes:
        timed: whether the rows have times; else the time of a row is ``base_ns`` plus its number in
            nanoseconds, which keeps the order.
        base_ns: where relative times start, and rows without any: the day of the capture's first game.
        utc_offset_s: offset of the times without a zone.
        names: keys of the rows' times, the first one that a row has counts.
        zoneless: number of times without a zone.
        undated: number of rows whose date is only that of ``base_ns``.
        stepped: number of times that are more than a second before the row above.
    """

    timed: bool = True
    base_ns: int = 0
    utc_offset_s: int = 0
    names: tuple[str, ...] = TIME_NAMES
    zoneless: int = 0
    undated: int = 0
    stepped: int = 0
    _last_ns: int = 0

    @property
    def undated_rows(self) -> tuple[int, int]:
        """Number of rows that have their date from a game, and of those that have none."""
        return (self.undated, 0) if self.base_ns >= DATED_NS else (0, self.undated)

    def moment(self, row: TextRow) -> int:
        """Return the receive time of a row, nanoseconds since 1970.

        Raises:
            RowRefused: it is missing although other rows have one, or invalid.
        """
        if not self.timed:
            self.undated += 1
            return self.base_ns + row.number
        name = next((n for n in self.names if n in row.fields), self.names[0])
        try:
            value = value_of(row.fields.get(name))
        except ValueError as error:
            raise RowRefused(f"{name} is invalid", str(error)) from None
        if value is None:
            raise RowRefused(f"{name} is missing: the other rows have a time")
        is_text = isinstance(value, str)
        found = self._of_text(name, value) if is_text else self._of_number(name, value)
        self.stepped += found < self._last_ns - NS_PER_S
        self._last_ns = found
        return found

    def is_relative(self, row: TextRow) -> bool:
        """Return whether the time of a row counts from a start that the file lacks."""
        before = self.undated
        try:
            self.moment(row)
        except RowRefused:
            return False
        return self.undated > before

    def _of_text(self, name: str, text: str) -> int:
        if _NUMBER.fullmatch(text.strip()):
            return self._of_number(name, float(text) if "." in text else int(text))
        try:
            found = ns_from_utc(moment_of(text, self.utc_offset_s))
        except (ValueError, OverflowError):
            raise RowRefused(f"{name}: give a number or a time in ISO 8601", text) from None
        self.zoneless += not has_zone(text)
        if not 0 <= found < 2**63:
            raise RowRefused(f"{name}: give a time since 1970", text)
        return found

    def _of_number(self, name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RowRefused(f"{name}: give a number or a time in ISO 8601", value)
        if math.isfinite(value) and 0 <= value < RELATIVE:
            self.undated += 1
            unit = NS_PER_S if name in _SECONDS else 1 if name == "ts_ns" else NS_PER_MS
            return self.base_ns + _scaled(value, unit)
        try:
            found = epoch_ns(value)
        except ValueError:
            found = -1
        if not 0 <= found < 2**63:
            raise RowRefused(f"{name}: give a time since 1970", value)
        return found


_PAYLOAD_TIME: Final = re.compile(r'"(?:timestamp|serverTime)":\s*(\d{13})(?!\d)')
_SAMPLES: Final = 1000
_DAY_NS: Final = 86_400 * NS_PER_S
_SLACK_NS: Final = 1800 * NS_PER_S
"""A game that began before midnight may last 20 minutes; clocks are not exact."""
_FRESH: Final = tuple(
    f'42["{event}"'
    for event in ("gameStateUpdate", "newSideBet", "currentSidebet", "currentSidebetResult")
)
_QUARTER_S: Final = 900
"""Offsets of zones are multiples of a quarter of an hour."""
_LASTING_S: Final = 1800


@attrs.define
class PayloadTimes:
    """Compares receive times with the venue's own times inside the payloads."""

    _gaps_ns: list[int] = attrs.field(factory=list)
    _other_day: int = 0

    def see_game(self, recv_ns: int, game_id: str) -> None:
        """Note the day, in UTC, that the id of a running game names."""
        day_ns = day_of_game(game_id)
        if day_ns is not None and recv_ns >= DATED_NS:
            self._other_day += not day_ns - _SLACK_NS <= recv_ns < day_ns + _DAY_NS + _SLACK_NS

    @property
    def other_day(self) -> int:
        """Number of rows that were received on another day than their games' ids name."""
        return self._other_day

    def see(self, recv_ns: int, text: str) -> None:
        """Note how old the newest time in a frame is, of events that state what just happened."""
        if len(self._gaps_ns) < _SAMPLES and recv_ns >= DATED_NS and text.startswith(_FRESH):
            stated = [int(found) for found in _PAYLOAD_TIME.findall(text)]
            if stated:
                self._gaps_ns.append(recv_ns - max(stated) * NS_PER_MS)

    @property
    def offset_s(self) -> int:
        """How far the receive times are ahead of the payloads', in whole quarters of an hour.

        The freshest frame counts. What is less than half an hour may be a game that lasted.
        """
        if not self._gaps_ns:
            return 0
        gap_s = min(self._gaps_ns) / NS_PER_S
        return 0 if abs(gap_s) < _LASTING_S else round(gap_s / _QUARTER_S) * _QUARTER_S


def time_warnings(clock: RowClock, payloads: PayloadTimes) -> list[str]:
    """Return what a reader must know about the times of a capture, one line each."""
    found = []
    off = payloads.offset_s
    if clock.zoneless:
        used = (
            f"read as UTC{offset_text(clock.utc_offset_s)}" if clock.utc_offset_s else "read as UTC"
        )
        line = f"times without a zone: {clock.zoneless}, {used}"
        if off:
            right = offset_text(clock.utc_offset_s + off)
            line += f", but times in the payloads differ: give --utc-offset {right}"
        elif not clock.utc_offset_s:
            line += "; give --utc-offset if the recorder's clock was another"
        found.append(line)
    elif off:
        found.append(
            f"receive times are {offset_text(off)} hours off the times in the payloads: "
            "the recorder's clock was wrong, or its times were converted twice"
        )
    if clock.stepped:
        found.append(
            f"receive times that step back: {clock.stepped}; rows keep the order of the file"
        )
    if payloads.other_day:
        found.append(
            f"rows on another day than their games' ids name, in UTC: {payloads.other_day}"
        )
    return found


def undated_warnings(by_game: int, by_nothing: int) -> list[str]:
    """Return the lines about rows without a date, of games that have one and of others."""
    found = []
    if by_game:
        found.append(f"rows without a date: {by_game}, dated by the ids of their games")
    if by_nothing:
        found.append(f"rows without a date or a dated game: {by_nothing}, dated 1970")
    return found


def written_time(row: TextRow, names: tuple[str, ...] = TIME_NAMES) -> bytes:
    """Return the receive time of a row as it is written, empty if it has none."""
    for name in names:
        raw = bytes(row.fields.get(name, b"null"))
        if raw != b"null":
            return raw
    return b""
