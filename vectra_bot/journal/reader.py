"""Reading journals: a directory of segments, or a copy in one file, compressed or not.

Also the state of a journal: begun or not, closed or not, and where its entries end.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from vectra_bot.errors import InputError, JournalError
from vectra_bot.journal import corruption
from vectra_bot.journal.entry import JOURNAL_VERSION, KINDS, Entry
from vectra_bot.journal.format import (
    CODES,
    HEADER,
    HEADER_BYTES,
    LAST_KIND,
    LOSS,
    MAGIC,
    MARK,
    MAX_PAYLOAD,
    MORE,
    RANGE_BODY,
    SKIP,
    entry_at,
    whole_entries,
)
from vectra_bot.journal.lock import is_being_written
from vectra_bot.journal.segments import (
    CHUNK_BYTES,
    Segment,
    SegmentSource,
    content_of,
    end_of_close,
    foreign_file,
    list_segments,
    may_be_segment,
    open_segment,
    parts_records,
)

_NAMES: Final = ("", *KINDS)
_CLOSE: Final = CODES["close"]
# A group becomes visible by the store of its first header. On processors that reorder stores, a reader
# may see half of one for an instant.
_TRIES: Final = 50
_PAUSE_S: Final = 0.002


class _Walk:
    """Iterates over the entries of a segment, up to the first incomplete one."""

    def __init__(self, source: SegmentSource) -> None:
        self.at = 0  # position in the file
        self._source = source
        self._data = source.head

    def __iter__(self) -> Iterator[tuple[int, int, int, int, bytes, int]]:
        """Yield code, flags, seq, ts_ns, payload and the end offset in the file."""
        unpack, header_bytes, magic_bytes = HEADER.unpack_from, HEADER_BYTES, MAGIC
        at = 0
        while self._refill(at):
            data, base, at = self._data, self.at, 0
            size = len(data)
            while (body := at + header_bytes) <= size:
                magic, length, crc, ts_ns, seq, code, flags = unpack(data, at)
                end = body + length
                if magic != magic_bytes or end > size:
                    break
                payload = data[body:end]
                if crc32(payload, crc32(data[at + 12 : body])) != crc:
                    break
                at = end
                yield code, flags, seq, ts_ns, payload, base + end

    def _refill(self, done: int) -> bool:
        """Release *done* bytes; return whether there is, or may be, a further entry."""
        self.at += done
        data = self._data = self._data[done:] if done else self._data
        needed = HEADER_BYTES
        if len(data) >= HEADER_BYTES:
            magic, length = HEADER.unpack_from(data)[:2]
            if magic != MAGIC or length > MAX_PAYLOAD:
                return False
            needed += length
            if len(data) >= needed:
                return self._is_whole(needed)
        more = self._source.read(max(CHUNK_BYTES, needed - len(data)))
        self._data = data + more
        return bool(more)

    def _is_whole(self, needed: int) -> bool:
        data = self._data
        crc = HEADER.unpack_from(data)[2]
        return bool(crc32(data[12:needed]) == crc)

    def again(self, at: int) -> None:
        """Go back to byte *at*: the next iteration re-reads the file from there."""
        self.at = at
        self._source.stream.seek(at)
        self._data = b""

    def is_at_end(self) -> bool:
        """Whether there is nothing here or after."""
        block = self._data
        while block.count(0) == len(block):
            block = self._source.read(CHUNK_BYTES)
            if not block:
                return True
        return False

    def is_at_no_header(self) -> bool:
        """Whether there is no header here."""
        return self._data[:HEADER_BYTES].count(0) == len(self._data[:HEADER_BYTES])


class JournalReader:
    """Iterates over the entries of a journal; see :func:`read_journal`.

    After the last entry was read:

    Attributes:
        path: what was opened.
        torn: whether bytes after the last complete group were ignored, as a crash leaves them.
        torn_bytes: how many, zeros at the end not counted.
        torn_entries: how many valid entries were among them.
        clean: whether the last entry is a close.
        last_seq: number of the last entry, -1 if there was none.
        losses: first and last number of the entries lost to corruption, as recorded by a repair.
        end: index of the segment (from 0), and byte in it after the last complete group.
    """

    def __init__(
        self,
        path: Path,
        segments: list[Segment],
        *,
        after_seq: int = -1,
        more: bool = False,
        ours: bool = False,
    ) -> None:
        """Prepare to read.

        Args:
            path: what was opened.
            segments: the files, in order.
            after_seq: number of the entry before them, if known.
            more: further segments follow, so that the last one given must be whole.
            ours: the caller has the session's lock and writes nothing meanwhile.
        """
        self.path = path
        self.torn: bool = False
        self.torn_bytes: int = 0
        self.torn_entries: int = 0
        self.clean: bool = False
        self.last_seq: int = after_seq
        self.losses: list[tuple[int, int]] = []
        self.end: tuple[int, int] = (0, 0)
        self._segments = segments
        self._more = more
        self._ours = ours
        self._starts_anywhere = segments[0].number > 1 and after_seq < 0
        self._entries = self._read()

    def __iter__(self) -> Iterator[Entry]:
        return self._entries

    def __next__(self) -> Entry:
        return next(self._entries)

    def close(self) -> None:
        """Close the file that is being read; no further entries are needed."""
        self._entries.close()

    def _read(self) -> Generator[Entry, None, None]:
        for index, segment in enumerate(self._segments):
            with open_segment(segment.path) as source:
                if segment.number <= 1 and not may_be_segment(source.head):
                    raise foreign_file(segment.path, source.head)
                yield from self._segment(index, source)
            if self.torn:
                return

    def _segment(self, index: int, source: SegmentSource) -> Iterator[Entry]:
        """Yield the entries of a segment; a group is yielded whole or not at all."""
        names, last_kind, walk, tries = _NAMES, LAST_KIND, _Walk(source), 0
        before = last = self.last_seq
        end = 0  # where the last complete group ends
        group: list[Entry] = []
        while True:
            for code, flags, seq, ts_ns, payload, at in walk:
                if not 0 < code <= last_kind:
                    last = self._marker(index, code, payload, last)
                    end = end if group else at
                    continue
                entry = Entry(seq, names[code], ts_ns, payload)
                if (seq != last + 1 or last < 0) and not self._may_follow(
                    index, entry, last, begins=last == before
                ):
                    return
                last = seq
                if group or flags & MORE:
                    group.append(entry)
                    if flags & MORE:
                        continue
                    end, whole, group = at, group, []
                    yield from self._whole(whole)
                else:
                    end, self.last_seq, self.clean = at, seq, code == _CLOSE
                    yield entry
            if tries == _TRIES or not self._is_being_stored(source, walk, group):
                break
            tries, last, group = tries + 1, self.last_seq, []
            threading.Event().wait(_PAUSE_S)
            walk.again(end)
        if last != before:
            self.end = (index, end)
        self._finish(index, end, source, walk, group)

    def _whole(self, group: list[Entry]) -> Iterator[Entry]:
        for entry in group:
            self.last_seq, self.clean = entry.seq, entry.kind == "close"
            yield entry

    def _marker(self, index: int, code: int, payload: bytes, last: int) -> int:
        """Process a mark, loss or skip; return the number of the last entry after it."""
        segment = self._segments[index]
        if code == MARK:
            return last
        if code not in (LOSS, SKIP):
            raise JournalError(
                f"{segment.path}: the item after entry {last} has kind {code}, which this program does not "
                "know; use the release that wrote it or a newer one"
            )
        first_seq, last_seq = RANGE_BODY.unpack(payload)
        if first_seq != last + 1 and not self._starts_anywhere:
            raise corruption.gap(segment, last, first_seq)
        self._starts_anywhere = False
        if code == LOSS:
            self.losses.append((first_seq, last_seq))
        self.last_seq, self.clean = int(last_seq), False
        return self.last_seq

    def _may_follow(self, index: int, entry: Entry, last: int, *, begins: bool) -> bool:
        """Return whether *entry* may follow entry *last*; if not, the journal was torn before it.

        Raises:
            JournalError: something is missing, or the order is broken.
        """
        segment = self._segments[index]
        if self._starts_anywhere:
            self._starts_anywhere = False
            return True
        if last < 0:
            _check_header(segment.path, entry)
            return True
        if entry.seq <= last:
            raise corruption.out_of_order(segment, last, entry.seq)
        torn = None
        if begins and index and not self._more:
            torn = corruption.judge_gap(self._segments, self.end, index)
        if torn is None:
            raise corruption.gap(segment, last, entry.seq)
        self._tear(self.end, torn)
        return False

    def _is_being_stored(self, source: SegmentSource, walk: _Walk, group: list[Entry]) -> bool:
        """Return whether a writer may be about to complete the incomplete group here."""
        if self._ours or source.compressed or (walk.is_at_no_header() and not group):
            return False
        return is_being_written(source.path)

    def _finish(
        self, index: int, end: int, source: SegmentSource, walk: _Walk, group: list[Entry]
    ) -> None:
        """Distinguish the end of a segment, a truncated tail and corruption."""
        begun = bool(group) or not walk.is_at_no_header()
        if not begun and walk.is_at_end():
            return
        segment = self._segments[index]
        settled = self._ours or self._more or source.compressed or index < len(self._segments) - 1
        if not settled and is_being_written(source.path):
            if begun:
                raise corruption.unsettled(segment, end, self.last_seq)
            return  # a group that is just being stored
        torn = None
        if not (self._more or source.compressed):
            torn = corruption.judge(self._segments, index, end)
        if torn is None:
            raise corruption.corrupt(segment, end, self.last_seq)
        self._tear((index, end), torn)

    def _tear(self, end: tuple[int, int], torn: corruption.Torn) -> None:
        self.end = end
        self.torn, self.torn_bytes, self.torn_entries = True, torn.bytes, torn.entries


def _check_header(path: Path, entry: Entry) -> None:
    """Refuse a first entry that is not a header, or has a version this program does not know."""
    header = entry.data.get("header") if entry.kind == "header" else None
    if not isinstance(header, dict):
        raise JournalError(
            f"{path}: the first entry is {entry.kind!r}; a journal begins with its header, "
            "keep that entry when copying"
        )
    version = header.get("journal_version", JOURNAL_VERSION)
    if version != JOURNAL_VERSION:
        raise JournalError(
            f"{path}: journal version was {version!r}, this program reads {JOURNAL_VERSION}; use the release "
            "that wrote it or a newer one"
        )


def read_journal(path: str | Path) -> JournalReader:
    """Open a journal: its directory, one of its segments, or a single file of entries.

    Entries are yielded in order, one at a time; memory stays flat. An incomplete tail is ignored and
    reported by the reader's ``torn``. A journal may be read while another process writes it: whole
    groups appended before the reader reaches their position are returned.

    Raises:
        InputError: there is no journal at *path*.
        JournalError: while reading, an entry that was on the disk is corrupt, missing or out of order.
    """
    source = Path(path)
    if (
        not source.exists()
    ):  # asked first: a directory that appears now must not be opened as a file
        raise InputError(f"no journal at {source}: give STORE/journals/SESSION or a copy in a file")
    if source.is_dir():
        segments = list_segments(source)
        if not segments:
            raise InputError(
                f"no journal in {source}: it has no segment such as 000001.log; "
                "give STORE/journals/SESSION"
            )
        return JournalReader(source, segments)
    return JournalReader(source, [Segment(0, source)])


def read_segment(segment: Segment, *, after_seq: int = -1) -> JournalReader:
    """Return a reader of one segment of a directory, whose first entry need not be a header.

    Args:
        segment: the segment; only the last of its directory may be torn.
        after_seq: number of the entry before it, which its first must follow; -1 if unknown.
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
        InputError: there is no journal, or it is empty.
        JournalError: its first entry is corrupt or not a header.
    """
    with closing(read_journal(path)) as entries:
        first = next(entries, None)
    if first is None:
        raise InputError(f"the journal {path} is empty: its session never started")
    header: dict[str, Any] = first.data["header"]
    return header


def never_began(directory: Path) -> bool:
    """Return whether a session died before its first entry was complete: then there is nothing to lose.

    Anything else that cannot be read is corruption: entries may follow it. A journal without segments began
    if there are records of their parts: the segments were lost.

    Raises:
        JournalError: a segment is missing, or cannot be decompressed.
    """
    segments = list_segments(directory)
    if len(segments) != 1:
        return not segments and not parts_records(directory)
    path = segments[0].path
    with open_segment(path) as source:
        if not may_be_segment(source.head):
            return False
        if source.compressed:
            return not source.head
        if entry_at(source.head, 0) is not None:
            return False
    with content_of(segments[0]) as data:
        # At most the one entry that was never completed begins here.
        return next(whole_entries(data), None) is None and data.find(MAGIC, 1) < 0


def ends_with_close(segment: Segment) -> bool:
    """Return whether the last entry of a segment is a close, in most cases from its last bytes.

    May be called while the segment is written: it does not end with a close then.

    Raises:
        JournalError: a segment that must be read whole for this is corrupt.
    """
    with open_segment(segment.path) as source:
        compressed = source.compressed
    if compressed:
        reader = read_segment(segment)
        for _ in reader:
            pass
        return reader.clean
    return end_of_close(segment.path) is not None
