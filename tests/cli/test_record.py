"""`vectra-bot record`: what it prints, how it ends, what it refuses."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

from vectra_bot.cli.main import main
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.server import ExchangeServer
from vectra_bot.session.recovery.killed import recover_store

REPORT_KEYS = {
    "session_id", "venue", "store", "journal", "ended", "seconds", "games", "games_verified",
    "games_failed", "games_unverified", "games_missed", "ticks", "backfilled", "missing_ticks", "gaps",
    "connections", "reconnects", "frames", "lost_frames", "quarantined", "unknown_events", "alerts",
    "failed_games", "history_games", "sidebet_rows", "format", "format_expected", "plugin_errors",
    "hook_times", "recovered",
    "unfinished",
}  # fmt: skip


def serve() -> ExchangeServer:
    """Return a server that runs many times faster than the venue."""
    return ExchangeServer(ExchangeConfig(seed=11, crowd=10), speed=100.0)


async def start(*arguments: str) -> asyncio.subprocess.Process:
    """Start ``vectra-bot record`` and capture its output."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "vectra_bot", "record", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_json_is_one_object_with_the_promised_keys(tmp_path: Path) -> None:
    """--json prints one object and nothing else; the requested games are verified."""
    async with serve() as server:
        process = await start(
            "--venue", server.url, "--store", str(tmp_path), "--games", "2", "--json"
        )
        out, err = await process.communicate()

    assert (process.returncode, err) == (0, b"")
    report = json.loads(out)
    assert set(report) == REPORT_KEYS
    assert (report["games"], report["games_verified"], report["alerts"]) == (2, 2, 0)
    assert (report["venue"], report["format"], report["reconnects"]) == ("127.0.0.1", "feb", 0)
    assert Path(report["store"]) == tmp_path
    assert report["journal"] == str(tmp_path / "journals" / report["session_id"])


async def test_game_that_disagrees_with_its_seed_is_in_json_and_exit_code(tmp_path: Path) -> None:
    """--json names the game and what is wrong with it; exit code 1, with one line on stderr."""
    async with serve() as server:
        server.faults.lie_about_seed()
        process = await start(
            "--venue", server.url, "--store", str(tmp_path), "--games", "2", "--json"
        )
        out, err = await process.communicate()

    report = json.loads(out)
    (failed,) = report["failed_games"]
    assert failed["message"].startswith(f"game {failed['game_id']}: serverSeedHash should be ")
    assert (report["games_failed"], report["alerts"], process.returncode) == (1, 1, 1)
    assert len(err.splitlines()) == 1


async def test_ctrl_c_ends_with_a_complete_store(tmp_path: Path) -> None:
    """SIGINT ends the recording between two frames: exit code 130, report printed, journal closed."""
    async with serve() as server:
        process = await start(
            "--venue", server.url, "--store", str(tmp_path), "--session-id", "R", "--json"
        )
        await server.wait_clients(1)
        await server.wait_games(server.exchange.games_opened + 1)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            out, _ = await process.communicate()

    assert process.returncode == 130
    report = json.loads(out)
    assert (report["session_id"], report["ended"]) == ("R", "stopped: SIGINT")
    assert report["frames"] > 0
    assert recover_store(tmp_path) == []


async def test_ctrl_c_ends_it_while_the_venue_is_away(tmp_path: Path) -> None:
    """A recorder that waits for its venue can be stopped as well, and reports why it waited."""
    process = await start("--venue", "http://127.0.0.1:9", "--store", str(tmp_path), "--json")
    assert process.stderr is not None
    async with asyncio.timeout(30):
        first = await process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        out, _ = await process.communicate()

    assert b"cannot connect" in first
    assert process.returncode == 143
    assert json.loads(out)["connections"] == 0


async def test_people_see_games_alerts_and_the_link(tmp_path: Path) -> None:
    """Without --json each finished game, alert and connection change is a line, then comes a report."""
    async with serve() as server:
        server.faults.lie_about_seed()
        process = await start("--venue", server.url, "--store", str(tmp_path), "--games", "2")
        out, err = await process.communicate()

    text = out.decode()
    assert "connection.connected" in text
    assert "ALERT game " in text
    assert ": failed, rug at " in text
    assert "2: 1 verified, 1 failed, 0 unverified" in text
    assert "\nFAILED game " in text
    assert process.returncode == 1
    assert b"1 game disagrees with the seed revealed for it, the first: game " in err
    assert "vectra-bot query games" in text


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "Missing option '--venue'"),
        (["--url", "http://h"], 2, "No such option"),
        (["--venue", "rugs.fun"], 4, "url was 'rugs.fun'"),
        (["--venue", "http://h", "--games", "0"], 2, "--games was '0'"),
        (["--venue", "http://h", "--seconds", "0"], 2, "--seconds was '0'"),
        (["--venue", "http://h", "--format", "xml"], 2, "--format was 'xml'"),
        (["--venue", "http://h", "--stale-after", "0"], 2, "--stale-after was '0'"),
        (["--venue", "http://h", "--attempts", "0"], 2, "--attempts was '0'"),
        (["--venue", "http://127.0.0.1:9", "--attempts", "1"], 3, "could not be reached"),
        (["--venue", "http://h", "--session-id", "../x"], 3, "session id was"),
    ],
)
def test_what_cannot_be_is_one_clear_line(
    arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str], store: Path
) -> None:
    """A wrong option or an unreachable venue is one line with the value, and its exit code."""
    assert main(["record", *arguments]) == code

    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """The help says how to call it and that nothing is traded."""
    assert main(["record", "--help"]) == 0

    text = capsys.readouterr().out
    assert "vectra-bot record --venue" in text
    assert "nothing is sent" in text
