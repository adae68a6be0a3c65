"""Progress of a running session: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, suppress
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vectra_bot.cli.progress import BAR_DONE, BAR_FINISHED, BAR_TODO
from vectra_bot.cli.tables import Console
from vectra_bot.redaction import clean
from vectra_bot.report.text import by_state

if TYPE_CHECKING:
    from vectra_bot.session import Snapshot

_BAR_WIDTH = 30
_PLAIN_STEPS = 10
_NARROWEST_TABLE = 48  # columns; in fewer a game's id would be wrapped


class View(AbstractContextManager["View"], ABC):
    """Shows snapshots of a running session; nothing appears before the first one."""

    @abstractmethod
    def update(self, snapshot: Snapshot) -> None:
        """Show *snapshot*; called about ten times a second at most."""


class LiveTable(View):
    """A table that is redrawn in place on the terminal."""

    def __init__(self, title: str) -> None:
        self._title = clean(title)
        self._live = Live(console=Console(), auto_refresh=False, transient=False)
        self._shown = True

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._live.stop()

    def update(self, snapshot: Snapshot) -> None:
        if not self._shown:
            return
        panel = Panel(_grid(snapshot), title=Text(self._title), title_align="left", width=78)
        try:
            if not self._live.is_started:
                self._live.start()
            self._live.update(panel, refresh=True)
        except (
            OSError
        ):  # the terminal was closed: SIGHUP comes, or the session continues without it
            self._shown = False


class PlainLines(View):
    """A line to stderr at every tenth of the games, so that stdout contains only the report."""

    def __init__(self, title: str) -> None:
        self._title: str | None = clean(title)
        self._told = 0
        self._read = True

    def __exit__(self, *_: object) -> None:
        self._write("")

    def update(self, snapshot: Snapshot) -> None:
        if self._title is not None:
            self._write(f"{self._title}\n")
            self._title = None
        total = snapshot.games_total
        step = snapshot.games_done * _PLAIN_STEPS // total if total else snapshot.games_done
        if step == self._told:
            return
        self._told = step
        self._write(
            f"game {_count(snapshot)}, cash {snapshot.cash} SOL, "
            f"PnL {signed(snapshot.pnl)} SOL, actions {by_state(snapshot.actions)}\n"
        )

    def _write(self, text: str) -> None:
        """Write to stderr; if nobody reads it any more, the session continues."""
        if self._read:
            try:
                sys.stderr.write(text)
                sys.stderr.flush()
            except OSError:
                self._read = False


def view(title: str) -> View:
    """Return the view for the kind of output that stdout is; a table needs some width."""
    has_room = sys.stdout.isatty() and Console().width >= _NARROWEST_TABLE
    return LiveTable(title) if has_room else PlainLines(title)


def signed(amount: Decimal) -> str:
    """Return an amount of SOL with its sign."""
    return f"{amount:+f}" if amount else "0"


def _grid(snapshot: Snapshot) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", width=9)
    grid.add_column()
    if snapshot.games_total:
        bar = ProgressBar(
            total=snapshot.games_total,
            completed=snapshot.games_done,
            width=_BAR_WIDTH,
            style=BAR_TODO,
            complete_style=BAR_DONE,
            finished_style=BAR_FINISHED,
        )
        progress = Table.grid(padding=(0, 2))
        progress.add_row(bar, Text(_count(snapshot)))
        grid.add_row("Games", progress)
    else:
        grid.add_row("Games", Text(_count(snapshot)))
    grid.add_row("Game", Text(clean(snapshot.game_id) or "waiting"))
    grid.add_row("Tick", Text(f"{snapshot.tick} ({snapshot.phase}), price {snapshot.price:.4f}x"))
    if not snapshot.standing.startswith("allowed"):
        grid.add_row("Trading", Text(clean(snapshot.standing), style="yellow"))
    grid.add_row("Position", Text(_position(snapshot)))
    grid.add_row("Cash", Text(f"{snapshot.cash:f} SOL"))
    style = "green" if snapshot.pnl > 0 else "red" if snapshot.pnl < 0 else ""
    grid.add_row("PnL", Text(f"{signed(snapshot.pnl)} SOL", style=style))
    grid.add_row("Actions", Text(by_state(snapshot.actions)))
    grid.add_row("Elapsed", Text(f"{snapshot.elapsed_s:.1f} s"))
    return grid


def _count(snapshot: Snapshot) -> str:
    """Return how many games are done; a session that ends on request has no total."""
    total = snapshot.games_total
    return f"{snapshot.games_done} of {total}" if total else str(snapshot.games_done)


def _position(snapshot: Snapshot) -> str:
    if not snapshot.position_qty:
        return "flat"
    return (
        f"{snapshot.position_qty:f} at {snapshot.avg_cost:.4f}x, "
        f"worth {snapshot.position_value:f} SOL"
    )
