"""Write the reference pages from the code: `python docs/generate.py`; `--check` only compares."""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import click

sys.path.insert(0, str(Path(__file__).resolve().parent))

import generate_python
from generate_alerts import alerts_page
from generate_config import config_page
from generate_datasets import datasets_page
from generate_errors import errors_page
from generate_faults import faults_page
from generate_json import json_page, key_table, query_columns
from generate_records import records, shared_doc
from generate_text import as_sentence, doc, sentence, signature, table

from vectra_bot import hookspecs
from vectra_bot.actions.interface import BotActionInterface
from vectra_bot.cli.main import COMMANDS, EXIT_CODES, LazyGroup
from vectra_bot.game.holdings import ShortView, StakeView
from vectra_bot.game.rounds import Round, SideGamesView
from vectra_bot.game.state import GameView
from vectra_bot.game.view import AccountView, PositionView
from vectra_bot.journal import journal
from vectra_bot.plugins import HOOKS
from vectra_bot.store.location import STORE_SHOWN
from vectra_bot.store.parquet import builder as parquet
from vectra_bot.store.query import catalog
from vectra_bot.store.query.queries import QUERIES
from vectra_bot.strategy import Strategy

REFERENCE = Path(__file__).resolve().parent / "reference"
NOTE = "<!-- Written by docs/generate.py from the code; changes by hand are lost. -->\n"


def hooks() -> Iterator[str]:
    """Every hook, as the contract page has it."""
    yield "# Hooks\n"
    yield f"{doc(hookspecs)}\n"
    for name in HOOKS:
        function = getattr(hookspecs, name)
        yield f"## {name}\n"
        yield f"`{name}{signature(function)}`\n"
        yield f"{doc(function)}\n"


def strategy() -> Iterator[str]:
    """What a strategy implements, reads and does."""
    yield "# Strategy\n"
    yield "What a strategy implements (callbacks), calls (`self.actions`) and reads (`self.account`,"
    yield "`self.position`, `self.side_games` and the `game` that callbacks are given).\n"
    yield f"{doc(Strategy)}\n"
    yield "## Callbacks\n"
    for name, function in _functions(Strategy):
        yield f"### {name}\n"
        yield f"`{name}{signature(function)}`\n"
        yield f"{doc(function)}\n"
    yield "## self.actions\n"
    for name, function in _functions(BotActionInterface):
        yield f"### {name}\n"
        yield f"`{name}{signature(function)}`\n"
        yield f"{doc(function)}\n"
    yield from _properties("self.actions (reading)", BotActionInterface)
    yield from _properties("self.account", AccountView)
    yield from _properties("self.account.short (unverified)", ShortView)
    yield from _properties("one of self.account.stakes (unverified)", StakeView)
    yield from _properties("self.position", PositionView)
    yield from _properties("self.side_games (unverified)", SideGamesView)
    yield from _properties("a round of self.side_games (unverified)", Round)
    yield from _properties("game", GameView)


def _functions(owner: type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(owner).items():
        if inspect.isfunction(value) and not name.startswith("_"):
            yield name, value


def _type_name(kind: Any) -> str:
    return kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))


def _properties(title: str, owner: type) -> Iterator[str]:
    yield f"## {title}\n"
    if attrs.has(owner):
        yield f"{doc(owner)}\n"
    yield from table(("name", "type", "meaning"), properties(owner))


def properties(owner: type) -> Iterator[tuple[str, str, str]]:
    """Yield name, type and meaning of what can be read of a view."""
    for field in attrs.fields(owner) if attrs.has(owner) else ():
        if not field.name.startswith("_"):
            yield f"`{field.name}`", f"`{_type_name(field.type)}`", _meaning(owner, field.name, "")
    for name, value in vars(owner).items():
        function = value.fget if isinstance(value, property) else value
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        kind = f"`{inspect.signature(function).return_annotation}`"
        text = sentence(value).removeprefix("Return ")
        if isinstance(value, property):
            yield f"`{name}`", kind, _meaning(owner, name, text)
        elif owner not in (Strategy, BotActionInterface):
            arguments = signature(value).partition(" -> ")[0]
            yield f"`{name}{arguments}`", kind, _meaning(owner, name, text)


def _meaning(owner: type, name: str, text: str) -> str:
    return as_sentence(text) or shared_doc(owner, name, "views", "fields")


def command_line() -> Iterator[str]:
    """Help of every command, and exit codes."""
    yield "# Command line\n"
    yield "Every command with its help. What a file can set is in [configuration](configuration.md), what"
    yield "`--json` prints in [JSON output](json.md), what went wrong in [errors](errors.md).\n"
    group = LazyGroup(name="vectra-bot")
    context = click.Context(
        group, info_name="vectra-bot", terminal_width=80, help_option_names=["-h", "--help"]
    )
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        yield from help_of(command, name, context, "##")
    yield "`--debug` before or after a command shows the traceback of an error.\n"
    yield "## Exit codes\n"
    yield "Part of the public interface. [Errors](errors.md) names the cause and remedy of each.\n"
    yield from table(("code", "means"), EXIT_CODES.items())


def help_of(
    command: click.Command, name: str, parent: click.Context, heading: str
) -> Iterator[str]:
    """Yield the help of a command and, if it is a group, of its commands."""
    context = click.Context(command, info_name=name, parent=parent, terminal_width=80)
    yield f"{heading} {context.command_path.removeprefix('vectra-bot ')}\n"
    yield "```text\n" + command.get_help(context) + "\n```\n"
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from help_of(found, inner, context, f"{heading}#")


def store_format() -> Iterator[str]:
    """Journal, parts, views and queries."""
    yield "# Journal and store\n"
    yield "How a session is stored, for who reads the files or writes SQL: the journal, the Parquet files"
    yield "built from it, the views, and the queries by name. Columns are in [records](records.md), commands"
    yield "in [command line](command-line.md#store), recipes in the [store guide](../store-guide.md).\n"
    for title, module in (("Journal", journal), ("Parquet parts", parquet), ("SQL", catalog)):
        yield f"## {title}\n"
        yield from _module_text(module)
    yield f"The default store is {STORE_SHOWN}.\n"
    yield "## Queries by name\n"
    yield "`vectra-bot query NAME`; the text below is what runs.\n"
    columns = query_columns()
    for query in QUERIES:
        yield f"### {query.name}\n"
        yield f"{query.summary[0].upper()}{query.summary[1:]}.\n"
        yield from _parameters(query.parameters)
        yield from key_table(columns[query.name], "column")
        yield f"```sql\n{query.sql.strip()}\n```\n"


def _parameters(parameters: Mapping[str, Any]) -> Iterator[str]:
    named = [
        f"`{name}`" + ("" if default is None else f" (default {default})")
        for name, default in parameters.items()
    ]
    if named:
        yield f"Parameters (`--set KEY=VALUE`): {', '.join(named)}.\n"


def _module_text(module: ModuleType) -> Iterator[str]:
    """Yield a module docstring; tables and indented blocks stay as they are."""
    blocks = (inspect.getdoc(module) or "").split("\n\n")
    for block in blocks:
        literal = block.startswith(("    ", "====="))
        text = re.sub(r":[a-z]+:`~?\.?([^`]+)`", r"`\1`", block).replace("``", "`")
        text = re.sub(r"::$", ":", text)
        plain = re.sub(r"^=[= ]+\n?", "", textwrap.dedent(block), flags=re.MULTILINE).replace(
            "``", ""
        )
        yield f"```text\n{plain.rstrip()}\n```\n" if literal else f"{text}\n"


def python_api() -> Iterator[str]:
    """Every public name, see generate_python.py."""
    return generate_python.python_api(doc, table)


def alerts() -> Iterator[str]:
    """Every alert type with its rule, see generate_alerts.py."""
    return alerts_page(doc)


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "python.md": python_api,
    "records.md": records,
    "hooks.md": hooks,
    "strategy.md": strategy,
    "alerts.md": alerts,
    "command-line.md": command_line,
    "configuration.md": config_page,
    "json.md": json_page,
    "datasets.md": datasets_page,
    "errors.md": errors_page,
    "faults.md": faults_page,
    "store.md": store_format,
}


def render(name: str) -> str:
    """Return the text of one page."""
    return NOTE + "\n" + "\n".join(PAGES[name]()).rstrip() + "\n"


def main() -> int:
    """Write the pages, or say which are out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a page is old"
    )
    arguments = parser.parse_args()
    stale = []
    for name in PAGES:
        path, text = REFERENCE / name, render(name)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not arguments.check:
                REFERENCE.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if stale:
        print(("out of date: " if arguments.check else "written: ") + ", ".join(stale))
    return 1 if stale and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
