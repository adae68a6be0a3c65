"""The test kit: a bench of a class, games from prices, whole sessions over them, the pytest plugin."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import vectra_bot
from vectra_bot import GameView, Plugin, Strategy, hookimpl, param
from vectra_bot.errors import ConfigError, StrategyError
from vectra_bot.exchange import Exchange, ExchangeConfig
from vectra_bot.journal import read_header
from vectra_bot.models import ActionState, ActionType, DocType, GameSummary, GameTick, PlayerAction
from vectra_bot.testing import Bench, make_game, play_games


class Early(Strategy):
    """Buy at a tick, sell at a multiple of the price paid."""

    stake: Decimal = param("0.01", low="0.001", high="5")
    entry: int = param(2, low=0)
    target: float = param(1.2, low=1.01)

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        if game.tick == self.entry:
            self.actions.buy(self.stake, take_profit=self.target)


class Ends(Early):
    """Keeps what it learns at the end of a game."""

    def __attrs_post_init__(self) -> None:
        self.peaks: list[float] = []

    def on_game_end(self, game: GameView, summary: GameSummary) -> None:
        self.peaks.append(float(summary.peak))


def test_a_class_is_driven_with_its_parameters() -> None:
    """A class and its parameters are checked and converted as everywhere."""
    bench = Bench(Early, stake="0.02", entry=1)
    bench.start_game([1.0, 1.0])

    assert bench.commands[-1].amount == Decimal("0.02")
    with pytest.raises(ConfigError, match="has no parameter 'targte': did you mean target"):
        Bench(Early, targte=1.2)
    with pytest.raises(ConfigError, match="an instance of Early and target: give the class"):
        Bench(Early(), target=1.2)


def test_a_game_is_played_with_its_fills() -> None:
    """Commands are executed where they were sent, the rug settles, and on_game_end runs."""
    bench = Bench(Ends)
    bench.play(make_game([1, 1, 1, 1.1, 1.3, 1.2]), make_game([1, 1, 1, 0.9]))

    assert [(a.action_type, a.state) for a in bench.actions] == [
        (ActionType.BUY, ActionState.CONFIRMED),
        (ActionType.SELL, ActionState.CONFIRMED),
        (ActionType.BUY, ActionState.CONFIRMED),
    ]
    assert [a.outcome.executed_price for a in bench.actions] == [1, Decimal("1.3"), 1]
    assert bench.engine.strategy.peaks == [1.3, 1.0]
    assert bench.ledger.cash == 1_000_000_000 + 3_000_000 - 10_000_000 + 180_000


def test_what_the_ledger_does_not_allow_is_refused() -> None:
    """An entry that the account cannot pay any more is rejected by the venue."""

    class Twice(Strategy):
        def on_game_tick(self, tick: GameTick, game: GameView) -> None:
            if game.tick == 1:
                self.actions.sidebet("0.01")

    bench = Bench(Twice)
    bench.ledger.cash = 0
    bench.play(make_game([1, 1, 1]))

    assert [action.state for action in bench.actions] == [ActionState.REJECTED]


def test_an_outcome_that_asks_again_does_not_hang() -> None:
    """An action asked for by an outcome is executed at the next tick, so a loop of them ends."""

    class Restless(Strategy):
        def on_game_start(self, game: GameView) -> None:
            self.actions.buy("0.001")

        def on_action_outcome(self, action: PlayerAction) -> None:
            if action.state is ActionState.CONFIRMED:
                self.actions.buy("0.001")

    bench = Bench(Restless)
    bench.play(make_game([1] * 10))

    bought = [a for a in bench.actions if a.state is ActionState.CONFIRMED]
    assert len(bought) == 10


def test_the_same_game_through_a_whole_session() -> None:
    """The embedded exchange plays made games exactly, then stops; the figures are those of their prices."""
    games = [make_game([1, 1, 1, 1.1, 1.3, 1.3, 1.2]), make_game([1] * 8, rug=0.5)]
    options = {"settings": {"target": 1.2}, "session_id": "made"}
    report = play_games(Early, games, **options)

    assert (report.games, report.ticks) == (2, 7 + 8)
    assert report.pnl == Decimal("0.003") - Decimal("0.005")
    assert not report.kept
    assert report.digest == play_games(Early, games, **options).digest


def test_made_games_come_first_and_the_seed_follows() -> None:
    """After the made games an exchange plays those of its seed."""
    made = make_game([1, 2, 3])
    quick = {"crowd": 0, "past_games": 10, "countdown_step": 5000}
    exchange = Exchange(ExchangeConfig(seed=7, made_games=(made,), **quick))
    other = Exchange(ExchangeConfig(seed=7, **quick))

    assert exchange._game == made != other._game
    while exchange.games_opened < 1:
        exchange.step()
    while other.games_opened < 1:
        other.step()
    assert exchange._game.prices[:2] == (1.0, pytest.approx(1, abs=0.3))


def test_a_made_game_is_part_of_the_session(tmp_path: Path) -> None:
    """A session of other made games is another session; its journal replays with the same commands."""
    options = {"store": tmp_path, "session_id": "made", "settings": {"entry": 1}}
    play_games(Early, [make_game([1, 1.1, 1.2])], **options)

    check = vectra_bot.check_journal(tmp_path / "journals" / "made", strategy=Early)
    assert (check.equal, check.commands) == (True, 1)
    with pytest.raises(vectra_bot.StoreError, match="made_games"):
        play_games(Early, [make_game([1, 1.1, 1.3])], **options)


@pytest.mark.parametrize(
    ("prices", "rug", "words"),
    [
        ([], None, "a game of 0 prices: give 1 to 5001"),
        ([1] * 5002, None, "a game of 5002 prices: give 1 to 5001"),
        ([2, 1], None, "price of tick 0 was 2.0: give 1"),
        ([1, 0], None, "price of tick 1 was 0.0: give a number above 0"),
        ([1, float("nan")], None, "price of tick 1 was nan"),
        ([1, float("inf")], None, "price of tick 1 was inf"),
        ([1, "x"], None, "price of tick 1 was 'x'"),
        ([1, None], None, "price of tick 1 was None"),
        ([1], -1, "rug price was -1"),
    ],
    ids=["none", "many", "start", "zero", "nan", "inf", "text", "missing", "rug"],
)
def test_a_wrong_game_is_one_clear_line(prices: list, rug: float | None, words: str) -> None:
    """What, the value, what to do."""
    with pytest.raises(ConfigError, match=words):
        make_game(prices, rug)


def test_prices_may_be_any_numbers() -> None:
    """Numpy's, fractions, decimals and text count as the doubles they name; the law's rug is the default."""
    game = make_game(np.array([1.0, 1.5, 0.5], dtype=np.float32))

    assert game.prices == make_game([Decimal(1), Fraction(3, 2), "0.5"]).prices == (1.0, 1.5, 0.5)
    assert (game.rug_tick, game.peak) == (3, 1.5)
    assert game.rug_price == pytest.approx(0.01)


def test_play_games_needs_a_game_and_reports_the_strategy_s_error() -> None:
    """No game is refused; an exception of the strategy is raised as everywhere."""

    class Raises(Strategy):
        def on_game_tick(self, tick: GameTick, game: GameView) -> None:
            raise ValueError("mine")

    with pytest.raises(ConfigError, match="play_games got no game"):
        play_games(Early, [])
    with pytest.raises(StrategyError, match="on_game_tick"):
        play_games(Raises, [make_game([1, 1])])


TESTS = """
import os
from pathlib import Path
import pytest
import vectra_bot
from vectra_strategies.take_profit import TakeProfit

@pytest.fixture(scope="module")
def report():
    return vectra_bot.run("watch", games=1, seed=1, crowd=0)

def test_wide(report):
    assert Path(report.store).is_relative_to(os.environ["BASE"])

def test_bench(bench, make_game):
    driven = bench(TakeProfit, target=1.2)
    driven.play(make_game([1.0] * 11 + [1.3]))
    assert len(driven.actions) == 2

def test_session(play_games, make_game, vectra_store):
    play_games("take-profit", [make_game([1, 1])])
    assert not vectra_store.exists()
    vectra_bot.run("watch", games=1, seed=1, crowd=0)
    assert vectra_store.is_dir()

def test_own(vectra_store):
    assert not vectra_store.exists()
"""


def test_the_plugin_keeps_tests_out_of_the_home_folder(tmp_path: Path) -> None:
    """Tests of a user's project have the fixtures, a store each, and write nothing into the home folder."""
    home = tmp_path / "home"
    project = tmp_path / "project"
    home.mkdir()
    project.mkdir()
    (project / "test_mine.py").write_text(TESTS, encoding="utf-8")
    environment = {name: os.environ[name] for name in os.environ if "VECTRA" not in name}
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(project),
            "-p", "no:xdist", "--basetemp", str(tmp_path / "base"), str(project),
        ],
        cwd=project,
        env={**environment, "HOME": str(home), "BASE": str(tmp_path / "base")},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip

    assert "4 passed" in done.stdout, done.stdout + done.stderr
    assert list(home.rglob("*")) == []


def test_the_plugin_is_light() -> None:
    """Loading the plugin, as every run of pytest does, imports pytest alone."""
    program = (
        "import sys, pytest; before = set(sys.modules); import vectra_bot.testing.pytest_plugin;"
        "new = {m for m in set(sys.modules) - before if not m.startswith('vectra_bot')};"
        "ours = {m for m in sys.modules if m.startswith('vectra_bot')};"
        "sys.exit(' '.join(new | ours - {'vectra_bot', 'vectra_bot.testing',"
        " 'vectra_bot.testing.pytest_plugin'}) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)

    assert done.returncode == 0, done.stderr


class Counter(Plugin):
    """Counts ticks."""

    ticks = 0

    @hookimpl
    def on_game_tick(self, tick: GameTick) -> None:
        self.ticks += 1


def test_plugins_are_those_that_a_test_gives() -> None:
    """In a list or by name; on the bench and in a whole session."""
    counter, other = Counter(), Counter()
    bench = Bench(Early, plugins=[counter])
    bench.play(make_game([1, 1, 1]))
    assert [name for name, _ in bench.engine.plugins.names] == ["Counter"]
    assert [name for name, _ in Bench(Early, plugins={"a": other}).engine.plugins.names] == ["a"]

    play_games(Early, [make_game([1, 1])], plugins=[other, "stake-guard"])
    assert (counter.ticks, other.ticks) == (3, 2)


def test_a_session_of_the_kit_has_no_other_plugin(tmp_path: Path) -> None:
    """Of the installed plugins only the one that was named takes part."""
    play_games(Early, [make_game([1, 1])], plugins=["stake-guard"], store=tmp_path, session_id="s")
    header = read_header(tmp_path / "journals" / "s")

    assert [plugin["name"] for plugin in header["plugins"]] == ["stake-guard"]


def test_the_bench_has_no_plugin_of_the_environment() -> None:
    """Installed plugins take no part in a test unless they are given."""
    bench = Bench(Early)
    bench.play(make_game([1, 1, 1]))

    assert bench.engine.plugins.names == []
    assert bench.of_type(DocType.ALERT_TRIGGER) == []
