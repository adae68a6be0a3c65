"""What a bench is given: a strategy or its class, plugins in a list or by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vectra_bot.errors import ConfigError
from vectra_bot.strategy import Strategy, configure


def instance_of(strategy: Strategy | type[Strategy], parameters: Mapping[str, Any]) -> Strategy:
    """Return the strategy, made of its class and *parameters* if it is a class.

    Raises:
        ConfigError: a parameter is unknown or its value not allowed, or parameters came with an instance.
    """
    if isinstance(strategy, type):
        return configure(strategy, parameters)
    if parameters:
        raise ConfigError(
            f"Bench got an instance of {type(strategy).__name__} and {', '.join(parameters)}: give the class "
            "with its parameters, or an instance alone"
        )
    return strategy


def by_name(plugins: Mapping[str, Any] | Iterable[Any]) -> Mapping[str, Any]:
    """Return plugin objects and classes by name, which in a list is that of the class."""
    if isinstance(plugins, Mapping):
        return plugins
    return {(p if isinstance(p, type) else type(p)).__name__: p for p in plugins}
