"""Flags from declarations: one decorator gives a command the options of a config, under headings.

The declarations are on the config classes; a flag is the same in every command that has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import click
from attrs import NOTHING

from vectra_bot.cli.strategy_help import strategy_given, write_parameters
from vectra_bot.errors import ConfigError, UsageError
from vectra_bot.params import Heading, Option, options_of

if TYPE_CHECKING:
    from vectra_bot.config import FileConfig
    from vectra_bot.params import WrittenText

_ARGUMENTS = "vectra_bot.arguments"
_NAME = re.compile(r"[a-z][a-z_.-]{0,23}")


class DeclaredOption(click.Option):
    """The flag of a declared option; its value is checked by the declaration, not by click."""

    def __init__(self, param_decls: Sequence[str], *, declaration: Option, **about: Any) -> None:
        super().__init__(param_decls, **about)
        self.declaration = declaration


class GroupedCommand(click.Command):
    """A command whose help shows its options under the headings of their declarations.

    Before them are the parameters of the strategy that was given, if one was.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments for the help, which click writes before it has read them."""
        ctx.meta[_ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the strategy's parameters, the most needed options, then each heading's."""
        spec = strategy_given(self, ctx, ctx.meta.get(_ARGUMENTS, ()))
        if spec is not None:
            write_parameters(spec, formatter)
        groups: dict[Heading, list[tuple[str, str]]] = {heading: [] for heading in Heading}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                heading = Heading.MAIN
                if isinstance(parameter, DeclaredOption):
                    heading = parameter.declaration.heading
                groups[heading].append(record)
        for heading, records in groups.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def destination(declaration: Option) -> str:
    """Return the parameter name under which click passes an option's value to a command."""
    return str(declaration.flag).lstrip("-").replace("-", "_")


def declared_options(
    *owners: Any, required: Iterable[str] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds the flags of all options that *owners* declare.

    Args:
        owners: config classes; or a config, whose values help shows as the defaults.
        required: options without a default in this command, by name; a file may give them.
    """
    lacking = frozenset(required)

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        flags = [o for owner in owners for o in _declarations(owner, lacking) if o.flag is not None]
        for declaration in reversed(flags):
            command = _with_flag(command, declaration)
        return command

    return decorate


def _declarations(owner: Any, lacking: frozenset[str]) -> Iterable[Option]:
    if isinstance(owner, type):
        return options_of(owner)
    return [
        attrs.evolve(option, default=None, shown="none, choose it yourself")
        if option.name in lacking
        else attrs.evolve(option, default=getattr(owner, option.name))
        for option in options_of(type(owner))
    ]


def given_options(owner: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options given on the command line for *owner*, converted, by field name.

    Options whose flags may be repeated are excluded: they add to the values of a file.

    Raises:
        UsageError: an option does not accept its value.
        ConfigError: a file named by an option cannot be used.
    """
    given = {}
    for declaration in options_of(owner):
        if declaration.flag is None or declaration.repeatable:
            continue
        value = values[destination(declaration)]
        if value is not None:
            given[declaration.name] = _parsed(declaration, value)
    return given


def _parsed(declaration: Option, value: Any) -> Any:
    flag = str(declaration.flag)
    try:
        return declaration.parse(value, flag)
    except ConfigError as error:
        if str(error).startswith(flag):
            raise UsageError(str(error)) from None
        raise


def _with_flag(command: Callable[..., Any], declaration: Option) -> Callable[..., Any]:
    flag = str(declaration.flag)
    about: dict[str, Any] = {"help": _help(declaration)}
    if declaration.is_switch:
        flag += f"/--no-{flag[2:]}" if declaration.default in (True, None) else ""
        about |= {"is_flag": True, "default": None}
    else:
        about["metavar"] = "|".join(declaration.choices or ()) or declaration.metavar or "N"
        about["multiple"] = declaration.repeatable
        about["required"] = declaration.default is NOTHING
    return click.option(
        flag, destination(declaration), cls=DeclaredOption, declaration=declaration, **about
    )(command)


def _help(declaration: Option) -> str:
    default = declaration.default_shown
    return f"{declaration.help}  [default: {default}]" if default else declaration.help


def plugin_options(file: FileConfig, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a config that choose plugins; the command line overrides the file."""
    enable = {name: None for name, plugin in file.plugins.items() if plugin.enabled}
    disable = {name: None for name, plugin in file.plugins.items() if plugin.enabled is False}
    settings = {name: dict(plugin.settings) for name, plugin in file.plugins.items()}
    for key, value in written_pairs("--plugin-set", options["plugin_set"]).items():
        name, dot, parameter = key.rpartition(".")
        if not dot or not name:
            raise UsageError(f"--plugin-set was '{key}=...': give NAME.KEY=VALUE")
        settings.setdefault(name, {})[parameter] = value
        enable[name] = None
        disable.pop(name, None)
    for name in options["plugin"]:
        enable[name] = None
        disable.pop(name, None)
    for name in options["no_plugin"]:
        disable[name] = None
        enable.pop(name, None)
    return {
        "enable_plugins": tuple(enable),
        "disable_plugins": tuple(disable),
        "block_plugins": file.blocked,
        "plugins": {
            name: values for name, values in settings.items() if values and name not in disable
        },
    }


def written_pairs(flag: str, texts: Iterable[str]) -> dict[str, WrittenText]:
    """Return parameters given as KEY=VALUE; the value of a secret one is a reference to it."""
    from vectra_bot.config import read_secret
    from vectra_bot.params import WrittenText

    return {key: WrittenText(value, read_secret) for key, value in pairs(flag, texts).items()}


def pairs(flag: str, texts: Iterable[str]) -> dict[str, str]:
    """Return KEY=VALUE texts as a dictionary; the last value of a repeated key wins."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            # What is not a name may be a secret.
            was = f"was {text!r}" if _NAME.fullmatch(text) else "has a value without a name"
            raise UsageError(f"{flag} {was}: give KEY=VALUE")
        found[key.strip()] = value.strip()
    return found
