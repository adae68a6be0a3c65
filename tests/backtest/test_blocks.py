"""Blocks of a backtest: any number of processes gives the same table, and a stop ends it in order."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from attrs import evolve

from tests.backtest.strategies import BUYER, RAISER
from vectra_bot.backtest.games import COLUMNS, Games
from vectra_bot.backtest.play import PlayConfig, play_all, play_config
from vectra_bot.errors import StrategyError
from vectra_bot.loading import resolve_strategy
from vectra_bot.session.flags import StopFlag

MASKED = """
import signal
from vectra_bot import Strategy


class Masked(Strategy):
    def on_game_start(self, game):
        if signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ()):
            self.actions.buy(100)  # denied
"""


@pytest.fixture
def config(tmp_path: Path) -> PlayConfig:
    """Return a backtest of 40 games in blocks of 10."""
    path = tmp_path / "buyer.py"
    path.write_text(BUYER)
    return PlayConfig(source=resolve_strategy(str(path)), games=40, seed=7, block=10)


def same(one: Games, other: Games) -> bool:
    return all((getattr(one, name) == getattr(other, name)).all() for name in COLUMNS)


def test_two_processes_give_the_same_table(config: PlayConfig) -> None:
    """The table, the totals and the progress are those of one process."""
    seen: list[tuple[int, int]] = []
    alone = play_config(config)
    together = play_config(config, lambda done, total: seen.append((done, total)), jobs=2)

    assert same(alone, together)
    assert (alone.actions, alone.fills, alone.ticks) == (
        together.actions, together.fills, together.ticks,
    )  # fmt: skip
    assert (alone.played.jobs, together.played.jobs) == (1, 2)
    assert {total for _, total in seen} == {40}


def test_a_file_with_the_name_of_a_module_is_played_by_other_processes(tmp_path: Path) -> None:
    """A process finds the strategy by its file, also where another module has taken its name."""
    path = tmp_path / "json.py"
    path.write_text(BUYER)
    config = PlayConfig(source=resolve_strategy(str(path)), games=4, seed=7, block=2)

    assert same(play_config(config), play_config(config, jobs=2))


def test_ctrl_c_reaches_no_other_process(tmp_path: Path) -> None:
    """A terminal sends it to all of them: it would end those that are still importing, with tracebacks."""
    path = tmp_path / "masked.py"
    path.write_text(MASKED)

    found = play_config(
        PlayConfig(source=resolve_strategy(str(path)), games=4, seed=7, block=2), jobs=2
    )

    assert found.denials == {}
    assert found.played.jobs == 2
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_stop_ends_after_the_running_game(config: PlayConfig) -> None:
    """The table has the games before the stop, equal to those of the whole backtest."""
    stop = StopFlag()

    def progress(done: int, _total: int) -> None:
        if done == 13:
            stop.set("SIGINT")

    part = play_config(config, progress, stop=stop)

    assert len(part) == 13
    assert same(part, play_config(config).head(13))
    assert part.played.blocks == 2


def test_a_stop_leaves_later_backtests_unplayed(config: PlayConfig) -> None:
    stop = StopFlag()
    stop.set("SIGINT")

    assert [len(table) for table in play_all([config, config], stop=stop)] == [0, 0]


def test_backtests_are_played_in_turn(config: PlayConfig) -> None:
    """A stop ends all of them after about as many games, whose tables are the beginning of the whole ones."""
    stop, other = StopFlag(), evolve(config, settings={"entry": 9})

    def progress(done: int, _total: int) -> None:
        if done == 33:
            stop.set("SIGINT")

    found = play_all([config, other], progress, stop=stop)

    assert [len(table) for table in found] == [20, 13]
    assert [table.played.blocks for table in found] == [2, 2]
    for one, table in zip((config, other), found, strict=True):
        assert same(table, play_config(one).head(len(table)))


def test_no_backtest_gets_the_games_of_another(config: PlayConfig) -> None:
    """Blocks that other processes had begun at a stop are not those of the next backtest."""
    stop, other = StopFlag(), evolve(config, settings={"entry": 9})
    stop.set("SIGINT")

    found = play_all([config, other], jobs=2, stop=stop)

    for one, table in zip((config, other), found, strict=True):
        assert same(table, play_config(one).head(len(table)))


def test_an_error_names_game_and_tick_in_any_process(tmp_path: Path) -> None:
    """A strategy that raises is reported the same from a block in another process."""
    path = tmp_path / "raiser.py"
    path.write_text(RAISER)
    config = PlayConfig(source=resolve_strategy(str(path)), games=4, seed=7, block=2)
    errors = []
    for jobs in (1, 2):
        with pytest.raises(StrategyError) as caught:
            play_config(config, jobs=jobs)
        errors.append(str(caught.value).splitlines()[0])

    assert errors[0] == errors[1]
    assert "game 0, tick 7" in errors[0]
    assert "seven" in errors[0]
