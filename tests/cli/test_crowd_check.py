"""``vectra-bot dev crowd-check`` as a user runs it: output, exit codes, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from vectra_bot.cli.crowd_check import crowd_check
from vectra_bot.conformance.crowd.crowd_games import watch_games
from vectra_bot.errors import CheckFailed, InputError, UsageError
from vectra_bot.exchange.config import ExchangeConfig


def run(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(crowd_check, list(arguments))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Forty of our games, written as the two kinds of capture, and one capture with twice the trades."""
    folder = tmp_path_factory.mktemp("captures")
    games = list(watch_games(ExchangeConfig(seed=2, crowd=40), 40))
    lines: dict[str, list[dict[str, Any]]] = {
        "recorded": [recorded for recorded, _ in games],
        "seeded": [seeded for _, seeded in games],
        "busier": [{**row, "rug_trade_count": 2 * row["rug_trade_count"] + 50} for row, _ in games],
    }
    paths = {}
    for name, rows in lines.items():
        path = folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        paths[name] = str(path)
    return paths


def test_json_has_a_verdict_for_every_quantity(files: dict[str, str]) -> None:
    """Compared with games of the same crowd all pass: one JSON object, exit code 0."""
    given = ("--against", files["recorded"], "--against", files["seeded"])
    result = run("--seed", "2", "--games", "40", "--crowd", "40", "--json", *given)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["seed"], found["games"], found["crowd"]) == (2, 40, 40)
    assert found["passed"] is True
    assert found["failed"] == []
    by_name = {q["name"]: q for q in found["quantities"] if q["against"] == "files"}
    trades = by_name["trades_per_game"]
    assert trades["kind"] == "crowd"
    assert trades["ratio"] == pytest.approx(trades["mean_ours"] / trades["mean_theirs"])
    assert trades["ks"] < trades["limit"]
    assert by_name["rug_tick"]["kind"] == "law"
    assert by_name["rug_tick"]["p"] == pytest.approx(1)


def test_a_difference_is_named_and_fails(files: dict[str, str]) -> None:
    """A quantity that differs gives FAILED in the table and exit code 1."""
    result = run("--seed", "2", "--games", "40", "--crowd", "40", "--against", files["busier"])
    assert isinstance(result.exception, CheckFailed)
    assert result.exception.exit_code == 1
    assert "trades_per_game" in str(result.exception)
    line = next(text for text in result.stdout.splitlines() if text.startswith("trades_per_game"))
    assert line.split()[-1] == "FAILED"


def test_what_no_file_carries_is_said_to_be_so(files: dict[str, str]) -> None:
    """Without sidebets in the files, sidebets are not compared, and not passed."""
    result = run("--seed", "2", "--games", "40", "--crowd", "40", "--against", files["recorded"])
    assert result.exit_code == 0, result.output
    assert "not compared, in no file: sidebets_per_game" in result.stdout


def test_without_a_file_it_says_what_to_give() -> None:
    """A check without files is an error that says what to give."""
    result = run("--games", "5")
    assert isinstance(result.exception, UsageError)
    assert "give --against FILE" in str(result.exception)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Rows without crowd quantities are reported with their place; so is a missing file."""
    path = tmp_path / "rows.jsonl"
    path.write_text('{"tickIndex": 3}\n')
    result = run("--games", "5", "--against", str(path))
    assert isinstance(result.exception, InputError)
    assert "line 1: this kind of row (its keys: tickIndex)" in str(result.exception)
    missing = run("--games", "5", "--against", str(tmp_path / "none.jsonl"))
    assert isinstance(missing.exception, InputError)
    assert "does not exist" in str(missing.exception)


def test_no_games_are_no_check(files: dict[str, str]) -> None:
    """A number of games below one is a wrong command line."""
    assert run("--games", "0", "--against", files["recorded"]).exit_code == 2
