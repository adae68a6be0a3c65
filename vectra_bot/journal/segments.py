"""The files of a journal: listing them, reading their bytes, and the segment being written."""

from __future__ import annotations

import contextlib
import errno
import gzip
import mmap
import os
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Final

import attrs

from vectra_bot.errors import InputError, JournalError
from vectra_bot.fsio import files, locks
from vectra_bot.journal.format import (
    CODES,
    HEADER_BYTES,
    MAGIC,
    MARK,
    MARK_BYTES,
    NO_HEADER,
    last_byte,
    whole_entries,
)

LOCK_NAME: Final = "lock"
REPAIR: Final = "vectra-bot store recover --salvage"

_SEGMENT = re.compile(r"(\d{6,})\.log(\.zst|\.gz)?")
_RECORD = re.compile(r"(\d{6,})\.parts\.json")
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_GZIP_MAGIC = b"\x1f\x8b"
_HEAD_BYTES: Final = 1 << 16
_TAIL_BYTES: Final = 1 << 16
CHUNK_BYTES: Final = 1 << 18  # stays in the CPU cache between reading and decoding


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
    """Return the segments of a journal directory, in order; of a raw and a compressed one, the raw."""
    found: dict[int, Path] = {}
    for path in sorted(directory.iterdir()):
        match = _SEGMENT.fullmatch(path.name)
        if match is not None:
            # Sorted order puts NAME.log before NAME.log.zst: the raw one is used.
            found.setdefault(int(match[1]), path)
    return [Segment(number, found[number]) for number in sorted(found)]


def list_segments(directory: Path) -> list[Segment]:
    """Return the segments of a journal directory in order; of a raw and a compressed one, the raw.

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
        f"{directory}: segment {number:06d} is missing {where}; restore it, or recover the rest "
        f"with `{REPAIR} {directory.name}`"
    )


def parts_record(directory: Path, number: int) -> Path:
    """Return the path of the record of a segment's parts; it is written after them."""
    return directory / f"{number:06d}.parts.json"


def parts_records(directory: Path) -> list[int]:
    """Return the numbers of the segments that have a record of their parts, in order."""
    found = [_RECORD.fullmatch(path.name) for path in directory.glob("*.parts.json")]
    return sorted(int(match[1]) for match in found if match is not None)


@attrs.define
class SegmentSource:
    """The bytes of one segment, front to back, decompressed if necessary.

    Attributes:
        path: the file that is read.
        compressed: whether it is compressed.
        head: the first bytes; they are not read twice.
    """

    path: Path
    compressed: bool
    stream: BinaryIO
    head: bytes = b""

    def read(self, size: int) -> bytes:
        """Return up to *size* further bytes, empty at the end.

        Raises:
            JournalError: the file cannot be read or decompressed.
        """
        try:
            return self.stream.read(size)
        except (OSError, EOFError, zlib.error) as error:
            raise JournalError(
                f"{self.path}: cannot be read further: {error}; restore the file, or run "
                f"`{REPAIR} {self.path.parent.name}`"
            ) from error


@contextmanager
def open_segment(path: Path) -> Iterator[SegmentSource]:
    """Open a file of entries.

    Raises:
        JournalError: its name says compressed and it is not, or it cannot be read.
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
                f"{path}: not a {path.suffix[1:]} file: it begins with {magic!r}; restore it"
            )
        source = SegmentSource(path, compressed, stream)
        source.head = source.read(_HEAD_BYTES)
        yield source


def may_be_segment(head: bytes) -> bool:
    """Return whether a file that begins with *head* may be a segment, even one with a corrupt beginning."""
    start = head[:4]
    return (
        not start
        or head[:32] == NO_HEADER[: len(head)]
        or MAGIC.startswith(start.rstrip(b"\0"))
        or MAGIC in head
    )


def foreign_file(path: Path, head: bytes) -> InputError:
    """Return the error for a file that is not a journal."""
    return InputError(
        f"{path} is not a journal: it begins with {head[:24]!r}; give a journal directory or a copy of "
        "its entries"
    )


@contextmanager
def content_of(segment: Segment) -> Iterator[mmap.mmap | bytes]:
    """Yield all bytes of a raw segment.

    Only a copy is mapped: if a writer truncated the file of its session meanwhile, this process would crash.
    """
    with segment.path.open("rb") as file:
        if segment.number or os.fstat(file.fileno()).st_size == 0:
            yield file.read()
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            yield content


def end_of_close(path: Path) -> int | None:
    """Return where the content of a raw binary segment ends whose last entry is a close, else None.

    Reads only the last bytes; may be called for a segment that is being written.
    """
    fd = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(fd).st_size
        content = last_byte(size, lambda begin, end: os.pread(fd, end - begin, begin))
        begin = max(0, content - _TAIL_BYTES)
        # Bytes after the last nonzero one may belong to the last entry.
        tail = os.pread(fd, 2 * _TAIL_BYTES, begin)
    finally:
        os.close(fd)
    end, closed = 0, False
    for found in whole_entries(tail):
        closed = found.code == CODES["close"] or (closed and found.code == MARK)
        end = begin + found.end
    return end if closed else None


class OpenSegment:
    """A segment made for writing: a locked, mapped file with its disk space reserved.

    The lock excludes a second writer even if the session's own lock was removed. A store into the mapping of
    a file that another program truncated would kill the process, so the size is compared before each one:
    about half the cost of a call that writes. What remains are the microseconds between the two.

    Attributes:
        number: its place in the journal.
        path: the file.
        map: its bytes.
        end: where the next group begins.
        capacity: how many bytes entries may take; room for a last mark is reserved.
    """

    __slots__ = ("_fd", "_size", "capacity", "end", "map", "number", "path")

    def __init__(self, path: Path, number: int, size: int) -> None:
        """Create the file, with room for *size* bytes; it is removed if that fails.

        Raises:
            OSError: the disk is full, another process writes the file, or a write fails.
        """
        self.path: Path = path
        self.number: int = number
        self.end: int = 0
        self._size = 0
        self._fd = files.open_file(path)
        if not locks.lock_file(self._fd):
            os.close(self._fd)
            raise OSError(errno.EBUSY, f"{path.name} is being written by another process")
        try:
            if os.fstat(self._fd).st_size:
                files.truncate(self._fd, 0)
            self.grow(size)
        except BaseException:
            os.close(self._fd)
            with contextlib.suppress(OSError):
                path.unlink()
            raise

    def grow(self, size: int) -> None:
        """Make room for *size* bytes in a segment without content.

        Raises:
            OSError: the disk is full, or a write fails; the segment is unchanged.
        """
        files.allocate(self._fd, size)
        mapped = mmap.mmap(self._fd, size)
        if self._size:
            self.map.close()
        self.map: Any = mapped
        self._size = size
        self.capacity: int = size - MARK_BYTES

    def store(self, data: bytes) -> None:
        """Store a group whose first entry begins with *data*; it counts once its first header is stored."""
        if os.fstat(self._fd).st_size < self._size:
            self.check()
        at = self.end
        body, end = at + HEADER_BYTES, at + len(data)
        header, rest = data[:HEADER_BYTES], memoryview(data)[HEADER_BYTES:]
        observed = files._observer is not None  # noqa: SLF001 - a call costs more than the test
        if observed:
            files.report_write(self.path, body, rest)
        self.map[body:end] = rest
        if observed:
            files.report_write(self.path, at, header)
        self.map[at:body] = header
        self.end = end

    def check(self) -> None:
        """Check that the file is as it was made: another program may have truncated or removed it.

        Raises:
            OSError: it is not.
        """
        status = os.fstat(self._fd)
        if not status.st_nlink:
            raise OSError(errno.ESTALE, f"{self.path.name} was removed by another program")
        if status.st_size < self._size:
            raise OSError(errno.ESTALE, f"{self.path.name} was truncated by another program")

    def sync(self) -> None:
        """Sync the stored bytes to the disk."""
        if sys.platform != "linux" and not self.map.closed:
            self.map.flush()  # elsewhere fsync need not cover stores into a mapping
        files.sync_file(self._fd)

    def finish(self) -> None:
        """Store no more; truncate the file to its content.

        The mapping is released with the file by the thread that syncs it: that takes milliseconds.
        """
        self.check()
        if sys.platform != "linux":
            self.map.flush()
        self._size = self.end  # first: another thread may check meanwhile
        files.truncate(self._fd, self.end)

    def close(self) -> None:
        """Release the file, whatever its content; harmless if called twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            locks.unlock_file(fd)
            self._unmap()
            os.close(fd)

    def leave(self) -> None:
        """Close a forked child's copy of file and mapping: the lock remains the parent's."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._unmap()
            os.close(fd)

    def _unmap(self) -> None:
        with contextlib.suppress(BufferError):
            self.map.close()

    def discard(self) -> None:
        """Release the file, and remove it."""
        self.close()
        with contextlib.suppress(OSError):
            self.path.unlink()


def cut_segment(path: Path, size: int) -> None:
    """Truncate a segment left by a crash to *size* bytes and sync it to the disk.

    Raises:
        StoreError: a process writes it, or a write fails.
    """
    with files.store_errors(f"cannot repair {path}"):
        fd = files.open_file(path)
        try:
            if os.fstat(fd).st_size > size:
                files.truncate(fd, size)
            files.sync_file(fd)
        finally:
            os.close(fd)
