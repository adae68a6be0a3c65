"""Crash recovery: closing sessions that were killed.

A killed session is replayed from its journal to where it stopped, the effects of its last inputs are rebuilt,
and what cannot be proven becomes UNRESOLVED. If the strategy is not the one that ran (its file was edited, it
cannot be loaded, it decides differently), nothing of the replay is used: every open INTENT becomes one
UNRESOLVED action, from the journal alone, and the session is closed. A long journal is not replayed either:
nothing that followed from its inputs is lost, because inputs and their effects were written together, and its
end shows which INTENTs are open.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import attrs
from attrs import define, field

from vectra_bot.engine import Effect, Engine
from vectra_bot.errors import VectraError, safe_error
from vectra_bot.journal import Entry, Journal, read_header, read_journal
from vectra_bot.models import (
    ActionState,
    ActionTimestamps,
    Command,
    Direction,
    DocType,
    Document,
    Event,
    Frame,
    OperatorCommand,
    OperatorKind,
    PlayerAction,
    SendResult,
    SessionEnding,
    SystemEvent,
)
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.session.header import engine_of, profile_of, source_changed, watching_engine
from vectra_bot.session.shell import read_frame
from vectra_bot.session.tail import is_long, last_entries, open_intents
from vectra_bot.session.watchdog import ran_too_long, time_limit
from vectra_bot.store.maintenance.sessions import repair_store
from vectra_bot.store.parquet.builder import build_parts
from vectra_bot.store.parquet.compaction import compact_session
from vectra_bot.wire.profile import Profile

log = logging.getLogger(__name__)

REASON = "recovered after a crash"
UNREPLAYED_REASON = f"{REASON}, without replay"
Resume = Callable[[Path], Journal]
UNREPLAYED_KIND = "session.unreplayed"
"""Kind of the system event with the reason why a session was closed without replay."""


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


def recover_store(store: Path, *, skip: str = "", resume: Resume = Journal.resume) -> list[str]:
    """Recover every killed session of *store* and return their ids; *resume* opens a journal to continue it.

    A session that cannot be recovered (its journal is corrupt) is left unchanged and named in the log: it
    must not prevent a new session from running, nor the recovery of the others.
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
    finished = []
    for directory in repair.unfinished:
        if directory.name == skip:
            continue
        try:
            recover_session(directory, store, resume)
        except Exception as error:  # noqa: BLE001 - an error of one session must not affect the others
            log.warning("session=%s cannot be recovered: %s", directory.name, _one_line(error))
        else:
            finished.append(directory.name)
    return finished


def recover_session(directory: Path, store: Path, resume: Resume = Journal.resume) -> None:
    """Recover one killed session; after that every INTENT has exactly one ``player_action`` document.

    Raises:
        VectraError: its journal is corrupt, being written, or already closed.
    """
    journal = resume(directory)
    try:
        entries, reason = _ending(directory, journal.last_seq)
        journal.append(entries)
        journal.sync()
        with journal.closing(reason):
            build_parts(directory, store)
            compact_session(directory, store)
    except BaseException:
        journal.abandon()
        raise


def _ending(directory: Path, last_seq: int) -> tuple[list[Entry], str]:
    """Return the entries that complete a journal whose last entry is *last_seq*, and the closing reason."""
    if is_long(directory, last_seq):
        return _from_the_end(directory, last_seq), UNREPLAYED_REASON
    try:
        return _replayed(directory, last_seq), REASON
    except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code is loaded and run
        why = str(error) if isinstance(error, _Unlike) else _one_line(error)
    # A corrupt journal raises again here, and is left unchanged.
    entries = _unreplayed(directory, last_seq, why)
    log.warning("session=%s closed without replay: %s", directory.name, why)
    return entries, UNREPLAYED_REASON


def _one_line(error: BaseException) -> str:
    return " ".join(safe_error(error).split())


class _Unlike(Exception):
    """A replay differs from the session that ran."""


@define
class _Replay:
    """A journal's inputs replayed through its strategy, compared with the journaled INTENTs."""

    engine: Engine
    last_seq: int
    profile: Profile
    ended: bool = False
    tail: list[tuple[int, Effect]] = field(factory=list)
    intents: list[str] = field(factory=list)
    documented: set[str] = field(factory=set)
    _due: dict[int, Command] = field(factory=dict)

    def take(self, entry: Entry) -> None:
        """Process one entry of the journal."""
        if entry.kind == "intent":
            self._recorded(entry.seq, entry.command())
        _note_document(entry, self.documented)
        event = event_of(entry, self.profile)
        if event is None:
            return
        self.check_due()
        self.ended = self.ended or isinstance(event, SessionEnding)
        with time_limit():
            self.tail = _numbered(entry.seq, self.engine.process(event))
        if ran_too_long(self.engine):
            raise _Unlike("the strategy takes too long for one input")
        self._due = {n: effect for n, effect in self.tail if isinstance(effect, Command)}

    def _recorded(self, seq: int, command: Command) -> None:
        self.intents.append(command.action_id)
        if self._due.pop(seq, None) != command:
            raise _Unlike(f"the replay decides differently at tick {command.tick} (entry {seq})")

    def check_due(self) -> None:
        """Fail on decisions that the journal would contain if they had been made then."""
        for seq, command in self._due.items():
            if seq <= self.last_seq:
                raise _Unlike(
                    f"the replay has an extra command at tick {command.tick} (entry {seq})"
                )


def _numbered(seq: int, effects: list[Effect]) -> list[tuple[int, Effect]]:
    """Return the effects of input *seq* with the numbers the session gives them."""
    return list(enumerate(effects, seq + 1))


def _note_document(entry: Entry, documented: set[str]) -> None:
    if entry.kind == "doc" and entry.data["doc_type"] == DocType.PLAYER_ACTION.value:
        documented.add(entry.data["record"]["action_id"])


def _replayed(directory: Path, last_seq: int) -> list[Entry]:
    """Return the entries that complete the journal, by replay.

    Effects of the last input that a kill kept from the journal are rebuilt with the numbers they had. A
    command whose INTENT is not in the journal was provably never sent. Then the session ends as any other,
    if it was not ending already.

    Raises:
        _Unlike: the replay differs from the session that ran.
    """
    header = read_header(directory)
    engine, source = engine_of(header)
    if source_changed(header, source):
        raise _Unlike(f"the source of strategy {source.name!r} has changed since")
    replay = _Replay(engine, last_seq, profile_of(header))
    with closing(read_journal(directory)) as journal:
        for entry in journal:
            replay.take(entry)
    replay.check_due()
    lost = [(number, effect) for number, effect in replay.tail if number > last_seq]
    entries = [_entry(number, engine.now_ns, effect) for number, effect in lost]
    unsent = [effect.action_id for _, effect in lost if isinstance(effect, Command)]
    for event in () if replay.ended else _closing_events(engine.now_ns, unsent):
        seq = (entries[-1].seq if entries else last_seq) + 1
        entries.append(Entry.of_input(seq, event))
        new = [e for e in engine.process(event) if _is_new(e, replay.documented)]
        entries += [_entry(number, engine.now_ns, effect) for number, effect in _numbered(seq, new)]
    _check_documents(entries, [*replay.intents, *unsent], replay.documented)
    return entries


def _check_documents(entries: list[Entry], intents: list[str], documented: set[str]) -> None:
    """Fail on a replay that leaves an INTENT without its one document."""
    known = set(documented)
    for entry in entries:
        _note_document(entry, known)
    lacking = [action_id for action_id in intents if action_id not in known]
    if lacking:
        raise _Unlike(f"the replay has no outcome of action {lacking[0]}")


def _closing_events(now_ns: int, unsent: list[str]) -> list[Event]:
    stop = OperatorCommand(recv_ns=now_ns, kind=OperatorKind.STOP, reason=REASON)
    results = [
        SendResult(recv_ns=now_ns, action_id=action_id, sent=False, reason="the process died first")
        for action_id in unsent
    ]
    return [stop, *results, SessionEnding(recv_ns=now_ns, reason=REASON)]


def _is_new(effect: Effect, documented: set[str]) -> bool:
    """Return whether an effect is not in the journal yet: an action has exactly one document."""
    if isinstance(effect, Command):
        return False
    return not (effect.doc_type is DocType.PLAYER_ACTION and effect.record.action_id in documented)


def _entry(seq: int, now_ns: int, effect: Effect) -> Entry:
    if isinstance(effect, Command):
        return Entry.of_intent(seq, now_ns, effect)
    return Entry.of_document(seq, effect)


def _unreplayed(directory: Path, last_seq: int, why: str) -> list[Entry]:
    """Return the entries that complete the journal without its strategy: open INTENTs, and the reason.

    Game and account states do not depend on who decides, so they show what an action saw.
    """
    header = read_header(directory)
    engine, profile = watching_engine(header), profile_of(header)
    left: dict[str, PlayerAction] = {}
    documented: set[str] = set()
    for entry in read_journal(directory):
        if entry.kind == "intent":
            command = entry.command()
            left[command.action_id] = _unresolved(engine, command)
        _note_document(entry, documented)
        event = event_of(entry, profile)
        if event is not None:
            engine.process(event)
    actions = [action for action in left.values() if action.action_id not in documented]
    documents = _unreplayed_documents(engine, actions, why)
    return [Entry.of_document(n, doc) for n, doc in enumerate(documents, last_seq + 1)]


def _from_the_end(directory: Path, last_seq: int) -> list[Entry]:
    """Return the entries that complete a long journal: only its last segments are read."""
    header = read_header(directory)
    engine, profile = watching_engine(header), profile_of(header)
    still_open = open_intents(directory)
    actions: list[PlayerAction] = []
    for entry in last_entries(directory, min(still_open.values(), default=None)):
        if entry.kind == "intent" and entry.seq in still_open.values():
            actions.append(_unresolved(engine, entry.command()))
        event = event_of(entry, profile)
        if event is not None:
            engine.process(event)
    why = "its journal is long: only its end was read, no episode was made of the last game"
    documents = _unreplayed_documents(engine, actions, why)
    return [Entry.of_document(n, doc) for n, doc in enumerate(documents, last_seq + 1)]


def _unreplayed_documents(
    engine: Engine, actions: list[PlayerAction], why: str
) -> Iterator[Document]:
    for action in actions:
        yield Document(
            doc_type=DocType.PLAYER_ACTION,
            record=action,
            ts_ns=engine.now_ns,
            source="session",
            game_id=action.game_id,
            player_id=action.player_id,
        )
    detail = {"reason": why, "unresolved": [action.action_id for action in actions]}
    yield Document(
        doc_type=DocType.SYSTEM_EVENT,
        record=SystemEvent(
            kind=UNREPLAYED_KIND,
            severity="warning",
            message=f"the session was closed without replay: {why}",
            detail_json=json.dumps(detail, sort_keys=True),
        ),
        ts_ns=engine.now_ns,
        source="session",
        game_id=engine.game.game_id,
        player_id=engine.account.player_id,
    )


def _unresolved(engine: Engine, command: Command) -> PlayerAction:
    """Return the action of *command* for an operator to check; *engine* processed the inputs before it."""
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
    share = command.percentage
    button = command.action_type.value
    return PlayerAction(
        command.action_id,
        engine.session_id,
        command.game_id,
        account.player_id,
        account.username,
        command.action_type,
        button if share in (None, 100) else f"{button} {share}%",
        command.amount,
        share,
        context,
        account.state,
        ActionTimestamps(command.created_ns // NS_PER_MS),
        state=ActionState.UNRESOLVED,
        trace_id=command.trace_id,
        mode=engine.mode,
        leverage=command.leverage,
        choice=command.choice,
        round_id=command.round_id,
        unverified=command.action_type.is_unverified or command.leverage > 1,
    )
