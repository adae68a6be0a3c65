"""The files of a journal: which there are, in which form, and how their bytes are reached."""

from __future__ import annotations

import contextlib
import gzip
import mmap
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final, Literal

import attrs

from vectra_bot.errors import InputError, JournalError
from vectra_bot.journal.format import CODES, MAGIC, MARK, NO_HEADER, whole_entries
from vectra_bot.journal.text_journal import begins_as_text, holds_text

LOCK_NAME: Final = "lock"
REPAIR: Final = "vectra-bot store recover --salvage"

_SEGMENT = re.compile(r"(\d{6,})\.log(\.zst|\.gz)?")
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_GZIP_MAGIC = b"\x1f\x8b"
_HEAD_BYTES: Final = 1 << 16
_TAIL_BYTES: Final = 1 << 16
CHUNK_BYTES: Final = 1 << 18  # stays in the cache between being read and being walked


@attrs.frozen
class Segment:
    """One file of a journal directory.

    Attributes:
        number: its place, from 1; 0 for a journal in one plain file.
        path: the raw file if there is one, else the compressed one.
    """

    number: int
    path: Path

    @property
    def is_raw(self) -> bool:
        return self.path.suffix not in (".zst", ".gz")


def find_segments(directory: Path) -> list[Segment]:
    """Return the segments that a journal directory has, in order; where raw and compressed stand, the raw."""
    found: dict[int, Path] = {}
    for path in sorted(directory.iterdir()):
        match = _SEGMENT.fullmatch(path.name)
        if match is not None:
            # Sorted order puts NAME.log before NAME.log.zst: the raw one wins.
            found.setdefault(int(match[1]), path)
    return [Segment(number, found[number]) for number in sorted(found)]


def list_segments(directory: Path) -> list[Segment]:
    """Return the segments of a journal directory in order; where raw and compressed stand, the raw.

    Raises:
        JournalError: a segment in the middle is missing.
    """
    segments = find_segments(directory)
    if segments and segments[0].number > 1:
        raise _missing(directory, 1, f"before {segments[0].number:06d}")
    for before, after in pairwise(segments):
        if after.number != before.number + 1:
            between = f"between {before.number:06d} and {after.number:06d}"
            raise _missing(directory, before.number + 1, between)
    return segments


def _missing(directory: Path, number: int, where: str) -> JournalError:
    return JournalError(
        f"{directory}: segment {number:06d} is missing {where}; bring it back, or keep what is left "
        f"with `{REPAIR} {directory.name}`"
    )


def parts_record(directory: Path, number: int) -> Path:
    """Return the name of the record that a segment's parts stand; written when they do."""
    return directory / f"{number:06d}.parts.json"


@attrs.define
class SegmentSource:
    """The bytes of one segment, front to back, unpacked if they are compressed.

    Attributes:
        path: the file that is read.
        compressed: whether it is.
        head: the first bytes; they are not read again.
    """

    path: Path
    compressed: bool
    stream: BinaryIO
    head: bytes = b""

    def read(self, size: int) -> bytes:
        """Return up to *size* further bytes, empty at the end.

        Raises:
            JournalError: the file cannot be read, or not be unpacked.
        """
        try:
            return self.stream.read(size)
        except (OSError, EOFError, zlib.error) as error:
            raise JournalError(
                f"{self.path}: cannot be read on: {error}; restore the file, or keep what is whole with "
                f"`{REPAIR} {self.path.parent.name}`"
            ) from error

    def lines(self) -> Iterator[bytes]:
        """Yield all lines, the head's too.

        Raises:
            JournalError: the file cannot be read, or not be unpacked.
        """
        rest = self.head
        while block := self.read(CHUNK_BYTES):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                yield line + b"\n"
        *lines, rest = rest.split(b"\n")
        for line in lines:
            yield line + b"\n"
        if rest:
            yield rest


@contextmanager
def open_segment(path: Path) -> Iterator[SegmentSource]:
    """Open a file of entries.

    Raises:
        JournalError: it is named as compressed and is not, or cannot be read.
    """
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        # A writer may have compressed the segment since the directory was listed.
        packed = path.with_name(path.name + ".zst")
        if not packed.exists():
            raise
        file, path = packed.open("rb", buffering=0), packed
    with contextlib.ExitStack() as stack:
        stack.enter_context(file)
        magic = file.read(4)
        file.seek(0)
        stream: BinaryIO = file
        compressed = magic == _ZSTD_MAGIC or magic[:2] == _GZIP_MAGIC
        if magic == _ZSTD_MAGIC:
            import pyarrow as pa

            stream = stack.enter_context(pa.input_stream(file, compression="zstd"))
        elif compressed:
            stream = stack.enter_context(gzip.GzipFile(fileobj=file, mode="rb"))  # type: ignore[assignment]
        elif path.suffix in (".zst", ".gz"):
            raise JournalError(
                f"{path}: not a {path.suffix[1:]} file, it begins with {magic!r}; restore it"
            )
        source = SegmentSource(path, compressed, stream)
        source.head = source.read(_HEAD_BYTES)
        yield source


Form = Literal["binary", "text", "unknown"]


def form_of(head: bytes) -> Form:
    """Return in which form the segment is that begins with *head*, damage at its beginning allowed for."""
    start = head[:4]
    if not start or head[:32] == NO_HEADER[: len(head)] or MAGIC.startswith(start.rstrip(b"\0")):
        return "binary"
    if begins_as_text(head):
        return "text"
    if MAGIC in head:
        return "binary"
    return "text" if holds_text(head) else "unknown"


def foreign_file(path: Path, head: bytes) -> InputError:
    """Return the error for a file that is no journal."""
    return InputError(
        f"{path} is not a journal: it begins with {head[:24]!r}; give a journal directory or a copy made "
        "of its entries"
    )


@contextmanager
def content_of(segment: Segment) -> Iterator[mmap.mmap | bytes]:
    """Yield all bytes of a raw segment.

    Only a copy is mapped: a writer that cuts the file of its session meanwhile would take the memory away,
    and this process with it.
    """
    with segment.path.open("rb") as file:
        if segment.number or os.fstat(file.fileno()).st_size == 0:
            yield file.read()
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            yield content


def end_of_close(path: Path) -> int | None:
    """Return where the content of a raw binary segment ends whose last entry is a close, else None.

    Only its last bytes are read; it may be asked of a segment that is being written.
    """
    fd = os.open(path, os.O_RDONLY)
    try:
        begin = max(0, _last_byte(fd) - _TAIL_BYTES)
        # What follows the last byte that is not zero may belong to the last entry.
        tail = os.pread(fd, 2 * _TAIL_BYTES, begin)
    finally:
        os.close(fd)
    end, closed = 0, False
    for found in whole_entries(tail):
        closed = found.code == CODES["close"] or (closed and found.code == MARK)
        end = begin + found.end
    return end if closed else None


def _last_byte(fd: int) -> int:
    """Return where the zeros begin that a file ends with."""
    end, step = os.fstat(fd).st_size, 1 << 20
    while end:
        begin = max(0, end - step)
        block = os.pread(fd, end - begin, begin)
        if block.count(0) != len(block):
            return begin + len(block.rstrip(b"\0"))
        end = begin
    return 0
