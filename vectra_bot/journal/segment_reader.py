"""Reading journals: a directory of segments, or a copy in one file, compressed or not, binary or text.

And in which state one was left: begun or not, closed or not, and what it holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from vectra_bot.errors import InputError
from vectra_bot.journal.format import MAGIC, entry_at, whole_entries
from vectra_bot.journal.reader import JournalReader, check_header
from vectra_bot.journal.segments import (
    Segment,
    content_of,
    end_of_close,
    form_of,
    list_segments,
    open_segment,
)
from vectra_bot.journal.text_journal import decode_line


def read_journal(path: str | Path) -> JournalReader:
    """Open a journal: its directory, one of its segments, or a single file of entries.

    Entries come in order and one at a time; memory stays flat. An unfinished tail is cut and reported by the
    reader's ``torn``. A journal may be read while another process writes it: what was appended when its bytes
    are reached is read, in whole groups.

    Raises:
        InputError: there is no journal at *path*.
        JournalError: while reading, an entry that was on the disk is damaged, missing or out of order.
    """
    source = Path(path)
    if source.is_dir():
        segments = list_segments(source)
        if not segments:
            raise InputError(
                f"no journal in {source}: it holds no segment such as 000001.log; "
                "give STORE/journals/SESSION"
            )
        return JournalReader(source, segments)
    if not source.exists():
        raise InputError(f"no journal at {source}: give STORE/journals/SESSION or a copy in a file")
    return JournalReader(source, [Segment(0, source)])


def read_segment(segment: Segment, *, after_seq: int = -1) -> JournalReader:
    """Return a reader of one segment of a directory, whose first entry need not be a header.

    Args:
        segment: the segment; only the last of its directory may be torn.
        after_seq: number of the entry before it, which its first must follow; -1 if it is not known.
    """
    following = Segment(segment.number + 1, segment.path.with_name(f"{segment.number + 1:06d}.log"))
    more = segment.number > 0 and (
        following.path.exists() or following.path.with_name(following.path.name + ".zst").exists()
    )
    before = after_seq if segment.number > 1 else -1
    return JournalReader(segment.path, [segment], after_seq=before, more=more)


def read_header(path: str | Path) -> dict[str, Any]:
    """Return the header of a journal.

    Raises:
        InputError: there is no journal, or nothing was written to it.
        JournalError: its first entry is damaged or no header.
    """
    first = next(read_journal(path), None)
    if first is None:
        raise InputError(f"the journal {path} is empty: its session never started")
    header: dict[str, Any] = first.data["header"]
    return header


def never_began(directory: Path) -> bool:
    """Return whether a session died before its first entry was whole: then it holds nothing to lose.

    Anything else that cannot be read is damage: entries may follow it.

    Raises:
        JournalError: a segment is missing, or cannot be unpacked.
    """
    segments = list_segments(directory)
    if len(segments) != 1:
        return not segments
    path = segments[0].path
    with open_segment(path) as source:
        if form_of(source.head) != "binary":
            first = next(source.lines(), b"")
            return not first.endswith(b"\n") and decode_line(first) is None
        if source.compressed:
            return not source.head
        if entry_at(source.head, 0) is not None:
            return False
    with content_of(segments[0]) as data:
        # At most the one entry that was never finished begins here.
        return next(whole_entries(data), None) is None and data.find(MAGIC, 1) < 0


def ends_with_close(segment: Segment) -> bool:
    """Return whether the last entry of a segment is a close, mostly by its last bytes.

    A segment may be asked while it is written: it does not end with a close then.

    Raises:
        JournalError: a segment that must be read whole for it is damaged.
    """
    with open_segment(segment.path) as source:
        by_tail = not source.compressed and form_of(source.head) == "binary"
    if not by_tail:
        reader = read_segment(segment)
        for _ in reader:
            pass
        return reader.clean
    return end_of_close(segment.path) is not None


@attrs.frozen
class JournalSummary:
    """What a journal holds, and in which state it was left."""

    path: Path
    header: dict[str, Any] | None
    entries: int
    by_kind: dict[str, int]
    first_seq: int
    last_seq: int
    last_ts_ns: int
    torn: bool
    torn_bytes: int
    clean: bool
    close_reason: str | None
    losses: tuple[tuple[int, int], ...] = ()


def journal_summary(path: str | Path) -> JournalSummary:
    """Read a whole journal and say what is in it.

    Raises:
        InputError: there is no journal at *path*.
        JournalError: it is damaged before its tail.
    """
    reader = read_journal(path)
    by_kind: dict[str, int] = {}
    header: dict[str, Any] | None = None
    first_seq, entry = -1, None
    for entry in reader:
        by_kind[entry.kind] = by_kind.get(entry.kind, 0) + 1
        if header is None:
            header, first_seq = entry.data["header"], entry.seq
    return JournalSummary(
        path=reader.path,
        header=header,
        entries=sum(by_kind.values()),
        by_kind=by_kind,
        first_seq=first_seq,
        last_seq=reader.last_seq,
        last_ts_ns=0 if entry is None else entry.ts_ns,
        torn=reader.torn,
        torn_bytes=reader.torn_bytes,
        clean=reader.clean,
        close_reason=entry.data.get("reason") if entry is not None and reader.clean else None,
        losses=tuple(reader.losses),
    )


__all__ = [
    "JournalReader",
    "JournalSummary",
    "Segment",
    "check_header",
    "ends_with_close",
    "journal_summary",
    "list_segments",
    "never_began",
    "read_header",
    "read_journal",
    "read_segment",
]
