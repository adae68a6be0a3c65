"""``vectra-bot sweep`` as a user runs it: table, JSON, page, errors, stops."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from vectra_bot.backtest.sweep import SweepConfig
from vectra_bot.cli.main import main
from vectra_bot.cli.sweep import sweep

GIVEN = (
    "take-profit", "--range", "target=1.1,2", "--range", "stake=0.01,0.02", "--games", "240",
    "--seed", "7", "--jobs", "1", "--walk-forward", "2",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that the first run of the module fills."""
    return tmp_path_factory.mktemp("sweep")


def run(folder: Path, *arguments: str) -> Result:
    """Run the small sweep in this process."""
    out = ("--out", str(folder / "out"))
    return CliRunner().invoke(sweep, [*GIVEN, *out, *arguments], standalone_mode=False)


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    """Return what the command prints as JSON, with a page beside it."""
    result = run(folder, "--json", "--report", str(folder / "page.html"))
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_json_has_every_set_and_what_luck_makes_of_the_best(found: dict[str, Any]) -> None:
    """Best, table, reality check, walk-forward, chunks and digest are there, and agree."""
    assert found["best"] == found["variants"][0]
    assert len(found["variants"]) == found["sets"] == 4
    means = [one["mean"] for one in found["variants"]]
    assert means == sorted(means, reverse=True)
    for one in found["variants"]:
        low, high = one["interval"]
        assert low < one["mean"] < high
        assert found["reality_check"]["p"] <= one["p"] <= 1
    assert found["reality_check"]["benchmark"] == "law"
    assert [step["games"] for step in found["walk_forward"]["steps"]] == [[80, 160], [160, 240]]
    assert found["chunks"] == {"total": 4, "played": 4, "reused": 0, "corrupt": 0}
    assert re.fullmatch(r"[0-9a-f]{64}", found["digest"])
    assert found["ranges"]["stake"] == {"values": ["0.01", "0.02"]}


def test_twice_the_stake_is_twice_the_profit(found: dict[str, Any]) -> None:
    """Sets play the same games: the same rule with twice the stake makes twice as much, to a lamport."""
    by_set = {tuple(one["parameters"].values()): one["mean"] for one in found["variants"]}

    for target in (1.1, 2.0):
        assert by_set[target, "0.02"] == pytest.approx(2 * by_set[target, "0.01"], abs=2e-9)


def test_the_text_says_the_same(folder: Path, found: dict[str, Any]) -> None:
    """A table of sets, a heat map, and what was reused; progress is on stderr."""
    result = run(folder, "--top", "2")

    lines = result.stdout.splitlines()
    assert lines[0].startswith("set ")
    assert lines[1].startswith(f"target=1.1 stake={found['best']['parameters']['stake']} ")
    assert [line.split()[0] for line in lines[4:8]] == ["Profit", "stake", "0.01", "0.02"]
    text = " ".join(result.stdout.split())
    assert "Chunks 0 played, 4 reused, 0 corrupt" in text
    assert found["digest"] in text
    assert "by luck alone" in text
    assert "Walk-forward" in text


def test_the_page_is_whole_and_has_the_numbers_of_the_json(
    folder: Path, found: dict[str, Any]
) -> None:
    """Every number of the page is at its key in the JSON; nothing is loaded from elsewhere."""
    html = (folder / "page.html").read_text()
    numbers = re.findall(r'<data data-key="([^"]+)" value="([^"]+)">', html)

    assert html.startswith("<!doctype html>")
    assert html.endswith("</html>\n")
    assert not re.search(r"(src|href)=|https?:|@import|url\(", html)
    assert len(numbers) > 40
    for key, value in numbers:
        at: Any = found
        for index, name in re.findall(r"\[(\d+)\]|([^.\[\]]+)", key):
            at = at[int(index)] if index else at[name]
        assert json.loads(value) == at, key


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nobody"], 5, "no strategy is named 'nobody'"),
        (["take-profit", "--range", "targt=1:2"], 4, "did you mean target"),
        (["take-profit", "--range", "target"], 2, "give target=LOW:HIGH"),
        (["take-profit", "--random", "3", "--grid"], 2, "were given together"),
        (["take-profit", "--optuna", "tpe"], 2, "belong together"),
        (["take-profit", "--games", "0"], 2, "--games was '0'"),
        (["take-profit", "--walk-forward", "soon"], 2, "--walk-forward was 'soon'"),
        (["take-profit", "--set", "stake=x", "--range", "target=1.1,2"], 4, "no set can be played"),
        (["take-profit", "--report", "page.txt"], 2, ".html"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    arguments: list[str], code: int, words: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What was given, what to give, and a stable exit code."""
    assert main(["sweep", *arguments, "--out", str(tmp_path / "out")]) == code

    printed = capfd.readouterr().err
    assert words in printed
    assert len(printed.splitlines()) == 1


def test_a_strategy_that_raises_has_its_exit_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The message names the parameters with which it raised."""
    file = tmp_path / "raises_in_sweep.py"
    file.write_text(
        "from vectra_bot import Strategy\n\n\nclass Raises(Strategy):\n    entry: int = 1\n\n"
        "    def on_game_tick(self, tick, game):\n        1 / (self.entry - 2)\n"
    )

    code = main(
        ["sweep", str(file), "--range", "entry=1,2", "--games", "2", "--jobs", "1",
         "--out", str(tmp_path / "out")]
    )  # fmt: skip

    assert code == 7
    assert "error: with entry=2: " in capfd.readouterr().err


def test_every_option_is_declared_once() -> None:
    """The flags of the command are those of the config, the limits and the command's own."""
    from vectra_bot.params import options_of

    flags = {flag for option in sweep.params for flag in option.opts}

    assert {option.flag for option in options_of(SweepConfig) if option.flag} <= flags


@pytest.mark.slow  # a process is started and stopped
def test_ctrl_c_reports_what_was_finished(tmp_path: Path) -> None:
    """The sets that are done are reported, the rest is said to be unfinished, with the signal's exit code."""
    out = tmp_path / "out"
    command = [
        sys.executable, "-m", "vectra_bot", "sweep", "take-profit", "--range", "target=1.1:3",
        "--points", "50", "--games", "400", "--chunk", "200", "--jobs", "2", "--out", str(out), "--json",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while len(list(out.rglob("*.chunk"))) < 5 and process.poll() is None:
            pass
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)

    found = json.loads(stdout)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert found["ended"] == "stopped"
    assert found["variants"]
    assert found["unfinished"] > 0
    assert found["unfinished"] + len(found["variants"]) == found["sets"] == 50
    assert (
        found["chunks"]["played"] >= 4
    )  # the fifth may have been interrupted before it was counted
