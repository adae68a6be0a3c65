"""json.md: what every command prints with ``--json`` is documented, and nothing else is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest

from tests.docs.json_runs import Commands, Outputs
from vectra_bot.cli.main import cli
from vectra_bot.store.query.queries import QUERIES

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))

from generate_json import Key, query_columns, sections

SECTIONS = sections()
STEPS = {
    "sessions": ("run", "replay", "replay --check", "diff"),
    "traded": ("live", "status", "halt", "resume", "reduce", "flatten", "stop", "doctor"),
    "served": ("serve (ready)", "serve (stopped)", "record"),
    "verified": (
        "verify (seeded_games)",
        "verify (recorded_prices)",
        "verify (game_rows)",
        "verify (real_trades)",
        "verify (leaderboard_rows)",
        "verify (capture)",
        "verify (seed)",
    ),
    "opened": ("browser login",),
    "alerted": (
        "alerts list",
        "alerts enable",
        "alerts disable",
        "alerts set",
        "alerts test",
        "alerts history",
        "alerts acknowledge",
    ),
    "listed": (
        "strategies",
        "plugins",
        "odds",
        "odds (certificate)",
        "players",
        "odds (promotions)",
    ),
    "scored": ("alerts backtest",),
    "backtested": ("backtest", "compare"),
    "swept": ("sweep",),
    "maintained": (
        "store check",
        "store recover",
        "store compact",
        "store migrate",
        "store import",
        "store stats",
        "store drop",
    ),
    "written": ("new", "check"),
    "exported": ("export", "export --check"),
    "compared": ("dev frames-check", "dev crowd-check", "dev money-check"),
}
"""Sections of the page by the method of :class:`Commands` that runs their commands."""

KINDS: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "int": (int,),
    "number": (int, float, Decimal),
    "bool": (bool,),
    "object": (dict,),
    "list": (list,),
    "null": (type(None),),
    "any": (object,),
}


def values_at(value: Any, path: str, documented: set[str]) -> Iterator[tuple[str, Any]]:
    """Yield every value below *value* with its path, in which a key that varies is ``*``."""
    if isinstance(value, dict):
        for name, inner in value.items():
            own = f"{path}.{name}".lstrip(".")
            found = own if own in documented else f"{path}.*".lstrip(".")
            found = found if found in documented else own
            yield found, inner
            yield from values_at(inner, found, documented)
    elif isinstance(value, list):
        for inner in value:
            if not isinstance(inner, dict):
                yield f"{path}[]", inner
            yield from values_at(inner, f"{path}[]", documented)


def is_of(value: Any, key: Key) -> bool:
    """Return whether a value is of the type that its key is documented with."""
    names = key.kind.split(" or ")
    if isinstance(value, bool):
        return "bool" in names or "any" in names
    return any(isinstance(value, KINDS[name]) for name in names)


def compare(outputs: list[Any], keys: list[Key]) -> None:
    """Compare the keys of *outputs* with the documented ones, both ways, and the types of their values."""
    by_path = {key.path: key for key in keys}
    seen = [pair for output in outputs for pair in values_at(output, "", set(by_path))]
    wrong = {(path, type(v)) for path, v in seen if path in by_path and not is_of(v, by_path[path])}
    paths = {path for path, _ in seen}

    assert sorted(paths - by_path.keys()) == [], "not documented"
    assert sorted(key.path for key in keys if key.path not in paths and not key.note) == [], (
        "not seen"
    )
    assert wrong == set(), "of another type"


@pytest.mark.parametrize("step", sorted(STEPS))
def test_every_key_of_an_output_is_documented(step: str, tmp_path: Path) -> None:
    """And every documented key is printed, unless it says when it is; types agree."""
    outputs: Outputs = getattr(Commands(tmp_path), step)()
    found: dict[str, list[Any]] = {}
    for section, value in outputs:
        found.setdefault(section, []).append(value)

    assert sorted(found) == sorted(STEPS[step])
    for section, values in found.items():
        compare(values, SECTIONS[section][1])


def test_every_column_of_a_query_is_documented(tmp_path: Path) -> None:
    """In the order of its result; types agree."""
    commands = Commands(tmp_path)
    commands.played()
    documented = query_columns()

    assert sorted(documented) == sorted(query.name for query in QUERIES)
    for query in QUERIES:
        keys = documented[query.name]
        columns, rows = commands.rows(query.name)
        assert columns == [key.path for key in keys], query.name
        by_name = {key.path: key for key in keys}
        wrong = [(n, v) for row in rows for n, v in row.items() if not is_of(v, by_name[n])]
        assert wrong == [], query.name
    names = commands.json("query")
    assert {tuple(row) for row in names} == {("name", "summary")}


def test_every_command_with_json_has_a_section() -> None:
    """A new command cannot be forgotten, nor a section without one be left."""
    commands = set(with_json(cli, click.Context(cli), ()))
    described = {name.partition(" (")[0].removesuffix(" --check") for name in SECTIONS}

    assert described | {"query"} == commands
    assert sorted(SECTIONS) == sorted(name for names in STEPS.values() for name in names)


def with_json(
    command: click.Command, context: click.Context, path: tuple[str, ...]
) -> Iterator[str]:
    """Yield the names of commands that take ``--json``."""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from with_json(inner, context, (*path, name))
    elif any("--json" in parameter.opts for parameter in command.params):
        yield " ".join(path)


@pytest.mark.parametrize("keys", [pytest.param(k, id=n) for n, (_, k) in SECTIONS.items()])
def test_a_note_says_when(keys: list[Key]) -> None:
    """A key that may be missing says so in one form; every type is one of the known."""
    for key in keys:
        assert key.note == "" or key.note.startswith("only when "), key.path
        assert set(key.kind.split(" or ")) <= set(KINDS), key.path
        assert key.meaning.endswith("."), key.path
