"""Why a journal cannot be read further: a truncated tail, or corruption of data that was already on the disk.

After a kill the end of a journal may have an incomplete group. After a power loss any page that was not
yet synced may be missing, with valid entries after the hole. Both are a truncated tail: its entries were
never confirmed as durable, and it is truncated from the first invalid byte on. Entries covered by a mark
were durable: corruption there is an error.
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
    """Content of a truncated tail: bytes (zeros at the end not counted) and valid entries."""

    bytes: int
    entries: int


def judge(segments: list[Segment], index: int, at: int) -> Torn | None:
    """Return what is torn from byte *at* of segment *index* on, None if any of it was on the disk before."""
    content = entries = 0
    for number in range(index, len(segments)):
        segment = segments[number]
        if is_safe(segment) or not segment.path.exists():  # or compressed since it was listed
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
                    return None  # from a repair or a copy, which are written durably
                else:
                    entries += 1
            content += max(0, end_of_content(data) - begin)
    return Torn(content, entries)


def judge_gap(segments: list[Segment], end: tuple[int, int], index: int) -> Torn | None:
    """Return what is torn where segment *index* starts later than the last segment with an entry ended.

    None if any of the missing part was on the disk before.

    Args:
        segments: the segments.
        end: index of the last segment with an entry, and the byte after that entry.
        index: the segment that starts too late.
    """
    before = segments[end[0]]
    if is_safe(before):
        # It is complete: what is missing was in segments between.
        return judge(segments, end[0] + 1, 0) if end[0] + 1 < index else None
    return judge(segments, *end)


def is_safe(segment: Segment) -> bool:
    """Return whether a segment was synced as a whole: it is compressed, or its parts were built."""
    if not segment.is_raw:
        return True
    return segment.number > 0 and parts_record(segment.path.parent, segment.number).exists()


def corrupt(segment: Segment, at: int, last_seq: int) -> JournalError:
    """Return the error for corruption that is not a truncated tail."""
    return JournalError(
        f"{segment.path}: the entry at byte {at}, after entry {last_seq}, is corrupt, although it was "
        f"synced to the disk; restore the file, or {repair_of(segment)}"
    )


def unsettled(segment: Segment, at: int, last_seq: int) -> JournalError:
    """Return the error for an incomplete entry that the running writer will complete or truncate."""
    return JournalError(
        f"{segment.path}: the entry at byte {at}, after entry {last_seq}, is incomplete, and the session "
        "is being written; retry"
    )


def gap(segment: Segment, last_seq: int, next_seq: int) -> JournalError:
    """Return the error for entries that are missing."""
    missing = f"entry {last_seq + 1} is"
    if next_seq > last_seq + 2:
        missing = f"entries {last_seq + 1} to {next_seq - 1} are"
    return JournalError(
        f"{segment.path}: {missing} missing before entry {next_seq}; restore the file, or "
        f"{repair_of(segment)}"
    )


def out_of_order(segment: Segment, last_seq: int, next_seq: int) -> JournalError:
    """Return the error for an entry that is duplicate or comes late."""
    advice = "sort its copy" if segment.number == 0 else repair_of(segment)
    return JournalError(
        f"{segment.path}: entry {next_seq} follows entry {last_seq} out of order; restore the file, or "
        f"{advice}"
    )


def repair_of(segment: Segment) -> str:
    """Return the advice for keeping what is readable of a journal."""
    if segment.number == 0:
        return "copy the entries before it with write_journal"
    return f"recover every valid entry with `{REPAIR} {segment.path.parent.name}`"
