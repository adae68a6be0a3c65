"""The options by which a session chooses its plugins, declared once for every config."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from attrs import frozen

from vectra_bot.config import referenced
from vectra_bot.errors import ConfigError
from vectra_bot.loading.plugins import PluginChoice
from vectra_bot.params import Heading, Refused, declared, option

ALERTS: Final = "alerts"
"""The bundled plugin with the alert rules."""
ALERT_SINKS: Final = "alert-sinks"
"""The bundled plugin with the sinks of alerts."""


def settings_given(value: Any) -> dict[str, Any]:
    """Return parameters by name as a config takes them; a dict among them names a secret.

    Raises:
        Refused, ConfigError: they are something else.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Refused
    if not all(isinstance(key, str) for key in value):
        raise Refused(message="it has a key that is not text: give a dict of values by name")
    return {name: referenced(given, f"parameter {name!r}") for name, given in value.items()}


def _plugins(value: Any) -> dict[str, dict[str, Any]] | tuple[Any, ...]:
    if value is None:
        return {}
    if isinstance(value, type):
        return (value,)
    if isinstance(value, list | tuple):
        return tuple(os.fspath(one) if isinstance(one, os.PathLike) else one for one in value)
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise Refused
    for name, given in value.items():
        if given is not None and not isinstance(given, Mapping):
            raise ConfigError(
                f"option plugins[{name!r}] was of type {type(given).__name__}: "
                "give a dict of values by parameter name"
            )
    return {name: settings_given(given) for name, given in value.items()}


def _names(value: Any) -> tuple[str, ...]:
    found = (value,) if isinstance(value, str) else value
    found = tuple(found) if isinstance(found, Iterable) else (None,)
    if not all(isinstance(entry, str) for entry in found):
        raise Refused
    return found


def _folder(value: Any) -> Path | None:
    try:
        return None if value is None else Path(value).expanduser()
    except (TypeError, RuntimeError):
        raise Refused("a path, as text or Path") from None


@frozen(kw_only=True, field_transformer=declared)
class PluginOptions:
    """The plugins of a session; SessionConfig says what each option means."""

    enable_plugins: tuple[str, ...] = option(
        (),
        take=_names,
        flag="--plugin",
        metavar="NAME|FILE",
        repeatable=True,
        words="plugin names, ./file.py[:Class] or module:Class",
        help="Enable a plugin: its name, ./file.py[:Class] or module:Class.",
        heading=Heading.PLUGINS,
    )
    disable_plugins: tuple[str, ...] = option(
        (),
        take=_names,
        flag="--no-plugin",
        metavar="NAME",
        repeatable=True,
        words="plugin names",
        help="Disable a plugin.",
        heading=Heading.PLUGINS,
    )
    block_plugins: tuple[str, ...] = option(
        (), take=_names, flag=None, words="plugin names", help="Plugins that nothing can load."
    )
    plugins_dir: Path | None = option(
        None,
        take=_folder,
        read=_folder,
        metavar="DIR",
        words="a path",
        help="Load the plugins of the Python files in this folder.",
        heading=Heading.PLUGINS,
    )
    alerts: bool | None = option(
        None,
        shown="on for a venue's feed",
        help="Give alerts by the bundled rules: the plugins alerts and alert-sinks.",
        heading=Heading.PLUGINS,
    )
    plugins: Mapping[str, Mapping[str, Any]] | Sequence[Any] = option(
        factory=dict,
        secret=True,
        take=_plugins,
        flag="--plugin-set",
        metavar="NAME.KEY=VALUE",
        repeatable=True,
        words="a list of plugins (classes, objects, names, files), or a dict of parameters by plugin name",
        help="A plugin's parameter; enables the plugin.",
        heading=Heading.PLUGINS,
    )


class _WithPlugins(Protocol):
    """A config that has the options of :class:`PluginOptions`."""

    @property
    def alerts(self) -> bool | None: ...
    @property
    def enable_plugins(self) -> tuple[str, ...]: ...
    @property
    def disable_plugins(self) -> tuple[str, ...]: ...
    @property
    def block_plugins(self) -> tuple[str, ...]: ...
    @property
    def plugins_dir(self) -> Path | None: ...
    @property
    def plugins(self) -> Mapping[str, Mapping[str, Any]] | Sequence[Any]: ...


def plugin_choice(
    config: _WithPlugins, *, alerts: bool = False, sinks: bool = True
) -> PluginChoice:
    """Return which plugins *config* chooses, with those of alerts if it wants them.

    Args:
        config: says which plugins, and whether it wants alerts.
        alerts: whether it wants them where it does not say it.
        sinks: whether they are delivered: a replay gives alerts of a time that is over.
    """
    wanted = alerts if config.alerts is None else config.alerts
    given = config.plugins
    return PluginChoice(
        settings=given if isinstance(given, Mapping) else {},
        enable=(*config.enable_plugins, *(() if isinstance(given, Mapping) else given)),
        disable=config.disable_plugins,
        block=config.block_plugins,
        folder=config.plugins_dir,
        usual=(ALERTS, *((ALERT_SINKS,) if sinks else ())) if wanted else (),
    )


__all__ = ["ALERTS", "ALERT_SINKS", "PluginOptions", "plugin_choice", "settings_given"]
