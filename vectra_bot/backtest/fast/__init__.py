"""The fast driver: the exchange's own market and the strategy's methods, without frames and documents.

``block`` plays the games of a block; our side is ``bot``, the venue's ``venue``. ``rounds_block`` plays those
of a strategy that looks at side games, with their ``rounds``. What cannot be played exactly raises
``NeedsEngine``. Imports what the engine is made of, and exchange.
"""

from __future__ import annotations

from vectra_bot.backtest.fast.orders import NeedsEngine
from vectra_bot.backtest.fast.play import play_fast

__all__ = ["NeedsEngine", "play_fast"]
