"""Tables for people; imported only where one is printed, because importing rich is slow.

Text is wrapped at spaces alone, and a :class:`~vectra_bot.report.text.Copyable` value not at all: an id, a
path or a command can be copied from a terminal of any width, also of one whose width is not known.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import TextIO

import rich.console
from rich.console import ConsoleDimensions
from rich.text import Text

from vectra_bot.redaction import clean
from vectra_bot.report.text import Copyable

_PIPE_WIDTH = 160
_GAP = "  "
_NARROWEST = 24
_USUAL_WIDTH = 80
_USUAL_HEIGHT = 24


class Console(rich.console.Console):
    """A console for stdout or *file* that prints text unchanged; without a terminal it is wide.

    A width that no terminal has (``COLUMNS=0``, a window of one column) counts as the nearest usable one.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        width = None if (file or sys.stdout).isatty() else _PIPE_WIDTH
        super().__init__(file=file, highlight=False, markup=False, emoji=False, width=width)

    @property  # type: ignore[misc]  # nothing sets it
    def size(self) -> ConsoleDimensions:
        """Return the size of the terminal, or what counts for it."""
        width, height = super().size
        return ConsoleDimensions(
            max(width, _NARROWEST) if width > 0 else _USUAL_WIDTH,
            height if height > 0 else _USUAL_HEIGHT,
        )

    def on_broken_pipe(self) -> None:
        """Leave a closed pipe to the root command, which knows the exit code for it."""
        raise BrokenPipeError

    def line(self, *parts: Text) -> None:  # type: ignore[override]
        """Print *parts* on one line, however wide the terminal is."""
        self.print(*parts, sep="", soft_wrap=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table of plain cells; the widest columns are wrapped at spaces until it fits.

    One that cannot fit on a terminal is printed row by row, a line for each cell.
    """
    console = Console()
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max(1, *map(len, column)) for column in zip(columns, *cells, strict=True)]
    least = [
        min(width, max(_NARROWEST, *(len(word) for cell in column for word in cell.split(" "))))
        for width, column in zip(widths, zip(columns, *cells, strict=True), strict=True)
    ]
    while sum(widths) + len(_GAP) * (len(widths) - 1) > console.width and widths != least:
        widest = max(range(len(widths)), key=lambda i: (widths[i] > least[i], widths[i]))
        widths[widest] -= 1
    if sum(widths) + len(_GAP) * (len(widths) - 1) > console.width and console.file.isatty():
        _print_blocks(console, columns, cells)
        return
    for number, row in enumerate([list(columns), *cells]):
        parts = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
        for height in range(max(map(len, parts))):
            shown = [part[height] if height < len(part) else "" for part in parts]
            padded = (text.ljust(width) for text, width in zip(shown, widths, strict=True))
            console.line(Text(_GAP.join(padded).rstrip(), "" if number else "bold"))


def _print_blocks(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print each row as its first cell, and below it the others that are not empty, with their column."""
    left = max(map(len, columns[1:]), default=0)
    room = max(console.width - left - 2 * len(_GAP), _NARROWEST)
    for row in rows:
        console.line(Text(row[0], "bold"))
        for name, cell in zip(columns[1:], row[1:], strict=True):
            for number, part in enumerate(_wrapped(cell, room) if cell else ()):
                shown = "" if number else name
                console.line(Text(f"{_GAP}{shown.ljust(left)}{_GAP}{part}"))


def print_pairs(pairs: Iterable[tuple[str, object]], title: str) -> None:
    """Print names and values in two columns under *title*."""
    rows = list(pairs)
    left = max(len(name) for name, _ in rows)
    console = Console()
    room = max(console.width - left - len(_GAP), _NARROWEST)
    console.line(Text(title, "bold"))
    for name, value in rows:
        text = clean(value)
        for number, part in enumerate(
            [text] if isinstance(value, Copyable) else _wrapped(text, room)
        ):
            shown = "" if number else name
            console.line(Text(shown.ljust(left), "bold"), Text(f"{_GAP}{part}".rstrip()))


def _wrapped(text: str, width: int) -> list[str]:
    """Return *text* in lines of at most *width* characters, longer ones where a word is."""
    lines = wrap(
        text, width, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    )
    return lines if len(text) > width and lines else [text]
