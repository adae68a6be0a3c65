"""The engine: one typed event in, commands and documents out.

Folds the game's state, correlates evidence with actions, calls plugins and the strategy. Imports actions,
game, models, plugins and strategy; reaches no wire, venue or store, and does no I/O, reads no clock and
starts no task: everything it knows was an event.
"""

from vectra_bot.engine.callbacks import RETURNED_KIND, STATE_KIND, StrategyFailure
from vectra_bot.engine.core import Engine
from vectra_bot.engine.effects import Effect

__all__ = ["RETURNED_KIND", "STATE_KIND", "Effect", "Engine", "StrategyFailure"]
