"""Sessions on paper under control: on the embedded exchange at a pace, and on the feed of a venue."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.session.test_record import QUICK, resume_when_joined, serve
from vectra_bot.api import control_session
from vectra_bot.errors import InputError
from vectra_bot.journal import journal_directory, read_journal
from vectra_bot.models import OperatorCommand
from vectra_bot.report.results import Report
from vectra_bot.session import SessionConfig, run_session
from vectra_bot.session.check import check_journal


async def controlled(store: Path, config: SessionConfig) -> Report:
    """Halt, resume and stop a session, and return its report."""
    running = asyncio.create_task(run_session(config))
    journal = journal_directory(store, "S")

    def asked(word: str) -> dict[str, Any]:
        return control_session(word, store=store, reason="test")

    while not (journal / "control.sock").exists():
        assert not running.done(), running.result()
        await asyncio.sleep(0.01)
    status = await asyncio.to_thread(asked, "status")
    while status["cash"] == "unknown":
        status = await asyncio.to_thread(asked, "status")
    assert (status["mode"], status["standing"], status["link"]) == ("paper", "allowed", "unknown")
    assert (status["shadow"], status["strategy"]) == (False, "take-profit")
    assert (await asyncio.to_thread(asked, "halt"))["standing"] == "close_only"
    assert (await asyncio.to_thread(asked, "resume"))["standing"] == "allowed"
    assert (await asyncio.to_thread(asked, "stop"))["hangs"] is False
    async with asyncio.timeout(60):
        return await running


def operator_commands(journal: Path) -> list[str]:
    """Return the commands of an operator in a journal."""
    inputs = [entry.input() for entry in read_journal(journal) if entry.kind == "input"]
    return [event.kind.value for event in inputs if isinstance(event, OperatorCommand)]


async def test_an_embedded_session_at_a_pace_is_controlled(tmp_path: Path) -> None:
    config = SessionConfig(
        strategy="take-profit", store=tmp_path, session_id="S", speed=5.0, games=9, crowd=0
    )
    report = await controlled(tmp_path, config)
    journal = journal_directory(tmp_path, "S")
    assert report.ended == "stopped: test"
    assert operator_commands(journal) == ["halt", "resume", "stop"]
    assert check_journal(journal).equal
    with pytest.raises(InputError, match="no session runs in"):
        control_session("status", store=tmp_path)


async def test_a_paper_session_on_a_feed_is_controlled(tmp_path: Path) -> None:
    async with serve(seed=7, crowd=3, speed=20.0, paused=True) as server:
        beginning = asyncio.create_task(resume_when_joined(server))
        config = SessionConfig(
            strategy="take-profit", store=tmp_path, session_id="S", venue=server.url, games=99,
            link=QUICK,
        )  # fmt: skip
        report = await controlled(tmp_path, config)
        await beginning
    journal = journal_directory(tmp_path, "S")
    assert report.ended == "stopped: test"
    assert report.unsettled == 0
    assert operator_commands(journal) == ["halt", "resume", "stop"]
    assert check_journal(journal).equal


async def test_a_session_at_full_speed_has_no_socket(tmp_path: Path) -> None:
    """It is over before anybody could ask, and thousands of them must cost nothing more."""
    config = SessionConfig(
        strategy="watch", store=tmp_path, session_id="S", speed="max", games=1, crowd=0
    )
    running = asyncio.create_task(run_session(config))
    while not running.done():
        assert not (journal_directory(tmp_path, "S") / "control.sock").exists()
        await asyncio.sleep(0.001)
    assert running.result().ended == "games played"


async def test_one_of_several_sessions_must_be_named(tmp_path: Path) -> None:
    configs = [
        SessionConfig(
            strategy="watch", store=tmp_path, session_id=name, speed=1.0, games=9, crowd=0
        )
        for name in ("a", "b")
    ]
    running = [asyncio.create_task(run_session(config)) for config in configs]
    sockets = [journal_directory(tmp_path, name) / "control.sock" for name in ("a", "b")]
    for _ in range(1000):
        await asyncio.sleep(0.01)
        if all(path.exists() for path in sockets):
            break
    with pytest.raises(InputError, match=r"2 sessions run \(a, b\): name one"):
        await asyncio.to_thread(control_session, "status", store=tmp_path)
    for name in ("a", "b"):
        answer = await asyncio.to_thread(control_session, "stop", name, store=tmp_path)
        assert answer["session_id"] == name
    async with asyncio.timeout(60):
        reports = await asyncio.gather(*running)
    assert {report.ended for report in reports} == {"stopped: by the operator"}
