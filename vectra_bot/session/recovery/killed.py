"""Crash recovery: closing sessions that were killed.

A journal is data, and none of the code that its header names is loaded. A killed session is finished from the
evidence in its journal: an engine whose strategy takes no action processes the inputs again, and the actions
that the INTENTs name are tracked by it, as in the session. Then the session ends as any other; what cannot be
proven becomes UNRESOLVED. No plugin runs.

A long journal is not processed as a whole: nothing that followed from its inputs is lost, because inputs and
their effects were written together, and its end shows which INTENTs are open.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import attrs
from attrs import define, field

from vectra_bot.actions.exits import NO_EXITS
from vectra_bot.actions.ids import ActionIds
from vectra_bot.engine import Effect, Engine
from vectra_bot.errors import VectraError, safe_error
from vectra_bot.journal import Entry, Journal, read_header, read_journal
from vectra_bot.models import (
    ActionState,
    ActionTimestamps,
    ActionType,
    Command,
    Direction,
    DocType,
    Document,
    Event,
    Frame,
    OperatorCommand,
    OperatorKind,
    PlayerAction,
    SessionEnding,
    SystemEvent,
)
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.session.config import StopFlag
from vectra_bot.session.header import profile_of, watching_engine
from vectra_bot.session.recovery.process import RecoveryProcess
from vectra_bot.session.recovery.tail import is_long, last_entries, open_intents
from vectra_bot.session.shell import read_frame
from vectra_bot.store.maintenance.sessions import repair_store
from vectra_bot.store.parquet.builder import build_parts
from vectra_bot.store.parquet.compaction import compact_session
from vectra_bot.wire.profile import Profile

log = logging.getLogger(__name__)

REASON = "recovered after a crash"
UNREPLAYED_REASON = f"{REASON}, without replay"
UNREPLAYED_KIND = "session.unreplayed"
"""Kind of the system event with the reason why the inputs of a session were not all processed again."""

SEGMENT_BYTES = 1 << 13
"""Size of the segment that a recovery opens for the few entries that it adds: a full disk has that much."""

_resume = partial(Journal.resume, segment_bytes=SEGMENT_BYTES)

_BUTTONS = {ActionType.SHORT_OPEN: "SHORT", ActionType.SHORT_CLOSE: "CLOSE SHORT"}


def event_of(entry: Entry, profile: Profile | None = None) -> Event | None:
    """Return the event that *entry* feeds to the engine, None if there is none.

    *profile* has the wire names that the session used.
    """
    if entry.kind == "input":
        return entry.input()
    if entry.kind != "frame":
        return None
    frame: Frame = entry.frame()
    if frame.truncated or frame.direction is Direction.OUT:
        return None
    return read_frame(frame, profile)


def is_recovery(event: Event) -> bool:
    """Return whether *event* was added by recovery: the process had died before it."""
    return isinstance(event, OperatorCommand | SessionEnding) and event.reason == REASON


def closed_by_recovery(reason: str) -> bool:
    """Return whether the *reason* of a close entry is recovery's."""
    return reason in (REASON, UNREPLAYED_REASON)


def recover_store(
    store: Path,
    *,
    skip: str = "",
    recover: Callable[[Path, Path], None] | None = None,
    stop: StopFlag | None = None,
) -> list[str]:
    """Recover every killed session of *store* and return their ids.

    A session that cannot be recovered (its journal is corrupt, or takes too long) remains unfinished and is
    named in the log: it must not prevent a new session from running, nor the recovery of the others.

    Args:
        store: root of the store.
        skip: id of a session that remains as it is.
        recover: recovers one session, given its journal and the store; by default a process beside this one
            does, see :class:`RecoveryProcess`.
        stop: ends the recovery early; what is left is recovered by the next one.
    """
    if not (store / "journals").is_dir():
        return []
    try:
        repair = repair_store(store)
    except (VectraError, OSError) as error:
        log.warning("store=%s cannot be repaired: %s", store, error)
        return []
    for line in repair.failed:
        log.warning("store=%s %s", store, line)
    finished: list[str] = []
    with RecoveryProcess(stop) as process:
        for directory in repair.unfinished:
            if directory.name == skip:
                continue
            if stop is not None and stop.reason is not None:
                break
            try:
                (recover or process.recover)(directory, store)
            except Exception as error:  # noqa: BLE001 - an error of one session must not affect the others
                log.warning("session=%s cannot be recovered: %s", directory.name, _one_line(error))
            else:
                finished.append(directory.name)
    return finished


def recover_session(
    directory: Path,
    store: Path,
    *,
    resume: Callable[[Path], Journal] = _resume,
    closed: Callable[[], None] = lambda: None,
) -> None:
    """Recover one killed session; after that every INTENT has exactly one ``player_action`` document.

    Args:
        directory: its journal.
        store: root of the store.
        resume: opens the journal to continue it.
        closed: called when the journal is closed; then only its files are left to build.

    Raises:
        VectraError: its journal is corrupt, being written, or already closed, or a write fails.
    """
    journal = resume(directory)
    try:
        entries, reason = _ending(directory, journal.last_seq)
        journal.append(entries)
        journal.sync()
        with journal.closing(reason):
            closed()
            build_parts(directory, store)
            compact_session(directory, store)
    except BaseException:
        journal.abandon()
        raise


def _ending(directory: Path, last_seq: int) -> tuple[list[Entry], str]:
    """Return the entries that complete a journal whose last entry is *last_seq*, and the closing reason."""
    header = read_header(directory)
    rerun = _Rerun(watching_engine(header), profile_of(header))
    if is_long(directory, last_seq):
        still_open = open_intents(directory)
        rerun.take_all(
            last_entries(directory, min(still_open.values(), default=None)), still_open.keys()
        )
        rerun.incomplete = (
            "its journal is long: only its end was read, no episode was made of the last game"
        )
    else:
        with closing(read_journal(directory)) as journal:
            rerun.take_all(journal)
    entries = [
        Entry.of_document(number, item)
        if isinstance(item, Document)
        else Entry.of_input(number, item)
        for number, item in enumerate(rerun.ending(), last_seq + 1)
    ]
    if not rerun.incomplete:
        return entries, REASON
    log.warning("session=%s closed without replay: %s", directory.name, rerun.incomplete)
    return entries, UNREPLAYED_REASON


def _one_line(error: BaseException) -> str:
    return " ".join(safe_error(error).split())


@define
class _Rerun:
    """The inputs of a killed session in a new engine, with the actions that its INTENTs name.

    Attributes:
        incomplete: why not all inputs were processed, empty if they were.
    """

    engine: Engine
    profile: Profile
    incomplete: str = ""
    _seen: set[str] = field(factory=set)  # ids of actions
    _intents: dict[str, PlayerAction] = field(factory=dict)
    _documented: set[str] = field(factory=set)
    _decided: dict[str, Document] = field(factory=dict)
    _last: tuple[list[Effect], list[Entry]] = field(factory=lambda: ([], []))
    _ended: bool = False

    def take_all(self, entries: Iterable[Entry], wanted: Container[str] | None = None) -> None:
        """Process the *entries* of a journal; only INTENTs of *wanted* count, all if None."""
        for entry, effects in _by_input(entries):
            external = list(_external_ids(effects))
            self.engine.opened().book.ids.counter = self._given_before(external, len(effects))
            self._process(entry, effects)
            self._seen.update(external)
            for effect in effects:
                if effect.kind == "intent":
                    self._track(effect.command(), wanted)
                elif b'"player_action"' in effect.payload:
                    self._note(effect)

    def _given_before(self, external: list[str], most: int) -> int:
        """Return how many ids the session had given when it needed one for what *external* names.

        The strategy may have used up to *most* of them during the same input.
        """
        given = len(self._seen)
        for counter in range(given, given + most) if external else ():
            if ActionIds(self.engine.session_id, counter).next()[0] == external[0]:
                return counter
        return given

    def _process(self, entry: Entry, effects: list[Entry]) -> None:
        event = event_of(entry, self.profile)
        if event is None:
            return
        self._ended = self._ended or isinstance(event, SessionEnding)
        try:
            made = self.engine.process(event)
        except Exception as error:  # noqa: BLE001 - what ended the session must not keep it unfinished
            self.incomplete = f"the engine raised at entry {entry.seq}: {_one_line(error)}"
            made = []
        self._last = made, effects
        for effect in _actions_in(made):
            self._decided[effect.record.action_id] = effect

    def _track(self, command: Command, wanted: Container[str] | None) -> None:
        self._seen.add(command.action_id)
        if wanted is not None and command.action_id not in wanted:
            return
        action = _action_of(self.engine, command)
        self._intents[action.action_id] = action
        self.engine.opened().book.add(action, command, NO_EXITS, command.created_ns)

    def _note(self, document: Entry) -> None:
        if document.data["doc_type"] == DocType.PLAYER_ACTION.value:
            action_id = document.data["record"]["action_id"]
            self._documented.add(action_id)
            self._seen.add(action_id)

    def ending(self) -> list[Document | Event]:
        """Return what completes the journal: documents and inputs."""
        if not self.incomplete:
            try:
                return list(self._closing())
            except Exception as error:  # noqa: BLE001 - as above
                self.incomplete = f"the engine raised at the end: {_one_line(error)}"
        return list(self._unreplayed())

    def _closing(self) -> Iterator[Document | Event]:
        """End the session as any other, if it was not ending already."""
        documented = set(self._documented)
        items: list[Event | Effect] = [*_lacking(*self._last)]
        now_ns = self.engine.now_ns
        for event in (
            ()
            if self._ended
            else (
                OperatorCommand(recv_ns=now_ns, kind=OperatorKind.STOP, reason=REASON),
                SessionEnding(recv_ns=now_ns, reason=REASON),
            )
        ):
            items += [event, *self.engine.process(event)]
        items += [
            self._decided.get(action_id) or self._unresolved(action)
            for action_id, action in self._intents.items()
        ]
        for item in items:
            if isinstance(item, Command):
                continue
            if isinstance(item, Document) and item.doc_type is DocType.PLAYER_ACTION:
                if item.record.action_id in documented:
                    continue
                documented.add(item.record.action_id)
            yield item

    def _unreplayed(self) -> Iterator[Document]:
        engine = self.engine
        actions = [a for a in self._intents.values() if a.action_id not in self._documented]
        for action in actions:
            yield self._unresolved(action)
        detail = {
            "reason": self.incomplete,
            "unresolved": [action.action_id for action in actions],
        }
        yield Document(
            doc_type=DocType.SYSTEM_EVENT,
            record=SystemEvent(
                kind=UNREPLAYED_KIND,
                severity="warning",
                message=f"the session was closed without replay: {self.incomplete}",
                detail_json=json.dumps(detail, sort_keys=True),
            ),
            ts_ns=engine.now_ns,
            source="session",
            game_id=engine.game.game_id,
            player_id=engine.account.player_id,
        )

    def _unresolved(self, action: PlayerAction) -> Document:
        return Document(
            doc_type=DocType.PLAYER_ACTION,
            record=attrs.evolve(action, state=ActionState.UNRESOLVED),
            ts_ns=self.engine.now_ns,
            source="session",
            game_id=action.game_id,
            player_id=action.player_id,
        )


def _by_input(entries: Iterable[Entry]) -> Iterator[tuple[Entry, list[Entry]]]:
    """Yield every entry that is not an effect, with the documents and INTENTs that follow it."""
    first: Entry | None = None
    effects: list[Entry] = []
    for entry in entries:
        if entry.kind in ("doc", "intent"):
            effects.append(entry)
            continue
        if first is not None:
            yield first, effects
        first, effects = entry, []
    if first is not None:
        yield first, effects


def _external_ids(effects: list[Entry]) -> Iterator[str]:
    """Yield the actions that *effects* report as done by the account without the session."""
    for entry in effects:
        if b"account.external" in entry.payload and entry.kind == "doc":
            record = entry.data["record"]
            if record.get("kind") == "account.external":
                yield str(json.loads(record["detail_json"])["action_id"])


def _actions_in(effects: Iterable[Effect]) -> Iterator[Document]:
    for effect in effects:
        if isinstance(effect, Document) and effect.doc_type is DocType.PLAYER_ACTION:
            yield effect


def _lacking(made: list[Effect], journaled: list[Entry]) -> Iterator[Document]:
    """Yield the documents of an input that the journal lacks: corruption may have cut off its last ones."""
    known = Counter(_what(entry) for entry in journaled if entry.kind == "doc")
    for effect in made:
        if isinstance(effect, Document):
            what = _what(Entry.of_document(0, effect))
            known[what] -= 1
            if known[what] < 0:
                yield effect


def _what(document: Entry) -> tuple[Any, ...]:
    record = document.data["record"]
    return document.data["doc_type"], record.get("kind"), record.get("action_id")


def _action_of(engine: Engine, command: Command) -> PlayerAction:
    """Return the action of *command* before it was sent; *engine* processed the inputs until then."""
    account = engine.account
    seen = engine.game.context()
    # One frame can have several ticks: the command names the one at which it was decided.
    context = attrs.evolve(
        seen,
        time_since_start=None if seen.time_since_start is None else command.tick,
        game_id=command.game_id,
        tick=command.tick,
        price=Decimal(repr(command.price)),
    )
    kind, share = command.action_type, command.percentage
    button = command.choice or _BUTTONS.get(kind, kind.value)
    leverage = account.view.position.leverage if kind is ActionType.SELL else command.leverage
    return PlayerAction(
        command.action_id,
        engine.session_id,
        command.game_id,
        account.player_id,
        account.username,
        kind,
        button if share in (None, 100) else f"{button} {share}%",
        command.amount,
        share,
        context,
        account.state,
        ActionTimestamps(command.created_ns // NS_PER_MS),
        trace_id=command.trace_id,
        mode=engine.mode,
        leverage=command.leverage,
        choice=command.choice,
        round_id=command.round_id,
        unverified=kind.is_unverified or leverage > 1,
    )
