"""Completion in bash, zsh and fish, by click's mechanism: what can follow, found without running a command.

The shell asks by an environment variable, with the words typed so far. Only the command that was typed is
imported; names of strategies and plugins are those of their entry points, so none of these is. What completes
a value is decided here, by the option's name or by the placeholder that help shows for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Final

import click
from click.shell_completion import CompletionItem, shell_complete
from click.types import StringParamType

from vectra_bot.cli.options import DeclaredOption
from vectra_bot.errors import VectraError

Completer = Callable[[click.Context, str], list[CompletionItem]]

_PROGRAM: Final = "vectra-bot"
_PATH_STARTS: Final = (".", "/", "~")


def complete(root: click.Group, variable: str, instruction: str) -> int:
    """Print what a shell asks for, and return the exit code.

    Args:
        root: the program.
        variable: the environment variable by which the shell asks.
        instruction: its value: ``bash_source`` for the script to evaluate, ``bash_complete`` for an answer.
    """
    try:
        return shell_complete(_Completing(root), {}, _PROGRAM, variable, instruction)
    except VectraError:  # a command cannot be loaded: nothing completes it
        return 1


class _Completing(click.Group):
    """The program with types that complete the values of its parameters."""

    def __init__(self, root: click.Group) -> None:
        super().__init__(_PROGRAM, params=root.params)
        self._root = root

    def list_commands(self, ctx: click.Context) -> list[str]:
        return self._root.list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = self._root.get_command(ctx, cmd_name)
        if command is not None:
            _complete_values(command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands with their lines of help, which click would import all of them for."""
        return self._root.shell_complete(ctx, incomplete)


class _Words(StringParamType):
    """The type of a value that is completed and not checked."""

    def __init__(self, completer: Completer) -> None:
        self._completer = completer

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return what can follow."""
        return self._completer(ctx, incomplete)


def _complete_values(command: click.Command) -> None:
    for parameter in command.params:
        completer = completer_of(parameter)
        if completer is not None:
            parameter.type = _Words(completer)
    for inner in getattr(command, "commands", {}).values():
        _complete_values(inner)


def completer_of(parameter: click.Parameter) -> Completer | None:
    """Return what completes the value of *parameter*; None if click's own type does, or nothing."""
    if isinstance(parameter, DeclaredOption):
        choices = parameter.declaration.choices
        if choices is not None:
            return lambda _, typed: _starting(map(str, choices), typed)
    placeholder = (parameter.metavar or "").strip("[].").removesuffix("[:Class")
    return _BY_NAME.get(parameter.name or "") or _BY_PLACEHOLDER.get(placeholder)


def _strategies(_: click.Context, typed: str) -> list[CompletionItem]:
    return _names_or_file("vectra_bot.strategies", typed)


def _plugins(_: click.Context, typed: str) -> list[CompletionItem]:
    return _names_or_file("vectra_bot.plugins", typed)


def _plugin_settings(_: click.Context, typed: str) -> list[CompletionItem]:
    return _starting((f"{name}." for name in _installed("vectra_bot.plugins")), typed)


def _queries(_: click.Context, typed: str) -> list[CompletionItem]:
    from vectra_bot.store.query.queries import QUERIES

    return [
        CompletionItem(query.name, help=query.summary)
        for query in QUERIES
        if query.name.startswith(typed)
    ]


def _sessions(ctx: click.Context, typed: str) -> list[CompletionItem]:
    """Return the sessions of the store that was named, or of the default one, newest first."""
    from vectra_bot.store.location import local

    try:
        found = list((local(ctx.params.get("store")) / "journals").iterdir())
        found.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    except (VectraError, OSError):
        return []
    return _starting((folder.name for folder in found), typed)


def _files(_: click.Context, typed: str) -> list[CompletionItem]:
    return [CompletionItem(typed, type="file")]


def _folders(_: click.Context, typed: str) -> list[CompletionItem]:
    return [CompletionItem(typed, type="dir")]


def _names_or_file(group: str, typed: str) -> list[CompletionItem]:
    """Return the names of an entry-point group, or let the shell complete a file."""
    found = [] if typed.startswith(_PATH_STARTS) else _starting(_installed(group), typed)
    return found or [CompletionItem(typed, type="file")]


def _starting(words: Iterable[str], typed: str) -> list[CompletionItem]:
    return [CompletionItem(word) for word in words if word.startswith(typed)]


def _installed(group: str) -> list[str]:
    return sorted({point.name for point in metadata.entry_points(group=group)})


_BY_NAME: Final[dict[str, Completer]] = {
    "no_plugin": _plugins,
    "plugin": _plugins,
    "plugin_set": _plugin_settings,
    "strategy": _strategies,
}
_BY_PLACEHOLDER: Final[dict[str, Completer]] = {
    "DIR": _folders,
    "DIR|URL": _folders,
    "FILE": _files,
    "FILE|DIR": _files,
    "FILE|STORE": _files,
    "NAME|FILE": _files,
    "NAME|SQL": _queries,
    "OUT": _files,
    "PATH": _files,
    "SESSION": _sessions,
    "SESSION_A": _sessions,
    "SESSION_B": _sessions,
}
