"""Syncing of journal segments to the disk: from segment to segment, and at an interval by a thread."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import weakref
from pathlib import Path
from typing import Final, Protocol

from vectra_bot.fsio import files
from vectra_bot.journal.format import MARK_BYTES, MAX_PAYLOAD, mark_bytes
from vectra_bot.journal.segments import OpenSegment

# Closed segments that are not yet synced. If the disk is too slow, the writer waits.
_MAX_PENDING: Final = 4

# Syncing 25 MB takes CPU time as well; the thread that reads the feed has priority.
_NICE: Final = 5


class SegmentWriter:
    """The segments of a journal being written: the open one, and closed ones not yet on the disk.

    One thread stores and rolls, any may sync; two that sync at the same time must exclude each other.

    Attributes:
        open: the segment that is stored to.
    """

    __slots__ = (
        "_directory",
        "_durable",
        "_named",
        "_pending",
        "_segment_bytes",
        "_swap_lock",
        "open",
    )

    def __init__(self, directory: Path, number: int, segment_bytes: int) -> None:
        """Create the first segment.

        Args:
            directory: the session's directory.
            number: number of the first segment.
            segment_bytes: size of a segment; a larger group gets a larger segment.

        Raises:
            StoreError: a write fails; the segment is removed.
        """
        self._directory = directory
        self._segment_bytes = min(max(segment_bytes, MARK_BYTES), MAX_PAYLOAD)
        self._durable: tuple[int, int] = (0, 0)  # segment and byte in it
        self._pending: list[OpenSegment] = []
        self._swap_lock = threading.Lock()  # for every access to the open segment
        with files.store_errors(f"cannot open a segment in {directory}"):
            self.open: OpenSegment = self._made(number, self._segment_bytes)
            try:
                files.sync_directory(directory)
            except BaseException:
                self.open.discard()
                raise
        self._named = number  # up to which segment the names are on the disk

    def _made(self, number: int, size: int) -> OpenSegment:
        return OpenSegment(self._directory / f"{number:06d}.log", number, size)

    @property
    def is_safe(self) -> bool:
        """Whether everything stored is on the disk."""
        return self._durable == (self.open.number, self.open.end)

    @property
    def is_behind(self) -> bool:
        """Whether so many segments wait to be synced that no further one may be closed."""
        return len(self._pending) >= _MAX_PENDING

    def mark(self, seq: int, ts_ns: int) -> bytes:
        """Return the mark for what is on the disk, to be stored after entry *seq*."""
        segment, offset = self._durable
        return mark_bytes(seq, ts_ns, self.open.number - segment, offset)

    def roll(self, needed: int) -> None:
        """Continue in a segment with room for *needed* bytes, the open one if it is empty; does not wait.

        Raises:
            OSError: a write fails; the open segment is unchanged.
        """
        old, size = self.open, max(self._segment_bytes, needed + MARK_BYTES)
        if not old.end:
            old.grow(size)
            return
        if self._named < old.number:
            # A crash must not keep the new name and lose this one.
            files.sync_directory(self._directory)
            self._named = old.number
        new = self._made(old.number + 1, size)
        try:
            old.finish()
        except BaseException:
            new.close()
            raise
        with self._swap_lock:
            self._pending.append(old)
            self.open = new

    def force(self) -> bool:
        """Sync everything stored; return whether that was more than before.

        Raises:
            OSError: a write fails; what is on the disk is unknown.
        """
        with self._swap_lock:
            old, current, end = tuple(self._pending), self.open, self.open.end
        for segment in (*old, current):
            segment.sync()
        if self._named < current.number:
            files.sync_directory(self._directory)
            self._named = current.number
        with self._swap_lock:
            del self._pending[: len(old)]
        for segment in old:
            segment.close()
        before, self._durable = self._durable, (current.number, end)
        return self._durable != before

    def check(self) -> None:
        """Check that the open segment is still the file that was made.

        Raises:
            OSError: another program truncated or removed it.
        """
        with self._swap_lock:
            self.open.check()

    def leave(self) -> None:
        """Close a forked child's copies of the files."""
        for segment in (*self._pending, self.open):
            segment.leave()

    def finish(self, seq: int, ts_ns: int) -> None:
        """Write the last mark into its reserved room, and release the unused space.

        Raises:
            OSError: a write fails.
        """
        self.open.store(self.mark(seq, ts_ns))
        self.open.finish()
        self.open.sync()

    def close(self) -> None:
        """Release all files, whatever their content."""
        for segment in (*self._pending, self.open):
            segment.close()
        self._pending.clear()


class Syncing(Protocol):
    """What a flusher needs of a journal."""

    def sync_if_needed(self) -> None: ...


class Flusher:
    """Syncs its journal at an interval, and when woken; ends with the journal, however that ends."""

    def __init__(self, journal: Syncing, interval_s: float) -> None:
        """Start.

        Args:
            journal: the journal to sync; it is not kept alive.
            interval_s: seconds between two syncs; 0 for no thread at all.
        """
        self._wake = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        if interval_s > 0:
            # Nobody wakes the thread of a journal that was garbage-collected: it checks itself.
            arguments = (weakref.ref(journal), interval_s, self._wake, self._over)
            self._thread = threading.Thread(
                target=_flush, args=arguments, name="journal-flusher", daemon=True
            )
            self._thread.start()

    def wake(self) -> None:
        """Request a sync soon."""
        self._wake.set()

    def stop(self) -> None:
        """Return when the thread has ended; harmless if called twice."""
        self._over.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()


def _flush(
    reference: weakref.ref[Syncing],
    interval_s: float,
    wake: threading.Event,
    over: threading.Event,
) -> None:
    if sys.platform == "linux":  # where each thread has its own priority
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
    while True:
        wake.wait(interval_s)
        wake.clear()
        journal = reference()
        if journal is None or over.is_set():
            return
        journal.sync_if_needed()
        del journal
