"""The report of a backtest: its figures are those of the table, as JSON, text and HTML."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pytest

import vectra_bot
from tests.backtest.strategies import BUYER
from vectra_bot.backtest.asked.calls import run_backtest
from vectra_bot.backtest.asked.config import BacktestOptions
from vectra_bot.backtest.results.report import BacktestReport, risks_of
from vectra_bot.errors import ConfigError
from vectra_bot.game.amounts import to_lamports
from vectra_bot.report.session import sidebet
from vectra_bot.session import StopFlag


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> BacktestReport:
    """Return the report of 200 games."""
    path = tmp_path_factory.mktemp("backtest") / "buyer.py"
    path.write_text(BUYER)
    return vectra_bot.backtest(str(path), games=200, seed=7, settings={"entry": "10"})


def test_sums_are_those_of_the_table(report: BacktestReport) -> None:
    table = report.table

    assert to_lamports(report.pnl) == table.pnl.sum()
    assert to_lamports(report.staked) == table.stake.sum()
    assert report.games_traded == np.count_nonzero(table.entries)
    assert report.spread.games == report.games_traded
    assert sum(bar.games for bar in report.spread.bars) == report.games_traded
    assert report.settings == {"entry": 10}


def test_curve_ends_at_the_profit_and_the_band(report: BacktestReport) -> None:
    last = report.curve[-1]

    assert (last.game, last.pnl) == (200, report.pnl)
    assert report.band == (last.low, last.high)
    assert last.low is not None
    assert last.low < report.expected < Decimal(last.high or 0)


def test_drawdown_is_the_largest_fall(report: BacktestReport) -> None:
    sums = np.concatenate(([0], np.cumsum(report.table.pnl)))
    falls = [int(sums[: at + 1].max() - value) for at, value in enumerate(sums)]

    assert to_lamports(report.drawdown.amount) == max(falls)
    assert report.drawdown.game == int(np.argmax(falls)) - 1


def test_the_interval_contains_the_mean(report: BacktestReport) -> None:
    assert report.pnl_interval is not None
    assert report.pnl_interval[0] < (report.pnl_per_game or 0) < report.pnl_interval[1]


def test_luck_of_bets_is_exact() -> None:
    """With sidebets alone luck is the exact tail over all bets."""
    report = vectra_bot.backtest("sidebet", games=30, seed=7)

    assert report.luck_method == "exact"
    assert risks_of(report.table).bets.total() == report.bets
    assert {bet.chance for bet in report.table.placed} == {sidebet(10_000_000).chance}


def test_json_page_and_text_say_the_same(report: BacktestReport) -> None:
    """The JSON is plain; the page has its numbers and no script; the text has the digest."""
    data = json.loads(json.dumps(report.to_json()))
    page = report.to_html()

    assert data["pnl"] == float(report.pnl)
    assert "table" not in data
    assert f'data-key="pnl" value="{data["pnl"]}"' in page
    assert "<script" not in page
    assert "http" not in page
    assert report.digest in str(report)
    assert report._repr_html_() in page


def test_table_as_frame(report: BacktestReport) -> None:
    frame = report.df()

    assert len(frame) == 200
    assert frame["pnl"].sum() == report.table.pnl.sum()
    assert report.arrow().column_names[:2] == ["game", "game_id"]


def test_without_an_entry_nothing_is_claimed() -> None:
    report = vectra_bot.backtest("watch", games=5, seed=7)

    assert (report.luck, report.pnl_interval, report.best_game) == (None, None, None)
    assert report.spread.bars == ()
    assert "too few games" in str(report)
    assert "none" in report.to_html()


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(ConfigError, match="backtest\\(\\) has no option 'gmaes'"):
        vectra_bot.backtest("watch", gmaes=5)  # type: ignore[call-arg]


def test_no_game_won_is_no_share() -> None:
    """None of a few games is 0 %, not less than some share."""
    report = vectra_bot.backtest("take-profit", games=2, seed=7)

    assert report.spread.won == 0
    assert "Won       0 of 2 games with an entry won (0.0%)" in str(report)


def test_a_backtest_that_has_to_be_ended_promises_no_store() -> None:
    """What is said where it does not end: nothing finishes it later, as of a session."""
    stop, seen = StopFlag(), set()
    options = BacktestOptions(games=1, seed=7, stop=stop)

    run_backtest("watch", {}, options, lambda _done, _total: seen.add(stop.unfinished))

    assert seen == {"the backtest is not finished: nothing of it is kept"}


def test_nothing_played_is_not_said_to_be_played() -> None:
    """A backtest that was stopped before its first game names no engine."""
    stop = StopFlag()
    stop.set("SIGINT")

    report = vectra_bot.backtest("watch", games=3, seed=7, stop=stop)

    assert "Not played  3 games: the backtest was stopped (SIGINT)" in str(report)
    assert "\nPlayed" not in str(report)
