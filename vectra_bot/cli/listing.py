"""``vectra-bot strategies`` and ``vectra-bot plugins``: what is installed, with errors of broken parts."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from importlib.metadata import EntryPoint
from typing import Any

import attrs
import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.output import json_option, print_json
from vectra_bot.errors import safe_error
from vectra_bot.loading import installed_as, resolve_strategy, strategy_names
from vectra_bot.params import Parameter, parameters
from vectra_bot.plugins import PluginInfo, discover
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


@click.command(context_settings=HELP_OPTIONS, epilog="\b\nExample:\n  vectra-bot plugins --json")
@json_option
def plugins(as_json: bool) -> None:
    """List the installed plugins with their hooks.

    A plugin that cannot be imported is listed with its error and skipped in every run.
    """
    found = [_plugin(info) for info in discover()]
    if as_json:
        print_json({"plugins": found})
        return
    from vectra_bot.cli.tables import print_table

    rows: list[tuple[object, ...]] = []
    for entry in found:
        state = "broken" if entry["error"] else "on" if entry["enabled_by_default"] else "off"
        origin = f"{entry['distribution']} {entry['version']}"
        rows.append((entry["name"], origin, state, entry["error"] or entry["summary"]))
        if entry["hooks"]:
            rows.append(("", "", "", f"  hooks: {', '.join(entry['hooks'])}"))
        rows += [("", "", "", f"  {_about(p)}") for p in entry["parameters"]]
    print_table(("plugin", "from", "default", "what it does"), rows)


def _plugin(info: PluginInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "version": info.version,
        "distribution": info.distribution,
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
        loaded = point.load()
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
