"""The journal against kills, full disks, failing syncs and second writers, with real processes."""

from __future__ import annotations

import errno
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.store.samples import HEADER, small_session
from vectra_bot.errors import InputError, JournalError, StoreError
from vectra_bot.fsio import Op, observing
from vectra_bot.journal import (
    Entry,
    Journal,
    SessionLock,
    compress_segment,
    journal_directory,
    list_segments,
    read_journal,
    read_segment,
)
from vectra_bot.journal.format import MARK_BYTES, encode_entry
from vectra_bot.journal.segments import open_segment
from vectra_bot.models import Frame

# Appends groups of three and single entries, syncs sometimes, rolls often, and reports which entry the
# journal has acknowledged.
_WRITER = """
import os, sys
from vectra_bot.models import Frame
from vectra_bot.journal import Entry
from vectra_bot.journal import Journal
journal = Journal.create(sys.argv[1], {"session_id": "s", "mode": "paper", "venue": "embedded"},
                         segment_bytes=200_000, sync_interval_s=0.005)
seq = 0
while True:
    group = [Entry.of_frame(seq + i, Frame(seq, '42["event",{"n":%d}]' % (seq + i))) for i in (1, 2, 3)]
    journal.append(group)
    seq += 4
    alone = Entry.of_frame(seq, Frame(seq, '42["event",{"n":%d}]' % seq))
    journal.put(alone.seq, alone.kind, alone.ts_ns, alone.payload)
    if seq % 160 == 0:
        journal.sync()
    os.write(1, b"%d\\n" % seq)
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return journal_directory(tmp_path, "s")


@pytest.fixture
def journal(directory: Path) -> Iterator[Journal]:
    # The thread's own syncs would disturb what is tested.
    opened = Journal.create(directory, HEADER, segment_bytes=15_000, sync_interval_s=0)
    yield opened
    opened.abandon()


def _start(directory: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _WRITER, str(directory)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def _kill_after(directory: Path, delay_s: float) -> int:
    """Run the writer, kill -9 it *delay_s* after its first report, return the last entry it reported."""
    with _start(directory) as process:
        assert process.stdout is not None
        fd = process.stdout.fileno()
        said = os.read(fd, 1 << 16)
        until = time.monotonic() + delay_s
        while (left := until - time.monotonic()) > 0:
            if select.select([fd], [], [], left)[0]:
                said = said[-100:] + os.read(fd, 1 << 16)
        process.send_signal(signal.SIGKILL)
        said += process.stdout.read()
    return int(said[: said.rindex(b"\n")].split()[-1])


@pytest.mark.parametrize("delay_s", [0.0, 0.003, 0.011, 0.05, 0.12, 0.2, 0.31])
def test_kill_9_loses_nothing_acknowledged(directory: Path, delay_s: float) -> None:
    """What was acknowledged is there after kill -9, in complete groups, and the session can continue."""
    acknowledged = _kill_after(directory, delay_s)
    reader = read_journal(directory)
    entries = list(reader)
    assert [entry.seq for entry in entries] == list(range(len(entries)))
    last = entries[-1].seq
    assert last >= acknowledged
    assert last % 4 in (0, 3)  # a group of three is whole
    assert not reader.clean
    assert all(e.frame().raw == f'42["event",{{"n":{e.seq}}}]' for e in entries[1:])
    journal = Journal.resume(directory)
    assert journal.last_seq == last
    journal.close("recovered")
    reader = read_journal(directory)
    assert [entry.seq for entry in reader] == list(range(last + 2))
    assert (reader.clean, reader.torn) == (True, False)


def test_a_journal_can_be_read_while_it_is_written(directory: Path) -> None:
    """A reader of a session that another process writes sees complete groups, never less than before."""
    with _start(directory) as process:
        assert process.stdout is not None
        said = os.read(process.stdout.fileno(), 1 << 16)
        seen = reads = 0
        try:
            while reads < 20 or len(list_segments(directory)) < 3:
                reads += 1
                acknowledged = int(said[: said.rindex(b"\n")].split()[-1])
                reader = read_journal(directory)
                entries = [entry.seq for entry in reader]
                assert entries == list(range(len(entries)))
                assert len(entries) > max(seen, acknowledged)
                assert (len(entries) - 1) % 4 in (0, 3)
                assert (reader.torn, reader.torn_bytes, reader.clean) == (False, 0, False)
                seen = len(entries) - 1
                said = said[-100:] + os.read(process.stdout.fileno(), 1 << 16)
        finally:
            process.kill()


def test_sync_calls_fdatasync_on_the_open_segment(
    journal: Journal, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sync flushes the file with the entries, each time it is called."""
    synced: list[os.stat_result] = []
    real = os.fdatasync

    def observed(fd: int) -> None:
        synced.append(os.fstat(fd))
        real(fd)

    monkeypatch.setattr(os, "fdatasync", observed)
    journal.append(small_session())
    assert synced == []
    journal.sync()
    journal.sync()
    inode = (directory / "000001.log").stat().st_ino
    assert [entry.st_ino for entry in synced] == [inode, inode]
    assert synced[0].st_size == (directory / "000001.log").stat().st_size


def test_new_names_are_forced_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header, the segment's name and the directories above it are synced before create returns."""
    synced: list[tuple[int, int]] = []
    for name in ("fsync", "fdatasync"):
        real = getattr(os, name)

        def observed(fd: int, real: object = real) -> None:
            status = os.fstat(fd)
            synced.append((status.st_dev, status.st_ino))
            real(fd)  # type: ignore[operator]

        monkeypatch.setattr(os, name, observed)
    directory = journal_directory(tmp_path / "new", "s")
    journal = Journal.create(directory, HEADER)
    paths = [tmp_path, tmp_path / "new", tmp_path / "new" / "journals", directory]
    for path in [*paths, directory / "000001.log"]:
        status = path.stat()
        assert (status.st_dev, status.st_ino) in synced, path
    journal.abandon()


def test_a_failed_sync_is_final(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """After fdatasync failed nothing is written any more, even if it would work again."""

    def broken(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    journal.append(small_session())
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        with pytest.raises(StoreError, match="cannot be synced after entry 7: Input/output error"):
            journal.sync()
    with pytest.raises(StoreError, match="cannot be synced"):
        journal.append([Entry.of_frame(8, Frame(1, "x"))])
    with pytest.raises(StoreError, match="cannot be synced"):
        journal.sync()
    journal.close("done")
    assert not read_journal(journal.directory).clean


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Let no file grow beyond 20 kB, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_disk")
def test_full_disk_stops_the_journal_cleanly(journal: Journal) -> None:
    """A full disk is noticed when space is reserved: neither that append nor a later one is accepted."""
    journal.append(small_session())
    with pytest.raises(StoreError, match="cannot be written after entry 7: File too large"):
        journal.append([Entry.of_frame(8, Frame(1, "x" * 30_000))])
    for attempt in (journal.sync, journal.roll, lambda: journal.put(8, "frame", 1, b"")):
        with pytest.raises(StoreError, match="cannot be written after entry 7"):
            attempt()
    journal.close("done")
    reader = read_journal(journal.directory)
    assert [entry.seq for entry in reader] == list(range(8))
    assert (reader.torn, reader.clean) == (False, False)


def test_second_writer_is_refused(journal: Journal, directory: Path) -> None:
    """While one process writes a session no other can, with a one-line error; a kill frees it."""
    for attempt in (lambda: Journal.create(directory, HEADER), lambda: Journal.resume(directory)):
        with pytest.raises(StoreError, match="being written by another process") as caught:
            attempt()
        assert "\n" not in str(caught.value)
    journal.abandon()
    Journal.resume(directory).close("done")


def test_failed_create_leaves_the_session_free(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session whose first sync failed can be created again."""

    def broken(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        with pytest.raises(StoreError, match="No space left"):
            Journal.create(directory, HEADER)
    assert list_segments(directory) == []
    Journal.create(directory, HEADER).close("done")
    assert read_journal(directory).__next__().kind == "header"


def test_failed_compression_keeps_the_raw_segment(
    journal: Journal, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the compressed copy cannot replace the raw segment, that one stays and is read."""
    journal.append(small_session())
    journal.roll()
    journal.append([Entry.of_frame(8, Frame(1, "x"))])

    def broken(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", broken)
        with pytest.raises(StoreError, match="No space left"):
            compress_segment(directory / "000001.log")
    journal.abandon()
    assert [entry.seq for entry in read_journal(directory)] == list(range(9))
    assert sorted(path.name for path in directory.iterdir()) == ["000001.log", "000002.log", "lock"]


def _observed(
    kind: str, error: OSError | None = None
) -> tuple[threading.Event, Callable[[Op], None]]:
    """Return an observer of operations of *kind* on segments that can be made to fail."""
    seen = threading.Event()

    def observe(op: Op) -> None:
        if op.kind == kind and op.path.suffix == ".log":
            seen.set()
            if error is not None:
                raise error

    return seen, observe


def _flushers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "journal-flusher"]


def test_a_thread_syncs_what_was_appended(directory: Path) -> None:
    """The thread syncs without a call; an idle journal is not synced; the thread ends with the journal."""
    journal = Journal.create(directory, HEADER, sync_interval_s=0.002)
    seen, observe = _observed("sync")
    with observing(observe):
        journal.append(small_session())
        assert seen.wait(10)
    assert len(_flushers()) == 1
    journal.close("done")
    assert _flushers() == []
    journal.abandon()
    forgotten = Journal.create(directory.with_name("t"), HEADER, sync_interval_s=0.002)
    (thread,) = _flushers()
    forgotten._lock.release()
    del forgotten
    thread.join(10)
    assert not thread.is_alive()


def test_a_sync_that_fails_in_the_thread_fails_the_journal(directory: Path) -> None:
    """The next append raises, and all later ones."""
    journal = Journal.create(directory, HEADER, sync_interval_s=0.002)
    _, observe = _observed("sync", OSError(errno.EIO, os.strerror(errno.EIO)))

    def go_on() -> None:
        for seq in range(1, 1_000_000):
            journal.append([Entry.of_frame(seq, Frame(1, "x"))])

    with observing(observe), pytest.raises(StoreError, match="cannot be synced after entry"):
        go_on()
    for attempt in (journal.sync, journal.roll):
        with pytest.raises(StoreError, match=r"cannot be synced after entry .*Input/output error"):
            attempt()
    journal.abandon()


@pytest.mark.parametrize("kind", ["create", "allocate", "truncate", "write", "sync_directory"])
def test_a_failing_disk_keeps_what_was_accepted(directory: Path, kind: str) -> None:
    """Whichever operation fails first, that append is refused, and everything before it is kept."""
    journal = Journal.create(directory, HEADER, segment_bytes=3000, sync_interval_s=0)
    accepted = 0

    def observe(op: Op) -> None:
        if accepted > 5 and op.kind == kind:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def go_on() -> None:
        nonlocal accepted
        while True:
            journal.append([Entry.of_frame(accepted + 1, Frame(1, "y" * 700))])
            accepted += 1

    with observing(observe), pytest.raises(StoreError, match=r"cannot be written after.*No space"):
        go_on()
    with pytest.raises(StoreError, match="No space"):
        journal.sync()
    journal.close("done")
    reader = read_journal(directory)
    assert [entry.seq for entry in reader] == list(range(accepted + 1))
    assert (reader.torn, reader.clean) == (False, False)
    resumed = Journal.resume(directory)
    assert resumed.last_seq == accepted
    resumed.close("recovered")


def test_closing_marks_everything_as_synced(journal: Journal, directory: Path) -> None:
    """In a closed journal any corrupt byte is an error, the last entries included."""
    journal.append(small_session())
    journal.close("done")
    (segment,) = list_segments(directory)
    entries = list(read_journal(directory))
    with open_segment(segment.path) as source:
        content = source.head + source.read(1 << 20)
    segment.path.unlink()
    raw = directory / "000001.log"
    for at in range(0, len(content) - MARK_BYTES, 3):
        raw.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        with pytest.raises((JournalError, InputError)):
            list(read_journal(directory))
    raw.write_bytes(content)
    assert list(read_journal(directory)) == entries


def test_a_lock_alone_does_not_mean_a_writer(journal: Journal, directory: Path) -> None:
    """An incomplete group is not a truncated tail while a writer runs; under the lock of a repair it is."""
    journal.append(small_session())
    segment = journal._segments.open
    at = segment.end
    entry = encode_entry(Entry.of_frame(8, Frame(1, "x" * 50)))
    segment.map[at + 32 : at + len(entry)] = entry[32:]  # all but its header, as a writer stores it
    reader = read_journal(directory)
    assert [e.seq for e in reader] == list(range(8))
    assert not reader.torn
    segment.map[at : at + 32] = b"VJE2" + entry[4:31] + b"#"
    with pytest.raises(JournalError, match="is incomplete, and the session is being written"):
        list(read_journal(directory))
    journal.abandon()
    lock = SessionLock(directory)
    reader = read_journal(directory)
    assert [e.seq for e in reader] == list(range(8))
    assert (reader.torn, reader.torn_bytes) == (True, len(entry))
    lock.release()


def test_corruption_before_the_last_segment_is_an_error_at_once(directory: Path) -> None:
    """A segment that is followed by another is whole, or an error, even while the session is written."""
    journal = Journal.create(directory, HEADER, segment_bytes=5000, sync_interval_s=0)
    journal.append(small_session())
    journal.roll()
    journal.append([Entry.of_frame(8, Frame(1, "x"))])
    path = directory / "000001.log"
    content = bytearray(path.read_bytes())
    hole = content.index(b"VJE2", 100)
    content[hole : hole + 32] = bytes(32)
    path.write_bytes(content)
    with pytest.raises(JournalError, match="is corrupt"):
        list(read_segment(list_segments(directory)[0]))
    journal.abandon()
