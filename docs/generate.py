"""Write the reference pages from the code: `python docs/generate.py`; `--check` only compares."""

from __future__ import annotations

import argparse
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import click

import vectra_bot
from vectra_bot import hookspecs
from vectra_bot import models as model_module
from vectra_bot.actions.interface import BotActionInterface
from vectra_bot.actions.risk import Limits
from vectra_bot.cli.main import COMMANDS, EXIT_CODES, LazyGroup
from vectra_bot.cli.run import SECTIONS
from vectra_bot.errors import VectraError
from vectra_bot.game.holdings import ShortView, StakeView
from vectra_bot.game.rounds import Round, SideGamesView
from vectra_bot.game.state import GameView
from vectra_bot.game.view import AccountView, PositionView
from vectra_bot.journal import journal
from vectra_bot.models import RECORDS, ActionState, DocType
from vectra_bot.params import Option, options_of
from vectra_bot.plugins import HOOKS
from vectra_bot.serde import document_columns
from vectra_bot.store.location import default_store
from vectra_bot.store.parquet import builder as parquet
from vectra_bot.store.query import catalog
from vectra_bot.store.query.queries import QUERIES
from vectra_bot.strategy import Strategy

REFERENCE = Path(__file__).resolve().parent / "reference"
NOTE = "<!-- Written by docs/generate.py from the code; changes by hand are lost. -->\n"

_LITERAL = re.compile(r"^(.*)::\n\n((?:    .*(?:\n|$)|\n)+)", re.MULTILINE)

KINDS = {
    "sol": "DECIMAL(38,9), SOL or units of the position",
    "price": "DOUBLE, SOL per unit",
    "double": "DOUBLE",
    "int": "BIGINT",
    "text": "VARCHAR",
    "enum": "VARCHAR",
    "alert_type": "VARCHAR",
    "bool": "BOOLEAN",
    "utc": "TIMESTAMP, UTC",
    "json": "VARCHAR, JSON",
}


def doc(value: object) -> str:
    """Return a docstring as Markdown: roles and double backquotes become code, sections bold."""
    text = re.sub(r" ?\(protocol [\d., ]+\)", "", inspect.getdoc(value) or "")
    text = re.sub(r":[a-z]+:`~?\.?([^`]+)`", r"`\1`", text).replace("``", "`")
    text = re.sub(
        r"^(Args|Returns|Raises|Attributes|Example|Examples):$",
        r"\n**\1**\n",
        text,
        flags=re.MULTILINE,
    )
    text = _LITERAL.sub(_fenced, _as_list(text))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _fenced(match: re.Match[str]) -> str:
    return f"{match[1]}:\n\n```python\n{textwrap.dedent(match[2]).strip()}\n```\n"


def _as_list(text: str) -> str:
    """Turn the entries of Google-style sections into list items."""
    lines, within = [], ""
    for line in text.split("\n"):
        if line.startswith("**"):
            within = line
        elif line and not line.startswith(" "):
            within = ""
        entry = re.match(r"^    ([`\w]+): (.*)$", line) if within else None
        if entry and not within.startswith("**Example"):
            lines.append(f"- `{entry[1].strip('`')}`: {entry[2]}")
        elif within and re.match(r"^        ?\S", line) and not within.startswith("**Example"):
            lines.append(f"  {line.strip()}")
        elif within and line.startswith("    ") and not within.startswith("**Example"):
            lines.append(line.strip())
        else:
            lines.append(line)
    return "\n".join(lines)


def signature(function: Callable[..., Any]) -> str:
    """Return the signature without ``self``, annotations as written."""
    found = inspect.signature(function)
    kept = [p for p in found.parameters.values() if p.name != "self"]
    return re.sub(r"'([^']*)'", r"\1", str(found.replace(parameters=kept)))


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield a Markdown table."""
    names = list(header)
    yield "| " + " | ".join(names) + " |"
    yield "|" + "---|" * len(names)
    for row in rows:
        yield (
            "| "
            + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row)
            + " |"
        )
    yield ""


def records() -> Iterator[str]:
    """Every kind of document with its columns, and every record and event."""
    yield "# Records\n"
    yield f"Schema {model_module.SCHEMA_VERSION}. One section for each kind of document: its folder, the"
    yield "record it holds and the columns of its Parquet files. Columns marked *derived* are computed from"
    yield "others when a row is written, for SQL; they are not read back.\n"
    for doc_type in DocType:
        record = RECORDS[doc_type]
        yield f"## {doc_type.value}\n"
        yield f"Record `{record.__name__}`. {doc(record)}\n"
        yield from table(
            ("column", "type", ""),
            (
                (
                    f"`{c.name}`",
                    KINDS[c.kind],
                    "derived" if c.derived else "" if c.required else "nullable",
                )
                for c in document_columns(doc_type)
            ),
        )
    yield "## Other records and events\n"
    stored = set(RECORDS.values())
    for name in sorted(model_module.__all__):
        value = getattr(model_module, name)
        if isinstance(value, type) and value not in stored:
            yield f"### {name}\n"
            yield f"{doc(value)}\n"
            yield from _members(value)


def _members(value: type) -> Iterator[str]:
    if attrs.has(value):
        names = [field.name for field in attrs.fields(value)]
        if names:
            yield "Fields: " + ", ".join(f"`{name}`" for name in names) + ".\n"
    elif hasattr(value, "__members__"):
        values = [str(member.value) for member in value.__members__.values()]
        yield "Values: " + ", ".join(f"`{text}`" for text in values) + ".\n"


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
    rows = []
    if attrs.has(owner):
        yield f"{doc(owner)}\n"
        rows += [
            (f"`{field.name}`", f"`{_type_name(field.type)}`", "")
            for field in attrs.fields(owner)
            if not field.name.startswith("_")
        ]
    for name, value in vars(owner).items():
        if name.startswith("_"):
            continue
        if isinstance(value, property):
            kind = str(inspect.signature(value.fget).return_annotation) if value.fget else ""
            rows.append((f"`{name}`", f"`{kind}`", doc(value).split("\n")[0]))
        elif inspect.isfunction(value) and owner is PositionView:
            rows.append((f"`{name}{signature(value)}`", "", doc(value).split("\n")[0]))
    yield from table(("name", "type", ""), rows)


def command_line() -> Iterator[str]:
    """Help of every command, settings of a file, exit codes."""
    yield "# Command line\n"
    group = LazyGroup(name="vectra-bot")
    context = click.Context(
        group, info_name="vectra-bot", terminal_width=80, help_option_names=["-h", "--help"]
    )
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        yield from help_of(command, name, context, "##")
    yield "`--debug` before or after a command shows the traceback of an error.\n"
    yield "## Configuration file\n"
    yield "`vectra-bot run --config bot.toml`. The command line wins over the file.\n"
    exchange = options_of(SECTIONS["exchange"])
    names = {option.name for option in exchange}
    yield "### [run]\n"
    rows = [("`strategy`", "a name or ./file.py", "", "What to run.")]
    rows += _keys(o for o in options_of(SECTIONS["run"]) if o.name not in names)
    yield from table(("key", "allowed", "default", ""), rows)
    yield "### [exchange]\n"
    yield "These keys may stand in `[run]` instead.\n"
    yield from table(("key", "allowed", "default", ""), _keys(exchange))
    yield "### [limits]\n"
    yield from table(("key", "allowed", "default", ""), _keys(options_of(Limits)))
    yield "### [strategy]\n"
    yield "The strategy's own parameters: `vectra-bot strategies` lists them.\n"
    yield "### [plugins.NAME]\n"
    yield "`enabled = true` or `false`, and the plugin's own parameters: `vectra-bot plugins` lists them.\n"
    yield "## Exit codes\n"
    yield from table(("code", "means"), EXIT_CODES.items())


def _keys(options: Iterable[Option]) -> list[tuple[str, str, str, str]]:
    return [
        (f"`{o.key}`", o.allowed, o.default_shown, o.help) for o in options if o.key is not None
    ]


def help_of(
    command: click.Command, name: str, parent: click.Context, heading: str
) -> Iterator[str]:
    """Yield the help of a command and, if it is a group, of its own commands."""
    context = click.Context(command, info_name=name, parent=parent, terminal_width=80)
    yield f"{heading} {context.command_path.removeprefix('vectra-bot ')}\n"
    yield "```text\n" + command.get_help(context) + "\n```\n"
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from help_of(found, inner, context, f"{heading}#")


def error_classes(base: type[VectraError] = VectraError) -> Iterator[type[VectraError]]:
    """Yield every error of ours, wherever it is defined."""
    if base is VectraError:
        for module in pkgutil.walk_packages(vectra_bot.__path__, "vectra_bot."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    yield base
    for child in base.__subclasses__():
        yield from error_classes(child)


def error_tree() -> Iterator[str]:
    """Every error, its exit code and meaning."""
    yield "# Errors\n"
    yield "Every deliberate error is a `vectra_bot.errors.VectraError`. Its message says what is wrong, the"
    yield "value, and what to do; the command line prints it as one line and exits with its code.\n"
    rows = [
        (
            f"`{e.__module__}.{e.__name__}`",
            f"`{e.__bases__[0].__name__}`",
            e.exit_code,
            doc(e).split("\n")[0],
        )
        for e in sorted(error_classes(), key=lambda e: (e.__module__, e.exit_code))
    ]
    yield from table(("error", "is a", "exit code", "means"), rows)
    yield "## States of an action\n"
    rows_of_states = [
        (f"`{s.value}`", "yes" if s.is_terminal else "no", "yes" if s.is_executed else "no")
        for s in ActionState
    ]
    yield from table(("state", "terminal", "executed"), rows_of_states)


def store_format() -> Iterator[str]:
    """Journal, parts, views and queries."""
    yield "# Journal and store\n"
    for title, module in (("Journal", journal), ("Parquet parts", parquet), ("SQL", catalog)):
        yield f"## {title}\n"
        yield from _module_text(module)
    yield f"{doc(default_store)}\n"
    yield "## Queries by name\n"
    yield "`vectra-bot query NAME`; the text below is what runs.\n"
    for query in QUERIES:
        yield f"### {query.name}\n"
        yield f"{query.summary}\n"
        yield f"```sql\n{query.sql.strip()}\n```\n"


def _module_text(module: ModuleType) -> Iterator[str]:
    """Yield a module docstring; tables and indented blocks stay as they stand."""
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
    folder = str(Path(__file__).resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    written: Iterator[str] = import_module("generate_python").python_api(doc, table)
    return written


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "python.md": python_api,
    "records.md": records,
    "hooks.md": hooks,
    "strategy.md": strategy,
    "command-line.md": command_line,
    "errors.md": error_tree,
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
