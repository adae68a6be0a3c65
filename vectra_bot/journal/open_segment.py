"""The segment that a journal is writing: a mapped file with room on the disk for all it can hold."""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
from pathlib import Path
from typing import Any

from vectra_bot.fsio import files
from vectra_bot.journal.format import HEADER_BYTES, MARK_BYTES


class OpenSegment:
    """A segment file made for writing.

    Attributes:
        number: its place in the journal.
        path: the file.
        map: its bytes.
        capacity: how many of them entries may take; room for a last mark is kept free.
    """

    __slots__ = ("_fd", "capacity", "map", "number", "path")

    def __init__(self, path: Path, number: int, size: int) -> None:
        """Make the file, with room for *size* bytes; nothing is left of it if that fails.

        Raises:
            OSError: the disk is full, or refuses.
        """
        self.path = path
        self.number = number
        self.capacity = size - MARK_BYTES
        self._fd = files.open_file(path, fresh=True)
        try:
            files.allocate(self._fd, size)
            self.map: Any = mmap.mmap(self._fd, size)
        except BaseException:
            os.close(self._fd)
            with contextlib.suppress(OSError):
                path.unlink()
            raise

    def grow(self, size: int) -> None:
        """Make more room in a segment that holds nothing yet.

        Raises:
            OSError: the disk is full, or refuses; the segment is as it was.
        """
        files.allocate(self._fd, size)
        self.map.close()
        self.map = mmap.mmap(self._fd, size)
        self.capacity = size - MARK_BYTES

    def store(self, at: int, data: bytes) -> None:
        """Store a group whose first entry begins with *data*; it counts when its first header stands."""
        body = at + HEADER_BYTES
        files.tell_write(self.path, body, data[HEADER_BYTES:])
        self.map[body : at + len(data)] = memoryview(data)[HEADER_BYTES:]
        files.tell_write(self.path, at, data[:HEADER_BYTES])
        self.map[at:body] = memoryview(data)[:HEADER_BYTES]

    def sync(self) -> None:
        """Force what was stored to the disk."""
        if sys.platform != "linux" and not self.map.closed:
            self.map.flush()  # elsewhere fsync need not know of stores into a mapping
        files.sync_file(self._fd)

    def finish(self, size: int) -> None:
        """Store no more; cut the file to what it holds.

        The mapping is let go with the file, by whoever forced it to the disk: that takes milliseconds.
        """
        if sys.platform != "linux":
            self.map.flush()
        files.truncate(self._fd, size)

    def close(self) -> None:
        """Let go of the file, whatever it holds."""
        with contextlib.suppress(BufferError):
            self.map.close()
        os.close(self._fd)


def cut_segment(path: Path, size: int) -> None:
    """Cut a segment that a crash left to *size* bytes and force it to the disk.

    Raises:
        StoreError: the disk refuses.
    """
    with files.store_errors(f"cannot repair {path}"):
        fd = files.open_file(path)
        try:
            if os.fstat(fd).st_size > size:
                files.truncate(fd, size)
            files.sync_file(fd)
        finally:
            os.close(fd)
