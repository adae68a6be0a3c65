"""Terminals that say something odd about themselves: no width, a wrong one, few colours or none."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from rich.progress_bar import ProgressBar
from rich.text import Text

from vectra_bot.cli import progress_table
from vectra_bot.cli.progress import BAR_DONE, BAR_FINISHED, BAR_TODO
from vectra_bot.cli.tables import Console, print_pairs, print_table
from vectra_bot.report.text import Copyable

ID = "00000000-0000-4000-8000-000000000001"
WIDTHS = {"1": 24, "0": 80, "-5": 80, "abc": 80, "": 80, "60": 60, "10000": 10_000}
"""What COLUMNS says, and the width that it counts as."""


class Terminal(StringIO):
    """A stream that is a terminal and has no size."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Return a terminal of 16 colours, for standard output."""
    for name in ("COLUMNS", "LINES", "NO_COLOR", "COLORTERM", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((0, 0)))
    return Terminal()


@pytest.mark.parametrize("columns", list(WIDTHS))
def test_a_width_that_no_terminal_has_is_replaced(
    columns: str, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text appears, and an id is on one line."""
    monkeypatch.setenv("COLUMNS", columns)
    with redirect_stdout(terminal):
        assert Console().width == WIDTHS[columns]
        print_pairs([("Session", Copyable(ID)), ("Words", "many words " * 9)], "Title")
        print_table(("id", "words"), [(ID, "many words " * 9)])
    shown = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert sum(ID in line for line in shown.splitlines()) == 2
    assert shown.count("many") == 18


def test_a_table_wider_than_the_terminal_is_printed_row_by_row(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is wider than the terminal, and each figure has the name of its column."""
    columns = ("variant", "SOL per game", "95 % interval", "difference", "p")
    rows = [
        ("target=1.2", "-0.000277805", "-0.000393074 to -0.000163129", "baseline", ""),
        ("target=2", "-0.000259179", "-0.000365340 to -0.000153606", "+0.000018626", "0.7598"),
    ]
    monkeypatch.setenv("COLUMNS", "60")
    with redirect_stdout(terminal):
        print_table(columns, rows)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()).splitlines()

    assert max(map(len, shown)) <= 60
    assert shown[:2] == ["target=1.2", "  SOL per game   -0.000277805"]
    assert shown[4:7] == [
        "target=2",
        "  SOL per game   -0.000259179",
        "  95 % interval  " + rows[1][2],
    ]
    assert shown[-1] == "  p              0.7598"
    monkeypatch.setenv("COLUMNS", "100")
    with redirect_stdout(terminal):
        print_table(columns, rows)
    assert "variant     SOL per game" in terminal.getvalue()


@pytest.mark.parametrize(
    ("columns", "kind"), [("1", "PlainLines"), ("47", "PlainLines"), ("48", "LiveTable")]
)
def test_a_live_table_needs_some_width(
    columns: str, kind: str, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In less, progress is lines as in a log."""
    monkeypatch.setenv("COLUMNS", columns)
    with redirect_stdout(terminal):
        view = progress_table.view("title")

    assert type(view).__name__ == kind


def bar(done: int) -> ProgressBar:
    """Return a bar as progress has it."""
    return ProgressBar(
        total=10, completed=done, width=20,
        style=BAR_TODO, complete_style=BAR_DONE, finished_style=BAR_FINISHED,
    )  # fmt: skip


def test_a_bar_uses_the_terminal_s_own_sixteen_colours(terminal: Terminal) -> None:
    """Done, to do and finished differ in each of them, and none is black or white."""
    console = Console(terminal)
    assert console.color_system == "standard"
    console.print(bar(5))
    console.print(bar(10))

    codes = re.findall(r"\x1b\[(\d+)m━", terminal.getvalue())
    assert codes == ["36", "90", "32"]


def test_a_bar_without_colours_shows_what_is_done(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under NO_COLOR what is left is not drawn at all."""
    monkeypatch.setenv("NO_COLOR", "1")
    Console(terminal).print(bar(5), Text("|"))

    assert "\x1b" not in terminal.getvalue()
    assert terminal.getvalue().count("━") == 10


@pytest.mark.parametrize("environment", [{"COLUMNS": "0"}, {"NO_COLOR": "1"}], ids=str)
def test_a_run_reports_on_an_odd_terminal(environment: dict[str, str], store: Path) -> None:
    """Report and table are shown; and no colour under NO_COLOR."""
    leader, follower = pty.openpty()
    command = ["run", "watch", "--games", "1", "--seed", "7", "--crowd", "0", "--session-id", ID]
    process = subprocess.Popen(
        [sys.executable, "-m", "vectra_bot", *command],
        stdin=follower, stdout=follower, stderr=follower,
        env={**os.environ, "TERM": "xterm-256color", **environment},
    )  # fmt: skip
    os.close(follower)
    shown = b""
    while part := read(leader):
        shown += part
    os.close(leader)

    assert process.wait() == 0
    assert b"1 of 1" in shown
    assert ID.encode() in shown
    if "NO_COLOR" in environment:
        assert re.search(rb"\x1b\[[0-9;]*3[0-9][0-9;]*m", shown) is None


def read(descriptor: int) -> bytes:
    """Return what a terminal shows next, nothing when the program has closed it."""
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        return b""
