"""Outputs that cannot be written: one line, one code, and what was done is done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vectra_bot.cli.main import main

FULL = Path("/dev/full")
WATCH = ["run", "watch", "--games", "1", "--seed", "7", "--crowd", "0", "--session-id", "S"]
PRINTING = """
from vectra_bot import Strategy

class Printing(Strategy):
    def on_game_tick(self, tick, game):
        print("x" * 1000, flush=True)
"""


def run(arguments: list[str], redirection: str) -> subprocess.CompletedProcess[str]:
    """Run the command line by a shell that redirects its streams."""
    return subprocess.run(
        ["sh", "-c", f'exec "$0" -m vectra_bot "$@" {redirection}', sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"], ids=["full", "closed"])
@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["strategies"], ["plugins", "--json"], ["odds", "edge", "--simulate", "0"]],
    ids=lambda arguments: arguments[0],
)
def test_an_output_that_cannot_be_written_is_one_line_and_a_code(
    arguments: list[str], redirection: str
) -> None:
    """It is neither success nor a defect of the program."""
    done = run(arguments, redirection)

    assert done.returncode == 74
    assert done.stderr.startswith("error: standard output cannot be written (")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize(
    ("options", "redirection", "code"),
    [
        (["--json"], ">/dev/full", 74),
        ([], ">&-", 74),
        ([], "2>/dev/full", 0),
        (["--json"], "2>&-", 0),
        ([], ">&- 2>&- <&-", 74),
    ],
    ids=["json-full", "closed", "stderr-full", "stderr-closed", "all-closed"],
)
def test_a_session_is_stored_whatever_its_output_does(
    options: list[str], redirection: str, code: int, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The streams that fail take nothing with them, and no file takes the number of a closed one."""
    done = run([*WATCH, *options], redirection)

    assert done.returncode == code
    assert main(["store", "check", "--json"]) == 0
    assert main(["query", "games", "--json"]) == 0
    found = capsys.readouterr().out.partition("\n")[2]
    assert {row["session_id"] for row in json.loads(found)} == {"S"}


def test_a_strategy_that_prints_to_a_closed_pipe_still_ends_its_session(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """That the reader closed it is not an error of the strategy."""
    bot = tmp_path / "printing.py"
    bot.write_text(PRINTING)
    reading, writing = os.pipe()
    os.close(reading)
    arguments = ["run", str(bot), *WATCH[2:]]
    done = subprocess.run(
        [sys.executable, "-m", "vectra_bot", *arguments],
        stdout=writing, stderr=subprocess.PIPE, text=True, check=False, timeout=120,
    )  # fmt: skip
    os.close(writing)

    assert done.returncode == 141, done.stderr
    check = ["replay", str(store / "journals" / "S"), "--check", "--strategy", str(bot), "--json"]
    assert main(check) == 0
    assert json.loads(capsys.readouterr().out)["clean"]
