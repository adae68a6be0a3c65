"""The shell around an engine: every input is in the journal together with its effects.

One write contains an input, the documents it caused and the INTENTs it led to: after a crash all or none of
them are there, so a journal always ends between two inputs. An INTENT is on disk before its command goes to
the gateway; if the journal cannot be written, nothing is sent. Threads do the fsync, and a separate process
builds the parts: the event loop waits for neither. One task owns the shell; the engine inside it does no I/O.

Parts are built from closed segments. A real-time session may take hours to fill one, so a segment is also
closed when it is old, and on request (``SIGUSR1`` on the command line).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import threading
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
from attrs import define, field

from vectra_bot.alerts.delivery import STOP_S, AlertDelivery
from vectra_bot.engine import Engine
from vectra_bot.errors import WireError
from vectra_bot.journal import Entry, Journal, storable_text
from vectra_bot.models import (
    Command,
    Direction,
    DocType,
    Document,
    Event,
    Frame,
    FrameRejected,
    OperatorCommand,
    SendResult,
    SessionEnding,
    UnknownEvent,
)
from vectra_bot.report.session import SessionTally
from vectra_bot.serde import canonical_json, command_to_json
from vectra_bot.session.config import StopFlag
from vectra_bot.store.parquet.worker import PartsWorker
from vectra_bot.venues.base import FeedItem, Gateway, LinkedGateway
from vectra_bot.wire.decode import decode
from vectra_bot.wire.profile import Profile, default_profile

MAX_REJECTED_RAW = 64 * 1024
# In real time an action waits at most this long for the disk: later its price would be another one.
MAX_DISK_WAIT_S = 0.05
SLOW_DISK = f"the journal was not on the disk within {MAX_DISK_WAIT_S * 1000:.0f} ms"
LOST = "link: the connection was lost before the journal was on the disk"
# A feed that can wait does so when this many closed segments have no parts yet.
MAX_LAG = 4
CHANGED = "the command is not the one in the journal: it was changed from outside"
# How often a wait for files is interrupted to see whether the session is to end.
_LOOK_S = 0.1
_EVENT_NAME = re.compile(r'4[23]\d*\["((?:[^"\\]|\\.){0,128})"')
# Length of the longest counted name, with what precedes it.
_NAME_END = 140
# Event names counted separately; if a venue sends more, the rest are counted under this one.
MAX_EVENT_NAMES = 1000
OTHER_NAMES = "(other)"

log = logging.getLogger(__name__)

# A command with its digest at the time when its intent was journaled.
_Intent = tuple[Command, str]


def command_digest(command: Command) -> str:
    """Return the SHA-256 of a command, its context included."""
    return hashlib.sha256(canonical_json(command_to_json(command)).encode()).hexdigest()


def read_frame(frame: Frame, profile: Profile | None = None) -> Event:
    """Return the event of an inbound frame; an unreadable one becomes :class:`FrameRejected`."""
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


@define
class FrameCounts:
    """Frames by result; every inbound frame is decoded, truncated or quarantined."""

    inbound: int = 0
    outbound: int = 0
    decoded: int = 0
    truncated: int = 0
    quarantined: int = 0
    unknown_events: int = 0
    by_event: Counter[str] = field(factory=Counter)

    def name(self, raw: str) -> None:
        """Count a frame under its event's name; acknowledgements count as ``ack``."""
        if raw.startswith('42["'):
            end = raw.find('"', 4, _NAME_END)
            if end > 0 and (known := raw[4:end]) in self.by_event:
                self.by_event[known] += 1
                return
        match = _EVENT_NAME.match(raw)
        name = match[1] if match else "ack" if raw.startswith("43") else OTHER_NAMES
        if name not in self.by_event and len(self.by_event) >= MAX_EVENT_NAMES:
            name = OTHER_NAMES
        self.by_event[name] += 1


@define
class Shell:
    """Runs one session: processes inputs and carries out effects.

    Attributes:
        can_wait: whether the feed may wait for the disk and the parts; a live one cannot. In virtual time an
            action waits as long as the disk needs: no tick is missed, and no outcome depends on the disk.
        stop: requests the session's end, and limits the time for it.
        unfinished: what the session's end left undone, one line each.
        opening: the document that says what the session is; written with the first input, so that a session
            without an input contains nothing.
        parts: builds the parts of closed segments.
        alerts: delivers alerts, None in a session without sinks.
    """

    engine: Engine
    journal: Journal
    gateway: Gateway
    stats: SessionTally
    store: Path
    profile: Profile = field(factory=default_profile)
    counts: FrameCounts = field(factory=FrameCounts)
    can_wait: bool = True
    remote: str = ""
    stop: StopFlag = field(factory=StopFlag)
    unfinished: list[str] = field(factory=list)
    opening: Document | None = None
    alerts: AlertDelivery | None = None
    parts: PartsWorker = field(init=False)
    _syncing: asyncio.Future[None] | None = None
    _seq: int = 0
    _segment: int = 1
    _rolled_seq: int = 0
    _game_id: str = ""
    _game_text: str = ""

    def __attrs_post_init__(self) -> None:
        self.parts = PartsWorker(self.journal.directory, self.store, self.remote)
        self._seq = 0 if self.opening is None else 1

    async def take(self, item: FeedItem | OperatorCommand | SessionEnding) -> None:
        """Process one item of the feed, or an operator's command, and carry out its effects."""
        if self.alerts is not None:
            self._look_at_alerts(self.alerts)
        if isinstance(item, Frame):
            commands = self._take_frame(item)
        else:
            commands = self._step(item, Entry.of_input(self._next(), item))
        if commands:
            await self._send(commands)
        while self.can_wait and self.parts.lag > MAX_LAG and self.stop.reason is None:
            await in_thread(self.parts.wait, _LOOK_S)

    def _look_at_alerts(self, alerts: AlertDelivery) -> None:
        """Process changed preferences, and journal what follows for alerts from time and sinks."""
        now_ns = self.engine.now_ns
        for command in alerts.commands(now_ns):
            self._step(command, Entry.of_input(self._next(), command))
        for event in alerts.look(now_ns):
            self.note(Document.of_session(event, now_ns))
        alerts.send()

    def note(self, document: Document) -> None:
        """Journal a document that does not follow from an input."""
        self._append([Entry.of_document(self._next(), document)])

    def _take_frame(self, item: Frame) -> list[_Intent]:
        # The journaled text is the decoded one, so that a replay reads the same.
        raw = storable_text(item.raw)
        frame = item if raw is item.raw else attrs.evolve(item, raw=raw)
        seq = self._next()
        event: Event | None = None
        try:
            event = self._read(frame)
        finally:
            if event is None:
                self._append([Entry.of_frame(seq, frame)])
        if event is None:
            return []
        game_id = self._game_of(event)
        return self._step(event, Entry.of_frame(seq, frame, game_id, storable=True))

    def _game_of(self, event: Event) -> str:
        """Return the game that the frame of *event* names, empty if none."""
        game_id = getattr(event, "game_id", "")
        if game_id == self._game_id:
            return self._game_text
        if not isinstance(game_id, str):
            return ""
        self._game_id, self._game_text = game_id, storable_text(game_id)
        return self._game_text

    def _read(self, frame: Frame) -> Event | None:
        """Count *frame* and return its event, None if it has none or need not be decoded."""
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

    def roll(self) -> None:
        """Close the open segment, if it is not empty, and have its parts built; does not wait."""
        if self.journal.last_seq > self._rolled_seq:
            self._rolled_seq = self.journal.last_seq
            self.journal.roll()
            self._notify_closed()

    def reason_to_end(self) -> str:
        """Return why the session ends before its feed does, "" if it does not."""
        failure, stop = self.engine.failure, self.stop.reason
        if failure is not None and not failure.interrupted:
            return "strategy error"
        if stop is None and failure is not None:
            return "stopped: KeyboardInterrupt"
        return "" if stop is None else f"stopped: {stop}"

    async def end(self, reason: str) -> None:
        """Process the last input and close the journal; parts are built from the closed segments.

        If the stop's time is over before that is done, the rest is left to a later recovery and named in
        :attr:`unfinished`.
        """
        if self.stats.standing is None:
            self.stats.standing = self.engine.standing
        await self.take(SessionEnding(recv_ns=self.engine.now_ns, reason=reason))
        if self.alerts is not None:
            await in_thread(self.alerts.drain, *(() if self.stop.reason is None else (STOP_S,)))
            self._look_at_alerts(self.alerts)
            self.note(Document.of_session(self.alerts.summary(), self.engine.now_ns))
        failure = self.engine.failure
        if failure is not None and failure.interrupted:
            what = failure.error.partition(": ")[2] or "was interrupted"
            self.unfinished.append(f"{failure.callback} {what}")
        thread, closing = _in_daemon(self._close, reason)
        while not (await asyncio.wait([closing], timeout=_LOOK_S))[0]:
            if self.stop.expired:
                self._abandon_files()
                return
        thread.join()
        closing.result()

    def _abandon_files(self) -> None:
        """Leave the files to a later recovery, whatever they wait for."""
        self.stop.abandoned = True
        step = f"{self.parts.step} did not end in time: " if self.parts.step else ""
        self.unfinished.append(step + self.stop.unfinished)
        self.parts.kill()

    def abandon(self) -> None:
        """Leave everything as a kill would, for the next recovery."""
        if not self.stop.abandoned:
            self.journal.abandon()
            self.parts.abandon()

    def _close(self, reason: str) -> None:
        # The lock is kept to the end: a repair would take our unfinished parts for those of a dead process.
        with self.journal.closing(reason):
            self.stop.unfinished = (
                f"the files of session {self.journal.directory.name} in {self.remote or self.store} are not "
                "complete, its journal is: `vectra-bot store recover` completes them"
            )
            self.parts.finish(compact=True)
        self.stop.unfinished = ""

    async def _send(self, asked: list[_Intent]) -> None:
        """Send commands to the venue, and those that follow from the results; their intents are on disk."""
        commands = deque(asked)
        refused = await self._synced()
        while commands:
            command, digest = commands.popleft()
            if refused:
                result = self._not_sent(command, refused)
            elif command_digest(command) != digest:
                result = self._not_sent(command, CHANGED)
            else:
                result = await self.gateway.send(command)
                if result.sent and not self.can_wait:
                    self.stats.latencies.add_sent(result.recv_ns - command.created_ns)
            result = attrs.evolve(result, command_sha256=digest)
            more = self._step(result, Entry.of_input(self._next(), result))
            if more:
                refused = await self._synced()
                commands.extend(more)

    def _not_sent(self, command: Command, reason: str) -> SendResult:
        return SendResult(
            recv_ns=self.engine.now_ns, action_id=command.action_id, sent=False, reason=reason
        )

    async def _synced(self) -> str:
        """Sync everything appended; return why commands must not be sent now, "" once it is on the disk.

        A session in real time waits for the disk no longer than a command may wait, and not at all for one
        whose connection is lost: the session has to process that.
        """
        if self.can_wait:
            await in_thread(self.journal.sync)
            return ""
        lost = self.gateway.lost() if isinstance(self.gateway, LinkedGateway) else None
        if lost is not None and lost.is_set():
            return LOST
        if self._syncing is not None and not self._syncing.done():
            return SLOW_DISK  # an earlier sync is late: another one would wait for it
        self._syncing = asyncio.get_running_loop().run_in_executor(None, self.journal.sync)
        await self._wait_for(self._syncing, lost)
        if not self._syncing.done():
            # If it fails, the journal is failed, and the next entry raises.
            self._syncing.add_done_callback(lambda late: late.exception())
            if lost is not None and lost.is_set():
                return LOST
            log.warning("store=%s %s: nothing is sent", self.store, SLOW_DISK)
            return SLOW_DISK
        self._syncing.result()
        return ""

    @staticmethod
    async def _wait_for(syncing: asyncio.Future[None], lost: asyncio.Event | None) -> None:
        """Wait for the disk, for as long as a command may wait and its connection lives."""
        if lost is None:
            await asyncio.wait([syncing], timeout=MAX_DISK_WAIT_S)
            return
        losing = asyncio.ensure_future(lost.wait())
        both: set[asyncio.Future[Any]] = {syncing, losing}
        try:
            await asyncio.wait(both, timeout=MAX_DISK_WAIT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            losing.cancel()

    def _step(self, event: Event, entry: Entry) -> list[_Intent]:
        """Process *event*, journal its *entry* with the effects, and return the intents."""
        entries = [entry]
        commands: list[_Intent] = []
        engine, stats = self.engine, self.stats
        stats.before(event)
        try:
            for effect in engine.process(event):
                self._seq += 1
                if isinstance(effect, Command):
                    commands.append((effect, command_digest(effect)))
                    entries.append(Entry.of_intent(self._seq, engine.now_ns, effect))
                else:
                    stats.after(effect)
                    entries.append(Entry.of_document(self._seq, effect))
                    if effect.doc_type is DocType.ALERT_TRIGGER:
                        entries += self._decided(effect)
            stats.count_games()
        finally:
            # Inputs that raise in the engine are journaled as well.
            self._append(entries)
        if self.alerts is not None:
            if isinstance(event, OperatorCommand):
                self.alerts.obey(event)
            self.alerts.send()
        return commands

    def _decided(self, alert: Document) -> list[Entry]:
        """Return the entries that say to which sinks an alert goes."""
        if self.alerts is None:
            return []
        now_ns = self.engine.now_ns
        return [
            Entry.of_document(self._next(), Document.of_session(event, now_ns))
            for event in self.alerts.take(alert, now_ns)
        ]

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    def _append(self, entries: list[Entry]) -> None:
        opening, self.opening = self.opening, None
        if opening is not None:
            entries = [Entry.of_document(1, opening), *entries]
        self.journal.append(entries)
        if self.journal.segment != self._segment:
            self._notify_closed()

    def _notify_closed(self) -> None:
        self._segment = self.journal.segment
        self.parts.closed(self._segment - 1)


def in_event_loop() -> bool:
    """Return whether this is called inside a running event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def in_thread(call: Callable[..., None], *arguments: Any) -> None:
    """Await a blocking *call*; the event loop continues meanwhile."""
    await asyncio.get_running_loop().run_in_executor(None, call, *arguments)


def _in_daemon(
    call: Callable[..., None], *arguments: Any
) -> tuple[threading.Thread, asyncio.Future[None]]:
    """Start a blocking *call* in a thread that neither the loop nor the process waits for at its end."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    def work() -> None:
        error: BaseException | None = None
        try:
            call(*arguments)
        except BaseException as raised:  # noqa: BLE001 - raised again by who awaits the future
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody awaits the future
            loop.call_soon_threadsafe(settle, error)

    thread = threading.Thread(target=work, name="session-end", daemon=True)
    thread.start()
    return thread, future


class NoGateway:
    """The gateway of a replay or recording: nothing is ever sent."""

    def __init__(self, reason: str = "a replay sends nothing") -> None:
        self._reason = reason

    async def send(self, command: Command) -> SendResult:
        """Return that *command* was not sent."""
        return SendResult(
            recv_ns=command.created_ns, action_id=command.action_id, sent=False, reason=self._reason
        )

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""
