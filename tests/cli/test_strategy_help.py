"""The parameters of one strategy: `strategies SPEC`, and help with a strategy before it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vectra_bot.cli.main import main

BOT = '''
from vectra_bot import Strategy, param


class MyBot(Strategy):
    """Enter late."""

    entry: int = param(30, low=0, help="tick of the buy")
    token: str = param(secret=True, help="token of the chat")

    def on_game_tick(self, tick, game):
        if game.tick == self.entry:
            self.actions.buy("0.01")
'''


@pytest.fixture
def bot(tmp_path: Path) -> str:
    """Return the path of a strategy's file."""
    path = tmp_path / "help_bot.py"
    path.write_text(BOT, encoding="utf-8")
    return str(path)


def test_a_file_is_listed_with_its_parameters(bot: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As a table and as JSON, whose name is what `run` takes."""
    assert main(["strategies", bot]) == 0
    text = capsys.readouterr().out
    assert "Enter late." in text
    assert "entry = 30: tick of the buy, a whole number of at least 0" in text

    assert main(["strategies", f"{bot}:MyBot", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["strategies"]
    assert found["name"] == f"{bot}:MyBot"
    assert found["class"] == "help_bot:MyBot"
    described = [(p["name"], p["default"], p["secret"]) for p in found["parameters"]]
    assert described == [("entry", "30", False), ("token", "", True)]


def test_an_installed_strategy_is_listed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """By its name, with the distribution it comes from."""
    assert main(["strategies", "sidebet", "--json"]) == 0

    (found,) = json.loads(capsys.readouterr().out)["strategies"]
    assert (found["name"], found["distribution"], found["error"]) == ("sidebet", "vectra-bot", None)


@pytest.mark.parametrize(
    ("spec", "code", "words"),
    [("./missing.py", 3, "does not exist"), ("sidebte", 5, "did you mean sidebet")],
)
def test_what_cannot_be_listed_is_one_line(
    spec: str, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error is the one of `run`."""
    assert main(["strategies", spec]) == code
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "live"])
def test_help_shows_the_parameters_of_the_given_strategy(
    command: str, bot: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever it is given; the options follow as ever."""
    for arguments in ([bot, "--help"], ["--venue", "https://x.example", bot, "-h"]):
        assert main([command, *arguments]) == 0
        text = capsys.readouterr().out
        head, _, options = text.partition("\nOptions:\n")
        assert "Parameters of MyBot:\n  Enter late.\n" in head
        assert "--set entry=VALUE" in head
        words = " ".join(head.split())
        assert "tick of the buy, a whole number of at least 0 [default: 30]" in words
        assert "it is secret [required]" in words
        assert "--venue URL" in options


def test_help_of_a_broken_strategy_is_still_help(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says why the parameters cannot be shown."""
    broken = tmp_path / "broken.py"
    broken.write_text("def", encoding="utf-8")
    assert main(["run", str(broken), "--help"]) == 0

    text = " ".join(capsys.readouterr().out.split())
    assert "cannot be shown: strategy file" in text
    assert "--games N" in text


def test_help_without_a_strategy_shows_no_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither does one whose options are wrong."""
    for arguments in (["--help"], ["--nonsense", "--help"]):
        main(["run", *arguments])
        assert "Parameters of" not in capsys.readouterr().out
