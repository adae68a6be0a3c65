r"""The journal: everything a session saw, decided and found out, in the order it happened.

Layout::

    STORE/journals/SESSION/
        lock                 held (flock) by the one process that writes
        000001.log.zst       a closed segment, compressed
        000002.log           the open segment
        000001.parts.json    the parts of segment 1 stand (vectra_bot.store.parquet.builder)

Reading one::

    for entry in Journal.open("STORE/journals/SESSION"):
        print(entry.seq, entry.kind, entry.ts_ns, entry.data)

What an entry holds is said at :attr:`Entry.data`, how its bytes stand in a file in
:mod:`vectra_bot.journal.format`. Journals of text, as written before version 2.0
(:mod:`vectra_bot.journal.text_journal`), are read by the same reader, and a session that was killed while it
wrote one goes on in a binary segment.

Changing one: entries may be altered or left out on their way into a copy, which is one plain file, or a
``.zst`` or ``.gz`` of it, and is read like the journal itself. As ``000001.log`` in a directory it is one::

    def stripped(entries):
        for entry in entries:
            if entry.kind == "frame":
                data = {**entry.data, "raw": entry.data["raw"].replace("0.5", "0.6")}
                entry = Entry.of(entry.seq, entry.kind, entry.ts_ns, data)
            if entry.kind in ("header", "frame", "input"):
                yield entry

    write_journal("copy.log.zst", stripped(Journal.open("STORE/journals/SESSION")))

Numbers are consecutive. A number that is missing is an error, unless the journal says so itself: a copy names
what it left out, and a repaired journal what damage took.

What is promised: an entry whose :meth:`Journal.append` or :meth:`Journal.put` returned survives the death of
the process, however it dies; one followed by a returned :meth:`Journal.sync` survives the loss of power as
well. What is appended in one call is one group, which a reader finds whole or not at all. A crash may leave
an unfinished tail, which readers cut off; damage in what was once forced to the disk is an error and never a
changed entry.

How: a segment is a file made at its full size with all its room on the disk, so that a full disk is met
before anything is accepted, and mapped into memory. An append stores into the map: the pages belong to the
system, and outlive the process. A thread forces them to the disk every so often, and before the next group a
*mark* notes how far that went, so that a reader can tell damage from a tail that never was safe.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vectra_bot.errors import JournalError, StoreError
from vectra_bot.fsio import files
from vectra_bot.journal.copying import compress_segment, write_journal
from vectra_bot.journal.entry import JOURNAL_VERSION, KINDS, Entry
from vectra_bot.journal.format import (
    encode_entry,
)
from vectra_bot.journal.lock import SessionLock, dropped_directory, journal_directory
from vectra_bot.journal.resuming import cut_tail
from vectra_bot.journal.segment_reader import (
    JournalReader,
    JournalSummary,
    ends_with_close,
    journal_summary,
    never_began,
    read_header,
    read_journal,
    read_segment,
)
from vectra_bot.journal.segments import Segment, list_segments
from vectra_bot.journal.writer import SEGMENT_BYTES, SYNC_INTERVAL_S, JournalWriter


class Journal(JournalWriter):
    """The one writer of a session's journal; made by :meth:`create` or :meth:`resume`.

    ``append``, ``put`` and ``roll`` belong to one thread; ``sync`` may be called from any. After a write or
    sync failed the journal stays failed: a failed fsync cannot be tried again.
    """

    __slots__ = ()

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
        """Start the journal of a new session with its header as entry 0, on disk when this returns.

        Args:
            directory: the session's directory, see :func:`journal_directory`; made if missing.
            header: at least ``session_id``, ``mode`` and ``venue``; JSON values only.
            ts_ns: start time, nanoseconds since the epoch.
            segment_bytes: size of a segment; one entry or group that is longer gets one of its own size.
            sync_interval_s: how often a thread forces what was appended to the disk; 0 for never.

        Raises:
            StoreError: the session exists already or is being dropped, another process writes it, or the disk
                refuses.
        """
        missing = [key for key in ("session_id", "mode", "venue") if key not in header]
        if missing:
            raise JournalError(f"the header has no {', '.join(missing)}: a journal needs them")
        data = {"header": {**header, "journal_version": JOURNAL_VERSION}}
        first = Entry.of(0, "header", ts_ns, data)
        directory = Path(directory)
        if dropped_directory(directory).is_dir():
            raise StoreError(
                f"session {directory.name!r} is being dropped, or a kill broke that off: what is left of it "
                "would take the new one away; run `vectra-bot store recover` first"
            )
        files.make_directories(directory)
        lock = SessionLock(directory)
        try:
            if not never_began(directory):
                raise StoreError(
                    f"session {directory.name!r} exists already in {directory.parent.parent}: "
                    "choose another session id or another store"
                )
            journal = cls(
                directory, lock, segment=1, last_seq=-1, segment_bytes=segment_bytes,
                sync_interval_s=sync_interval_s,
            )  # fmt: skip
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
        """Open the journal of a session that was killed, to finish it; an unfinished tail is cut.

        It goes on in a new segment.

        Raises:
            InputError: there is no journal in *directory*.
            StoreError: the session was closed, or another process writes it.
            JournalError: the journal is damaged before its tail.
        """
        directory = Path(directory)
        read_journal(directory)  # is there one?
        lock = SessionLock(directory)
        try:
            segment, last_seq = cut_tail(directory)
            return cls(
                directory, lock, segment=segment, last_seq=last_seq, segment_bytes=segment_bytes,
                sync_interval_s=sync_interval_s,
            )  # fmt: skip
        except BaseException:
            lock.release()
            raise

    @staticmethod
    def open(path: str | Path) -> JournalReader:
        """Return a reader of a journal's entries; see :func:`read_journal`."""
        return read_journal(path)


__all__ = [
    "JOURNAL_VERSION",
    "KINDS",
    "SEGMENT_BYTES",
    "Entry",
    "Journal",
    "JournalReader",
    "JournalSummary",
    "Segment",
    "SessionLock",
    "compress_segment",
    "encode_entry",
    "ends_with_close",
    "journal_directory",
    "journal_summary",
    "list_segments",
    "never_began",
    "read_header",
    "read_journal",
    "read_segment",
    "write_journal",
]
