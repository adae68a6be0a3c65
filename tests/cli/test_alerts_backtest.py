"""The command that scores alerts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vectra_bot.cli.main import main

FALSE = """
from vectra_bot import AlertModel

class Edge(AlertModel):
    name = "edge\\x1b[2J"

    def rug_chance(self, game, ticks):
        return 0.9
"""


def test_a_table_and_the_test_of_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    """For people."""
    assert main(["alerts", "backtest", "--games", "60", "--seed", "1"]) == 0
    out = capsys.readouterr().out

    assert out.startswith("60 games of exchange")
    assert "rug_warning" in out
    assert "short_entry_signal (unverified)" in out
    assert "model law:" in out
    assert "consistent" in out


def test_a_false_model_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and its name cannot send control sequences to the terminal."""
    path = tmp_path / "edge.py"
    path.write_text(FALSE, encoding="utf-8")
    command = ["alerts", "backtest", "--games", "60", "--seed", "1", "--model", str(path)]

    assert main(command) == 1
    out, err = capsys.readouterr()
    assert "REFUTED" in out
    assert "edge" in err
    assert "are not true" in err
    assert "\x1b[2J" not in out + err


def test_parameters_reach_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    """A signal that comes at another tick, and one that needs more than the law gives."""
    command = ["alerts", "backtest", "--games", "5", "--json"]
    settings = ["alerts.sidebet_tick=1", "alerts.rug_warning_chance=0.9"]
    assert main([*command, *(part for one in settings for part in ("--plugin-set", one))]) == 0
    found = {one["type"]: one for one in json.loads(capsys.readouterr().out)["types"]}

    assert found["sidebet_optimal_zone"]["scored"] == 5
    assert "rug_warning" not in found


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--from", "none", "--games", "5"], 2, "give one source"),
        (["--from", "none"], 3, "no store"),
        (["--rules", "nothing"], 5, "nothing"),
        (["--model", "./none.py"], 3, "alert model file './none.py' does not exist"),
        (["--plugin-set", "alerts.milestones=x"], 4, "milestones was 'x'"),
        (["--plugin-set", "alerts"], 2, "--plugin-set"),
        (["--games", "0"], 2, "games"),
    ],
    ids=["two-sources", "store", "rules", "model", "parameter", "pair", "games"],
)
def test_wrong_options_are_one_line(
    arguments: list[str],
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What, the value, and what to do."""
    monkeypatch.chdir(tmp_path)

    assert main(["alerts", "backtest", *arguments]) == code
    assert words in capsys.readouterr().err


def test_the_group_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command."""
    assert main(["alerts"]) == 0
    assert "backtest" in capsys.readouterr().out
