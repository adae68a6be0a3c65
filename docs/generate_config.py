"""The page of configuration: every key of a file, its flag, and every environment variable."""

from __future__ import annotations

import inspect
import textwrap
import tomllib
from collections.abc import Iterable, Iterator, Mapping

import attrs
from generate_text import as_sentence, data, table

from vectra_bot import config
from vectra_bot.actions.limits import LIVE_LIMITS, Limits
from vectra_bot.alerts.preference_file import AlertOptions
from vectra_bot.cli.run import SECTIONS
from vectra_bot.loading import strategy_names
from vectra_bot.loading.plugins import list_plugins
from vectra_bot.params import Option, Parameter, options_of, parameters
from vectra_bot.session.live.config import OWN_LIMITS
from vectra_bot.session.live.options import LiveOptions
from vectra_bot.wire.profile import default_text

# The strategy is an argument of the command, not an option.
_STRATEGY = ("`strategy`", "`STRATEGY`", "a name or ./file.py[:Class]", "none", "What to run.")
_LIVE = ("key", "allowed", "default", "meaning")
_HEADER = ("key", "flag", "allowed", "default", "meaning")


def config_page() -> Iterator[str]:
    """Every key and variable."""
    yield "# Configuration\n"
    yield "What can be set, and where. The command line overrides the file, the file the environment,"
    yield "the environment the default. An unknown key or a value that is not allowed is an error (exit"
    yield "code 4) that names file, key and value.\n"
    yield "## Configuration file\n"
    yield "A TOML file for `vectra-bot run --config FILE`. Other commands take flags only: see the"
    yield "[command line](command-line.md).\n"
    yield f"```toml\n{_example()}\n```\n"
    exchange = options_of(SECTIONS["exchange"])
    shared = {option.name for option in exchange}
    yield "### [run]\n"
    yield "The session. `strategy` is the command's argument.\n"
    own = key_rows(o for o in options_of(SECTIONS["run"]) if o.name not in shared)
    yield from table(_HEADER, [_STRATEGY, *own])
    yield "### [exchange]\n"
    yield "The embedded exchange. These keys are allowed in `[run]` as well, but only in one of the two.\n"
    yield from table(_HEADER, key_rows(exchange))
    yield "### [limits]\n"
    yield "What a session may do; an action beyond a limit is DENIED.\n"
    yield from table(_HEADER, key_rows(options_of(Limits)))
    yield "### [alerts]\n"
    yield "Alerts. What the file of preferences has: [alerts](../alerts.md#preferences).\n"
    yield from table(_HEADER, key_rows(options_of(AlertOptions)))
    yield "### [live]\n"
    yield "The account of `vectra-bot live` and `run --shadow`; other commands ignore it. The keys have no"
    yield "flags, but the account is typed again with `--account`. The second table has the limits of a live"
    yield "session that are not set.\n"
    rows = key_rows(options_of(LiveOptions))
    yield from table(_LIVE, (row[:1] + row[2:] for row in rows))
    yield from table(("limit", "in a live session"), _live_limits())
    yield "### [strategy]\n"
    yield "Parameters of the strategy, as with `--set KEY=VALUE`. Of the bundled strategies:\n"
    yield from table(("strategy", *_HEADER[:1], *_HEADER[2:]), _strategy_rows())
    yield "### [plugins.NAME]\n"
    yield "`[plugins]` itself may have `enable`, `disable` and `block`: lists of plugins by name, `enable` of"
    yield "files as well ([plugins](../plugins.md#enable-disable-block)). A plugin's section may have"
    yield "`enabled = true` or `false` (as `--plugin NAME`, `--no-plugin NAME`), and parameters of the"
    yield "plugin, as with `--plugin-set NAME.KEY=VALUE`. Of the bundled plugins:\n"
    yield from table(("plugin", *_HEADER[:1], *_HEADER[2:]), _plugin_rows())
    yield from _other_files()
    yield "## Environment variables\n"
    yield from table(("variable", "allowed", "default", "meaning"), _described("environment"))


def _live_limits() -> Iterator[tuple[str, str]]:
    for name, value in attrs.asdict(LIVE_LIMITS).items():
        own = " (to be chosen)" if name in OWN_LIMITS else ""
        yield f"`{name}`", f"{'no limit' if value is None else value}{own}"


def _example() -> str:
    text = inspect.getdoc(config) or ""
    return textwrap.dedent(text.partition("Example::\n\n")[2]).strip()


def key_rows(options: Iterable[Option]) -> list[tuple[str, str, str, str, str]]:
    """Return the rows of the options that a file can set."""
    return [
        (f"`{o.key}`", _flag(o), _allowed(o), _default(o), o.help)
        for o in options
        if o.key is not None
    ]


def _flag(option: Option) -> str:
    flag = str(option.flag)
    switched_off = f", `--no-{flag[2:]}`" if option.is_switch and option.default is True else ""
    return f"`{flag}`{switched_off}"


def _allowed(option: Option) -> str:
    return option.allowed.removesuffix(", as text or Path")


def _default(option: Option) -> str:
    if option.is_switch:
        return "true" if option.default else "false"
    return option.default_shown or "none"


def _strategy_rows() -> Iterator[tuple[str, ...]]:
    for point in sorted(strategy_names().values()):
        if point.value.startswith("vectra_strategies."):
            for parameter in parameters(point.load()):
                yield f"`{point.name}`", *_parameter(parameter)


def _plugin_rows() -> Iterator[tuple[str, ...]]:
    for plugin in list_plugins():
        if plugin.distribution == "vectra-bot":
            for parameter in plugin.parameters:
                yield f"`{plugin.name}`", *_parameter(parameter)


def _parameter(parameter: Parameter) -> tuple[str, str, str, str]:
    default = str(parameter.default) if parameter.default not in (None, "") else "none"
    default = default.lower() if isinstance(parameter.default, bool) else default
    return f"`{parameter.name}`", parameter.allowed, default, as_sentence(parameter.help)


def _described(section: str) -> Iterator[tuple[str, ...]]:
    for name, (allowed, default, meaning) in data("configuration")[section].items():
        yield f"`{name}`", allowed, default or "none", meaning


def _other_files() -> Iterator[str]:
    yield "## Token file\n"
    yield "For `vectra-bot serve --tokens FILE`: TOML (JSON if it ends in .json), with a list"
    yield "`[[players]]`. Only its owner may read it (`chmod 600`).\n"
    yield from table(("key", "allowed", "default", "meaning"), _described("tokens"))
    yield "## Protocol file\n"
    yield "For `--protocol FILE` of `run`, `replay` and `serve`: what the venue calls requests, events and"
    yield "choices that no capture shows. Keys that a file does not have keep their default. A name is a text"
    yield "of 1 to 64 printable characters.\n"
    yield from table(
        ("key", "default"),
        ((f"`{key}`", f"`{name}`") for key, name in flat(tomllib.loads(default_text()))),
    )


def flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the keys of nested tables, joined by dots, with their values."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
