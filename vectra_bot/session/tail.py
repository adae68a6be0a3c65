"""The end of a long journal, read without the rest of it.

A journal of many hours need not be read again to finish its session: the record of each closed segment says
which INTENTs it holds and which actions were told of, and what an account and a game look like stands in the
last frames. So the time a recovery takes does not grow with the session.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from vectra_bot.journal import Entry, Segment, list_segments, read_segment
from vectra_bot.models import DocType
from vectra_bot.store.parquet.builder import read_segment_record

REPLAYED_ENTRIES = 40_000
"""A journal of more entries is not replayed to finish its session, some seconds' work: its end is read."""

LAST_SEGMENTS = 2
"""So many segments are the end of a journal."""

# Who we are at the venue is said when a session begins; a few hundred frames after that it stands there.
_HEAD_ENTRIES = 400


def is_long(directory: Path, last_seq: int) -> bool:
    """Return whether only the end of a journal, up to entry *last_seq*, is read to finish its session."""
    return last_seq >= REPLAYED_ENTRIES and len(list_segments(directory)) > LAST_SEGMENTS


def open_intents(directory: Path) -> dict[str, int]:
    """Return the numbers of the INTENTs that no document tells of, by action.

    Segments that have a record are not read.

    Raises:
        JournalError: a segment without a record is damaged.
        StoreError: a record is.
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
        since: number of an entry that must be among them; None if none must.

    Raises:
        JournalError: a segment that is read is damaged.
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
    """Return whether entry *since* may stand in *segment*, or behind it."""
    if since is None:
        return False
    record = read_segment_record(directory, segment.number)
    return record is None or record.last_seq >= since


def _needed(directory: Path, segments: list[Segment], since: int | None) -> list[Segment]:
    """Return the segments to read: the last ones, those from *since* on, the last that tells of money.

    An account looks as its last statement says, and a statement always leaves a document.
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
        # Of a segment without a record it is not known: the search goes on.
        told_of_money = told_of_money or (record is not None and states)
        if told_of_money and not is_last and not reaches_back:
            break
    return needed[::-1]
