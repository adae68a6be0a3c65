"""The check of a strategy: what it finds besides lookahead and chance, and how it says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vectra_bot.cli.main import main
from vectra_bot.errors import UnknownNameError
from vectra_bot.testing.checks.check import check_strategy
from vectra_bot.testing.checks.report import CheckKind, StrategyCheck, StrategyProblem

BROKEN = """
from vectra_bot import Strategy, param


class Broken(Strategy):
    divisor: int = param(1, low=0, high=2)
    stake: float = param(3.0)

    def on_game_tick(self, tick, game):
        if game.price > 1e5:
            raise ValueError("too high")
        if game.tick == 3:
            self.actions.buy(self.stake // self.divisor)
"""
REFUSES = """
from vectra_bot import ConfigError, Strategy, param


class Refuses(Strategy):
    fast: int = param(3, low=1, high=9)
    slow: int = param(5, low=1, high=9)

    def __attrs_post_init__(self):
        if self.fast >= self.slow:
            raise ConfigError(f"fast was {self.fast}: give less than slow")

    def on_game_tick(self, tick, game):
        if game.tick == self.fast:
            self.actions.buy("0.01", max_ticks=self.slow)
"""
DIES = """
import os

from vectra_bot import Strategy


class Dies(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick == 3:
            os._exit(7)
"""


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> StrategyCheck:
    """The check of a strategy that is wrong in three ways; a check takes some seconds."""
    path = tmp_path_factory.mktemp("bots") / "broken.py"
    path.write_text(BROKEN, encoding="utf-8")
    return check_strategy(str(path), games=1, seed=3, examples=60)


def only(found: StrategyCheck, kind: CheckKind) -> StrategyProblem:
    """Return the one problem of a check."""
    (problem,) = [problem for problem in found.problems if problem.check is kind]
    return problem


def test_a_bound_that_raises_is_found(broken: StrategyCheck) -> None:
    """With the setting, tick and error."""
    problem = only(broken, CheckKind.BOUNDS)

    assert "divisor=0" in problem.why
    assert "ZeroDivisionError" in problem.why
    assert problem.tick == 3
    assert problem.detail["settings"] == {"divisor": "0"}


def test_drawn_prices_that_raise_are_the_simplest(broken: StrategyCheck) -> None:
    """One game, which ends with the first price that raises."""
    problem = only(broken, CheckKind.SHAPES)

    assert "too high" in problem.why
    (prices,) = problem.detail["prices"]
    assert max(prices[:-1]) <= 1e5 < prices[-1]


def test_a_strategy_whose_every_action_is_denied_is_found(broken: StrategyCheck) -> None:
    """With the limit that denies it."""
    problem = only(broken, CheckKind.LIMITS)

    assert problem.decision == "BUY 3"
    assert "none of its 1 actions was executed: limit.stake" in problem.why


def test_parameters_that_a_strategy_refuses_are_a_note(tmp_path: Path) -> None:
    """Its own ConfigError is the right answer to values that do not fit together."""
    path = tmp_path / "refuses.py"
    path.write_text(REFUSES, encoding="utf-8")

    found = check_strategy(str(path), games=1, examples=0)

    assert found.problems == ()
    assert any("refuses fast=9" in note for note in found.notes)
    assert found.skipped == {CheckKind.SHAPES: "no games were to be drawn"}


def test_a_strategy_that_ends_its_process_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line with its exit code."""
    path = tmp_path / "dies.py"
    path.write_text(DIES, encoding="utf-8")

    assert main(["check", str(path), "--games", "1"]) == 7
    assert "ended with 7" in capsys.readouterr().err


def test_the_command_prints_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 for a strategy of the distribution."""
    assert main(["check", "take-profit", "--games", "1", "--json"]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert shown["ok"] is True
    assert [one["check"] for one in shown["checks"]] == [kind.value for kind in CheckKind]
    assert all(one["plays"] for one in shown["checks"])


def test_an_unknown_name_is_refused() -> None:
    """As everywhere."""
    with pytest.raises(UnknownNameError):
        check_strategy("take-proft")
