"""Sweeps over the games of a file, and sweeps as calls from Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_type_hints

import attrs
import pytest

import vectra_bot
from vectra_bot.backtest.asked.config import BacktestOptions
from vectra_bot.backtest.asked.keywords import BacktestKeywords, SweepKeywords
from vectra_bot.backtest.sweep import SweepConfig, SweepProgress, run_sweep
from vectra_bot.backtest.sweep.runner import SweepPlan
from vectra_bot.errors import ConfigError, InputError
from vectra_bot.session import StopFlag

RISING = [1.0, *(round(1.0 + 0.01 * tick, 9) for tick in range(1, 60))]


def game_row(number: int, prices: list[float] | None = None) -> str:
    """Return a recorded game as a line of a file."""
    live = RISING[: 20 + number] if prices is None else prices
    return json.dumps({"game_id": f"g{number}", "prices": live, "rug_price": 0.01}) + "\n"


@pytest.fixture
def games(tmp_path: Path) -> Path:
    """Return a file with five recorded games, and one that cannot be played."""
    path = tmp_path / "games.jsonl"
    path.write_text("".join(map(game_row, range(5))) + game_row(9, [1.0, -1.0]))
    return path


def config(path: Path, **more: Any) -> SweepConfig:
    """Return a sweep of two sets over the games of a file, in chunks of two."""
    usual = {"source": str(path), "jobs": 1, "chunk": 2, "out": path.parent / "out"}
    return SweepConfig(strategy="take-profit", ranges=("target=1.02,1.2",), **{**usual, **more})


def chunks(report: vectra_bot.SweepReport) -> tuple[int, int, int]:
    """Return the chunks of a report: needed, played, reused."""
    return report.chunks.total, report.chunks.played, report.chunks.reused


def test_a_sweep_plays_the_games_of_a_file(games: Path) -> None:
    """Each set makes what a backtest of the same games makes, and what is not played is counted."""
    found = run_sweep(config(games))

    assert (found.games, found.unplayable) == (5, {"a recorded price is missing": 1})
    assert ("Not played", "1: a recorded price is missing") in printed(found)
    for one in found.variants:
        report = vectra_bot.backtest(
            "take-profit", source=str(games), seed=1, settings=one.parameters
        )
        assert one.entries == report.entries > 0
        assert one.profit.mean == pytest.approx(float(report.pnl) / 5)
        assert one.expected == pytest.approx(float(report.expected) / 5, abs=1e-9)


def printed(report: vectra_bot.SweepReport) -> list[tuple[str, object]]:
    """Return the rows that the command prints."""
    from vectra_bot.backtest.sweep.text import sweep_pairs

    return sweep_pairs(report)


def test_finished_chunks_are_found_again_wherever_the_file_is(games: Path) -> None:
    """The games decide, not the name of their file: a moved one plays nothing again."""
    first = run_sweep(config(games))
    moved = games.with_name("moved.jsonl")
    games.rename(moved)

    again = run_sweep(config(moved))

    assert chunks(first) == (6, 6, 0)
    assert chunks(again) == (6, 0, 6)
    assert again.digest == first.digest


@pytest.mark.parametrize(
    ("lines", "played"),
    [
        ([0, 1, 2, 3, 4, 5], 2),  # the last chunk has a game more
        ([0, 1, 2, 3], 0),
        ([1, 0, 2, 3, 4], 2),
        ([0, 1, 9, 3, 4], 2),
    ],
    ids=["grown", "shorter", "another order", "another game"],
)
def test_changed_games_are_played_again_and_no_others(
    games: Path, lines: list[int], played: int
) -> None:
    """A chunk belongs to its own games: a recording that only grows keeps what was played."""
    run_sweep(config(games))
    games.write_text("".join(map(game_row, lines)))

    assert run_sweep(config(games)).chunks.played == played


def test_games_of_the_seed_are_not_those_of_a_file(games: Path) -> None:
    """Neither finds the chunks of the other, and the first games of a file may be asked for alone."""
    of_file, of_seed = config(games, games=4), config(games, games=4, source=None)

    assert SweepPlan.of(of_file).games == SweepPlan.of(of_seed).games == 4
    assert chunks(run_sweep(of_file)) == (4, 4, 0)
    assert chunks(run_sweep(of_seed)) == (4, 4, 0)
    assert chunks(run_sweep(of_file)) == (4, 0, 4)


def test_a_walk_forward_splits_the_games_of_a_file(games: Path) -> None:
    """Its steps are those of as many games as the file has."""
    found = run_sweep(config(games, walk_forward="2", games=7))

    assert found.unplayable["the source has no more games"] == 2
    assert found.walk is not None
    assert found.walk.steps[-1].judged_to == 5


def test_other_processes_read_the_games_themselves(
    games: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes play what one plays, also where the file was given by a relative path."""
    here = run_sweep(config(games, out=games.parent / "here"))
    monkeypatch.chdir(games.parent)

    found = run_sweep(config(Path(games.name), jobs=2, out=games.parent / "beside"))

    assert found.digest == here.digest


def test_a_process_that_finds_other_games_refuses_to_play(games: Path) -> None:
    """A file that changes while a sweep runs ends it, with the reason; what was finished is kept."""
    rewritten = False

    def rewrite(at: SweepProgress) -> None:
        nonlocal rewritten
        if not rewritten:
            games.write_text("".join(map(game_row, [4, 3, 2, 1, 0])))
        rewritten = True

    with pytest.raises(InputError, match="has other games here than where the sweep began"):
        run_sweep(config(games), rewrite)


def test_a_file_without_games_is_refused(games: Path) -> None:
    games.write_text(game_row(1, [2.0]))

    with pytest.raises(InputError, match="no game that can be played"):
        run_sweep(config(games))


def test_a_sweep_is_a_call(games: Path) -> None:
    """It makes what the command makes, and its table has a row for each set."""
    options: dict[str, Any] = {"jobs": 1, "chunk": 2, "out": games.parent / "out"}

    found = vectra_bot.sweep(
        "take-profit",
        ranges=["target=1.02,1.2"],
        settings={"stake": "0.02"},
        source=str(games),
        **options,
    )

    assert (found.games, found.ended, len(found.variants)) == (5, "finished", 2)
    assert found.fixed == {"stake": "0.02"}
    table = found.arrow().to_pylist()
    assert [row["target"] for row in table] == [one.parameters["target"] for one in found.variants]
    assert [row["mean"] for row in table] == [one.profit.mean for one in found.variants]
    assert str(found).startswith("Sweep\n")
    assert "<table" in found._repr_html_()


def test_a_class_of_a_module_is_swept(tmp_path: Path) -> None:
    """Processes import the class; its own ranges vary, an amount is a number in the table."""
    from tests.backtest.test_sweep_space import Tuned

    found = vectra_bot.sweep(
        Tuned, ranges="stake=0.01,0.02", games=2, seed=3, jobs=1, out=tmp_path / "out"
    )

    assert found.strategy == "Tuned"
    assert sorted(row["stake"] for row in found.arrow().to_pylist()) == [0.01, 0.02]


def test_a_class_that_is_not_in_a_file_is_swept_here(
    games: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It makes what the same code in a file makes; nothing is kept of it, as its code may change."""
    monkeypatch.chdir(games.parent)
    stakes = ["0.01"]

    class Mine(vectra_bot.Strategy):
        entry: int = 3

        def on_game_tick(self, tick: vectra_bot.models.GameTick, game: object) -> None:
            if tick.tick == self.entry:
                self.actions.buy(stakes[0])

    options: dict[str, Any] = {"ranges": "entry=2,5", "source": str(games), "chunk": 2, "jobs": 2}
    first = vectra_bot.sweep(Mine, **options)
    stakes[0] = "0.02"
    changed = vectra_bot.sweep(Mine, **options)

    assert first.best is not None
    assert changed.best is not None
    assert changed.best.staked == 2 * first.best.staked > 0
    assert chunks(first) == chunks(changed) == (6, 6, 0)
    assert first.folder == ""
    assert "nothing is kept" in dict(printed(first))["Folder"]
    assert not list(games.parent.rglob("*.chunk"))
    with pytest.raises(ConfigError, match=r"the source of Mine is not in a file"):
        vectra_bot.sweep(Mine, backend="dask", **options)


def test_an_option_that_is_not_known_is_refused() -> None:
    """The message names the nearest one."""
    wrong: Any = {"game": 5}

    with pytest.raises(ConfigError, match=r"sweep\(\) has no option 'game': did you mean games"):
        vectra_bot.sweep("take-profit", **wrong)


def test_a_stop_flag_ends_a_sweep(games: Path) -> None:
    """The chunk that is played is finished, and the report says what is left and why it ended."""
    stop = StopFlag()

    found = run_sweep(config(games, stop=stop), lambda at: stop.set("enough") if at.games else None)

    assert found.ended == "enough"
    assert found.chunks.played == 1
    assert found.unfinished == 2
    assert run_sweep(config(games)).chunks.reused == 1


@pytest.mark.parametrize(
    ("keywords", "owner", "given"),
    [
        (BacktestKeywords, BacktestOptions, set()),
        (SweepKeywords, SweepConfig, {"strategy", "settings", "ranges"}),
    ],
)
def test_every_option_is_a_keyword(keywords: type, owner: type, given: set[str]) -> None:
    """Type checkers know the options that there are, and no others."""
    assert set(get_type_hints(keywords)) == {one.name for one in attrs.fields(owner)} - given
