"""The engine: one typed event in, commands and documents out."""

from vectra_bot.engine.core import Engine
from vectra_bot.engine.output import Effect, StrategyFailure

__all__ = ["Effect", "Engine", "StrategyFailure"]
