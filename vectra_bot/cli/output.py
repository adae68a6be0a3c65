"""How commands speak: one JSON object, or tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH = 160

F = TypeVar("F", bound=Callable[..., Any])

json_option: Callable[[F], F] = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object and nothing else."
)


def print_json(value: Mapping[str, Any]) -> None:
    """Print *value* as one JSON object on one line; Decimals, times and paths as text."""
    sys.stdout.write(json.dumps(value, default=str, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


def clean(text: object) -> str:
    """Return *text* with everything a terminal would act on escaped."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text)
    )


def console() -> Console:
    """Return the console for stdout; without a terminal it is wide enough not to cut paths."""
    from rich.console import Console

    if sys.stdout.isatty():
        return Console(highlight=False, markup=False, emoji=False)
    return Console(highlight=False, markup=False, emoji=False, width=_PIPE_WIDTH)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None
) -> None:
    """Print a table of plain cells."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(clean(cell) for cell in row))
    console().print(table)


def print_pairs(pairs: Iterable[tuple[str, object]], title: str | None = None) -> None:
    """Print names and values in two columns."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        cell = "\n".join(clean(line) for line in str(value).split("\n"))
        table.add_row(Text(name), Text(cell))
    out = console()
    if title:
        out.print(Text(clean(title), style="bold"))
    out.print(table)
