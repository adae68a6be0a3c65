"""`vectra-bot run`: its output, its options, its end."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vectra_bot.cli.main import main
from vectra_bot.errors import InputError
from vectra_bot.journal import read_journal

REPORT_KEYS = {
    "mode", "venue", "session_id", "store", "journal", "games", "ticks", "actions", "cash_start",
    "cash_end", "pnl", "pnl_interval", "expected", "latency", "digest",
}  # fmt: skip

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run_json(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs `vectra-bot run ... --json` and returns its object."""

    def run(*arguments: str, code: int = 0) -> dict[str, Any]:
        assert main(["run", *arguments, "--crowd", "0", "--json"]) == code
        captured = capsys.readouterr()
        result: dict[str, Any] = json.loads(captured.out)
        return result

    return run


def test_json_is_one_object_with_the_promised_keys(run_json: Run, store: Path) -> None:
    """--json prints one object; its store and journal are where it says."""
    report = run_json("take-profit", "--games", "2", "--seed", "7")

    assert set(report) >= REPORT_KEYS
    assert (report["mode"], report["venue"], report["games"]) == ("paper", "embedded", 2)
    assert Path(report["store"]) == store
    assert Path(report["journal"]).is_dir()
    assert re.fullmatch("[0-9a-f]{64}", report["digest"])


def test_report_for_people_names_what_matters(
    capsys: pytest.CaptureFixture[str], store: Path
) -> None:
    """Without --json the report has games, actions, PnL, expectation, latency, store and a query."""
    assert main(["run", "take-profit", "--games", "2", "--seed", "7", "--crowd", "0"]) == 0

    text = capsys.readouterr().out
    for name in (
        "Games",
        "Actions",
        "PnL",
        "95 % confidence interval",
        "Expected",
        "Latency",
        "Digest",
    ):
        assert name in text
    assert str(store) in text
    assert "vectra-bot query" in text


def test_suggested_query_runs(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    """The query that a report suggests works as printed."""
    code = main(["run", "sidebet", "--games", "1", "--seed", "7", "--crowd", "0"])
    report = capsys.readouterr()
    assert code == 0, report
    found = re.search(r"^Next +vectra-bot (query .*\S)", report.out, re.MULTILINE)
    assert found, report

    assert main(shlex.split(found[1])) == 0, capsys.readouterr().err
    assert "cash_start" in capsys.readouterr().out


def test_same_seed_and_session_give_the_same_digest(run_json: Run, tmp_path: Path) -> None:
    """Seed, session id and settings determine everything; another seed gives other games."""
    fixed = ("take-profit", "--games", "3", "--session-id", "x")

    first = run_json(*fixed, "--seed", "7", "--store", str(tmp_path / "a"))
    second = run_json(*fixed, "--seed", "7", "--store", str(tmp_path / "b"))
    other = run_json(*fixed, "--seed", "8", "--store", str(tmp_path / "c"))

    assert first["digest"] == second["digest"]
    assert first["digest"] != other["digest"]


def test_config_file_sets_and_command_line_wins(run_json: Run, tmp_path: Path, store: Path) -> None:
    """Every section of a file is used; an option overrides its key."""
    config = tmp_path / "bot.toml"
    config.write_text(
        '[run]\nstrategy = "sidebet"\ngames = 5\nseed = 3\ncash = "2.5"\n'
        '[strategy]\nstake = "0.02"\nstart_tick = 1\n[limits]\nactions_per_game = 1\n'
        "[plugins.session-log]\nenabled = false\n",
        encoding="utf-8",
    )

    report = run_json("--config", str(config), "--games", "2")

    assert (report["strategy"], report["games"], report["seed"]) == ("sidebet", 2, 3)
    assert report["cash_start"] == 2.5
    assert report["actions"]["CONFIRMED"] <= 2
    assert not list(store.glob("sessions/**/session.log"))


def test_limits_deny(run_json: Run) -> None:
    """An entry above the stake limit is denied and nothing is spent."""
    report = run_json("take-profit", "--games", "2", "--seed", "7", "--limit-stake", "0.005")

    assert list(report["actions"]) == ["DENIED"]
    assert report["cash_end"] == report["cash_start"]


def test_start_moves_the_exchange_clock(run_json: Run, store: Path) -> None:
    """--start dates the games."""
    run_json("watch", "--games", "1", "--seed", "7", "--start", "2026-02-03T04:05:06Z")

    log = next(store.glob("sessions/*/session.log")).read_text(encoding="utf-8")
    assert "game 20260203-" in log


def test_strategy_from_a_file(run_json: Run, tmp_path: Path) -> None:
    """A file runs without packaging; of several classes one is named."""
    path = tmp_path / "bots.py"
    path.write_text(
        "from vectra_bot import Strategy\n\n\nclass One(Strategy):\n    pass\n\n\n"
        "class Two(Strategy):\n    def on_game_tick(self, tick, game):\n"
        "        if game.tick == 1:\n            self.actions.sidebet('0.001')\n",
        encoding="utf-8",
    )

    report = run_json(f"{path}:Two", "--games", "1", "--seed", "7")

    assert report["strategy"] == "Two"
    assert sum(report["actions"].values()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "fragments"),
    [
        ([], 2, ["no strategy was given"]),
        (["take-profi"], 5, ["take-profi", "did you mean take-profit"]),
        (["./nowhere.py"], 3, ["nowhere.py", "does not exist"]),
        (["watch", "--games", "0"], 2, ["--games was '0'", "from 1"]),
        (["watch", "--games", "many"], 2, ["--games was 'many'"]),
        (["watch", "--seed", "-1"], 2, ["--seed was '-1'"]),
        (["watch", "--speed", "fast"], 2, ["--speed was 'fast'", "max"]),
        (["watch", "--cash", "NaN"], 2, ["--cash was 'NaN'"]),
        (["watch", "--latency-ms", "-5"], 2, ["--latency-ms was '-5'"]),
        (["watch", "--format", "jan"], 2, ["--format was 'jan'", "feb, dec"]),
        (["watch", "--start", "yesterday"], 2, ["--start was 'yesterday'", "2026-01-01"]),
        (["watch", "--limit-stake", "much"], 2, ["--limit-stake was 'much'"]),
        (["watch", "--session-id", "../up"], 3, ["../up"]),
        (["watch", "--set", "stake"], 2, ["--set was 'stake'", "KEY=VALUE"]),
        (["watch", "--set", "stake=1"], 4, ["stake"]),
        (["take-profit", "--set", "stak=1"], 4, ["stak", "did you mean stake"]),
        (["take-profit", "--set", "stake=9"], 4, ["stake", "'9'", "0.001", "5"]),
        (["take-profit", "--set", "target=x"], 4, ["target", "'x'"]),
        (["watch", "--plugin", "stake-gard"], 5, ["did you mean stake-guard"]),
        (["watch", "--plugin-set", "max_share=1"], 2, ["NAME.KEY=VALUE"]),
        (["watch", "--plugin-set", "stake-guard.max_share=7"], 4, ["max_share", "7"]),
        (["watch", "--config", "./nowhere.toml"], 3, ["nowhere.toml", "cannot be read"]),
        (["watch", "--exchange-log", "./no/such/folder.log"], 3, ["folder.log"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: list[str],
    code: int,
    fragments: list[str],
    store: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The error, the value, and what to do: one line, a code by kind, no half-written session."""
    assert main(["run", *arguments, "--crowd", "0"]) == code

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert len(captured.err.splitlines()) == 1
    for fragment in fragments:
        assert fragment in captured.err
    assert not list(store.glob("**/*.parquet"))


def _entries(journal: Path) -> int:
    """Return the number of entries of a journal that may be about to begin."""
    try:
        return sum(1 for _ in read_journal(journal))
    except InputError:
        return 0


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["sigint", "sigterm", "sighup"],
)
def test_signal_ends_a_run_with_a_complete_store(
    number: signal.Signals, code: int, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first signal ends the session between two events: report, closed journal, readable store."""
    command = ["run", "take-profit", "--games", "100000", "--session-id", "long", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "vectra_bot", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while _entries(store / "journals" / "long") < 200:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    assert process.returncode == code, err
    report = json.loads(out)
    assert report["ended"] == f"stopped: {number.name}"
    assert main(["replay", report["journal"], "--check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clean"]


_AFTER = """
import fcntl, os, signal, sys, termios
{}
os.execv(sys.executable, [sys.executable, "-m", "vectra_bot", *sys.argv[1:]])
"""
_OF_A_TERMINAL = "os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
_IGNORING = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"


def test_a_closed_terminal_ends_a_run_with_a_complete_store(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGHUP of a terminal that is closed: output fails from then on, and the session still ends whole."""
    leader, follower = pty.openpty()

    command = ["run", "take-profit", "--games", "100000", "--session-id", "long"]
    process = subprocess.Popen(
        [sys.executable, "-c", _AFTER.format(_OF_A_TERMINAL), *command],
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    _read_until(leader, "Games")
    os.close(leader)

    assert process.wait(timeout=60) == 129
    journal = store / "journals" / "long"
    assert main(["replay", str(journal), "--check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clean"]


def _read_until(descriptor: int, text: str) -> str:
    shown = ""
    while text not in shown:
        shown += os.read(descriptor, 65_536).decode(errors="replace")
    return shown


def test_a_run_under_nohup_ignores_the_hangup(store: Path) -> None:
    """A signal that the shell has set to be ignored stays ignored."""
    command = ["run", "watch", "--games", "3", "--session-id", "kept"]
    process = subprocess.Popen(
        [sys.executable, "-c", _AFTER.format(_IGNORING), *command],
        stdout=subprocess.DEVNULL,
    )
    while _entries(store / "journals" / "kept") < 1:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=60) == 0


def test_terminal_gets_a_live_table(store: Path) -> None:
    """On a terminal the run shows games, position, cash and actions while it continues."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "vectra_bot", "run", "take-profit", "--games", "2", "--seed", "7"],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"},
    ) as process:
        os.close(follower)
        shown = _read_all(leader)
    os.close(leader)

    assert process.returncode == 0
    for name in ("Games", "2 of 2", "Position", "Cash", "Actions", "Report"):
        assert name in shown


def _read_all(descriptor: int) -> str:
    parts = []
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # the other side has closed
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode("utf-8", "replace")


def test_without_a_terminal_progress_goes_to_stderr(
    capsys: pytest.CaptureFixture[str], store: Path
) -> None:
    """A pipe gets only the report; plain progress lines go to stderr."""
    assert main(["run", "watch", "--games", "2", "--seed", "7", "--crowd", "0"]) == 0

    captured = capsys.readouterr()
    assert captured.out.startswith("Report")
    assert "game 2 of 2" in captured.err
    assert "\x1b" not in captured.out + captured.err
