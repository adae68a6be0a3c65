"""Repairing a journal: an incomplete tail is truncated, every valid entry of corrupt segments is kept.

A corrupt segment is rewritten from its valid entries, with a *loss* in place of the missing ones, so
that readers accept the gap and report it. The original file is kept beside it under a name that readers
ignore (``000002.log.damaged``).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from vectra_bot.errors import InputError, JournalError, StoreError
from vectra_bot.fsio import files
from vectra_bot.journal.corruption import is_safe
from vectra_bot.journal.format import (
    CODES,
    HEADER_BYTES,
    LAST_KIND,
    LOSS,
    MARK,
    MORE,
    NO_HEADER,
    RANGE_BODY,
    SKIP,
    Found,
    end_of_content,
    frame_bytes,
    mark_bytes,
    range_bytes,
    whole_entries,
)
from vectra_bot.journal.lock import SessionLock
from vectra_bot.journal.reader import JournalReader
from vectra_bot.journal.segments import (
    Segment,
    SegmentSource,
    cut_segment,
    find_segments,
    list_segments,
    open_segment,
    parts_record,
)

CORRUPT_SUFFIX: Final = ".damaged"
"""Suffix of the original file of a segment that was rewritten."""

_STEP_BYTES: Final = 1 << 14

log = logging.getLogger(__name__)


@attrs.frozen
class Salvage:
    """Result of a repair.

    Attributes:
        kept: number of entries that the journal has now.
        lost: first and last numbers of the missing entries, those recorded by earlier repairs included.
        rewritten: names of the segments that were rewritten; none if nothing was wrong.
    """

    kept: int
    lost: tuple[tuple[int, int], ...]
    rewritten: tuple[str, ...]


def salvage(directory: str | Path) -> Salvage:
    """Repair the journal in *directory*; harmless if nothing is wrong.

    Raises:
        InputError: there is no journal.
        StoreError: a process writes it, or a write fails.
        JournalError: its header is lost, so that its session is unknown.
    """
    directory = Path(directory)
    if not (directory.is_dir() and find_segments(directory)):
        raise InputError(f"no journal in {directory}: give STORE/journals/SESSION")
    lock = SessionLock(directory)
    try:
        return _Repair(directory).run()
    finally:
        lock.release()


@attrs.define
class _Content:
    """The valid items of one segment, in order.

    Attributes:
        corrupt: other bytes are there as well.
    """

    corrupt: bool = False
    found: list[Found] = attrs.field(factory=list)


class _Repair:
    """Goes through a journal once, with one segment and the next one in memory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._last = -1
        self._repeated = False
        self._kept = 0
        self._lost: list[tuple[int, int]] = []
        self._rewritten: list[str] = []

    def run(self) -> Salvage:
        """Repair segment after segment."""
        present = {segment.number: segment for segment in find_segments(self._directory)}
        content = _content(present.get(1))
        if not content.found or content.found[0].code != CODES["header"]:
            raise JournalError(
                f"{self._directory}: the header at the beginning of segment 000001 is lost; without it the "
                "session is unknown; restore the segment"
            )
        for number in range(1, max(present) + 1):
            following = _content(present.get(number + 1))
            self._segment(number, present.get(number), content, following)
            content = following
        return Salvage(self._kept, tuple(self._lost), tuple(self._rewritten))

    def _segment(
        self, number: int, segment: Segment | None, content: _Content, following: _Content
    ) -> None:
        """Keep the valid items of one segment, and record what is missing up to the next one."""
        before = len(self._lost)
        self._repeated = False
        parts = list(self._kept_bytes(content.found))
        new = any(lost not in _noted(content.found) for lost in self._lost[before:])
        first = _first_number(following)
        if first is None:
            # Numbers that are used in parts are not used again.
            first = _recorded(self._directory, number) + 1
        whole = segment is not None and not content.corrupt
        if first > self._last + 1:
            parts.append(self._loss(first - 1, 0))
            new = True
        if new or self._repeated or not whole:
            self._write(number, segment, parts)

    def _kept_bytes(self, found: list[Found]) -> Iterator[bytes]:
        for at, item in enumerate(found):
            if item.code == MARK:
                if item.seq > self._last:
                    yield self._loss(item.seq, item.ts_ns)
            elif item.code in (LOSS, SKIP):
                first, last = RANGE_BODY.unpack(item.payload)
                if first > self._last + 1:
                    yield self._loss(first - 1, item.ts_ns)
                if last > self._last:
                    yield range_bytes(item.code, item.ts_ns, self._last + 1, last)
                    if item.code == LOSS:
                        self._lost.append((self._last + 1, last))
                    self._last = last
            elif item.code > LAST_KIND or item.code == 0:
                raise JournalError(
                    f"{self._directory}: an entry of kind {item.code} is not known to this program; use "
                    "the release that wrote it or a newer one"
                )
            elif item.seq > self._last:
                yield from self._entry(item, found[at + 1] if at + 1 < len(found) else None)
            else:
                self._repeated = True

    def _entry(self, item: Found, following: Found | None) -> Iterator[bytes]:
        if self._last >= 0 and item.seq > self._last + 1:
            yield self._loss(item.seq - 1, item.ts_ns)
        # The rest of the group is lost: it ends here.
        goes_on = (
            following is not None and following.at == item.end and following.seq == item.seq + 1
        )
        flags = item.flags if goes_on else item.flags & ~MORE
        yield frame_bytes(item.code, item.seq, item.ts_ns, item.payload, flags)
        self._last = item.seq
        self._kept += 1

    def _loss(self, last: int, ts_ns: int) -> bytes:
        lost = (self._last + 1, last)
        self._lost.append(lost)
        self._last = last
        return range_bytes(LOSS, ts_ns, *lost)

    def _write(self, number: int, segment: Segment | None, parts: list[bytes]) -> None:
        """Replace a segment by its repaired form; the original is kept."""
        raw = self._directory / f"{number:06d}.log"
        data = b"".join(parts)
        data += mark_bytes(max(self._last, 0), 0, 0, len(data))
        if segment is not None:
            with files.store_errors(f"cannot read {segment.path}"):
                old = segment.path.read_bytes()
            files.write_durably(_aside(segment.path), old)
        files.write_durably(raw, data)
        if segment is not None and segment.path != raw:
            with files.store_errors(f"cannot remove {segment.path}"):
                files.unlink(segment.path)
                files.sync_directory(self._directory)
        self._rewritten.append(raw.name)


def _recorded(directory: Path, number: int) -> int:
    """Return the last number that a segment had when its parts were built, -1 if unknown."""
    try:
        record = json.loads(parts_record(directory, number).read_bytes())
        return int(record.get("last_seq", -1))
    except (OSError, ValueError, AttributeError, TypeError):
        return -1


def _first_number(content: _Content) -> int | None:
    """Return the first number that a segment has or declares lost."""
    for found in content.found:
        if found.code in (LOSS, SKIP):
            return int(RANGE_BODY.unpack(found.payload)[0])
        if found.code != MARK:
            return found.seq
    return None


def _noted(found: list[Found]) -> set[tuple[int, int]]:
    return {RANGE_BODY.unpack(item.payload) for item in found if item.code == LOSS}


def _aside(path: Path) -> Path:
    aside, count = path.with_name(path.name + CORRUPT_SUFFIX), 1
    while aside.exists():
        count += 1
        aside = path.with_name(f"{path.name}{CORRUPT_SUFFIX}{count}")
    return aside


def _content(segment: Segment | None) -> _Content:
    if segment is None:
        return _Content()
    try:
        with open_segment(segment.path) as source:
            return _whole(source)
    except JournalError:
        # The name says compressed, the content is not.
        return _Content(corrupt=True)


def _whole(source: SegmentSource) -> _Content:
    blocks, content = [source.head], _Content()
    try:
        # In small steps: what was decompressed before the corrupt part is kept.
        while block := source.read(_STEP_BYTES):
            blocks.append(block)
    except JournalError:
        content.corrupt = True
    data = b"".join(blocks)
    at = 0
    for found in whole_entries(data):
        if found.at != at and not content.corrupt and _is_unfinished(data, at):
            return content
        content.corrupt |= found.at != at
        content.found.append(found)
        at = found.end
    content.corrupt |= end_of_content(data) > at and data[at : at + HEADER_BYTES] != NO_HEADER
    return content


def _is_unfinished(data: bytes, at: int) -> bool:
    """Return whether from byte *at* on there is one group of a killed writer without its first header."""
    if data[at : at + HEADER_BYTES] != NO_HEADER:
        return False
    rest = list(whole_entries(data, at))
    ends = [item.flags & MORE == 0 for item in rest]
    return not any(item.code > LAST_KIND for item in rest) and not any(ends[:-1])


def cut_tail(directory: Path) -> tuple[int, int]:
    """Truncate the incomplete tail; return the number of the segment to continue in, and of the last entry.

    The caller has the session's lock.

    Raises:
        InputError: nothing was ever written.
        StoreError: the session was closed, or a write fails.
        JournalError: the journal is corrupt before its tail.
    """
    segments = list_segments(directory)
    start, reader = _read_end(directory, segments)
    if reader.last_seq < 0:
        raise InputError(f"the journal {directory} is empty: its session never started")
    if reader.clean:
        raise StoreError(f"the session in {directory} was closed: nothing can be added")
    index, size = start + reader.end[0], reader.end[1]
    if reader.torn:
        log.warning(
            "session=%s cut %d bytes with %d entries after entry %d: incomplete",
            directory.name, reader.torn_bytes, reader.torn_entries, reader.last_seq,
        )  # fmt: skip
    # The last first: if this is interrupted, the result is a truncated journal without a gap.
    while len(segments) > index + 1 and not is_safe(segments[-1]):
        with files.store_errors(f"cannot remove {segments[-1].path}"):
            files.unlink(segments.pop().path)
            files.sync_directory(directory)
    if segments[index].is_raw:
        cut_segment(segments[index].path, size)
    return segments[-1].number + 1, reader.last_seq


def _read_end(directory: Path, segments: list[Segment]) -> tuple[int, JournalReader]:
    """Return an exhausted reader of all that may not be synced yet, and the index of its first segment.

    The last segment that is compressed or has its parts is read as well: numbers continue from there.
    """
    start = len(segments) - 1
    while start > 0 and not is_safe(segments[start]):
        start -= 1
    while True:
        reader = JournalReader(directory, segments[start:], ours=True)
        for _ in reader:
            pass
        if reader.last_seq >= 0 or start == 0:
            return start, reader
        start -= 1
