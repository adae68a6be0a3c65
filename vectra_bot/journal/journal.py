r"""The journal: everything a session received, decided and found out, in order.

Layout::

    STORE/journals/SESSION/
        lock                 flock of the one process that writes, while it does
        000001.log.zst       a closed segment, compressed
        000002.log           the open segment
        000001.parts.json    the parts of segment 1 were built (vectra_bot.store.parquet.builder)

Reading one::

    for entry in Journal.open("STORE/journals/SESSION"):
        print(entry.seq, entry.kind, entry.ts_ns, entry.data)

The data of an entry is described at :attr:`Entry.data`, the byte format in :mod:`vectra_bot.journal.format`.

Changing one: entries may be altered or omitted when a copy is written. A copy is one plain file, or a
``.zst`` or ``.gz`` of it, and is read like the journal itself. Named ``000001.log`` in a directory it is
a journal::

    def stripped(entries):
        for entry in entries:
            if entry.kind == "frame":
                data = {**entry.data, "raw": entry.data["raw"].replace("0.5", "0.6")}
                entry = Entry.of(entry.seq, entry.kind, entry.ts_ns, data)
            if entry.kind in ("header", "frame", "input"):
                yield entry

    write_journal("copy.log.zst", stripped(Journal.open("STORE/journals/SESSION")))

Numbers are consecutive. A missing number is an error unless the journal declares it: a copy lists what
it omits, and a repaired journal what was lost to corruption.

Guarantees: an entry whose :meth:`Journal.append` or :meth:`Journal.put` returned survives any death of
the process; after a returned :meth:`Journal.sync` it survives power loss as well. The entries of one
call are one group, which a reader returns whole or not at all. A crash may leave an incomplete tail,
which readers ignore; corruption of synced data is an error and never a changed entry.

How: the file of a segment is created at full size with its disk space reserved, so that a full disk is
noticed before anything is accepted. An append writes into it: the pages belong to the kernel, and outlive
the process. A thread syncs them to the disk at an interval, and before the next group a *mark* records how
far that went, so that a reader can distinguish corruption from a tail that was never durable.

After each sync the writer checks that lock and segment are still the files under their names: if another
program removed, replaced or truncated one, nothing more is confirmed, and the session ends.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from vectra_bot.errors import JournalError, StoreError
from vectra_bot.fsio import files, forks
from vectra_bot.journal.entry import JOURNAL_VERSION, Entry
from vectra_bot.journal.format import MARK_BYTES, encode_entry, encode_group
from vectra_bot.journal.lock import LockLostError, SessionLock, dropped_directory
from vectra_bot.journal.reader import JournalReader, never_began, read_journal
from vectra_bot.journal.salvage import cut_tail
from vectra_bot.journal.segments import list_segments
from vectra_bot.journal.writer import Flusher, SegmentWriter

SEGMENT_BYTES: Final = 64 << 20
"""Size of a segment's file. The fastest feed, 90 MB/s, fills it in two thirds of a second; compressing
it and building its parts take about as long. A quiet session closes its segments by age."""

SYNC_INTERVAL_S: Final = 0.25
"""How long an appended entry may wait before it is synced to the disk."""


class Journal:
    """The one writer of a session's journal; made by :meth:`create` or :meth:`resume`.

    ``append``, ``put`` and ``roll`` belong to one thread; ``sync`` may be called from any. After a
    failed write or sync the journal stays failed: a failed fsync cannot be retried.
    """

    __slots__ = (
        "__weakref__",
        "_closed",
        "_failed",
        "_flusher",
        "_forked",
        "_limit",
        "_lock",
        "_mark_due",
        "_next_seq",
        "_segments",
        "_sync_lock",
        "_ts_ns",
        "directory",
    )

    def __init__(
        self,
        directory: Path,
        lock: SessionLock,
        segments: SegmentWriter,
        *,
        last_seq: int,
        sync_interval_s: float,
    ) -> None:
        """Continue after entry *last_seq* in the open one of *segments*, under the session's *lock*."""
        self.directory: Path = directory
        self._lock = lock
        self._segments = segments
        self._next_seq = last_seq + 1
        self._ts_ns = 0
        self._failed: StoreError | None = None
        self._closed = self._forked = False
        self._mark_due = False
        self._sync_lock = threading.RLock()  # one sync at a time
        # Below the limit is the fast path; 0 forces the slow one.
        self._limit = 0
        lock.write()
        self._flusher = Flusher(self, sync_interval_s)
        forks.left_by_children(self)

    @classmethod
    def create(
        cls,
        directory: str | Path,
        header: Mapping[str, Any],
        *,
        ts_ns: int = 0,
        segment_bytes: int = SEGMENT_BYTES,
        sync_interval_s: float = SYNC_INTERVAL_S,
    ) -> Journal:
        """Start the journal of a new session with its header as entry 0, on the disk when this returns.

        Args:
            directory: the session's directory, see :func:`journal_directory`; created if missing.
            header: at least ``session_id``, ``mode`` and ``venue``; JSON values only.
            ts_ns: start time, nanoseconds since the epoch.
            segment_bytes: size of a segment; a larger entry or group gets a larger segment.
            sync_interval_s: how often a thread syncs appended entries to the disk; 0 for never.

        Raises:
            StoreError: the session exists already or is being dropped, another process writes it, or a
                write fails.
        """
        missing = [key for key in ("session_id", "mode", "venue") if key not in header]
        if missing:
            raise JournalError(f"the header has no {', '.join(missing)}: a journal needs them")
        data = {"header": {**header, "journal_version": JOURNAL_VERSION}}
        first = Entry.of(0, "header", ts_ns, data)
        directory = Path(directory)
        if dropped_directory(directory).is_dir():
            raise StoreError(
                f"session {directory.name!r} is being dropped, or its drop was interrupted: cleanup would "
                "remove the new one; run `vectra-bot store recover` first"
            )
        files.make_directories(directory)
        lock = SessionLock(directory)
        try:
            if not never_began(directory):
                raise StoreError(
                    f"session {directory.name!r} exists already in {directory.parent.parent}: "
                    "choose another session id or another store"
                )
            segments = SegmentWriter(directory, 1, segment_bytes)
            journal = cls(directory, lock, segments, last_seq=-1, sync_interval_s=sync_interval_s)
        except BaseException:
            lock.release()
            raise
        try:
            journal.append([first])
            journal.sync()
        except BaseException:
            # Nothing was acknowledged: the session id stays free.
            for segment in list_segments(directory):
                with contextlib.suppress(OSError):
                    segment.path.unlink()
            journal.abandon()
            raise
        return journal

    @classmethod
    def resume(
        cls,
        directory: str | Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        sync_interval_s: float = SYNC_INTERVAL_S,
    ) -> Journal:
        """Open the journal of a killed session to finish it; an incomplete tail is truncated.

        It continues in a new segment.

        Raises:
            InputError: there is no journal in *directory*.
            StoreError: the session was closed, or another process writes it.
            JournalError: the journal is corrupt before its tail.
        """
        directory = Path(directory)
        read_journal(directory)  # is there one?
        lock = SessionLock(directory)
        try:
            segment, last_seq = cut_tail(directory)
            segments = SegmentWriter(directory, segment, segment_bytes)
            return cls(
                directory, lock, segments, last_seq=last_seq, sync_interval_s=sync_interval_s
            )
        except BaseException:
            lock.release()
            raise

    @staticmethod
    def open(path: str | Path) -> JournalReader:
        """Return a reader of a journal's entries; see :func:`read_journal`."""
        return read_journal(path)

    @property
    def last_seq(self) -> int:
        """Number of the last entry."""
        return self._next_seq - 1

    @property
    def segment(self) -> int:
        """Number of the open segment, from 1; all before it are closed."""
        return self._segments.open.number

    def put(self, seq: int, kind: str, ts_ns: int, payload: bytes) -> None:
        """Append one entry with an encoded payload as a separate group.

        Raises:
            JournalError: *seq* is not the next number, or the entry is invalid; nothing was written.
            StoreError: a write fails (disk full, read-only); the journal is failed from then on.
        """
        self._store(encode_entry(Entry(seq, kind, ts_ns, payload)), seq, seq, ts_ns)

    def append(self, entries: Sequence[Entry]) -> None:
        """Append *entries* as one group: after a crash either all of them exist or none.

        Raises:
            JournalError: a ``seq`` is not the next number, or an entry is invalid; nothing was written.
            StoreError: a write fails (disk full, read-only); the journal is failed from then on.
        """
        if not entries:
            self._check_usable()
            return
        first, last = entries[0], entries[-1]
        for seq, entry in enumerate(entries, first.seq):
            if entry.seq != seq:
                raise _out_of_order(entry.seq, seq - 1)
        self._store(encode_group(entries), first.seq, last.seq, last.ts_ns)

    def _store(self, data: bytes, first_seq: int, last_seq: int, ts_ns: int) -> None:
        """Store a complete group."""
        size = len(data)
        if first_seq != self._next_seq:
            self._check_usable()
            raise _out_of_order(first_seq, self._next_seq - 1)
        if self._segments.open.end + size > self._limit:
            self._make_room(size)
        try:
            self._segments.open.store(data)
        except OSError as error:
            raise self._fail("written", error) from error
        self._next_seq = last_seq + 1
        self._ts_ns = ts_ns

    def _make_room(self, size: int) -> None:
        """Ensure that *size* bytes can be stored, and do what must precede them."""
        # First: a sync from here on sets it to 0 again.
        self._limit = self._segments.open.capacity
        self._check_usable()
        mark_due = self._mark_due
        needed = size + (MARK_BYTES if mark_due else 0)
        if self._segments.open.end + needed > self._segments.open.capacity:
            self._roll(needed)
        if mark_due:
            self._mark_due = False
            try:
                self._segments.open.store(self._segments.mark(self.last_seq, self._ts_ns))
            except OSError as error:
                raise self._fail("written", error) from error

    def roll(self) -> None:
        """Close the open segment, if it has content, and continue in a new one; does not wait for the disk.

        Raises:
            StoreError: a write fails.
        """
        self._check_usable()
        if self._segments.open.end:
            self._roll(0)
            self._limit = 0  # a mark may have to be written

    def _roll(self, needed: int) -> None:
        """Continue in a segment with room for *needed* bytes."""
        if self._segments.is_behind:
            self.sync()
        try:
            self._segments.roll(needed)
        except OSError as error:
            raise self._fail("written", error) from error
        self._limit = self._segments.open.capacity
        self._check_usable()  # a sync may have failed meanwhile, and set the limit before we did
        self._flusher.wake()

    def sync(self) -> None:
        """Return when everything appended is on the disk.

        Raises:
            StoreError: a write fails; the journal is failed from then on.
        """
        with self._sync_lock:
            self._check_usable()
            try:
                more = self._segments.force()
            except OSError as error:
                raise self._fail("synced", error) from error
            self._check_ours()
            if more:
                self._mark_due = True
                self._limit = 0

    def sync_if_needed(self) -> None:
        """Sync if anything was appended since the last sync; a failure is raised by the next append."""
        if not self._segments.is_safe and self._failed is None:
            with contextlib.suppress(StoreError):
                self.sync()

    def close(self, reason: str, *, ts_ns: int | None = None) -> None:
        """Write the close entry, sync everything to the disk and release the session.

        Harmless if called twice. A failed journal is released without a close entry.

        Raises:
            StoreError: a write fails.
        """
        with self.closing(reason, ts_ns=ts_ns):
            pass

    @contextlib.contextmanager
    def closing(self, reason: str, *, ts_ns: int | None = None) -> Iterator[None]:
        """Close the journal, and keep the session's lock until the block ends, to finish its files.

        So no other process recovers the session as a killed one meanwhile.

        Raises:
            StoreError: a write fails.
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
                try:
                    self._segments.finish(self.last_seq, self._ts_ns)
                except OSError as error:
                    raise self._fail("closed", error) from error
            self._let_go()
            yield
        finally:
            self._let_go()
            self._lock.release(keep=self._failed is not None)

    def abandon(self) -> None:
        """Release files and lock as a kill would: the session can be resumed later."""
        self._let_go()
        self._lock.release(keep=True)

    def _let_go(self) -> None:
        """Release the files; the lock reports from now on that nothing is written."""
        if self._closed:
            return
        self._closed = True
        self._limit = 0
        self._flusher.stop()
        with self._sync_lock:
            self._segments.close()
            self._lock.rest()

    def _check_usable(self) -> None:
        if self._forked:
            # Whatever follows, down to the end of the session, would act in the parent's place.
            sys.stderr.write(
                f"error: a process forked by the one that writes session {self.directory.name!r} returned "
                "to the session: it is ended; end it with os._exit() where it was forked\n"
            )
            sys.stderr.flush()
            os._exit(StoreError.exit_code)
        if self._failed is not None:
            raise self._failure()
        if self._closed:
            raise StoreError(f"the journal in {self.directory} is closed: nothing can be added")

    def _check_ours(self) -> None:
        """Check that what was synced is under the session's names, and that nobody else may write it."""
        if not self._lock.is_ours():
            raise self._failing(
                LockLostError(
                    f"the lock of session {self.directory.name!r}, {self._lock.path}, was removed or "
                    "replaced by another program: the session ends; run `vectra-bot store recover`, and "
                    "leave the files of a running session as they are"
                )
            )
        try:
            self._segments.check()
        except OSError as error:
            raise self._fail("synced", error) from error

    def leave(self) -> None:
        """Give everything up in a forked child: the session is its parent's."""
        self._closed = self._forked = True
        self._limit = 0
        self._sync_lock = threading.RLock()  # a thread of the parent may have it
        self._segments.leave()

    def _fail(self, what: str, error: OSError) -> StoreError:
        advice = "free space or repair the disk, then start a new session"
        if error.errno == errno.ESTALE:
            advice = "the session ends; `vectra-bot store check` says what is left of it"
        return self._failing(
            StoreError(
                f"the journal in {self.directory} cannot be {what} after entry {self.last_seq}: "
                f"{error.strerror or error}; {advice}"
            )
        )

    def _failing(self, error: StoreError) -> StoreError:
        """Let the journal fail with *error*; return the error it failed with first."""
        self._failed = self._failed or error
        self._limit = 0
        return self._failure()

    def _failure(self) -> StoreError:
        """Return a copy of the error: what is raised gets a traceback, which would keep the journal alive."""
        failed = self._failed or StoreError("the journal has not failed")
        return type(failed)(str(failed))


def _out_of_order(seq: int, last: int) -> JournalError:
    return JournalError(f"entry {seq} would follow entry {last}: seq must be consecutive")
