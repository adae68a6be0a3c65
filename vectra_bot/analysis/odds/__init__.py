"""Exact odds of the game: expected values and chances under the price law, and a simulation that checks them.

Imports game and errors, and numpy in ``questions``, ``passages``, ``walk`` and ``montecarlo``, which are
imported where they are used; the formulas do without. No I/O or clock; random numbers follow from a seed.
"""

from __future__ import annotations

from vectra_bot.analysis.odds.formulas import (
    holding_return,
    holding_return_range,
    mean_rug_tick,
    median_rug_tick,
    rug_within,
    sidebet_return,
    sidebet_variance,
    sidebet_win_chance,
    survival,
)

__all__ = [
    "holding_return",
    "holding_return_range",
    "mean_rug_tick",
    "median_rug_tick",
    "rug_within",
    "sidebet_return",
    "sidebet_variance",
    "sidebet_win_chance",
    "survival",
]
