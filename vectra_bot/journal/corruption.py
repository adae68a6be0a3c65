"""What is wrong where a journal cannot be read on: a torn tail, or damage in what was once on the disk.

After a kill the end of a journal may hold a group that was never finished. After a loss of power any page
that was not yet forced to the disk may be missing, with whole entries behind the hole. Both are a torn tail:
what it holds was never said to be safe, and it is cut off as a whole, from the first damage on. What a mark
covers was safe: damage there is an error.
"""

from __future__ import annotations

import attrs

from vectra_bot.errors import JournalError
from vectra_bot.journal.format import (
    LAST_KIND,
    MARK,
    MARK_BODY,
    end_of_content,
    whole_entries,
)
from vectra_bot.journal.segments import REPAIR, Segment, content_of, may_be_segment, parts_record


@attrs.frozen
class Torn:
    """What a torn tail holds: bytes that are not zero or stand before such, and whole entries."""

    bytes: int
    entries: int


def judge(segments: list[Segment], index: int, at: int) -> Torn | None:
    """Return what is torn from byte *at* of segment *index* on, None if any of it was on the disk once."""
    content = entries = 0
    for number in range(index, len(segments)):
        segment = segments[number]
        if is_safe(segment) or not segment.path.exists():  # or packed since it was listed
            return None
        begin = at if number == index else 0
        with content_of(segment) as data:
            if number != index and not may_be_segment(data[: 1 << 16]):
                return None
            for found in whole_entries(data, begin):
                if found.code == MARK:
                    back, offset = MARK_BODY.unpack(found.payload)
                    if (number - back, offset) > (index, at):
                        return None
                elif found.code > LAST_KIND:
                    return None  # a repair or a copy stood there, and those are written durably
                else:
                    entries += 1
            content += max(0, end_of_content(data) - begin)
    return Torn(content, entries)


def judge_gap(segments: list[Segment], end: tuple[int, int], index: int) -> Torn | None:
    """Return what is torn where segment *index* begins later than the last one that holds an entry ended.

    None if any of what is missing was on the disk once.

    Args:
        segments: the segments.
        end: place of the last segment with an entry, and the byte after it.
        index: place of the segment that begins too late.
    """
    before = segments[end[0]]
    if is_safe(before):
        # All of it is there: what is missing stood in segments between.
        return judge(segments, end[0] + 1, 0) if end[0] + 1 < index else None
    return judge(segments, *end)


def is_safe(segment: Segment) -> bool:
    """Return whether a segment was forced to the disk as a whole: it is packed, or its parts stand."""
    if not segment.is_raw:
        return True
    return segment.number > 0 and parts_record(segment.path.parent, segment.number).exists()


def damaged(segment: Segment, at: int, last_seq: int) -> JournalError:
    """Return the error for damage that is no torn tail."""
    return JournalError(
        f"{segment.path}: the entry at byte {at}, after entry {last_seq}, is damaged, and it was on the "
        f"disk once; restore the file, or {repair_of(segment)}"
    )


def unsettled(segment: Segment, at: int, last_seq: int) -> JournalError:
    """Return the error for what is not whole, and will be or be cut off by who writes the journal."""
    return JournalError(
        f"{segment.path}: the entry at byte {at}, after entry {last_seq}, is not whole, and the session is "
        "being written; read it again"
    )


def gap(segment: Segment, last_seq: int, next_seq: int) -> JournalError:
    """Return the error for entries that are missing."""
    missing = f"entry {last_seq + 1} is"
    if next_seq > last_seq + 2:
        missing = f"entries {last_seq + 1} to {next_seq - 1} are"
    return JournalError(
        f"{segment.path}: {missing} missing before entry {next_seq}; bring them back, or "
        f"{repair_of(segment)}"
    )


def repair_of(segment: Segment) -> str:
    """Return in words how what is left of a journal can be kept."""
    if segment.number == 0:
        return "copy the entries before it with write_journal"
    return f"keep every whole entry with `{REPAIR} {segment.path.parent.name}`"
