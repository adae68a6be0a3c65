"""A running session whose lock or segment another program removes, replaces, copies or truncates."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.samples import HEADER, SESSION, small_session
from vectra_bot.errors import StoreError
from vectra_bot.journal import (
    Entry,
    Journal,
    LockLostError,
    SessionBusyError,
    SessionLock,
    journal_directory,
    read_journal,
    writer_of,
)
from vectra_bot.models import Frame

Tamper = Callable[[Path], object]


def _copied(path: Path) -> None:
    shutil.copy2(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


TAMPERING: dict[str, Tamper] = {
    "removed": Path.unlink,
    "replaced": lambda path: (path.unlink(), path.touch()),
    "replaced by its copy": _copied,
    "renamed": lambda path: path.rename(path.with_name("other")),
}


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal.create(journal_directory(tmp_path, SESSION), HEADER, sync_interval_s=0)
    journal.append(small_session())
    journal.sync()
    return journal


@pytest.mark.parametrize("how", TAMPERING)
def test_without_its_lock_a_session_ends_and_nobody_else_writes_it(
    how: str, journal: Journal
) -> None:
    """The next sync names the lock, nothing is confirmed after it, and no other process gets in before."""
    directory = journal.directory
    path = directory / "000001.log"
    before = path.stat()
    TAMPERING[how](directory / "lock")

    assert writer_of(directory) is True
    for take in (SessionLock, Journal.resume):
        with pytest.raises(SessionBusyError, match="is being written by another process"):
            take(directory)
    assert (path.stat().st_ino, path.stat().st_size) == (before.st_ino, before.st_size)

    journal.append([Entry.of_frame(8, Frame(1, "x"))])
    for _ in range(2):
        with pytest.raises(
            LockLostError, match=r"lock of session 's-1', .*, was removed or replaced"
        ):
            journal.sync()
    with pytest.raises(LockLostError, match="was removed or replaced"):
        journal.append([Entry.of_frame(9, Frame(1, "y"))])
    journal.abandon()
    assert [entry.seq for entry in read_journal(directory)] == list(range(9))
    Journal.resume(directory).close("recovered")


def test_session_without_its_lock_is_not_closed(journal: Journal) -> None:
    """Its end is not recorded as regular, and the error has the store's exit code."""
    (journal.directory / "lock").unlink()
    with pytest.raises(LockLostError) as caught:
        journal.close("done")
    assert caught.value.exit_code == StoreError.exit_code
    entries = read_journal(journal.directory)
    assert [entry.seq for entry in entries][:8] == list(range(8))
    assert writer_of(journal.directory) is False


def test_owner_does_not_remove_the_lock_of_another(journal: Journal) -> None:
    """A lock file that was made since by someone else stays."""
    TAMPERING["replaced"](journal.directory / "lock")
    journal.abandon()
    assert (journal.directory / "lock").exists()
    lock = SessionLock(journal.directory)
    journal.abandon()
    assert lock.is_ours()
    lock.release()


_TRUNCATED = """
import os, sys
from vectra_bot.errors import StoreError
from vectra_bot.fsio import files
from vectra_bot.journal import Entry, Journal
from vectra_bot.models import Frame
journal = Journal.create(sys.argv[1], {"session_id": "s", "mode": "paper", "venue": "embedded"})
os.write(1, b"running")
os.read(0, 1)
try:
    for seq in range(1, 10**9):
        journal.append([Entry.of_frame(seq, Frame(seq, "x" * 5000))])
except StoreError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (lambda path: os.truncate(path, 0), "was truncated by another program"),
        (lambda path: os.truncate(path, 5000), "was truncated by another program"),
        (Path.unlink, "was removed by another program"),
        (TAMPERING["replaced by its copy"], "was removed by another program"),
    ],
)
def test_segment_truncated_while_it_is_written(how: Tamper, said: str, tmp_path: Path) -> None:
    """`truncate -s 0` of a running journal ends its session with one line, and not by a signal."""
    directory = journal_directory(tmp_path, "s")
    with subprocess.Popen(
        [sys.executable, "-c", _TRUNCATED, str(directory)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.read(7) == "running"
        how(directory / "000001.log")
        _, error = child.communicate("\n", timeout=60)
    assert child.returncode == 1
    assert error.count("\n") == 1
    assert said in error
    assert "run `vectra-bot store check`" in error or "`vectra-bot store check` says" in error


def test_segment_that_was_truncated_is_not_closed(journal: Journal) -> None:
    """Neither a roll nor a close hides it."""
    os.truncate(journal.directory / "000001.log", 0)
    with pytest.raises(StoreError, match=r"000001\.log was truncated"):
        journal.roll()
    journal.abandon()


def test_segment_in_use_is_not_opened_for_writing(journal: Journal) -> None:
    """A second writer that found its lock free neither truncates nor removes the file of the first."""
    from vectra_bot.journal.segments import OpenSegment

    path = journal.directory / "000001.log"
    before = path.stat()
    with pytest.raises(OSError, match="is being written by another process"):
        OpenSegment(path, 1, 1 << 16)
    assert (path.stat().st_ino, path.stat().st_size) == (before.st_ino, before.st_size)
    journal.close("done")


def test_finished_session_has_no_lock_file(journal: Journal) -> None:
    """Nothing looks like a running session afterwards, nor after a look at it by a repair."""
    lock = journal.directory / "lock"
    assert lock.exists()
    journal.close("done")
    assert not lock.exists()
    SessionLock(journal.directory).release()
    assert not lock.exists()
    assert writer_of(journal.directory) is False


def test_killed_writer_leaves_its_segment_free(tmp_path: Path) -> None:
    """The lock of a segment ends with its process, and a resumed journal takes the next one."""
    directory = journal_directory(tmp_path, "s")
    child = subprocess.Popen(
        [sys.executable, "-c", _TRUNCATED, str(directory)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    child.stdout.read(7)
    assert writer_of(directory) is True
    child.send_signal(signal.SIGKILL)
    child.communicate()
    (directory / "lock").unlink()
    assert writer_of(directory) is False
    Journal.resume(directory).close("recovered")
