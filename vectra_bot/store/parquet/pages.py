"""Checksums of the parts of a Parquet file without page checksums: the footer and the page headers.

A header has the number of values of a page and their layout; a flipped bit there or in the footer gives
wrong values, or none, from valid pages. The manifest of a folder therefore has a CRC-32 of each.

The writers here write pages in sequence, from the file's first bytes to its footer, so that each header
is found from the one before (Thrift's compact protocol, as the format defines it).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import BinaryIO, Final, NamedTuple

MAGIC: Final = b"PAR1"

_TAIL: Final = 8
"""Bytes after the footer: its length and the magic."""

_HEADER: Final = 512
"""Bytes read for a header; one with long minimum and maximum values has more."""

_LONGEST: Final = 1 << 20

_FOOTER: Final = 1 << 16
"""Bytes at the end of a file that are read together: most footers are shorter."""

_AFTER_COLUMNS: Final = b"\x16"
"""The head of the field after the columns in a footer: the number of rows."""

_COMPRESSED_SIZE: Final = 3
"""Number of the field of a page header with the length of the data after it."""

ReadAt = Callable[[int, int], bytes]
"""Returns that many bytes from an offset in a file, fewer at its end."""


class FrameDigests(NamedTuple):
    """CRC-32 of a file's footer (with the bytes after it), and of its page headers in order."""

    footer: int
    headers: int


def frame_digests(read_at: ReadAt, size: int) -> FrameDigests:
    """Return the checksums of the footer and the page headers of a file of *size* bytes.

    Raises:
        ValueError: it is not a Parquet file, or its pages are not in sequence.
    """
    start, footer = _footer(read_at, size)
    headers, place = 0, len(MAGIC)
    while place < start:
        header, data = _header(read_at, place, start)
        headers = zlib.crc32(header, headers)
        place += len(header) + data
    if place != start:
        raise ValueError(f"its pages end at byte {place}, its footer begins at {start}")
    return FrameDigests(footer, headers)


def columns_text(file: BinaryIO, size: int, like: bytes = b"") -> bytes:
    """Return the bytes of a footer that describe the columns: equal bytes mean equal columns.

    Args:
        file: a complete Parquet file.
        size: in bytes.
        like: of another file; that of the same columns is not parsed.
    """
    file.seek(size - _TAIL)
    length = int.from_bytes(file.read(4), "little")
    file.seek(size - _TAIL - length)
    footer = file.read(length)
    if like and footer.startswith(like + _AFTER_COLUMNS):
        return like
    reader = _Compact(footer)
    reader.fields(2)  # the version and the columns
    return footer[: reader.place]


def _footer(read_at: ReadAt, size: int) -> tuple[int, int]:
    """Return the offset of the footer, and its checksum."""
    data = read_at(max(0, size - _FOOTER), min(size, _FOOTER))
    length = int.from_bytes(data[-_TAIL:-4], "little") + _TAIL
    if data[-4:] != MAGIC or length > size - len(MAGIC):
        raise ValueError("it does not end with a footer")
    if length > len(data):
        data = read_at(size - length, length)
    return size - length, zlib.crc32(data[-length:])


def _header(read_at: ReadAt, place: int, end: int) -> tuple[bytes, int]:
    """Return a page's header and the length of the data after it."""
    wanted = _HEADER
    while True:
        data = read_at(place, min(wanted, end - place))
        try:
            return _parsed(data)
        except IndexError:
            if wanted >= min(_LONGEST, end - place):
                raise ValueError(f"the header of a page at byte {place} is incomplete") from None
            wanted *= 8


def _parsed(data: bytes) -> tuple[bytes, int]:
    reader = _Compact(data)
    size = reader.struct(_COMPRESSED_SIZE)
    if reader.place > len(data):
        raise IndexError
    if size is None or size < 0:
        raise ValueError("the header of a page has no length")
    return data[: reader.place], size


class _Compact:
    """Parses Thrift's compact protocol; IndexError if the input is truncated."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def struct(self, wanted: int = -1) -> int | None:
        """Skip a struct and return the number in its field *wanted*."""
        field, found = 0, None
        while kind := self._byte():
            step, kind = kind >> 4, kind & 15
            field = field + step if step else self._zigzag()
            if field == wanted and kind in (4, 5, 6):
                found = self._zigzag()
            else:
                self._skip(kind)
        return found

    def fields(self, count: int) -> None:
        """Skip the first fields of a struct, whose numbers are consecutive."""
        for _ in range(count):
            self._skip(self._byte() & 15)

    def _skip(self, kind: int) -> None:
        if kind in (1, 2):  # the kind of a bool is its value
            return
        if kind == 3:
            self.place += 1
        elif kind in (4, 5, 6):
            self._varint()
        elif kind == 7:
            self.place += 8
        elif kind == 8:
            length = self._varint()
            self.place += length
        elif kind in (9, 10):
            self._list()
        elif kind == 12:
            self.struct()
        else:
            raise ValueError(f"the header of a page has a field of unknown kind {kind}")

    def _list(self) -> None:
        head = self._byte()
        count = head >> 4
        if count == 15:
            count = self._varint()
        for _ in range(count):
            # In a list a bool takes a byte.
            self._skip(3 if head & 15 in (1, 2) else head & 15)

    def _byte(self) -> int:
        self.place += 1
        return self._data[self.place - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def _zigzag(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)
