"""The page of JSON outputs, and the columns of queries: every key with its type, unit and meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import frozen
from generate_text import anchor, data, table

_INCLUDE = re.compile(r"^(.*)\{(\w+)(?: \? (only when .*))?\}$")


@frozen
class Key:
    """A key of an output.

    Attributes:
        path: `a.b` for a key in an object, `a[]` for an element of a list, `a.*` for any key.
        kind: `text`, `int`, `number`, `bool`, `object`, `list`, `null` or `any`, or some of them.
        unit: its unit, empty for none.
        meaning: what it says.
        note: "only when ..." if it may be missing, or if a small run does not show it.
    """

    path: str
    kind: str
    unit: str
    meaning: str
    note: str = ""


def _parsed(text: str, parts: dict[str, str], prefix: str = "", note: str = "") -> Iterator[Key]:
    for line in filter(None, map(str.strip, text.split("\n"))):
        include = _INCLUDE.match(line)
        if include:
            yield from _parsed(parts[include[2]], parts, prefix + include[1], include[3] or note)
        else:
            path, kind, unit, meaning, *rest = (cell.strip() for cell in line.split("|"))
            yield Key(prefix + path, kind, unit, meaning, "".join(rest) or note)


def sections() -> dict[str, tuple[str, list[Key]]]:
    """Return what each command prints by section: a sentence about it, and its keys."""
    read = data("json")
    return {
        section["name"]: (section["about"], list(_parsed(section["keys"], read["parts"])))
        for section in read["section"]
    }


def query_columns() -> dict[str, list[Key]]:
    """Return the columns of every query by name."""
    read = data("queries")
    return {name: list(_parsed(text, read["parts"])) for name, text in read["queries"].items()}


def json_page() -> Iterator[str]:
    """Every key of every output with ``--json``."""
    yield "# JSON output\n"
    yield "What commands print with `--json`, for programs. Each prints one object in one line on standard"
    yield "output and nothing else there; `serve` prints a line when it is ready, one at the end. Errors"
    yield "go to standard error as one line, with an [exit code](command-line.md#exit-codes); a check that"
    yield "finds a difference prints its object and then the line.\n"
    yield "`a.b` is a key of an object, `a[]` an element of a list, `a.*` a key that varies. Keys and their"
    yield "meaning stay; new ones may be added.\n"
    yield f"{', '.join(f'[{name}](#{anchor(name)})' for name in (*sections(), 'query'))}.\n"
    for name, (about, keys) in sections().items():
        yield f"## {name}\n"
        if about:
            yield f"{about}\n"
        yield from key_table(keys)
    yield "## query\n"
    yield "A list with one object for each row, its keys the columns of the result; without a query a list"
    yield "of names (`name`, `summary`). Columns of the queries by name are in"
    yield "[Journal and store](store.md#queries-by-name). SOL are numbers with nine decimals, times ISO 8601"
    yield "in UTC, binary data hexadecimal text.\n"


def key_table(keys: list[Key], header: str = "key") -> Iterator[str]:
    """Yield keys as a table."""
    rows = (
        (
            f"`{key.path}`",
            key.kind,
            key.unit,
            f"{key.meaning} {key.note[:1].upper()}{key.note[1:]}." if key.note else key.meaning,
        )
        for key in keys
    )
    return table((header, "type", "unit", "meaning"), rows)
