"""Going through the entries of a journal, and telling where they end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from vectra_bot.errors import JournalError
from vectra_bot.journal import corruption as damage
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
)
from vectra_bot.journal.lock import is_being_written
from vectra_bot.journal.segments import (
    CHUNK_BYTES,
    Segment,
    SegmentSource,
    foreign_file,
    form_of,
    open_segment,
)
from vectra_bot.journal.text_journal import TEXT_VERSION, begins_as_text, decode_line

_NAMES: Final = ("", *KINDS)
_CLOSE: Final = CODES["close"]
# A group becomes visible by the store of its first header. Where stores may be seen in another order, a
# reader may meet half of one, for an instant.
_TRIES: Final = 50
_PAUSE_S: Final = 0.002


class _Walk:
    """Goes from entry to entry of a binary segment, up to where none stands whole."""

    def __init__(self, source: SegmentSource) -> None:
        self.at = 0  # where the walk has come to in the file
        self._source = source
        self._data = source.head

    def __iter__(self) -> Iterator[tuple[int, int, int, int, bytes, int]]:
        """Yield code, flags, seq, ts_ns, payload and where in the file the entry ends."""
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
        """Let go of *done* bytes; return whether there is a further entry, or may be."""
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
        """Go back to byte *at*: the next iteration reads the file anew from there."""
        self.at = at
        self._source.stream.seek(at)
        self._data = b""

    def is_at_end(self) -> bool:
        """Whether nothing stands here, nor anywhere behind."""
        block = self._data
        while block.count(0) == len(block):
            block = self._source.read(CHUNK_BYTES)
            if not block:
                return True
        return False

    def is_at_no_header(self) -> bool:
        """Whether nothing stands here."""
        return self._data[:HEADER_BYTES].count(0) == len(self._data[:HEADER_BYTES])


class JournalReader:
    """Iterates over the entries of a journal; see :func:`read_journal`.

    After the last entry was read:

    Attributes:
        path: what was opened.
        torn: whether bytes after the last whole group were cut off, as a crash leaves them.
        torn_bytes: how many, zeros at the end not counted.
        torn_entries: how many whole entries were among them.
        clean: whether the last entry is a close.
        last_seq: number of the last entry, -1 if there was none.
        losses: first and last number of the entries that damage took, where a repair noted it.
        end: segment, counted from 0, and byte in it after the last whole group.
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
            after_seq: number of the entry before them, if it is known.
            more: further segments follow, so that the last one given must be whole.
            ours: the caller holds the session's lock and writes nothing meanwhile.
        """
        self.path = path
        self.torn = False
        self.torn_bytes = 0
        self.torn_entries = 0
        self.clean = False
        self.last_seq = after_seq
        self.losses: list[tuple[int, int]] = []
        self.end = (0, 0)
        self._segments = segments
        self._more = more
        self._ours = ours
        self._starts_anywhere = segments[0].number > 1 and after_seq < 0
        self._entries = self._read()

    def __iter__(self) -> Iterator[Entry]:
        return self._entries

    def __next__(self) -> Entry:
        return next(self._entries)

    def _read(self) -> Iterator[Entry]:
        for index, segment in enumerate(self._segments):
            with open_segment(segment.path) as source:
                form = form_of(source.head)
                if form == "unknown" and segment.number <= 1:
                    if source.compressed or b"\n" in source.head or len(source.head) > HEADER_BYTES:
                        raise foreign_file(segment.path, source.head)
                    form = "text"
                read = self._text if form == "text" else self._binary
                yield from read(index, source)
            if self.torn:
                return

    def _binary(self, index: int, source: SegmentSource) -> Iterator[Entry]:
        """Yield the entries of a binary segment; a group comes whole or not at all."""
        names, last_kind, walk, tries = _NAMES, LAST_KIND, _Walk(source), 0
        before = last = self.last_seq
        end = 0  # where the last whole group ends
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
        """Take in what is no entry; return which entry it lets us be at."""
        segment = self._segments[index]
        if code == MARK:
            return last
        if code not in (LOSS, SKIP):
            raise JournalError(
                f"{segment.path}: after entry {last} stands one of kind {code}, which this program does "
                "not know; use the release that wrote it or a newer one"
            )
        first_seq, last_seq = RANGE_BODY.unpack(payload)
        if first_seq != last + 1 and not self._starts_anywhere:
            raise damage.gap(segment, last, first_seq)
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
            check_header(segment.path, entry)
            return True
        if entry.seq <= last:
            raise _out_of_order(segment.path, entry, last)
        torn = None
        if begins and index and not self._more:
            torn = damage.judge_gap(self._segments, self.end, index)
        if torn is None:
            raise damage.gap(segment, last, entry.seq)
        self._tear(self.end, torn)
        return False

    def _is_being_stored(self, source: SegmentSource, walk: _Walk, group: list[Entry]) -> bool:
        """Return whether a writer may be about to store what is not whole here."""
        if self._ours or source.compressed or (walk.is_at_no_header() and not group):
            return False
        return is_being_written(source.path)

    def _finish(
        self, index: int, end: int, source: SegmentSource, walk: _Walk, group: list[Entry]
    ) -> None:
        """Tell the end of a segment from a torn tail, and that from damage."""
        begun = bool(group) or not walk.is_at_no_header()
        if not begun and walk.is_at_end():
            return
        segment = self._segments[index]
        settled = self._ours or self._more or source.compressed or index < len(self._segments) - 1
        if not settled and is_being_written(source.path):
            if begun:
                raise damage.unsettled(segment, end, self.last_seq)
            return  # a group that is just being stored
        torn = None
        if not (self._more or source.compressed):
            torn = damage.judge(self._segments, index, end)
        if torn is None:
            raise damage.damaged(segment, end, self.last_seq)
        self._tear((index, end), torn)

    def _tear(self, end: tuple[int, int], torn: damage.Torn) -> None:
        self.end = end
        self.torn, self.torn_bytes, self.torn_entries = True, torn.bytes, torn.entries

    def _text(self, index: int, source: SegmentSource) -> Iterator[Entry]:
        """Yield the entries of a segment of text, as older versions wrote it."""
        segment, offset, last_given = self._segments[index], 0, index == len(self._segments) - 1
        lines = source.lines()
        for line in lines:
            entry = decode_line(line)
            if entry is None:
                at_start = offset == 0 and self.last_seq < 0 and line.endswith(b"\n")
                if at_start and not begins_as_text(line):
                    raise foreign_file(segment.path, line)
                cut_allowed = last_given and not source.compressed and not self._more
                if not cut_allowed or any(decode_line(rest) is not None for rest in lines):
                    raise damage.damaged(segment, offset, self.last_seq)
                size = segment.path.stat().st_size - offset
                self._tear((index, offset), damage.Torn(size, 0))
                return
            if self._starts_anywhere:
                self._starts_anywhere = False
            elif self.last_seq < 0:
                check_header(segment.path, entry)
            elif entry.seq <= self.last_seq:
                raise _out_of_order(segment.path, entry, self.last_seq)
            offset += len(line)
            self.last_seq, self.clean, self.end = entry.seq, entry.kind == "close", (index, offset)
            yield entry


def _out_of_order(path: Path, entry: Entry, last: int) -> JournalError:
    return JournalError(
        f"{path}: entry {entry.seq} follows entry {last}; the order is broken, restore the file or sort "
        "its copy"
    )


def check_header(path: Path, entry: Entry) -> Any:
    """Return the header of a journal's first entry.

    Raises:
        JournalError: the entry is not a header, or of a version this program does not know.
    """
    header = entry.data.get("header") if entry.kind == "header" else None
    if not isinstance(header, dict):
        raise JournalError(
            f"{path}: the first entry is {entry.kind!r}; a journal begins with its header, "
            "keep that entry when copying"
        )
    version = header.get("journal_version", JOURNAL_VERSION)
    if version not in (TEXT_VERSION, JOURNAL_VERSION):
        raise JournalError(
            f"{path}: journal version was {version!r}, this program reads {TEXT_VERSION} and "
            f"{JOURNAL_VERSION}; use the release that wrote it or a newer one"
        )
    return header
