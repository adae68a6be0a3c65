"""Progress of a long command: a bar on a terminal, lines in a log, nothing otherwise."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Self

import click

from vectra_bot.redaction import clean

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# A log gets a line for each new step, and each time this share of a step is done.
_SHARE = 0.25


class Steps:
    """Shows progress on stderr; call it with the name of the step, how much is done, and the total.

    On a terminal it is a bar that is removed at the end. Elsewhere it prints plain lines if *verbose*, and
    nothing otherwise. It is a context manager, and the progress callback of the store's functions.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        self._lines = verbose and not sys.stderr.isatty()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._last: tuple[str, float] = ("", 0.0)

    def __call__(self, what: str, done: int, total: int, note: str = "") -> None:
        """Report that *done* of *total* of step *what* is done; *total* is 0 if unknown; *note* says more."""
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task, description=clean(what + note), completed=done, total=total or None
            )
        elif self._lines:
            share = done / total if total else 0.0
            step, before = self._last
            if what != step or share - before >= _SHARE:
                self._last = (what, share)
                shown = f"{clean(what)} {share:.0%}" if total else clean(what)
                click.echo(shown + note, err=True)

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._bar = _bar()
            self._task = self._bar.add_task("", total=None)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _bar() -> Progress:
    import rich.console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns: list[Any] = [
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    ]
    console = rich.console.Console(file=sys.stderr, markup=False, emoji=False, highlight=False)
    return Progress(*columns, console=console, transient=True)
