"""A long journal is recovered from its end, without reading the rest, with the same open actions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.session.test_recovery import actions, bot, killed
from vectra_bot.journal import Entry, Journal, list_segments, read_journal
from vectra_bot.models import Direction, Frame
from vectra_bot.session.recovery import tail
from vectra_bot.session.recovery.killed import (
    UNREPLAYED_KIND,
    UNREPLAYED_REASON,
    recover_session,
    recover_store,
)
from vectra_bot.session.recovery.tail import LAST_SEGMENTS, is_long, last_entries, open_intents
from vectra_bot.session.replay import check_journal
from vectra_bot.store.parquet.builder import build_parts

__all__ = ["bot"]  # the fixture


def groups(entries: list[Entry]) -> list[list[Entry]]:
    """Return entries as a session writes them: an input with its effects; entry 1 is with the first."""
    found: list[list[Entry]] = [[]]
    for entry in entries:
        if entry.kind in ("frame", "input") and entry.seq > 2:
            found.append([])
        found[-1].append(entry)
    return found


def long_journal(tmp_path: Path, entries: list[Entry], segments: int, *, built: bool) -> Path:
    """Write *entries* as a killed session whose journal has that many segments."""
    store = tmp_path / "long"
    header, rest = entries[0].data["header"], groups(entries[1:])
    journal = Journal.create(store / "journals" / "K", header, ts_ns=entries[0].ts_ns)
    for number, group in enumerate(rest):
        if number and number % max(1, len(rest) // segments) == 0:
            journal.roll()
        journal.append(group)
    journal.abandon()
    if built:
        build_parts(journal.directory, store)
    return store


@pytest.mark.parametrize("built", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "after", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)]
)
def test_open_actions_are_told_as_a_whole_reading_tells_them(
    tmp_path: Path, bot: Path, after: int, built: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "REPLAYED_ENTRIES", 100)
    whole = killed(tmp_path, bot, after=after)
    entries = list(read_journal(tmp_path / "store" / "journals" / "K"))
    store = long_journal(tmp_path, entries, 12, built=built)
    directory = store / "journals" / "K"
    assert is_long(directory, entries[-1].seq)
    intents = {e.command().action_id: e.seq for e in entries if e.kind == "intent"}
    assert intents.keys() >= open_intents(directory).keys()

    assert recover_store(store, recover=recover_session) == ["K"]
    after_it = list(read_journal(directory))
    assert after_it[-1].data["reason"] == UNREPLAYED_REASON
    assert [(e.seq, e.payload) for e in after_it[1 : len(entries)]] == [
        (e.seq, e.payload) for e in entries[1:]
    ]
    assert sorted(action_id for action_id, _ in actions(store)) == sorted(intents)
    documents = [entry.document() for entry in after_it if entry.kind == "doc"]
    (told,) = [d.record for d in documents if getattr(d.record, "kind", "") == UNREPLAYED_KIND]
    still_open = [action_id for action_id, state in actions(store) if state == "UNRESOLVED"]
    assert json.loads(told.detail_json)["unresolved"] == still_open
    assert still_open
    true: dict[str, Any] = {
        e.data["record"]["action_id"]: e.document().record
        for e in whole
        if e.kind == "doc" and e.data["doc_type"] == "player_action"
    }
    for document in documents:
        if document.source == "session" and document.doc_type.value == "player_action":
            mine, other = document.record, true[document.record.action_id]
            for name in ("state_before", "game_context", "button", "trace_id", "player_id"):
                assert getattr(mine, name) == getattr(other, name)
    assert check_journal(directory).clean is True
    assert recover_store(store, recover=recover_session) == []


def test_only_the_end_and_the_beginning_are_read(tmp_path: Path, bot: Path) -> None:
    killed(tmp_path, bot)
    entries = list(read_journal(tmp_path / "store" / "journals" / "K"))
    store = long_journal(tmp_path, entries, 20, built=True)
    directory = store / "journals" / "K"
    # A closed segment with built parts is not opened: it may even be unreadable.
    segments = list_segments(directory)
    unread = segments[1 : -LAST_SEGMENTS - 1]
    for segment in unread:
        segment.path.write_bytes(b"\0" * 64)
    last = list(last_entries(directory, None))
    assert last[0].kind == "header"
    assert last[-1].seq == entries[-1].seq
    open_intents(directory)


def test_an_old_open_intent_is_read_from_its_segment(tmp_path: Path, bot: Path) -> None:
    killed(tmp_path, bot)
    entries = list(read_journal(tmp_path / "store" / "journals" / "K"))
    first = next(e for e in entries if e.kind == "intent")
    store = long_journal(tmp_path, entries, 20, built=True)
    read = list(last_entries(store / "journals" / "K", first.seq))
    assert first.seq in [e.seq for e in read]


def test_an_open_intent_of_a_long_first_segment_is_read(tmp_path: Path) -> None:
    """An intent long before the first segment's end counts as any other."""
    header = {"session_id": "K", "mode": "paper", "venue": "x"}
    journal = Journal.create(tmp_path / "journals" / "K", header)
    for seq in range(1, 900):
        frame = Frame(seq, '42["x"]', Direction.IN)
        journal.append([Entry.of_frame(seq, frame)])
        if seq in (700, 800):
            journal.roll()
    journal.abandon()
    build_parts(journal.directory, tmp_path)
    assert not is_long(journal.directory, 899)
    assert is_long(journal.directory, tail.REPLAYED_ENTRIES)
    assert 650 in [entry.seq for entry in last_entries(journal.directory, 650)]
    read = [entry.seq for entry in last_entries(journal.directory, 750)]
    assert 650 not in read
    assert 750 in read
