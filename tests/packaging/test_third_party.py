"""Strategies, plugins and commands of another distribution, installed and run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "acme-bots"
version = "2.5.0"
dependencies = ["vectra-bot"]

[project.entry-points."vectra_bot.strategies"]
acme-early = "acme_bots.early:Early"
acme-raises = "acme_bots.early:Raises"
acme-missing = "acme_bots.nowhere:Missing"

[project.entry-points."vectra_bot.plugins"]
acme-count = "acme_bots.count:Count"
acme-broken = "acme_bots.broken"

[project.entry-points."vectra_bot.commands"]
acme-hello = "acme_bots.hello:hello"
acme-lost = "acme_bots.nowhere:lost"
"""

MODULES = {
    "__init__": "",
    "early": '''
from decimal import Decimal

from vectra_bot import Strategy, param


class Early(Strategy):
    """Buy at tick 3, leave by a declared exit."""

    stake: Decimal = param("0.02", low="0.001", high="1")

    def on_game_tick(self, tick, game):
        if game.tick == 3:
            self.actions.buy(self.stake, max_ticks=5)


class Raises(Strategy):
    """Fail at tick 2 of the first game."""

    def on_game_tick(self, tick, game):
        if game.tick == 2:
            raise ZeroDivisionError("acme strategy failed")
''',
    "count": '''
import json
import pathlib

from vectra_bot import Plugin, hookimpl, param


class Count(Plugin):
    """Count what was seen."""

    path: str = param("")

    @hookimpl
    def session_started(self, info):
        self.seen = {"games": 0, "outcomes": 0, "trades": 0}

    @hookimpl
    def on_game_end(self):
        self.seen["games"] += 1

    @hookimpl
    def on_action_outcome(self, action):
        self.seen["outcomes"] += 1

    @hookimpl
    def on_other_player_trade(self, trade):
        self.seen["trades"] += 1

    @hookimpl
    def session_finished(self, report):
        if self.path:
            pathlib.Path(self.path).write_text(json.dumps(self.seen))
''',
    "broken": 'raise ImportError("acme needs a library that is not here")\n',
    "hello": '''
import click


@click.command()
def hello():
    """Say hello."""
    click.echo("hello from acme")
''',
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the distribution from its own pyproject, without a network, and return where."""
    base = tmp_path_factory.mktemp("acme")
    package = base / "source" / "acme_bots"
    package.mkdir(parents=True)
    (base / "source" / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    for name, text in MODULES.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    target = base / "site"
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
            "--no-index", "--target", str(target), str(base / "source"),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return target


def _vectra(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, "-m", "vectra_bot", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_plugins_lists_foreign_and_broken_ones(site: Path) -> None:
    """A plugin that cannot be imported is listed with its error beside those that work."""
    done = _vectra(site, "plugins", "--json")

    assert done.returncode == 0, done.stderr
    found = {entry["name"]: entry for entry in json.loads(done.stdout)["plugins"]}
    assert set(found) >= {"acme-count", "acme-broken", "session-log", "stake-guard"}
    assert found["acme-count"]["distribution"] == "acme-bots"
    assert found["acme-count"]["version"] == "2.5.0"
    assert "on_action_outcome" in found["acme-count"]["hooks"]
    assert found["acme-count"]["error"] is None
    assert "acme needs a library" in found["acme-broken"]["error"]


def test_strategies_lists_foreign_and_broken_ones(site: Path) -> None:
    """A strategy that cannot be imported is listed with its error beside those that work."""
    done = _vectra(site, "strategies", "--json")

    assert done.returncode == 0, done.stderr
    found = {entry["name"]: entry for entry in json.loads(done.stdout)["strategies"]}
    assert found["acme-early"]["parameters"][0]["default"] == "0.02"
    assert found["acme-early"]["error"] is None
    assert "nowhere" in found["acme-missing"]["error"]


def test_foreign_strategy_and_plugin_run(site: Path, store: Path, tmp_path: Path) -> None:
    """The strategy trades and the plugin sees it, a broken plugin beside them notwithstanding."""
    counted = tmp_path / "count.json"

    done = _vectra(
        site, "run", "acme-early", "--games", "3", "--seed", "7", "--set", "stake=0.03",
        "--plugin-set", f"acme-count.path={counted}", "--json",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    seen = json.loads(counted.read_text(encoding="utf-8"))
    assert seen["outcomes"] == sum(report["actions"].values()) > 0
    assert seen["games"] == report["games"] == 3
    assert seen["trades"] > 0
    assert list(store.glob("doc_type=player_action/**/*.parquet"))


def test_strategy_that_raises_ends_the_session(site: Path, store: Path) -> None:
    """Its traceback is shown, the exit code says so, and the store is complete."""
    done = _vectra(site, "run", "acme-raises", "--games", "3", "--seed", "7", "--json")

    assert done.returncode == 7
    assert "ZeroDivisionError: acme strategy failed" in done.stderr
    assert "early.py" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert list(store.glob("doc_type=game_tick/**/*.parquet"))
    question = (
        "SELECT kind, message, detail_json FROM system_event "
        "WHERE concat(message, detail_json) LIKE '%acme strategy failed%'"
    )
    asked = _vectra(site, "query", question, "--json")
    assert asked.returncode == 0, asked.stderr
    (event,) = json.loads(asked.stdout)
    assert "ZeroDivisionError" in event["message"] + event["detail_json"]
    assert "early.py" in event["detail_json"]


def test_broken_strategy_is_named(site: Path) -> None:
    """A strategy whose module is missing gets one line that says so."""
    done = _vectra(site, "run", "acme-missing")

    assert done.returncode == 7
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "acme-missing" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_foreign_command_runs(site: Path) -> None:
    """A command of another distribution is listed and runs."""
    listed = _vectra(site, "--help")
    said = _vectra(site, "acme-hello")

    assert "acme-hello" in listed.stdout
    assert (said.returncode, said.stdout) == (0, "hello from acme\n")


def test_broken_command_is_named(site: Path) -> None:
    """A command that cannot be loaded gets one line and the plugin exit code."""
    done = _vectra(site, "acme-lost")

    assert done.returncode == 8
    assert done.stderr.startswith("error: command 'acme-lost' of acme_bots.nowhere:lost")
    assert len(done.stderr.splitlines()) == 1
