"""Finishing what a crash left.

A killed session is replayed from its journal to where it stopped, what followed from its last inputs is
made again, and what cannot be proven is said to be UNRESOLVED.
"""

from __future__ import annotations

import logging
from pathlib import Path

from vectra_bot.engine import Effect
from vectra_bot.errors import VectraError
from vectra_bot.models import (
    Command,
    Direction,
    DocType,
    Event,
    Frame,
    OperatorCommand,
    OperatorKind,
    SendResult,
    SessionEnding,
)
from vectra_bot.session.header import engine_of
from vectra_bot.session.shell import read_frame
from vectra_bot.store.compaction import compact_session
from vectra_bot.store.entry import Entry
from vectra_bot.store.journal import Journal, read_journal
from vectra_bot.store.parquet import build_parts
from vectra_bot.store.sessions import repair_store, unfinished_sessions

log = logging.getLogger(__name__)

REASON = "recovered after a crash"


def event_of(entry: Entry) -> Event | None:
    """Return the event that *entry* brings to the engine, None if it brings none."""
    if entry.kind == "input":
        return entry.input()
    if entry.kind != "frame":
        return None
    frame: Frame = entry.frame()
    if frame.truncated or frame.direction is Direction.OUT:
        return None
    return read_frame(frame)


def recover_store(store: Path, *, skip: str = "") -> list[str]:
    """Finish every killed session of *store* and return their ids.

    A session that cannot be finished (its strategy is gone, its journal is damaged) is left as it is and
    named in the log: it must not keep a new session from running.
    """
    if not (store / "journals").is_dir():
        return []
    try:
        repair_store(store)
        found = unfinished_sessions(store)
    except VectraError as error:
        log.warning("store=%s cannot be repaired: %s", store, error)
        return []
    finished = []
    for directory in found:
        if directory.name == skip:
            continue
        try:
            recover_session(directory, store)
        except VectraError as error:
            log.warning("session=%s cannot be finished: %s", directory.name, error)
        else:
            finished.append(directory.name)
    return finished


def recover_session(directory: Path, store: Path) -> None:
    """Finish one killed session.

    Raises:
        VectraError: its journal is damaged, or its strategy or plugins cannot be made again.
    """
    journal = Journal.resume(directory)
    try:
        entries = _missing(directory, journal.last_seq)
        journal.append(entries)
        journal.sync()
        journal.close(REASON)
    except BaseException:
        journal.abandon()
        raise
    build_parts(directory, store)
    compact_session(directory, store)


def _missing(directory: Path, last_seq: int) -> list[Entry]:
    """Return the entries that complete a journal whose last entry is *last_seq*.

    Effects of the last input that a kill kept from the journal come again with the numbers they had. A
    command whose INTENT is not in the journal provably never left. Then the session ends as any other.
    """
    reader = iter(read_journal(directory))
    engine, _ = engine_of(next(reader).data["header"])
    documented: set[str] = set()
    tail: list[tuple[int, Effect]] = []
    for entry in reader:
        if entry.kind == "doc" and entry.data["doc_type"] == DocType.PLAYER_ACTION.value:
            documented.add(entry.data["record"]["action_id"])
        event = event_of(entry)
        if event is not None:
            effects = engine.process(event)
            tail = [(entry.seq + 1 + index, effect) for index, effect in enumerate(effects)]
    lost = [(number, effect) for number, effect in tail if number > last_seq]
    entries = [_entry(number, engine.now_ns, effect) for number, effect in lost]
    unsent = [effect.action_id for _, effect in lost if isinstance(effect, Command)]
    for event in _closing_events(engine.now_ns, unsent):
        entries.append(Entry.of_input(_after(entries, last_seq), event))
        for effect in engine.process(event):
            if _is_new(effect, documented):
                entries.append(_entry(_after(entries, last_seq), engine.now_ns, effect))
    return entries


def _closing_events(now_ns: int, unsent: list[str]) -> list[Event]:
    stop = OperatorCommand(recv_ns=now_ns, kind=OperatorKind.STOP, reason=REASON)
    results = [
        SendResult(recv_ns=now_ns, action_id=action_id, sent=False, reason="the process died first")
        for action_id in unsent
    ]
    return [stop, *results, SessionEnding(recv_ns=now_ns, reason=REASON)]


def _after(entries: list[Entry], last_seq: int) -> int:
    return (entries[-1].seq if entries else last_seq) + 1


def _is_new(effect: Effect, documented: set[str]) -> bool:
    """Whether an effect belongs into the journal: an action has one document, whoever wrote it."""
    if isinstance(effect, Command):
        return False
    return not (effect.doc_type is DocType.PLAYER_ACTION and effect.record.action_id in documented)


def _entry(seq: int, now_ns: int, effect: Effect) -> Entry:
    if isinstance(effect, Command):
        return Entry.of_intent(seq, now_ns, effect)
    return Entry.of_document(seq, effect)
