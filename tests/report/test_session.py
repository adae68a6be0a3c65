"""What a report says: prizes apart, denials by reason, and the end of entries."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import vectra_bot
from vectra_bot import Limits
from vectra_bot.cli.main import main
from vectra_bot.report.luck import exact_tail
from vectra_bot.report.session import sidebet

STOPPED: dict[str, Any] = {"games": 30, "seed": 7, "crowd": 0}


def test_a_reached_session_loss_is_said(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From which game on every entry was denied and why: in the report, on the screen, in the exit code."""
    report = vectra_bot.run(
        "take-profit", store=store, limits=Limits(session_loss="0.03"), **STOPPED
    )
    assert report.no_entries_from is not None
    assert report.no_entries_from.reason.startswith("limit.session_loss: ")
    assert report.denials == {"limit.session_loss": report.actions["DENIED"]}
    assert 0 < report.games_traded < report.no_entries_from.game <= report.games
    code = main([
        "run", "take-profit", "--games", "30", "--seed", "7", "--crowd", "0", "--limit-session-loss",
        "0.03", "--store", str(store),
    ])  # fmt: skip
    shown = capsys.readouterr().out
    assert code == 10
    assert f"no entries from game {report.no_entries_from.game} on: limit.session_loss" in shown
    assert f"entries in {report.games_traded} of them" in shown


def test_a_session_that_may_enter_to_its_end_says_nothing(store: Path) -> None:
    report = vectra_bot.run("take-profit", store=store, **STOPPED)
    assert report.no_entries_from is None
    assert report.denials == {}


def test_profit_before_prizes_is_profit_without_them(store: Path) -> None:
    """``pnl`` stays the change of cash; mean, interval and luck refer to what is left without prizes."""
    report = vectra_bot.run("sidebet", games=70, seed=4, crowd=3, store=store)
    assert report.prizes > 0  # of Golden Hour drawings
    assert report.pnl is not None
    assert report.pnl_before_prizes == report.pnl - report.prizes
    assert report.pnl == (report.cash_end or 0) - (report.cash_start or 0)
    assert report.pnl_per_game is not None
    assert abs(report.pnl_per_game * 70 - report.pnl_before_prizes) < Decimal("0.0000001")
    bets = int(report.actions["CONFIRMED"])
    assert report.luck == pytest.approx(
        exact_tail({sidebet(10_000_000): bets}, round(report.pnl_before_prizes * 10**9))
    )


class OneBet(vectra_bot.Strategy):
    """One sidebet a game."""

    def on_game_start(self, game: vectra_bot.GameView) -> None:
        self.actions.sidebet("0.01")


def test_the_interval_is_at_least_as_wide_as_the_law_demands(store: Path) -> None:
    """Four lost bets look certain: the sample has no deviation, the law knows the rare gain."""
    report = vectra_bot.run(OneBet, games=4, seed=4, crowd=0, store=store)
    assert report.pnl_before_prizes == Decimal("-0.04")
    assert report.pnl_interval is not None
    low, high = report.pnl_interval
    assert low < Decimal("-0.01") < 0 < high
