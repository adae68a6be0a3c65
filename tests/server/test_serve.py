"""`vectra-bot serve` as a process: ready line, tokens, signals, errors."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.server.raw_client import RawClient
from vectra_bot.cli.main import main
from vectra_bot.cli.serve import serve

SECRET = "a-very-secret-token"


def started(*options: str) -> subprocess.Popen[str]:
    """Start a server on any free port."""
    return subprocess.Popen(
        [sys.executable, "-m", "vectra_bot", "serve", "--port", "0", "--crowd", "0", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ready(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the first line of a server started with --json."""
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


async def log_in(url: str, token: str) -> None:
    """Log in and wait for the account."""
    async with RawClient(url) as client:
        await client.join()
        await client.log_in(token)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_cleanly_with_its_code(number: signal.Signals, code: int) -> None:
    """SIGTERM and Ctrl-C close every connection, say what happened and set the shell's code."""
    process = started("--seed", "7", "--json")
    line = ready(process)
    asyncio.run(log_in(line["url"], "dev-3"))
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    last = json.loads(out)

    assert process.returncode == code
    assert err == ""
    assert line["event"] == "ready"
    assert line["seed"] == 7
    assert line["port"] == int(line["url"].rpartition(":")[2])
    assert line["logins"] == 10
    assert last["event"] == "stopped"
    assert last["logins"] == last["connections"] == 1


def test_it_ends_by_itself_after_its_games() -> None:
    """With --games it stops with code 0 and says how many there were."""
    process = started(
        "--speed", "max", "--games", "2", "--countdown-step", "5000", "--format", "dec"
    )
    out, err = process.communicate(timeout=60)

    assert process.returncode == 0
    assert err == ""
    assert re.match(
        r"serving http://127.0.0.1:\d+ \(seed \d+, dec, crowd 0, speed max, 10 tokens\)", out
    )
    assert "stopped after 2 games: 0 connections" in out


def test_tokens_of_a_file_are_accepted_and_never_shown(tmp_path: Path) -> None:
    """A player of the file can log in, dev tokens cannot, and no output has a token."""
    path = tmp_path / "tokens.toml"
    path.write_text(f'[[players]]\ntoken = "{SECRET}"\nusername = "alice"\n', encoding="utf-8")
    path.chmod(0o600)
    process = started("--tokens", str(path), "--json", "--speed", "20")
    line = ready(process)

    async def play() -> list[str]:
        await log_in(line["url"], SECRET)
        async with RawClient(line["url"]) as client:
            await client.join()
            await client.send('42["authenticate",{"token":"dev-1"}]')
            await client.wait_for("gameNotification")
            return client.names()

    names = asyncio.run(play())
    process.terminate()
    out, err = process.communicate(timeout=20)

    assert line["logins"] == 1
    assert "usernameStatus" not in names
    assert SECRET not in out + err + json.dumps(line)


def test_names_of_a_protocol_file_are_the_wires(tmp_path: Path) -> None:
    """A request with its corrected name is an action, and is in the log."""
    names, log = tmp_path / "names.toml", tmp_path / "orders.jsonl"
    names.write_text('[requests.buy]\nevent = "kaufen"\n', encoding="utf-8")
    process = started(
        "--protocol", str(names), "--exchange-log", str(log), "--speed", "50", "--seed", "12", "--json"
    )  # fmt: skip
    line = ready(process)

    async def play() -> list[Any]:
        async with RawClient(line["url"]) as client:
            await client.join()
            await client.log_in("dev-1")
            await client.until(lambda: client.states()[-1].get("tickCount", 0) >= 1)
            await client.send('421["kaufen",{"amount":0.01}]')
            return await client.ack(1)

    answer = asyncio.run(play())
    process.terminate()
    process.communicate(timeout=20)

    assert answer == [{"success": True}]
    assert json.loads(log.read_text(encoding="utf-8"))["type"] == "buy"


def test_an_address_that_others_reach_must_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --public only this machine can connect."""
    assert main(["serve", "--host", "0.0.0.0", "--port", "0"]) == 2
    assert "add --public" in capsys.readouterr().err


def test_a_public_address_warns_and_has_no_dev_tokens() -> None:
    """With --public it listens, warns once on stderr, and no known token is accepted."""
    process = started("--host", "0.0.0.0", "--public", "--json")
    line = ready(process)
    process.terminate()
    _, err = process.communicate(timeout=20)

    assert line["logins"] == 0
    assert err.startswith("warning: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--speed", "0"], 2, "--speed was '0'"),
        (["--countdown-step", "77"], 2, "--countdown-step was '77': give a divisor of 5000"),
        (["--start", "yesterday"], 2, "--start was 'yesterday'"),
        (["--short-payoff", "magic"], 2, "'magic'"),
        (["--short-at-rug", "hold"], 2, "'hold'"),
        (["--bbc-odds", "1/2,1/2"], 2, "odds of bbc were '1/2,1/2'"),
        (["--bbc-payouts", "2,2,2000"], 2, "payouts of bbc were"),
        (["--candleflip-odds", "1,1"], 2, "odds of candleflip were"),
        (["--candleflip-payouts", "two"], 2, "payouts of candleflip were 'two'"),
        (["--protocol", "/nowhere/names.toml"], 4, "cannot be read"),
        (["--exchange-log", "/nowhere/log"], 3, "cannot be written"),
        (["--cash", "lots"], 2, "--cash was 'lots'"),
        (["--tokens", "/nowhere/tokens.toml"], 3, "cannot be read"),
        (["--format", "xml"], 2, "xml"),
        (["--port", "70000"], 2, "70000"),
        (["--crowd", "-1"], 2, "-1"),
    ],
)
def test_a_wrong_option_is_one_line_and_a_code(
    options: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each mistake names the option and the value."""
    assert main(["serve", "--port", "0", *options]) == code
    err = capsys.readouterr().err
    assert says in err
    assert len(err.splitlines()) == 1


@pytest.mark.long
def test_the_benchmark_finds_nothing_lost_or_out_of_order() -> None:
    """A small run of the benchmark: every client's messages are one slice of the same sequence."""
    script = Path(__file__).resolve().parents[2] / "benchmarks" / "server.py"
    done = subprocess.run(
        [sys.executable, str(script), "--public", "20", "--players", "3", "--seconds", "7"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    result = json.loads(done.stdout)

    assert result["broadcasts"] > 40
    assert result["acks"] >= 6
    assert result["acks_missing"] == 0
    wrong = {key: result[key] for key in ("lost", "reordered", "foreign", "gaps", "closed")}
    assert wrong == dict.fromkeys(wrong, 0)


@pytest.mark.long
def test_the_benchmark_finds_a_quiet_server_without_free_files() -> None:
    """A small run of the benchmark: at the limit of open files the log stays short, and clients stay."""
    script = Path(__file__).resolve().parents[2] / "benchmarks" / "server.py"
    done = subprocess.run(
        [sys.executable, str(script), "pressure", "--json", "--seconds", "2", "--files", "90",
         "--clients", "120", "--heads", "0"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    result = json.loads(done.stdout)

    assert result["busy"] > 50
    assert result["residents_closed"] == 0
    assert result["resident_frames"] > 100
    assert result["log_bytes"] < 2_000


def test_help_shows_an_example_and_what_is_unverified() -> None:
    """The help has commands to copy, and says what was never captured."""
    text = CliRunner().invoke(serve, ["--help"]).output

    assert "vectra-bot serve --port 8080 --seed 7" in text
    assert "unverified" in text
    assert "--dev-tokens" in text
