"""Scheduled events: rug royales and sidebet contests, in batches derived from the seed (protocol 5.9).

Only the schedules are modelled. Nobody plays in these events, their tables show an earlier event. What
changes while one is running was never captured: only ``status`` changes (unverified).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from attrs import frozen
from msgspec import Raw

from vectra_bot.exchange.dice import Dice
from vectra_bot.exchange.identities import Identities
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.wire.amounts import number
from vectra_bot.wire.frames import raw_part
from vectra_bot.wire.notices import (
    BriefEvent,
    EventWinner,
    PastEvent,
    RoyaleConfig,
    RoyaleEvent,
    RoyaleRow,
    RoyaleUpdate,
    SidebetConfig,
    SidebetEvent,
    SidebetEventBrief,
    SidebetEventUpdate,
    SidebetRow,
)
from vectra_bot.wire.payloads import RugRoyale

MINUTE_NS = 60_000 * NS_PER_MS
_HOUR_NS = 60 * MINUTE_NS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

BATCHES_NS = {"royale": 36 * _HOUR_NS, "contest": 6 * _HOUR_NS}
"""Length of a batch of scheduled events of each kind, nanoseconds; a batch may be empty."""
_ROYALE_EVENTS = 15
_ROYALE_GAPS_MIN = (60, 90, 120)
_ROYALE_LENGTHS_MIN = (30, 60)
_PREP_MINUTES = 30
_LEVEL = 10
_BALANCE = 100
_SHOWN = 10
_KEPT = 20
_SHARE = 0.5  # share of the batches with events

_PRIZES: dict[str, float] = {"1": 1, "2": 0.5, "3": 0.25, "4": 0.1}
_PRIZES.update((str(rank), 0.025) for rank in range(5, _SHOWN + 1))
_TIERS: dict[str, float] = {"1": 3, "2": 1, "3": 0.5, "4": 0.15, "5": 0.1, "6-10": 0.05}
_CONTEST_TIERS: dict[str, float] = {"1": 1, "2": 0.5, "3": 0.25, "4": 0.1, "5-10": 0.025}


class Person(Protocol):
    """A player as shown to others."""

    @property
    def player_id(self) -> str: ...
    @property
    def username(self) -> str | None: ...
    @property
    def level(self) -> int: ...


def utc_text(at_ns: int) -> str:
    """Return a time as the venue writes it: ``2025-12-07T02:00:00.000Z``."""
    moment = _EPOCH + timedelta(milliseconds=at_ns // NS_PER_MS)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


@frozen
class Slot:
    """A scheduled event: its times and its id."""

    event_id: str
    start_ns: int
    end_ns: int
    created_ns: int


def uuid_of(fresh: str) -> str:
    """Return an id in the shape of a random UUID, from 64 hex digits."""
    return "-".join((fresh[:8], fresh[8:12], f"4{fresh[13:16]}", f"a{fresh[17:20]}", fresh[20:32]))


def _slot(identities: Identities, kind: str, serial: int, times: tuple[int, int, int]) -> Slot:
    return Slot(f"admin-{uuid_of(identities.derive(f'{kind}-event', serial))}", *times)


def planned(kind: str, identities: Identities, at_ns: int) -> bool:
    """Return whether the batch of *kind* (see ``BATCHES_NS``) at *at_ns* has any events."""
    return Dice(identities.dice(kind, at_ns // BATCHES_NS[kind])).chance(_SHARE)


class _Calendar(ABC):
    """Batches of scheduled events; the current state is computed once and cached until it changes."""

    kind = "royale"

    def __init__(self, identities: Identities, people: Sequence[Person]) -> None:
        self.batch_ns = BATCHES_NS[self.kind]
        self._identities = identities
        self._people = [person for person in people if person.username is not None]
        self._until_ns = 0
        self._slots: list[Slot] = []
        self._current: Slot | None = None
        self._status = "INACTIVE"

    def look(self, at_ns: int) -> bool:
        """Update the state to *at_ns* and return whether it has changed."""
        if at_ns < self._until_ns:
            return False
        batch = at_ns // self.batch_ns
        dice = self._batch_dice(batch)
        some = dice.chance(_SHARE) and bool(self._people)  # no events without players
        slots = self._plan(batch, dice) if some else []
        self._current = next((slot for slot in slots if at_ns < slot.end_ns), None)
        self._slots = slots if self._current is not None else []
        self._status, self._until_ns = self._stage(at_ns, (batch + 1) * self.batch_ns)
        self._encode(at_ns)
        return True

    def _batch_dice(self, batch: int) -> Dice:
        return Dice(self._identities.dice(self.kind, batch))

    def _stage(self, at_ns: int, batch_end_ns: int) -> tuple[str, int]:
        """Return the status and when it ends."""
        slot = self._current
        if slot is None:
            return "INACTIVE", batch_end_ns
        prep_ns = slot.start_ns - _PREP_MINUTES * MINUTE_NS
        if at_ns < prep_ns:
            return "SCHEDULED", prep_ns
        return ("PREP", slot.start_ns) if at_ns < slot.start_ns else ("ACTIVE", slot.end_ns)

    @abstractmethod
    def _plan(self, batch: int, dice: Dice) -> list[Slot]:
        """Return the events of a batch, in order."""

    @abstractmethod
    def _encode(self, at_ns: int) -> None:
        """Encode the parts of frames that show the current state."""


class Royales(_Calendar):
    """Rug royales.

    Attributes:
        part: the schedule as it is in tick frames.
        scheduled: whether one is scheduled: then settlement frames and snapshots have ``part`` too
            (protocol 5.1).
        update: the body of ``rugRoyaleUpdate``.
    """

    def __init__(self, identities: Identities, people: Sequence[Person]) -> None:
        super().__init__(identities, people)
        self.part = raw_part(RugRoyale())
        self.scheduled = False
        self.update = Raw(b"{}")

    def _plan(self, batch: int, dice: Dice) -> list[Slot]:
        slots: list[Slot] = []
        start = batch * self.batch_ns + _HOUR_NS
        for place in range(_ROYALE_EVENTS):
            end = start + _ROYALE_LENGTHS_MIN[dice.index(2)] * MINUTE_NS
            created = batch * self.batch_ns + (place * 7_800 + 3_609) * NS_PER_MS
            serial = batch * _ROYALE_EVENTS + place
            slots.append(_slot(self._identities, self.kind, serial, (start, end, created)))
            start = end + _ROYALE_GAPS_MIN[dice.index(3)] * MINUTE_NS
        return slots

    def _encode(self, at_ns: int) -> None:
        events = [_royale_event(slot) for slot in self._slots]
        current = None if self._current is None else _royale_event(self._current)
        self.scheduled = current is not None
        self.part = raw_part(
            {
                "status": self._status,
                "activeEventId": None if current is None else current.id,
                "currentEvent": current,
                "upcomingEvents": [],
                "events": events,
            }
        )
        rows, history = self._past(at_ns)
        self.update = raw_part(
            RoyaleUpdate(
                status=self._status,
                active_event_id=None if current is None else current.id,
                current_event=None if current is None else _brief(current),
                events=events,
                leaderboard=rows[:_SHOWN],
                history=history,
                config=RoyaleConfig(
                    prize_tiers=_TIERS if current is None else _PRIZES,
                    level_required=1 if current is None else _LEVEL,
                ),
            )
        )

    def _past(self, at_ns: int) -> tuple[list[RoyaleRow], list[PastEvent]]:
        """Return the table of an earlier event, and that event if it is still listed."""
        batch = at_ns // self.batch_ns
        dice = Dice(self._identities.dice("royale-past", batch))
        end_ns = batch * self.batch_ns - 11 * _HOUR_NS
        people = _drawn(self._people, _KEPT, dice)
        balances = sorted((_balance(dice) for _ in people), reverse=True)
        rows = [
            RoyaleRow(
                player_id=person.player_id,
                username=person.username,
                balance=number(balance),
                level=person.level,
                last_updated=end_ns // NS_PER_MS + 3_617 + dice.index(7),
                rank=rank,
            )
            for rank, (person, balance) in enumerate(zip(people, balances, strict=True), 1)
        ]
        if self._current is not None:  # past events are not listed while one is scheduled
            return rows, []
        return rows, [_past_event("rugroyale", end_ns, 60, rows, _PRIZES)]


class Contests(_Calendar):
    """Sidebet contests: one event in some batches.

    Attributes:
        scheduled: whether one is scheduled or running.
        full: the body of ``sidebetEventUpdate`` for a new connection.
        brief: the form that is repeated to everybody.
    """

    kind = "contest"

    def __init__(self, identities: Identities, people: Sequence[Person]) -> None:
        super().__init__(identities, people)
        self.scheduled = False
        self.full = self.brief = Raw(b"{}")

    def _plan(self, batch: int, dice: Dice) -> list[Slot]:
        created = batch * self.batch_ns + (22_120 + dice.index(1_000)) * NS_PER_MS
        start = batch * self.batch_ns + _PREP_MINUTES * MINUTE_NS
        times = (start, start + _PREP_MINUTES * MINUTE_NS, created)
        return [_slot(self._identities, self.kind, batch, times)]

    def _encode(self, at_ns: int) -> None:
        events = [_contest_event(slot) for slot in self._slots]
        current = None if self._current is None else _contest_event(self._current)
        self.scheduled = current is not None
        event_id = None if current is None else current.id
        self.brief = raw_part(
            SidebetEventBrief(
                status=self._status, active_event_id=event_id, current_event=current, events=events
            )
        )
        rows, history = self._past(at_ns)
        self.full = raw_part(
            SidebetEventUpdate(
                status=self._status,
                active_event_id=event_id,
                current_event=current,
                events=events,
                leaderboard=rows[:_SHOWN],
                history=history,
                config=SidebetConfig(prize_tiers=_CONTEST_TIERS),
            )
        )

    def _past(self, at_ns: int) -> tuple[list[SidebetRow], list[PastEvent]]:
        batch = at_ns // self.batch_ns
        dice = Dice(self._identities.dice("contest-past", 0))
        end_ns = (batch - 8) * self.batch_ns
        found: list[tuple[float, int, int, float, Person]] = []
        for person in _drawn(self._people, _KEPT, dice):
            placed = 6 + dice.index(3)
            hit = 1 + dice.index(3)
            found.append((hit / placed * 100, hit, placed, 5 + dice.index(90) / placed, person))
        found.sort(key=lambda row: row[0], reverse=True)
        rows = [
            SidebetRow(
                player_id=person.player_id,
                username=person.username,
                sidebets_hit=hit,
                sidebets_placed=placed,
                accuracy=number(accuracy),
                avg_ticks_off=number(off),
                level=person.level,
                last_updated=end_ns // NS_PER_MS,
                rank=rank,
            )
            for rank, (accuracy, hit, placed, off, person) in enumerate(found, 1)
        ]
        return rows, [_past_event("sidebetevent", end_ns, 5, rows, _PRIZES)]


def _drawn(people: Sequence[Person], count: int, dice: Dice) -> list[Person]:
    """Return *count* different people, or all there are."""
    left = list(people)
    drawn: list[Person] = []
    while left and len(drawn) < count:
        index = dice.index(len(left))
        left[index], left[-1] = left[-1], left[index]
        drawn.append(left.pop())
    return drawn


def _balance(dice: Dice) -> float:
    """Return the balance that 100 of practice money has become, to nine places; some never traded."""
    if dice.chance(0.15):
        return _BALANCE * (1 + dice.index(30))
    return round(_BALANCE + dice.roll() ** 4 * 5_000, 9)


def _royale_event(slot: Slot) -> RoyaleEvent:
    return RoyaleEvent(**_planned_event(slot), starting_balance=_BALANCE, custom_prizes=_PRIZES)


def _contest_event(slot: Slot) -> SidebetEvent:
    return SidebetEvent(**_planned_event(slot))


def _planned_event(slot: Slot) -> dict[str, Any]:
    return {
        "id": slot.event_id,
        "start_time": utc_text(slot.start_ns),
        "end_time": utc_text(slot.end_ns),
        "prep_time_minutes": _PREP_MINUTES,
        "level_required": _LEVEL,
        "status": "SCHEDULED",
        "created_at": utc_text(slot.created_ns),
        "created_by": "admin",
    }


def _brief(event: RoyaleEvent) -> BriefEvent:
    return BriefEvent(
        id=event.id,
        start_time=event.start_time,
        end_time=event.end_time,
        prep_time_minutes=event.prep_time_minutes,
    )


def _past_event(
    kind: str,
    end_ns: int,
    minutes: int,
    rows: Sequence[RoyaleRow] | Sequence[SidebetRow],
    prizes: dict[str, float],
) -> PastEvent:
    start_ns = end_ns - minutes * MINUTE_NS
    return PastEvent(
        id=f"{kind}-{utc_text(start_ns)[:10]}-{start_ns // NS_PER_MS + 3_914}",
        start_time=utc_text(start_ns),
        end_time=utc_text(end_ns),
        leaderboard=rows,
        winners=[
            EventWinner(
                player_id=row.player_id,
                username=row.username,
                rank=row.rank,
                amount=prizes[str(row.rank)],
            )
            for row in rows[:_SHOWN]
        ],
        saved_at=utc_text(end_ns + 10_328 * NS_PER_MS),
    )
