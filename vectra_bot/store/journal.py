r"""The journal: everything a session saw, decided and found out, in the order it happened.

Layout::

    STORE/journals/SESSION/
        lock                 held (flock) by the one process that writes
        000001.log.zst       a closed segment, compressed
        000002.log           the open segment
        000001.parts.json    which Parquet files were built from segment 1 (vectra_bot.store.parquet)

A segment is a text file of lines. A line is one entry::

    <crc32> <json>\n

``<crc32>`` is ``zlib.crc32`` of the bytes of ``<json>`` as eight lowercase hexadecimal digits, then one
space. ``<json>`` is one UTF-8 JSON object without raw line feeds; any JSON writer's spacing and order of
keys will do. Every object has ``seq`` (int, increasing over the whole journal, gaps allowed), ``kind`` and
``ts`` (int, nanoseconds since the Unix epoch, UTC). By kind it also has:

========== ==========================================================================================
``header`` first entry, ``seq`` 0: ``header``, an object with at least ``session_id``, ``mode``, ``venue``
``frame``  an input: ``dir`` (``in`` or ``out``), ``raw`` (the Socket.IO text), ``truncated`` (only if true),
           ``game`` (id of the game it is about, only if it names one)
``input``  an input that is not a frame: ``input``, an object with ``type`` and the event's fields
``intent`` a command about to be sent: ``command``
``doc``    a document: ``doc_type``, ``source``, ``game_id``, ``player_id``, ``record``
``close``  last entry of a session that ended as it should: ``reason``
========== ==========================================================================================

To rewrite a journal, decode its lines, change or drop objects, and write each back with its CRC::

    for line in open("000001.log", "rb"):
        entry = json.loads(line[9:])
        if entry["kind"] in ("header", "frame", "input"):
            body = json.dumps(entry).encode()
            out.write(b"%08x %s\n" % (zlib.crc32(body), body))

The result may be one plain file with all entries, a ``.zst`` or ``.gz`` of it, or a directory of segments
numbered without a gap; a closed segment may be compressed with zstd or gzip. Where ``N.log`` and
``N.log.zst`` both stand (a crash during compression), the raw one counts.

What is promised: an entry whose :meth:`Journal.append` returned survives the death of the process; one
followed by a returned :meth:`Journal.sync` survives the loss of power as well. A crash may leave an
unfinished tail, which readers cut off; damage anywhere else is an error and never a changed entry.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from vectra_bot.errors import InputError, JournalError, StoreError
from vectra_bot.store import files
from vectra_bot.store.entry import JOURNAL_VERSION, KINDS, Entry, encode_entry
from vectra_bot.store.reader import (
    JournalReader,
    JournalSummary,
    Segment,
    journal_summary,
    list_segments,
    never_began,
    read_header,
    read_journal,
    read_segment,
)

SEGMENT_BYTES: Final = 8 << 20
"""A segment is closed by the first append that finds it this long."""

# Six segments of the exchange's frames, 50 MB: level 3 60 ms to 1/28, level 6 180 ms to 1/33, level 9
# 300 ms to 1/39, level 12 760 ms to 1/39.
_ZSTD_LEVEL: Final = 9

_LOCK_NAME: Final = "lock"
_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def journal_directory(store: str | Path, session_id: str) -> Path:
    """Return where the journal of a session stands.

    Raises:
        InputError: *session_id* cannot be the name of a directory.
    """
    if _SESSION_ID.fullmatch(session_id) is None:
        raise InputError(
            f"session id was {session_id!r}: use letters, digits, '.', '_' and '-', at most 128, "
            "beginning with a letter or digit"
        )
    return Path(store) / "journals" / session_id


class SessionLock:
    """The right to write one session's directory; the system takes it back when the process dies."""

    def __init__(self, directory: Path) -> None:
        """Take the lock.

        Raises:
            StoreError: another process holds it.
        """
        with files.store_errors(f"cannot lock {directory}"):
            self._fd = os.open(directory / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._fd)
                raise StoreError(
                    f"the session in {directory} is being written by another process; "
                    "wait for it to end, or choose another session id"
                ) from None

    def release(self) -> None:
        """Give the lock back; harmless if called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Journal:
    """The one writer of a session's journal; made by :meth:`create` or :meth:`resume`.

    ``append`` and ``roll`` belong to one thread; ``sync`` may be called from another. After a write or
    sync failed the journal stays failed: a failed fsync cannot be tried again.
    """

    def __init__(
        self, directory: Path, lock: SessionLock, segment: int, last_seq: int, segment_bytes: int
    ) -> None:
        self.directory = directory
        self._lock = lock
        self._segment = segment
        self._last_seq = last_seq
        self._last_ts_ns = 0
        self._segment_bytes = segment_bytes
        self._failed: str | None = None
        self._closed = False
        # Held while the file descriptor is used by sync or changed by roll, never while writing.
        self._fd_lock = threading.Lock()
        self._fd = self._open_segment()
        self._size = os.fstat(self._fd).st_size

    @classmethod
    def create(
        cls,
        directory: str | Path,
        header: Mapping[str, Any],
        *,
        ts_ns: int = 0,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> Journal:
        """Start the journal of a new session with its header as entry 0, on disk when this returns.

        Args:
            directory: the session's directory, see :func:`journal_directory`; made if missing.
            header: at least ``session_id``, ``mode`` and ``venue``; JSON values only.
            ts_ns: start time, nanoseconds since the epoch.
            segment_bytes: size at which a segment is closed.

        Raises:
            StoreError: the session exists already, another process writes it, or the disk refuses.
        """
        missing = [key for key in ("session_id", "mode", "venue") if key not in header]
        if missing:
            raise JournalError(f"the header has no {', '.join(missing)}: a journal needs them")
        directory = Path(directory)
        files.make_directories(directory)
        lock = SessionLock(directory)
        try:
            if not never_began(directory):
                raise StoreError(
                    f"session {directory.name!r} exists already in {directory.parent.parent}: "
                    "choose another session id or another store"
                )
            for segment in list_segments(directory):
                _cut(segment.path, 0)
            journal = cls(directory, lock, 1, -1, segment_bytes)
        except BaseException:
            lock.release()
            raise
        data = {"header": {**header, "journal_version": JOURNAL_VERSION}}
        try:
            journal.append([Entry(0, "header", ts_ns, data)])
            journal.sync()
        except BaseException:
            # Nothing was acknowledged: the session id stays free.
            with contextlib.suppress(OSError):
                journal._path(1).unlink()
            journal.abandon()
            raise
        return journal

    @classmethod
    def resume(cls, directory: str | Path, *, segment_bytes: int = SEGMENT_BYTES) -> Journal:
        """Open the journal of a session that was killed, to finish it; an unfinished tail is cut.

        Raises:
            InputError: there is no journal in *directory*.
            StoreError: the session was closed, or another process writes it.
            JournalError: the journal is damaged before its tail.
        """
        directory = Path(directory)
        reader = read_journal(directory)
        lock = SessionLock(directory)
        try:
            segments = list_segments(directory)
            reader = _last_entries(segments)
            if reader.clean:
                raise StoreError(f"the session in {directory} was closed: nothing can be added")
            last = segments[-1]
            if not last.is_raw:
                raise StoreError(
                    f"{last.path} is compressed but the session was not closed; unpack it to go on"
                )
            if reader.path == last.path:
                _cut(last.path, reader.end_offset)
            journal = cls(directory, lock, last.number, reader.last_seq, segment_bytes)
        except BaseException:
            lock.release()
            raise
        return journal

    @property
    def last_seq(self) -> int:
        """Number of the last entry."""
        return self._last_seq

    @property
    def segment(self) -> int:
        """Number of the open segment, from 1; all before it are closed."""
        return self._segment

    def append(self, entries: Sequence[Entry]) -> None:
        """Write *entries* in one write: after a crash a prefix of them is there.

        Raises:
            JournalError: a ``seq`` does not increase, or an entry is not JSON; nothing was written.
            StoreError: the disk refuses (full, read-only); the journal is failed from then on.
        """
        self._check_usable()
        last = self._last_seq
        for entry in entries:
            if entry.seq <= last:
                raise JournalError(
                    f"entry {entry.seq} would follow entry {last}: seq must increase"
                )
            last = entry.seq
        if not entries:
            return
        if self._size >= self._segment_bytes:
            self.roll()
        data = b"".join(map(encode_entry, entries))
        try:
            files.write_all(self._fd, data)
        except OSError as error:
            self._fail("written", error)
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
            raise self._error() from error
        self._size += len(data)
        self._last_seq = last
        self._last_ts_ns = entries[-1].ts_ns

    def sync(self) -> None:
        """Return when all that was appended is on the disk.

        Raises:
            StoreError: the disk refuses; the journal is failed from then on.
        """
        with self._fd_lock:
            self._check_usable()
            try:
                files.sync_file(self._fd)
            except OSError as error:
                self._fail("synced", error)
                raise self._error() from error

    def roll(self) -> None:
        """Close the open segment, compress it and go on in a new one.

        Raises:
            StoreError: the disk refuses.
        """
        self.sync()
        closed = self._path(self._segment)
        with self._fd_lock:
            os.close(self._fd)
            self._segment += 1
            self._fd = self._open_segment()
            self._size = 0
        compress_segment(closed)

    def close(self, reason: str, *, ts_ns: int | None = None) -> None:
        """Write the close entry, compress the last segment and release the session.

        Harmless if called twice. A failed journal is released without a close entry.

        Raises:
            StoreError: the disk refuses.
        """
        if self._closed:
            return
        try:
            if self._failed is None:
                moment = self._last_ts_ns if ts_ns is None else ts_ns
                self.append([Entry(self._last_seq + 1, "close", moment, {"reason": reason})])
                self.sync()
                compress_segment(self._path(self._segment))
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Release files and lock as a kill would: the session can be resumed later."""
        if not self._closed:
            self._closed = True
            os.close(self._fd)
            self._lock.release()

    def _path(self, segment: int) -> Path:
        return self.directory / f"{segment:06d}.log"

    def _open_segment(self) -> int:
        with files.store_errors(f"cannot open {self._path(self._segment)}"):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            fd = os.open(self._path(self._segment), flags, 0o644)
            try:
                files.sync_directory(self.directory)
            except OSError:
                os.close(fd)
                raise
            return fd

    def _check_usable(self) -> None:
        if self._failed is not None:
            raise self._error()
        if self._closed:
            raise StoreError(f"the journal in {self.directory} is closed: nothing can be added")

    def _fail(self, what: str, error: OSError) -> None:
        self._failed = (
            f"the journal in {self.directory} cannot be {what} after entry {self._last_seq}: "
            f"{error.strerror or error}; free space or repair the disk, then start a new session"
        )

    def _error(self) -> StoreError:
        return StoreError(self._failed or "the journal failed")


def _last_entries(segments: list[Segment]) -> JournalReader:
    """Return an exhausted reader of the last segment that holds an entry."""
    for segment in reversed(segments):
        reader = read_segment(segment)
        before = reader.last_seq
        for _ in reader:
            pass
        if reader.last_seq > before or segment is segments[0]:
            return reader
    raise JournalError("a journal without segments has no last entry")


def _cut(path: Path, size: int) -> None:
    """Cut what a crash left after the last whole entry, and end that entry's line."""
    with files.store_errors(f"cannot repair {path}"), path.open("r+b") as file:
        file.truncate(size)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.flush()
        os.fsync(file.fileno())


def compress_segment(path: Path) -> Path:
    """Replace a closed raw segment by its compressed form; a crash leaves one of them or both."""
    import pyarrow as pa

    packed = path.with_name(path.name + ".zst")
    with files.store_errors(f"cannot compress {path}"):
        codec = pa.Codec("zstd", compression_level=_ZSTD_LEVEL)
        files.write_durably(packed, codec.compress(path.read_bytes(), asbytes=True))
        path.unlink(missing_ok=True)
        files.sync_directory(path.parent)
    return packed


@contextlib.contextmanager
def _packing(path: Path, suffix: str) -> Iterator[Any]:
    """Open *path* for writing bytes, compressed as *suffix* says."""
    if suffix == ".zst":
        import pyarrow as pa

        with pa.OSFile(str(path), "wb") as file, pa.CompressedOutputStream(file, "zstd") as stream:
            yield stream
    elif suffix == ".gz":
        with path.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as stream:
            yield stream
    else:
        with path.open("wb") as stream:
            yield stream


def write_journal(path: str | Path, entries: Iterable[Entry]) -> None:
    """Write a copy of a journal as one file, compressed if its name ends in ``.zst`` or ``.gz``.

    Raises:
        JournalError: the first entry is not a header, or a ``seq`` does not increase.
        StoreError: the file cannot be written.
    """
    target = Path(path)
    with files.replacing(target) as temporary, _packing(temporary, target.suffix) as out:
        for line in _lines(entries):
            out.write(line)


def _lines(entries: Iterable[Entry]) -> Iterator[bytes]:
    last = -1
    for entry in entries:
        if last < 0 and entry.kind != "header":
            raise JournalError(
                f"the first entry was {entry.kind!r}: a journal begins with its header"
            )
        if entry.seq <= last:
            raise JournalError(f"entry {entry.seq} would follow entry {last}: seq must increase")
        last = entry.seq
        yield encode_entry(entry)


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
    "journal_directory",
    "journal_summary",
    "list_segments",
    "never_began",
    "read_header",
    "read_journal",
    "read_segment",
    "write_journal",
]
