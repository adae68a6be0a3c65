"""Time of live and paper sessions: a stepped wall clock moves nothing, and silence does not stop time."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.session.live.accounts import Counted, config_of, until_confirmed, venue
from tests.session.test_record import QUICK, Stepped, resume_when_joined
from vectra_bot.clock import SessionClock
from vectra_bot.journal import journal_directory, read_journal
from vectra_bot.models import ClockAdvanced
from vectra_bot.session import SessionConfig, run_session
from vectra_bot.session.check import check_journal
from vectra_bot.session.live.run import run_live

HOUR_NS = 3_600 * 10**9


class Stepping(Counted):
    """Move the machine's wall clock while a position is open."""

    machine = Stepped()
    hours = 0

    def on_game_tick(self, tick: Any, game: Any) -> None:
        if self.position:
            self.machine.moved_ns = self.hours * HOUR_NS
        super().on_game_tick(tick, game)


@pytest.mark.parametrize("hours", [-1, 1])
@pytest.mark.parametrize("mode", ["live", "paper"])
async def test_a_step_of_the_wall_clock_moves_no_time(
    tmp_path: Path, mode: str, hours: int
) -> None:
    """It is recorded once with its size, timers do not notice it, and no time goes back."""
    Stepping.machine, Stepping.hours = Stepped(), hours
    clock = SessionClock(Stepping.machine)
    async with venue() as server:
        beginning = asyncio.create_task(resume_when_joined(server))
        async with asyncio.timeout(100):
            if mode == "live":
                config = config_of(tmp_path, server.url, strategy=Stepping, **until_confirmed(2))
                report = await run_live(config, clock)
            else:
                paper = SessionConfig(
                    strategy=Stepping, venue=server.url, store=tmp_path / "live", session_id="L",
                    games=9, link=QUICK, latency_ms=0, **until_confirmed(2),
                )  # fmt: skip
                report = await run_session(paper, clock)
        await beginning
    assert report.actions["CONFIRMED"] == 2
    assert set(report.actions) <= {"CONFIRMED", "REJECTED", "DENIED", "NOT_SENT"}
    entries = list(read_journal(journal_directory(tmp_path / "live", "L")))
    records = [entry.data["record"] for entry in entries if entry.kind == "doc"]
    steps = [
        round(json.loads(record["detail_json"])["step_ms"] / 3_600_000)
        for record in records
        if record.get("kind") == "clock.stepped"
    ]
    assert steps == [hours]
    times = [entry.ts_ns for entry in entries if entry.kind == "frame"]
    assert times == sorted(times)
    assert times[-1] - times[0] < 100 * 10**9


async def test_time_passes_while_the_venue_is_silent(tmp_path: Path) -> None:
    """The engine gets the time ten times a second, and journals it, so that a replay sees it too."""
    journal = journal_directory(tmp_path / "live", "L")
    async with venue() as server:
        config = config_of(tmp_path, server.url, strategy="watch")
        running = asyncio.create_task(run_live(config))
        await server.wait_clients(1)  # its time does not run: nothing is sent
        await asyncio.sleep(1.5)
        config.stop.set("enough")
        async with asyncio.timeout(20):
            await running
    inputs = [entry.input() for entry in read_journal(journal) if entry.kind == "input"]
    told = [event for event in inputs if isinstance(event, ClockAdvanced)]
    assert len(told) >= 5
    times = [event.recv_ns for event in told]
    assert times == sorted(times)
    assert check_journal(journal).equal
