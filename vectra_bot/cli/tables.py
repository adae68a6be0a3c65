"""Tables for people; imported only where one is printed, because importing rich is slow."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import rich.console
from rich.table import Table
from rich.text import Text

from vectra_bot.cli.output import clean

_PIPE_WIDTH = 160


class Console(rich.console.Console):
    """A console for stdout that prints text unchanged; without a terminal it is wide."""

    def __init__(self) -> None:
        width = None if sys.stdout.isatty() else _PIPE_WIDTH
        super().__init__(highlight=False, markup=False, emoji=False, width=width)

    def on_broken_pipe(self) -> None:
        """Leave a closed pipe to the root command, which knows the exit code for it."""
        raise BrokenPipeError


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table of plain cells."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    Console().print(table)


def print_pairs(pairs: Iterable[tuple[str, object]], title: str) -> None:
    """Print names and values in two columns under *title*."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(Text(name), Text(clean(value)))
    console = Console()
    console.print(Text(title, style="bold"))
    console.print(table)
