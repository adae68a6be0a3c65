"""Exact odds of the game: formulas here, first passages and the Monte-Carlo check in their own modules.

The formulas need no other package; the other modules need numpy and are
imported where they are used.
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
