"""``vectra-bot strategies`` and ``vectra-bot plugins``: what is installed, with errors of broken parts."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import attrs
import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.options import (
    GroupedCommand,
    declared_options,
    given_options,
    plugin_options,
)
from vectra_bot.cli.output import json_option, print_json, quiet_stdout
from vectra_bot.config import FileConfig, load_config
from vectra_bot.errors import safe_error
from vectra_bot.loading import (
    installed_as,
    installed_strategy,
    resolve_strategy,
    strategy_names,
)
from vectra_bot.loading.options import PluginOptions, plugin_choice
from vectra_bot.loading.plugins import PluginInfo, PluginState, calling_order, list_plugins
from vectra_bot.params import Parameter, options_of, parameters
from vectra_bot.strategy import Strategy

_STRATEGIES_EPILOG = """\b
Examples:
  vectra-bot strategies --json
  vectra-bot strategies ./my_bot.py
"""


@click.command(context_settings=HELP_OPTIONS, epilog=_STRATEGIES_EPILOG)
@click.argument("strategy", required=False, metavar="[NAME|FILE]")
@json_option
def strategies(strategy: str | None, as_json: bool) -> None:
    """List the installed strategies with their parameters, or one strategy.

    A strategy need not be installed: `vectra-bot run ./my_bot.py` runs a file, and
    `vectra-bot strategies ./my_bot.py` shows its parameters.
    """
    with quiet_stdout(as_json):
        if strategy is None:
            found = [_strategy(point) for point in sorted(strategy_names().values())]
        else:
            found = [_given(strategy)]
    if as_json:
        print_json({"strategies": found})
        return
    from vectra_bot.cli.tables import print_table

    rows: list[tuple[object, ...]] = []
    for entry in found:
        rows.append((entry["name"], entry["error"] or entry["summary"]))
        rows += [("", f"  {_about(p)}") for p in entry["parameters"]]
    print_table(("strategy", "what it does"), rows)


_PLUGINS_EPILOG = """\b
Examples:
  vectra-bot plugins --json
  vectra-bot plugins --plugin ./my_plugin.py --no-plugin session-log
"""


@click.command(cls=GroupedCommand, context_settings=HELP_OPTIONS, epilog=_PLUGINS_EPILOG)
@declared_options(PluginOptions)
@click.option("--config", "config_file", metavar="FILE", help="TOML file with settings.")
@json_option
def plugins(config_file: str | None, as_json: bool, **options: Any) -> None:
    """List plugins: whether each takes part in a session with the same options, and its hooks.

    A plugin that cannot be imported is listed with its error and skipped in every run that does not name it.
    """
    with quiet_stdout(as_json):
        found = list_plugins(plugin_choice(_plugin_options(config_file, options)))
    order = calling_order(found)
    if as_json:
        print_json({"plugins": [_plugin(info) for info in found], "order": order})
        return
    from vectra_bot.cli.tables import print_table

    rows: list[tuple[object, ...]] = []
    for info in found:
        origin = f"{info.distribution} {info.version}".strip() or info.spec
        state = info.state if info.state is PluginState.BROKEN else f"{info.state}: {info.why}"
        rows.append((info.name, origin, state, info.error or info.summary))
        if info.hooks:
            rows.append(("", "", "", f"  hooks: {', '.join(info.hooks)}"))
        rows += [("", "", "", f"  {_about(p)}") for p in _describe(info.parameters)]
    print_table(("plugin", "from", "state", "what it does"), rows)
    print_table(
        ("hook", "enabled plugins in the order of their calls"),
        [(hook, ", ".join(names)) for hook, names in order.items()],
    )


def _plugin_options(config_file: str | None, options: Mapping[str, Any]) -> PluginOptions:
    from vectra_bot.cli.run import SECTIONS

    file = load_config(Path(config_file), SECTIONS) if config_file else FileConfig()
    known = {option.name for option in options_of(PluginOptions)}
    return PluginOptions(
        **plugin_options(file, options),
        **{
            **{name: value for name, value in file.options.items() if name in known},
            **given_options(PluginOptions, options),
        },
    )


def _plugin(info: PluginInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "state": info.state,
        "why": info.why,
        "version": info.version,
        "distribution": info.distribution,
        "source": info.spec,
        "api_version": info.api_version,
        "summary": info.summary,
        "enabled_by_default": info.enabled_by_default,
        "hooks": list(info.hooks),
        "parameters": _describe(info.parameters),
        "error": info.error,
    }


def _strategy(point: EntryPoint) -> dict[str, Any]:
    """Describe one entry point; an import error becomes its ``error``."""
    described: dict[str, Any] = {
        "name": point.name,
        "class": point.value,
        "distribution": point.dist.name if point.dist else None,
        "summary": "",
        "parameters": [],
        "error": None,
    }
    try:
        loaded = installed_strategy(point.name).load()
        if not (isinstance(loaded, type) and issubclass(loaded, Strategy)):
            raise TypeError(f"{point.value} is {loaded!r}, not a Strategy class")
        described["summary"] = summary_of(loaded)
        described["parameters"] = _describe(parameters(loaded))
    except Exception as error:  # noqa: BLE001 - foreign code: one broken strategy must not hide the others
        described["error"] = safe_error(error)
    return described


def _given(spec: str) -> dict[str, Any]:
    """Describe the strategy that *spec* names.

    Raises:
        VectraError: it cannot be loaded.
    """
    source = resolve_strategy(spec)
    point = installed_as(source.spec)
    return {
        "name": spec,
        "class": f"{source.cls.__module__}:{source.cls.__qualname__}",
        "distribution": point.dist.name if point is not None and point.dist else None,
        "summary": summary_of(source.cls),
        "parameters": _describe(parameters(source.cls)),
        "error": None,
    }


def summary_of(owner: type) -> str:
    """Return the first line of a class's own docstring, not of the one it inherits."""
    return inspect.cleandoc(owner.__doc__ or "").partition("\n")[0]


def _describe(found: Iterable[Parameter]) -> list[dict[str, Any]]:
    return [
        {
            "name": p.name,
            "default": "" if p.default is attrs.NOTHING else str(p.default),
            "allowed": p.allowed,
            "help": p.help,
            "secret": p.secret,
        }
        for p in found
    ]


def _about(parameter: dict[str, Any]) -> str:
    about = ", ".join(part for part in (parameter["help"], parameter["allowed"]) if part)
    return f"{parameter['name']} = {parameter['default'] or repr('')}: {about}"
