"""Sweeps: many sets of a strategy's parameters over the same games, and what of the best is luck.

``space`` says which values are tried, ``runner`` plays them in chunks by the processes of ``work`` and keeps
each chunk in a folder (``chunks``), ``optimizer`` lets Optuna choose. ``report`` judges: intervals, reality
check, walk-forward, heat map. Imports backtest and what is below it; numpy, and joblib, optuna and
distributed where they are used.
"""

from __future__ import annotations

from vectra_bot.backtest.sweep.calls import run_sweep
from vectra_bot.backtest.sweep.config import SweepConfig
from vectra_bot.backtest.sweep.report import SweepReport
from vectra_bot.backtest.sweep.runner import SweepProgress

__all__ = ["SweepConfig", "SweepProgress", "SweepReport", "run_sweep"]
