"""The engine: one typed event in, commands and documents out."""

from vectra_bot.engine.core import STATE_KIND, Engine
from vectra_bot.engine.output import Effect, StrategyFailure

__all__ = ["STATE_KIND", "Effect", "Engine", "StrategyFailure"]
