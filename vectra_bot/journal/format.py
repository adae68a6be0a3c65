"""Byte format of a segment: entries in sequence, each a header of 32 bytes and a payload.

========  =====  ===================================================================================
offset    type   meaning (little-endian)
========  =====  ===================================================================================
0         4s     ``VJE2``
4         u32    length of the payload in bytes
8         u32    CRC-32 (zlib) of bytes 12 to 31 and the payload
12        i64    ``ts_ns``
20        u64    ``seq``; of a mark, a loss or a skip the number of the entry before it (0 at the start)
28        u8     kind: 1 header, 2 frame, 3 input, 4 intent, 5 doc, 6 close, 7 mark, 8 loss, 9 skip
29        u8     flags: 1 = more entries of this group follow
30        2      zero
========  =====  ===================================================================================

Entries of an incomplete group are ignored. A header of 32 zero bytes ends the segment: the file of a
segment being written is longer than its content.

A *mark* says what was on the disk when it was written: ``<IQ``, how many segments back and up to which
byte. A *loss* replaces entries that were lost to corruption, a *skip* entries omitted from a copy on
purpose: ``<QQ``, the first and last missing number. None of the three is an entry of the session.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol, overload
from zlib import crc32

from vectra_bot.errors import JournalError
from vectra_bot.journal.entry import KINDS, Entry
from vectra_bot.redaction import hides_anything, redacted_bytes

MAGIC: Final = b"VJE2"
HEADER: Final = struct.Struct("<4sIIqQBB2x")
FRONT: Final = struct.Struct("<4sII")
TAIL: Final = struct.Struct("<qQBB2x")
HEADER_BYTES: Final = HEADER.size
FRONT_BYTES: Final = FRONT.size
NO_HEADER: Final = bytes(HEADER_BYTES)

MORE: Final = 1
"""Flag: further entries of the same group follow."""

CODES: Final = {kind: code for code, kind in enumerate(KINDS, 1)}
MARK: Final = 7
LOSS: Final = 8
SKIP: Final = 9
LAST_KIND: Final = CODES["close"]

MARK_BODY: Final = struct.Struct("<IQ")
RANGE_BODY: Final = struct.Struct("<QQ")
MARK_BYTES: Final = HEADER_BYTES + MARK_BODY.size

MAX_PAYLOAD: Final = 256 << 20
"""The longest payload in bytes; a header with a longer one is corrupt."""


class Buffer(Protocol):
    """Bytes in memory or in a mapped file."""

    def __len__(self) -> int: ...

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> bytes: ...

    def find(self, sub: bytes, start: int = ...) -> int: ...


def header_bytes(code: int, seq: int, ts_ns: int, payload: bytes, flags: int = 0) -> bytes:
    """Return the header of *payload*.

    Raises:
        JournalError: a number does not fit its field, or the payload is too long.
    """
    if len(payload) > MAX_PAYLOAD:
        raise _too_long(seq, len(payload))
    try:
        tail = TAIL.pack(ts_ns, seq, code, flags)
    except struct.error as error:
        raise JournalError(f"entry {seq} cannot be written: {error}") from error
    return FRONT.pack(MAGIC, len(payload), crc32(payload, crc32(tail))) + tail


def frame_bytes(code: int, seq: int, ts_ns: int, payload: bytes, flags: int = 0) -> bytes:
    """Return header and payload; see :func:`header_bytes`."""
    return header_bytes(code, seq, ts_ns, payload, flags) + payload


def encode_entry(entry: Entry) -> bytes:
    """Return the bytes of *entry* in a segment, as a separate group.

    Raises:
        JournalError: its kind is unknown, or a number does not fit its field.
    """
    return encode_group((entry,))


def encode_group(entries: Sequence[Entry]) -> bytes:
    """Return the bytes of *entries* as one group: a reader returns all of them or none.

    Raises:
        JournalError: a kind is unknown, or a number does not fit its field.
    """
    parts: list[bytes] = []
    more, secrets = len(entries), hides_anything()
    try:
        for entry in entries:
            code, payload = CODES.get(entry.kind), entry.payload
            if code is None:
                raise JournalError(f"kind was {entry.kind!r}: use one of {', '.join(KINDS)}")
            if secrets:
                payload = redacted_bytes(payload)
            more -= 1
            size = len(payload)
            if size > MAX_PAYLOAD:
                raise _too_long(entry.seq, size)
            # As in header_bytes, without a call for each entry: every frame is written here.
            tail = TAIL.pack(entry.ts_ns, entry.seq, code, MORE if more else 0)
            parts += (FRONT.pack(MAGIC, size, crc32(payload, crc32(tail))), tail, payload)
    except struct.error as error:
        raise JournalError(f"an entry of the group cannot be written: {error}") from error
    return b"".join(parts)


def _too_long(seq: int, size: int) -> JournalError:
    return JournalError(f"the payload of entry {seq} has {size} bytes: the limit is {MAX_PAYLOAD}")


def mark_bytes(seq: int, ts_ns: int, segments_back: int, offset: int) -> bytes:
    """Return the mark that *offset* bytes of the segment *segments_back* before are on the disk."""
    return frame_bytes(MARK, max(seq, 0), ts_ns, MARK_BODY.pack(segments_back, offset))


def range_bytes(code: int, ts_ns: int, first_seq: int, last_seq: int) -> bytes:
    """Return the loss or skip for the entries *first_seq* to *last_seq*."""
    body = RANGE_BODY.pack(first_seq, last_seq)
    return frame_bytes(code, first_seq - 1, ts_ns, body)


class Found(NamedTuple):
    """A valid entry, mark, loss or skip in a buffer."""

    at: int
    end: int
    code: int
    flags: int
    seq: int
    ts_ns: int
    payload: bytes


def entry_at(data: Buffer, at: int) -> Found | None:
    """Return the valid entry, mark, loss or skip at *at*, None if there is none."""
    body = at + HEADER_BYTES
    if body > len(data):
        return None
    header = data[at:body]
    magic, length, crc, ts_ns, seq, code, flags = HEADER.unpack(header)
    end = body + length
    if magic != MAGIC or length > MAX_PAYLOAD or end > len(data):
        return None
    payload = data[body:end]
    if crc32(payload, crc32(header[FRONT_BYTES:])) != crc:
        return None
    return Found(at, end, code, flags, seq, ts_ns, payload)


def whole_entries(data: Buffer, at: int = 0) -> Iterator[Found]:
    """Yield every valid item in *data* from *at* on, skipping corrupt bytes between them."""
    while True:
        found = entry_at(data, at)
        if found is None:
            at = data.find(MAGIC, at + 1)
            if at < 0:
                return
        else:
            yield found
            at = found.end


def end_of_content(data: Buffer) -> int:
    """Return where the trailing zeros of *data* begin."""
    return last_byte(len(data), lambda begin, end: data[begin:end])


def last_byte(size: int, block: Callable[[int, int], bytes]) -> int:
    """Return where the trailing zeros of *size* bytes begin; *block* returns a range of them."""
    end, step = size, 1 << 20
    while end:
        begin = max(0, end - step)
        found = block(begin, end)
        if found.count(0) != len(found):
            return begin + len(found.rstrip(b"\0"))
        end = begin
    return 0
