"""Plays a block by the fast driver, with rounds of side games only for a strategy that looks at them.

Imports backtest.fast.
"""

from __future__ import annotations

from vectra_bot.backtest.fast.block import FastBlock
from vectra_bot.backtest.fast.orders import NeedsEngine
from vectra_bot.backtest.fast.rounds_block import RoundsBlock
from vectra_bot.backtest.games import Games
from vectra_bot.backtest.play import PlayConfig, Watch, never
from vectra_bot.errors import StrategyError


def play_fast(config: PlayConfig, watch: Watch = never) -> Games:
    """Play a block, or the part of it that *watch* allows, and return its table.

    The block begins again, with a new strategy, when the strategy looks at side games for the first time.

    Raises:
        NeedsEngine: the fast driver cannot play it exactly.
        StrategyError: the strategy raised, which is the cause of this error.
    """
    block = FastBlock(config)
    try:
        return block.play(watch)
    except (NeedsEngine, StrategyError):
        # A strategy that swallows the refusal may raise for the lack of a round.
        if not block.needs_rounds:
            raise
    return RoundsBlock(config).play(watch)
