"""The shell around an engine: journals every input before it is processed and every effect with its cause.

An INTENT is on the disk before its command goes to the gateway; if the journal cannot be written, nothing is
sent. One task owns the shell; the engine inside it knows no I/O.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, deque
from pathlib import Path

import attrs
from attrs import define, field

from vectra_bot.analysis.report import SessionStats
from vectra_bot.engine import Effect, Engine
from vectra_bot.errors import WireError
from vectra_bot.models import (
    Command,
    Direction,
    Event,
    Frame,
    FrameRejected,
    SendResult,
    SessionEnding,
    UnknownEvent,
)
from vectra_bot.serde import canonical_json, command_to_json
from vectra_bot.store.compaction import compact_session
from vectra_bot.store.entry import Entry, storable_text
from vectra_bot.store.journal import Journal
from vectra_bot.store.parquet import build_parts
from vectra_bot.venues.base import FeedItem, Gateway
from vectra_bot.wire.decode import decode
from vectra_bot.wire.profile import Profile, default_profile

MAX_REJECTED_RAW = 64 * 1024
_EVENT_NAME = re.compile(r'4[23]\d*\["((?:[^"\\]|\\.){0,128})"')
# Event names counted one by one; a venue that invents more is counted under this one.
MAX_EVENT_NAMES = 1000
OTHER_NAMES = "(other)"


def command_digest(command: Command) -> str:
    """Return the SHA-256 of a whole command, its context included."""
    return hashlib.sha256(canonical_json(command_to_json(command)).encode()).hexdigest()


def read_frame(frame: Frame, profile: Profile | None = None) -> Event:
    """Return the event of an inbound frame; one that cannot be read becomes :class:`FrameRejected`."""
    try:
        return decode(frame, profile)
    except WireError as error:
        return FrameRejected(
            recv_ns=frame.recv_ns,
            reason=error.reason,
            message=str(error),
            event_name=error.event_name,
            money=error.money,
            raw=frame.raw[:MAX_REJECTED_RAW].encode("utf-8", "replace").decode(),
        )


def _game_of(event: Event | None) -> str:
    """Return the game that the frame of *event* names, empty if it names none."""
    game_id = getattr(event, "game_id", "")
    return storable_text(game_id) if isinstance(game_id, str) else ""


@define
class FrameCounts:
    """Frames by what became of them; every inbound frame is decoded, truncated or quarantined."""

    inbound: int = 0
    outbound: int = 0
    decoded: int = 0
    truncated: int = 0
    quarantined: int = 0
    unknown_events: int = 0
    by_event: Counter[str] = field(factory=Counter)

    def name(self, raw: str) -> None:
        """Count a frame under its event's name; acknowledgements count as ``ack``."""
        match = _EVENT_NAME.match(raw)
        name = match[1] if match else "ack" if raw.startswith("43") else OTHER_NAMES
        if name not in self.by_event and len(self.by_event) >= MAX_EVENT_NAMES:
            name = OTHER_NAMES
        self.by_event[name] += 1


@define
class Shell:
    """Carries one session: inputs in, effects out."""

    engine: Engine
    journal: Journal
    gateway: Gateway
    stats: SessionStats
    store: Path
    profile: Profile = field(factory=default_profile)
    counts: FrameCounts = field(factory=FrameCounts)
    _seq: int = 0
    _segment: int = 1

    async def take(self, item: FeedItem) -> None:
        """Take in one item of the feed and carry out what follows from it."""
        if not isinstance(item, Frame):
            await self._input(item)
            return
        # What is decoded is what is journaled, so that a replay reads the same.
        raw = storable_text(item.raw)
        frame = item if raw is item.raw else attrs.evolve(item, raw=raw)
        event: Event | None = None
        try:
            event = self._read(frame)
        finally:
            self._append([Entry.of_frame(self._next(), frame, _game_of(event))])
        if event is not None:
            await self._process(event)

    def _read(self, frame: Frame) -> Event | None:
        """Return the event of *frame*, None if nothing can or need be made of it; count it."""
        counts = self.counts
        if frame.direction is Direction.OUT:
            counts.outbound += 1
            return None
        counts.inbound += 1
        counts.name(frame.raw)
        if frame.truncated:
            counts.truncated += 1
            return None
        event = read_frame(frame, self.profile)
        if isinstance(event, FrameRejected):
            counts.quarantined += 1
            return event
        counts.decoded += 1
        if isinstance(event, UnknownEvent):
            counts.unknown_events += 1
        return event

    async def end(self, reason: str) -> None:
        """Process the last input and close the journal; parts are built from what is closed."""
        await self._input(SessionEnding(recv_ns=self.engine.now_ns, reason=reason))
        self.journal.close(reason)
        build_parts(self.journal.directory, self.store)
        compact_session(self.journal.directory, self.store)

    async def _input(self, event: Event) -> None:
        self._append([Entry.of_input(self._next(), event)])
        await self._process(event)

    async def _process(self, event: Event) -> None:
        commands = deque(self._step(event))
        while commands:
            command = commands.popleft()
            result = await self.gateway.send(command)
            result = attrs.evolve(result, command_sha256=command_digest(command))
            self._append([Entry.of_input(self._next(), result)])
            commands.extend(self._step(result))

    def _step(self, event: Event) -> list[Command]:
        """Process *event*, journal its effects, and return the commands, whose intents are on the disk."""
        self.stats.before(event)
        effects = self.engine.process(event)
        self.stats.count_games()
        if not effects:
            return []
        self._append([self._entry(effect) for effect in effects])
        commands = [effect for effect in effects if isinstance(effect, Command)]
        if commands:
            self.journal.sync()
        return commands

    def _entry(self, effect: Effect) -> Entry:
        if isinstance(effect, Command):
            return Entry.of_intent(self._next(), self.engine.now_ns, effect)
        self.stats.after(effect)
        return Entry.of_document(self._next(), effect)

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    def _append(self, entries: list[Entry]) -> None:
        self.journal.append(entries)
        if self.journal.segment != self._segment:
            self._segment = self.journal.segment
            build_parts(self.journal.directory, self.store)


class NoGateway:
    """The gateway of a replay: nothing is ever sent."""

    def __init__(self, reason: str = "a replay sends nothing") -> None:
        self._reason = reason

    async def send(self, command: Command) -> SendResult:
        """Say that *command* did not leave."""
        return SendResult(
            recv_ns=command.created_ns, action_id=command.action_id, sent=False, reason=self._reason
        )

    async def aclose(self) -> None:
        """Do nothing: there is no link."""
