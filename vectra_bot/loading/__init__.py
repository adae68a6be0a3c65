"""Finding strategies and plugins: by name, file, module or class, with digests of their source."""

from vectra_bot.loading.origin import Origin, is_unchanged, origin_of
from vectra_bot.loading.strategies import (
    StrategySource,
    class_of_file,
    installed_as,
    installed_strategy,
    resolve_strategy,
    strategy_names,
)

__all__ = [
    "Origin",
    "StrategySource",
    "class_of_file",
    "installed_as",
    "installed_strategy",
    "is_unchanged",
    "origin_of",
    "resolve_strategy",
    "strategy_names",
]
