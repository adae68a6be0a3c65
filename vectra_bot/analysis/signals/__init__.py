"""Alerts as signals: games played through alert rules, and what the alerts were worth."""

from vectra_bot.analysis.signals.calibration import Calibration, calibration
from vectra_bot.analysis.signals.played import PlayedGames, play_exchange, play_store
from vectra_bot.analysis.signals.report import AlertBacktest, backtest_report
from vectra_bot.analysis.signals.rules import rule_plugins
from vectra_bot.analysis.signals.scores import TypeScore, scores

__all__ = [
    "AlertBacktest",
    "Calibration",
    "PlayedGames",
    "TypeScore",
    "backtest_report",
    "calibration",
    "play_exchange",
    "play_store",
    "rule_plugins",
    "scores",
]
