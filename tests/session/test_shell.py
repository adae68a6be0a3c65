"""The shell around an engine: what it counts, and what it journals beside inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.samples import tick_document
from vectra_bot.actions.risk import Limits
from vectra_bot.engine import Engine
from vectra_bot.journal import Journal, read_journal
from vectra_bot.models import Mode
from vectra_bot.plugins import PluginManager
from vectra_bot.report.session import SessionTally
from vectra_bot.session.shell import OTHER_NAMES, FrameCounts, NoGateway, Shell
from vectra_bot.strategy import Strategy

HEADER = {"session_id": "S", "mode": "paper", "venue": "embedded"}


def test_a_document_that_follows_from_no_input_is_journaled(tmp_path: Path) -> None:
    """It has the next number and is read back unchanged."""
    engine = Engine(
        session_id="S",
        mode=Mode.PAPER,
        strategy=Strategy(),
        plugins=PluginManager(),
        limits=Limits(),
    )
    journal = Journal.create(tmp_path / "journals" / "S", HEADER)
    shell = Shell(engine, journal, NoGateway(), SessionTally(engine), tmp_path)
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
