"""The shell around an engine: what it counts, and what it journals beside inputs."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from tests.store.samples import tick_document
from vectra_bot.actions.risk import Limits
from vectra_bot.engine import Engine
from vectra_bot.errors import StoreError
from vectra_bot.fsio import files
from vectra_bot.journal import Journal, read_journal
from vectra_bot.models import Mode
from vectra_bot.plugins import PluginManager
from vectra_bot.report.session import SessionTally
from vectra_bot.session.config import StopFlag
from vectra_bot.session.shell import OTHER_NAMES, FrameCounts, NoGateway, Shell
from vectra_bot.strategy import Strategy

HEADER = {"session_id": "S", "mode": "paper", "venue": "embedded"}


def made(tmp_path: Path, stop: StopFlag | None = None) -> Shell:
    """Return the shell of a new session."""
    engine = Engine(
        session_id="S",
        mode=Mode.PAPER,
        strategy=Strategy(),
        plugins=PluginManager(),
        limits=Limits(),
    )
    journal = Journal.create(tmp_path / "journals" / "S", HEADER)
    stop = stop or StopFlag()
    return Shell(engine, journal, NoGateway(), SessionTally(engine), tmp_path, stop=stop)


def test_a_stop_with_a_limit_leaves_the_files_to_recovery(tmp_path: Path) -> None:
    """The end does not wait for a disk that is slow; the journal is complete, and the lock is kept."""
    stop, slow = StopFlag(), threading.Event()
    shell = made(tmp_path, stop)
    shell.note(tick_document(3))

    def wait(op: files.Op) -> None:
        if op.kind == "rename" and op.target is not None and op.target.suffix == ".parquet":
            stop.set("SIGINT", within_s=0.0)
            slow.wait(60)

    with files.observing(wait):
        asyncio.run(shell.end("stopped: SIGINT"))
        shell.abandon()

        assert stop.abandoned
        (line,) = shell.unfinished
        assert line.startswith("building the files did not end in time: the files of session S in ")
        assert line.endswith("its journal is: `vectra-bot store recover` completes them")
        assert [entry.kind for entry in read_journal(shell.journal.directory)][-1] == "close"
        with pytest.raises(StoreError, match="another process"):
            Journal.resume(shell.journal.directory)
        slow.set()
        for thread in threading.enumerate():
            if thread.name == "session-end":
                thread.join(60)
    assert list(tmp_path.glob("doc_type=game_tick/**/*.parquet"))


def test_a_stop_without_a_limit_waits(tmp_path: Path) -> None:
    """A program that stops a session itself gets a complete one; the first reason is kept."""
    calls: list[str] = []
    stop = StopFlag(on_set=lambda: calls.append("woken"))
    shell = made(tmp_path, stop)
    shell.note(tick_document(3))
    stop.set("enough")
    stop.set("again", within_s=0.0)

    asyncio.run(shell.end(shell.reason_to_end()))

    assert (stop.reason, calls, stop.expired) == ("enough", ["woken"], False)
    assert (shell.unfinished, stop.abandoned, stop.unfinished) == ([], False, "")
    assert list(tmp_path.glob("doc_type=game_tick/**/*.parquet"))


def test_a_document_that_follows_from_no_input_is_journaled(tmp_path: Path) -> None:
    """It has the next number and is read back unchanged."""
    shell = made(tmp_path)
    journal = shell.journal
    shell.note(tick_document(3))
    shell.note(tick_document(4))
    journal.abandon()

    found = [entry for entry in read_journal(journal.directory) if entry.kind == "doc"]
    assert [entry.seq for entry in found] == [1, 2]
    assert [entry.document() for entry in found] == [tick_document(3), tick_document(4)]


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ('42["trade",{}]', "trade"),
        ('4217["trade",{}]', "trade"),
        ('42["say \\"hi\\"",{}]', 'say \\"hi\\"'),
        ('42["trade', OTHER_NAMES),
        ('42["trade\\",{}]', OTHER_NAMES),
        ("431[]", "ack"),
        ("3", OTHER_NAMES),
    ],
)
def test_a_frame_is_counted_under_its_events_name(raw: str, name: str) -> None:
    """The first frame of a name and those after it count alike, whatever was counted before."""
    counts = FrameCounts()
    counts.name('42["trade",{}]')
    before = counts.by_event[name]
    counts.name(raw)
    counts.name(raw)
    assert counts.by_event[name] == before + 2
    assert sum(counts.by_event.values()) == 3
