"""Options that commands share: parameters of strategies and plugins as KEY=VALUE."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from vectra_bot.errors import UsageError

if TYPE_CHECKING:
    from vectra_bot.config import PluginSettings

PluginChoice = tuple[tuple[str, ...], tuple[str, ...], dict[str, dict[str, Any]]]


def plugin_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--plugin``, ``--no-plugin`` and ``--plugin-set``."""
    for option in (
        click.option(
            "--plugin-set", multiple=True, metavar="NAME.KEY=VALUE",
            help="A plugin's parameter; uses the plugin.",
        ),
        click.option(
            "--no-plugin", "disable", multiple=True, metavar="NAME", help="Do without a plugin."
        ),
        click.option("--plugin", "enable", multiple=True, metavar="NAME", help="Use a plugin."),
    ):  # fmt: skip
        command = option(command)
    return command


def plugin_settings(
    from_file: Mapping[str, PluginSettings], options: Mapping[str, Any]
) -> PluginChoice:
    """Return what to enable, what to disable, and parameters by plugin; options win over the file."""
    enable = {name: None for name, plugin in from_file.items() if plugin.enabled}
    disable = {name: None for name, plugin in from_file.items() if plugin.enabled is False}
    settings = {name: dict(plugin.settings) for name, plugin in from_file.items()}
    for key, value in pairs("--plugin-set", options["plugin_set"]).items():
        name, dot, parameter = key.rpartition(".")
        if not dot or not name:
            raise UsageError(f"--plugin-set was '{key}={value}': give NAME.KEY=VALUE")
        settings.setdefault(name, {})[parameter] = value
        enable[name] = None
        disable.pop(name, None)
    for name in options["enable"]:
        enable[name] = None
        disable.pop(name, None)
    for name in options["disable"]:
        disable[name] = None
        enable.pop(name, None)
    wanted = {name: values for name, values in settings.items() if values and name not in disable}
    return tuple(enable), tuple(disable), wanted


def pairs(flag: str, texts: Iterable[str]) -> dict[str, str]:
    """Return KEY=VALUE texts as a dictionary; of a repeated key the last one counts."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{flag} was {text!r}: give KEY=VALUE")
        found[key.strip()] = value.strip()
    return found
