"""The engine: one typed event in, commands and documents out."""

from vectra_bot.engine.callbacks import STATE_KIND, StrategyFailure
from vectra_bot.engine.core import Engine
from vectra_bot.engine.effects import Effect

__all__ = ["STATE_KIND", "Effect", "Engine", "StrategyFailure"]
