"""The architecture page: every file, name and command on it exists."""

from __future__ import annotations

import ast
import builtins
import re
import shlex
import signal
from functools import cache
from pathlib import Path

import click

import vectra_bot
from vectra_bot.alerts import RULE_CALLBACKS
from vectra_bot.cli.main import cli
from vectra_bot.plugins import HOOKS
from vectra_bot.store.query.queries import QUERIES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PROSE = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
SPANS = sorted(set(re.findall(r"`([^`\n]+)`", PROSE)))
STEP = re.compile(r"^\|[^|]*\| `([\w./]+\.py)` \| (`[^|]+`) \|$", re.MULTILINE)

TOOLS = {"python -m vectra_bot", "vectra-bot", "lint-imports"}
"""Programs that the page names: our own, and one of the extra `dev`."""


def _is_path(span: str) -> bool:
    return " " not in span and ("/" in span or span.endswith((".md", ".py", ".toml", ".yaml")))


@cache
def _words() -> set[str]:
    """Return what our code defines, and its short texts, such as values of columns."""
    folders = ("vectra_bot", "plugins", "strategies", "tests")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    files = [ROOT / ".importlinter", *(path for path in files if path != Path(__file__))]
    pattern = re.compile(
        r"(?:def|class) (\w+)|^ *(\w+) ?[:=(]|[\"']([\w.-]+)[\"']|contract:(\w+)", re.MULTILINE
    )
    return {
        word
        for path in files
        for found in pattern.findall(path.read_text(encoding="utf-8"))
        for word in found
    }


def _is_known(name: str) -> bool:
    """Say whether *name* is defined in our code, is one of its texts, or is Python's own."""
    if name in _words() or hasattr(builtins, name) or hasattr(signal, name):
        return True
    owner, _, member = name.rpartition(".")
    return bool(owner) and (owner == "vectra_bot" or owner in _words()) and member in _words()


def _defined(path: Path) -> set[str]:
    """Return what a module defines: functions, classes, values, and `Class.member`."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = _names(node)
        found |= names
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{name}" for child in node.body for name in _names(child)}
    return found


def _names(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _unknown_words(command: str) -> list[str]:
    """Return the words of a command line that name no command, option or query."""
    words = shlex.split(command)[1:]
    found: click.Command = cli
    with click.Context(cli) as context:
        while words and isinstance(found, click.Group):
            inner = found.get_command(context, words[0])
            if inner is None:
                return words[:1]
            found, words = inner, words[1:]
    options = {name for parameter in found.params for name in parameter.opts}
    wrong = [word for word in words if word.startswith("--") and word not in options]
    if found.name == "query" and words and " " not in words[0]:
        wrong += [word for word in words[:1] if word not in {query.name for query in QUERIES}]
    return wrong


def test_every_path_exists() -> None:
    """Files and folders are where the page says."""
    paths = [span for span in SPANS if _is_path(span)]

    assert len(paths) > 100
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_command_exists() -> None:
    """Commands, their options and named queries are the program's own."""
    commands = [span for span in SPANS if span.startswith("vectra-bot ")]

    assert len(commands) > 10
    assert {line: wrong for line in commands if (wrong := _unknown_words(line))} == {}


def test_every_name_exists() -> None:
    """What is neither a path nor a command is a name of the code."""
    names = [
        span.removesuffix("(...)")
        for span in SPANS
        if not _is_path(span) and not span.startswith("vectra-bot ") and span not in TOOLS
    ]

    assert len(names) > 50
    assert [name for name in names if not _is_known(name)] == []


def test_every_step_names_its_function() -> None:
    """Each step of the three ways is a function or class of the file beside it."""
    steps = STEP.findall(PAGE)

    assert len(steps) > 40
    assert [
        (path, name)
        for path, cell in steps
        for name in re.findall(r"`([^`]+)`", cell)
        if name not in _defined(ROOT / path)
    ] == []


def test_checks_of_this_file_can_fail() -> None:
    """A name, a step and a command that are not there are found."""
    assert not _is_known("no_such_name")
    assert not _is_known("Engine.no_such_method")
    assert "Engine.proces" not in _defined(ROOT / "vectra_bot" / "engine" / "core.py")
    assert _unknown_words("vectra-bot store chek") == ["chek"]
    assert _unknown_words("vectra-bot store check --quickly") == ["--quickly"]
    assert _unknown_words("vectra-bot query alert") == ["alert"]


def test_sql_of_the_page_runs(tmp_path: Path) -> None:
    """Statements name columns that are there."""
    vectra_bot.run("watch", games=1, seed=7, store=tmp_path)
    statements = re.findall(r'vectra-bot query "([^"]+)"', PAGE)

    assert statements
    with vectra_bot.open_store(tmp_path) as store:
        for statement in statements:
            store.sql(statement)


def test_every_callback_of_rules_is_called() -> None:
    """The page says where a new one is added: each is a hook's, or is called by its name."""
    called = (ROOT / "vectra_bot/engine/callbacks.py").read_text(encoding="utf-8")

    assert {name for name in RULE_CALLBACKS if name not in HOOKS and name not in called} == set()
