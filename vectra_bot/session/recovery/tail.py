"""Reading the end of a long journal without the rest.

A journal of many hours need not be re-read to recover its session: the record of each closed segment lists
its INTENTs and the actions that have documents, and the last frames show the state of account and game. So
the time of a recovery does not grow with the length of the session.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from vectra_bot.journal import Entry, Segment, list_segments, read_segment
from vectra_bot.models import DocType
from vectra_bot.store.parquet.builder import read_segment_record

REPLAYED_ENTRIES = 40_000
"""A longer journal is not replayed for recovery, only its end is read; replaying this many takes seconds."""

LAST_SEGMENTS = 2
"""The number of segments that are the end of a journal."""

# The account is named when a session begins; it is in one of the first few hundred frames.
_HEAD_ENTRIES = 400


def is_long(directory: Path, last_seq: int) -> bool:
    """Return whether only the end of a journal, up to entry *last_seq*, is read to recover its session."""
    return last_seq >= REPLAYED_ENTRIES and len(list_segments(directory)) > LAST_SEGMENTS


def open_intents(directory: Path) -> dict[str, int]:
    """Return the numbers of the INTENTs that have no document, by action.

    Segments that have a record are not read.

    Raises:
        JournalError: a segment without a record is corrupt.
        StoreError: a record is corrupt.
    """
    found: dict[str, int] = {}
    decided: set[str] = set()
    for segment in list_segments(directory):
        record = read_segment_record(directory, segment.number)
        if record is not None:
            found.update(record.intents)
            decided.update(record.decided)
            continue
        for entry in read_segment(segment):
            if entry.kind == "intent":
                found[entry.command().action_id] = entry.seq
            elif entry.kind == "doc" and entry.data["doc_type"] == DocType.PLAYER_ACTION.value:
                decided.add(entry.data["record"]["action_id"])
    return {action_id: seq for action_id, seq in found.items() if action_id not in decided}


def last_entries(directory: Path, since: int | None) -> Iterator[Entry]:
    """Yield the first entries of a journal, and those of its last segments.

    Args:
        directory: a long journal.
        since: number of an entry that must be among them; None for none.

    Raises:
        JournalError: a segment that is read is corrupt.
    """
    segments = list_segments(directory)
    whole = _reaches(directory, segments[0], since)
    with closing(read_segment(segments[0])) as entries:
        for count, entry in enumerate(entries):
            if count == _HEAD_ENTRIES and not whole:
                break
            yield entry
    for segment in _needed(directory, segments, since):
        yield from read_segment(segment)


def _reaches(directory: Path, segment: Segment, since: int | None) -> bool:
    """Return whether entry *since* may be in *segment*, or after it."""
    if since is None:
        return False
    record = read_segment_record(directory, segment.number)
    return record is None or record.last_seq >= since


def _needed(directory: Path, segments: list[Segment], since: int | None) -> list[Segment]:
    """Return the segments to read: the last ones, those from *since* on, the last with an account statement.

    An account's state is that of its last statement, and every statement leaves a document.
    """
    needed: list[Segment] = []
    told_of_money = False
    for place in range(len(segments) - 1, 0, -1):
        record = read_segment_record(directory, segments[place].number)
        is_last = place >= len(segments) - LAST_SEGMENTS
        reaches_back = record is None or (since is not None and record.last_seq >= since)
        states = record is None or any(p.doc_type is DocType.SERVER_STATE for p in record.parts)
        if is_last or reaches_back or (states and not told_of_money):
            needed.append(segments[place])
        # A segment without a record may or may not have a statement: the search continues.
        told_of_money = told_of_money or (record is not None and states)
        if told_of_money and not is_last and not reaches_back:
            break
    return needed[::-1]
