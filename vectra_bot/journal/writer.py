"""The writer of a journal: groups of entries into mapped segments, forced to the disk by a thread.

What it promises is said in :mod:`vectra_bot.journal.journal`.
"""

from __future__ import annotations

import contextlib
import struct
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from zlib import crc32

from vectra_bot.errors import JournalError, StoreError
from vectra_bot.fsio import files
from vectra_bot.journal.entry import Entry
from vectra_bot.journal.flusher import Flusher
from vectra_bot.journal.format import (
    CODES,
    FRONT,
    HEADER_BYTES,
    MAGIC,
    MARK_BYTES,
    MAX_PAYLOAD,
    TAIL,
    encode_entry,
    encode_group,
    mark_bytes,
)
from vectra_bot.journal.lock import SessionLock
from vectra_bot.journal.open_segment import OpenSegment

SEGMENT_BYTES: Final = 64 << 20
"""Size of a segment's file. The fastest feed, 90 MB/s, fills it in two thirds of a second, and it takes about
as long to pack and to turn into parts; a quiet session closes its segments by age."""

SYNC_INTERVAL_S: Final = 0.25
"""How long what was appended may wait before it is forced to the disk."""

# Segments that were closed and not yet forced to the disk. A disk that cannot follow makes the writer wait.
_MAX_PENDING: Final = 4

_CODES: Final = CODES
_pack_front: Final = FRONT.pack
_pack_tail: Final = TAIL.pack


class JournalWriter:
    """The one writer of a session's journal.

    ``append``, ``put`` and ``roll`` belong to one thread; ``sync`` may be called from any. After a write or
    sync failed the journal stays failed: a failed fsync cannot be tried again.
    """

    __slots__ = (
        "__weakref__",
        "_at",
        "_closed",
        "_durable",
        "_failed",
        "_flusher",
        "_limit",
        "_lock",
        "_map",
        "_mark_due",
        "_named",
        "_next_seq",
        "_open",
        "_pending",
        "_segment_bytes",
        "_swap_lock",
        "_sync_lock",
        "_ts_ns",
        "directory",
    )

    def __init__(
        self,
        directory: Path,
        lock: SessionLock,
        *,
        segment: int,
        last_seq: int,
        segment_bytes: int,
        sync_interval_s: float,
    ) -> None:
        self.directory = directory
        self._lock = lock
        self._segment_bytes = min(max(segment_bytes, MARK_BYTES), MAX_PAYLOAD)
        self._next_seq = last_seq + 1
        self._ts_ns = 0
        self._failed: str | None = None
        self._closed = False
        self._durable: tuple[int, int] = (0, 0)  # segment and byte in it
        self._mark_due = False
        self._pending: list[OpenSegment] = []
        self._sync_lock = threading.RLock()  # one sync at a time
        self._swap_lock = threading.Lock()  # held while the open segment is changed or looked at
        # Only the path below the limit is fast: whatever needs attention sets it to 0.
        self._at = self._limit = 0
        with files.store_errors(f"cannot open a segment in {directory}"):
            self._open = OpenSegment(self._path(segment), segment, self._segment_bytes)
            try:
                files.sync_directory(directory)
            except BaseException:
                self._open.close()
                with contextlib.suppress(OSError):
                    self._open.path.unlink()
                raise
        lock.write()
        self._map = self._open.map
        self._named = segment  # up to which segment the names are on the disk
        self._flusher = Flusher(self, sync_interval_s)

    @property
    def last_seq(self) -> int:
        """Number of the last entry."""
        return self._next_seq - 1

    @property
    def segment(self) -> int:
        """Number of the open segment, from 1; all before it are closed."""
        return self._open.number

    # ------------------------------------------------------------------------------------------ writing

    def put(self, seq: int, kind: str, ts_ns: int, payload: bytes) -> None:
        """Append one entry, a group of its own: the fast way for one whose payload is at hand.

        Raises:
            JournalError: *seq* is not the next number, or the entry cannot be written; nothing was.
            StoreError: the disk refuses (full, read-only); the journal is failed from then on.
        """
        start = self._at
        body = start + HEADER_BYTES
        end = body + len(payload)
        if end > self._limit or seq != self._next_seq or files._observer is not None:  # noqa: SLF001
            self._store(encode_entry(Entry(seq, kind, ts_ns, payload)), seq, seq, ts_ns)
            return
        try:
            tail = _pack_tail(ts_ns, seq, _CODES[kind], 0)
            front = _pack_front(MAGIC, end - body, crc32(payload, crc32(tail)))
        except (KeyError, TypeError, struct.error):
            encode_entry(Entry(seq, kind, ts_ns, payload))
            raise
        memory = self._map
        memory[body:end] = payload
        memory[start:body] = front + tail
        self._at = end
        self._next_seq = seq + 1
        self._ts_ns = ts_ns

    def append(self, entries: Sequence[Entry]) -> None:
        """Append *entries* as one group: after a crash all of them are there or none.

        Raises:
            JournalError: a ``seq`` is not the next number, or an entry cannot be written; nothing was.
            StoreError: the disk refuses (full, read-only); the journal is failed from then on.
        """
        if not entries:
            self._check_usable()
            return
        first, last = entries[0], entries[-1]
        for seq, entry in enumerate(entries, first.seq):
            if entry.seq != seq:
                raise self._out_of_order(entry.seq, seq - 1)
        self._store(encode_group(entries), first.seq, last.seq, last.ts_ns)

    def _store(self, data: bytes, first_seq: int, last_seq: int, ts_ns: int) -> None:
        """Store a whole group."""
        size = len(data)
        if first_seq != self._next_seq:
            self._check_usable()
            raise self._out_of_order(first_seq, self._next_seq - 1)
        if self._at + size > self._limit:
            self._make_room(size)
        try:
            self._open.store(self._at, data)
        except OSError as error:
            raise self._fail("written", error) from error
        self._at += size
        self._next_seq = last_seq + 1
        self._ts_ns = ts_ns

    def _make_room(self, size: int) -> None:
        """See to it that *size* bytes can be stored, and to what else is due before them."""
        # First: a request made from here on by a sync sets it to 0 again.
        self._limit = self._open.capacity
        self._check_usable()
        mark_due = self._mark_due
        needed = size + (MARK_BYTES if mark_due else 0)
        if self._at + needed > self._open.capacity:
            self._roll(needed)
        if mark_due:
            self._mark_due = False
            try:
                self._open.store(self._at, self._mark())
            except OSError as error:
                raise self._fail("written", error) from error
            self._at += MARK_BYTES

    def _mark(self) -> bytes:
        segment, offset = self._durable
        return mark_bytes(self.last_seq, self._ts_ns, self._open.number - segment, offset)

    def roll(self) -> None:
        """Close the open segment, if it holds anything, and go on in a new one; waits for no disk.

        Raises:
            StoreError: the disk refuses.
        """
        self._check_usable()
        if self._at:
            self._roll(0)
            self._limit = 0  # a mark may be due

    def _roll(self, needed: int) -> None:
        """Go on in a segment with room for *needed* bytes; what is open is left as it is if that fails."""
        old, size = self._open, max(self._segment_bytes, needed + MARK_BYTES)
        if len(self._pending) >= _MAX_PENDING:
            self.sync()
        try:
            if not self._at:
                old.grow(size)
                self._map, self._limit = old.map, old.capacity
                return
            if self._named < old.number:
                # A crash must not keep the new name and lose this one.
                files.sync_directory(self.directory)
                self._named = old.number
            new = OpenSegment(self._path(old.number + 1), old.number + 1, size)
            try:
                old.finish(self._at)
            except BaseException:
                new.close()
                raise
        except OSError as error:
            raise self._fail("written", error) from error
        with self._swap_lock:
            self._pending.append(old)
            self._open, self._map, self._at = new, new.map, 0
        self._limit = new.capacity
        self._check_usable()  # a sync may have failed meanwhile, and set the limit before we did
        self._flusher.wake()

    # ------------------------------------------------------------------------------------------ the disk

    def sync(self) -> None:
        """Return when all that was appended is on the disk.

        Raises:
            StoreError: the disk refuses; the journal is failed from then on.
        """
        with self._sync_lock:
            self._check_usable()
            with self._swap_lock:
                old, current, at = tuple(self._pending), self._open, self._at
            try:
                for segment in old:
                    segment.sync()
                current.sync()
                if self._named < current.number:
                    files.sync_directory(self.directory)
                    self._named = current.number
            except OSError as error:
                raise self._fail("synced", error) from error
            with self._swap_lock:
                del self._pending[: len(old)]
            for segment in old:
                segment.close()
            if self._durable != (current.number, at):
                self._durable, self._mark_due = (current.number, at), True
                self._limit = 0

    def sync_if_needed(self) -> None:
        """Sync if anything was appended since the last time; a failure is raised by the next append."""
        if self._durable != (self._open.number, self._at) and self._failed is None:
            with contextlib.suppress(StoreError):
                self.sync()

    def close(self, reason: str, *, ts_ns: int | None = None) -> None:
        """Write the close entry, force all to the disk and release the session.

        Harmless if called twice. A failed journal is released without a close entry.

        Raises:
            StoreError: the disk refuses.
        """
        with self.closing(reason, ts_ns=ts_ns):
            pass

    @contextlib.contextmanager
    def closing(self, reason: str, *, ts_ns: int | None = None) -> Iterator[None]:
        """Close the journal, and hold the session until the block ends, for who finishes its files.

        Nobody else takes what the block writes for the rest of a killed session meanwhile.

        Raises:
            StoreError: the disk refuses.
        """
        if self._closed:
            yield
            return
        try:
            if self._failed is None:
                moment = self._ts_ns if ts_ns is None else ts_ns
                self.append([Entry.of(self._next_seq, "close", moment, {"reason": reason})])
                self._flusher.stop()
                self.sync()
                self._finish()
            self._let_go()
            yield
        finally:
            self.abandon()

    def _finish(self) -> None:
        """Note that all is on the disk, in the room kept free for it, and give back what was not used."""
        try:
            self._open.store(self._at, self._mark())
            self._at += MARK_BYTES
            self._open.finish(self._at)
            self._open.sync()
        except OSError as error:
            raise self._fail("closed", error) from error

    def abandon(self) -> None:
        """Release files and lock as a kill would: the session can be resumed later."""
        self._let_go()
        self._lock.release()

    def _let_go(self) -> None:
        """Release the files; the lock says from now on that nothing is written."""
        if self._closed:
            return
        self._closed = True
        self._limit = 0
        self._flusher.stop()
        with self._sync_lock:
            for segment in (*self._pending, self._open):
                segment.close()
            self._pending.clear()
            self._lock.rest()

    def _path(self, segment: int) -> Path:
        return self.directory / f"{segment:06d}.log"

    def _check_usable(self) -> None:
        if self._failed is not None:
            raise StoreError(self._failed)
        if self._closed:
            raise StoreError(f"the journal in {self.directory} is closed: nothing can be added")

    def _fail(self, what: str, error: OSError) -> StoreError:
        self._failed = self._failed or (
            f"the journal in {self.directory} cannot be {what} after entry {self.last_seq}: "
            f"{error.strerror or error}; free space or repair the disk, then start a new session"
        )
        self._limit = 0
        return StoreError(self._failed)

    def _out_of_order(self, seq: int, last: int) -> JournalError:
        return JournalError(f"entry {seq} would follow entry {last}: seq must be consecutive")
