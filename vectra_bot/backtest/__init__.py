"""Backtests: a strategy over many seeded games in memory, as a table with one row per game.

``play`` plays the games of a seed in blocks, each with a fresh strategy and account, by the fast driver or
by the engine on the embedded exchange; the results are the same to the lamport, and say which of the two
played. ``games`` is the table. Imports session and what is below it; numpy, and pyarrow to convert a table.
"""

from __future__ import annotations

from vectra_bot.backtest.games import Games, Played
from vectra_bot.backtest.play import BLOCK_GAMES, PlayConfig, play, play_config

__all__ = ["BLOCK_GAMES", "Games", "PlayConfig", "Played", "play", "play_config"]
