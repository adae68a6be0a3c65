"""``vectra-bot dev money-check`` as a user runs it: output, options, exit codes."""

from __future__ import annotations

import json

import pytest

from vectra_bot.cli.main import main
from vectra_bot.cli.money_check import _print
from vectra_bot.conformance.money_check import check_money
from vectra_bot.exchange import Exchange, Outbound

SHORT = ("dev", "money-check", "--seed", "28", "--games", "1", "--crowd", "20", "--clients", "3")


def test_a_right_exchange_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object with counts, features and the house, and exit code 0."""
    assert main([*SHORT, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["passed"], found["differences"], found["seed"], found["games"]) == (
        True,
        [],
        28,
        1,
    )
    assert found["accounts"] == 23
    assert found["features"]["buy"] > 0


def test_a_right_exchange_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    """What was counted, the house's balance per kind of money, and the verdict in the last line."""
    assert main(list(SHORT)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1 games, 23 accounts, ")
    assert lines[-1] == "frames and books agree to the lamport"
    assert any(line.startswith("  house, SOL: ") for line in lines)


def test_a_wrong_exchange_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Every difference has its line, and the last line says that there are some."""

    class Mute(Exchange):
        def step(self) -> list[Outbound]:
            return [m for m in super().step() if "standard/newTrade" not in m.text]

    report = check_money(28, 1, crowd=0, clients=3, venue=Mute)
    _print(report)
    lines = capsys.readouterr().out.splitlines()
    assert report.differences
    assert lines[-1 - len(report.differences) : -1] == list(report.differences)
    assert lines[-1] == "frames and books differ"


def test_both_formats_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """December's and February's frames are checked alike; another format does not exist."""
    for wire_format in ("dec", "feb"):
        assert main([*SHORT, "--format", wire_format, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["passed"] is True
    assert main([*SHORT, "--format", "march"]) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        ["--games", "0"],
        ["--games", "1.5"],
        ["--seed", "-1"],
        ["--crowd", "3001"],
        ["--clients", "201"],
        ["--unknown"],
    ],
)
def test_wrong_options_are_a_usage_error(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line that names the option; nothing is played."""
    assert main(["dev", "money-check", *wrong]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert wrong[0] in captured.err


def test_help_says_what_is_unverified(capsys: pytest.CaptureFixture[str]) -> None:
    """The help has examples, and says that shorts, leverage and side games are models of the venue."""
    assert main(["dev", "money-check", "--help"]) == 0
    text = capsys.readouterr().out
    assert "vectra-bot dev money-check --seed 7 --games 100" in text
    assert "unverified" in text
