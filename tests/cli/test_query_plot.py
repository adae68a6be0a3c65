"""Charts of queries: choice of axes, pictures and charts in the terminal."""

from __future__ import annotations

import math
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from tests.store.samples import state_document, tick_document
from tests.store.stores import write_documents
from vectra_bot.cli import chart
from vectra_bot.cli.plot import MAX_SERIES, ChartDrawing, Panel, Series, picture, plan, unit_of
from vectra_bot.cli.query import query
from vectra_bot.errors import InputError, UsageError
from vectra_bot.models import StateCause
from vectra_bot.store.query.catalog import Result as Rows
from vectra_bot.store.query.queries import QUERIES

BRAILLE = {chr(code) for code in range(0x2800, 0x2900)}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write_documents(
        tmp_path / "store",
        [
            *(tick_document(tick, 1 + math.sin(tick / 5) / 2) for tick in range(60)),
            state_document("0.9", "-0.1", StateCause.ACTION),
            state_document("1.2", "0.3", StateCause.ACTION, "g-2"),
        ],
    )
    return tmp_path / "store"


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(query, [str(a) for a in arguments])


def _names(drawing: ChartDrawing) -> list[tuple[str, list[str]]]:
    return [(panel.unit, [one.name for one in panel.series]) for panel in drawing.panels]


# --- what is drawn --------------------------------------------------------------------------------


def test_numbers_are_drawn_over_the_first_column() -> None:
    """Columns of one unit share a panel; a second unit gets its own."""
    drawing = plan(Rows(("tick", "price", "peak", "cash"), [(1, 2.0, 3.0, Decimal(1))]), "t")
    assert (drawing.x_name, drawing.x_unit, drawing.categories) == ("tick", "tick", None)
    assert _names(drawing) == [("SOL per unit", ["price", "peak"]), ("SOL", ["cash"])]


def test_text_makes_bars() -> None:
    """Names on the axis are categories, null among them; null numbers leave a gap."""
    drawing = plan(Rows(("kind", "n"), [("BUY", 1), (None, None)]), "t")
    assert drawing.categories == ["BUY", "-"]
    assert drawing.panels[0].series[0].values[0] == 1
    assert math.isnan(drawing.panels[0].series[0].values[1])


def test_a_flat_series_gets_its_own_panel() -> None:
    """A series that would look flat beside a larger one gets another axis."""
    drawing = plan(Rows(("x", "small", "large"), [(1, 1, 1000), (2, 2, 2000)]), "t")
    assert _names(drawing) == [("", ["small"]), ("", ["large"])]


def test_too_many_names_become_a_line() -> None:
    """A thousand game ids are not drawn as bars: the axis has the row number."""
    rows: list[Any] = [(f"g-{n}", n) for n in range(1000)]
    drawing = plan(Rows(("game_id", "n"), rows), "t")
    assert (drawing.categories, drawing.x_name) == (None, "row, in the order of game_id")


def test_more_series_than_fit_are_listed() -> None:
    """Series that are not drawn are listed."""
    columns = ("x", *(f"y{n}" for n in range(MAX_SERIES + 2)))
    drawing = plan(Rows(columns, [tuple(range(len(columns)))]), "t")
    assert drawing.not_drawn == (f"y{MAX_SERIES}", f"y{MAX_SERIES + 1}")


def test_a_query_knows_its_own_chart() -> None:
    """A named query filters its rows, and draws a line for each session."""
    panel = next(named for named in QUERIES if named.name == "latency-panel")
    columns = ("action_type", "column", "count", "p50", "p95", "p99", "min", "max")
    rows: list[Any] = [
        ("BUY", "timestamps_send_latency_ms", 9, 1, 1, 1, 1, 1),
        ("BUY", "timestamps_total_latency_ms", 9, 2, 3, 4, 1, 5),
    ]
    drawing = plan(Rows(columns, rows), "t", panel.chart)
    assert drawing.categories == ["BUY"]
    assert _names(drawing) == [("ms", ["p50", "p95", "p99"])]
    games = next(named for named in QUERIES if named.name == "pnl-by-game")
    made: list[Any] = [(s, n, 0, n / 8) for s in ("one", "two") for n in (1, 2)]
    drawing = plan(Rows(("session_id", "game", "pnl", "running_pnl"), made), "t", games.chart)
    assert _names(drawing) == [("SOL", ["running_pnl, one", "running_pnl, two"])]
    assert drawing.panels[0].series[1].x == [1.0, 2.0]


@pytest.mark.parametrize(
    ("columns", "rows"),
    [(("a", "b"), []), (("a", "b"), [("x", "y")]), (("a",), [("x",)]), (("a", "b"), [(1, True)])],
)
def test_nothing_to_draw_is_an_error(columns: tuple[str, ...], rows: list[Any]) -> None:
    """No rows, or no numbers, is a one-line error and no empty chart."""
    with pytest.raises(InputError, match="there is nothing to draw: "):
        plan(Rows(columns, rows), "t")


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        ("p50_ms", "ms"), ("timestamps_total_latency_ms", "ms"), ("running_pnl", "SOL"),
        ("slippage_percent", "%"), ("slippage_sol", "SOL"), ("executed_price", "SOL per unit"),
        ("residual_lamports", "lamports"), ("silence_s", "s"), ("rug_tick", "tick"), ("games", ""),
    ],
)  # fmt: skip
def test_units_come_from_names(column: str, unit: str) -> None:
    """The schema's names contain the units of their numbers."""
    assert unit_of(column) == unit


# --- pictures -------------------------------------------------------------------------------------


def _ink(path: Path) -> float:
    """Return the share of pixels that are not white."""
    image = pytest.importorskip("matplotlib.image")
    pixels = image.imread(path)[:, :, :3]
    return float((pixels < 0.99).any(axis=2).mean())


@pytest.mark.parametrize("name", ["line.png", "bars.png", "times.png", "scatter.png", "x.svg"])
def test_pictures_are_drawn(tmp_path: Path, name: str) -> None:
    """Lines, bars, times and points leave ink; names of players are text, not formulas."""
    pytest.importorskip("matplotlib")
    start = datetime(2026, 1, 1)  # noqa: DTZ001 - as DuckDB gives its times
    rows: list[Any] = {
        "line.png": [(n, n * n, None if n == 3 else -n) for n in range(30)],
        "bars.png": [("$x^2_{", 1, 2), ("\U0001f680 long name of a player", 3, -4), (None, 5, 6)],
        "times.png": [(start + timedelta(seconds=n), n, n) for n in range(9)],
        "scatter.png": [(n * 7 % 10, n, n) for n in range(9)],
        "x.svg": [(1, 2, 3)],
    }[name]
    picture(plan(Rows(("x", "y", "z"), rows), "a $title"), tmp_path / name)
    if name.endswith(".png"):
        assert 0.02 < _ink(tmp_path / name) < 0.6
    else:
        assert "</svg>" in (tmp_path / name).read_text()


def test_the_command_draws_a_picture(store: Path, tmp_path: Path) -> None:
    """--plot FILE writes a picture and prints its path."""
    pytest.importorskip("matplotlib")
    target = tmp_path / "prices.png"
    sql = "SELECT tick, price FROM game_tick ORDER BY tick"
    result = _run(sql, "--store", store, "--plot", target)
    assert (result.exit_code, result.stdout) == (0, f"{target}: 60 rows drawn\n")
    assert target.read_bytes().startswith(b"\x89PNG")


def test_pictures_need_matplotlib_and_a_name(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing package, a wrong suffix and a missing folder are one-line errors."""
    wrong = _run("games", "--store", store, "--plot", tmp_path / "x.gif").exception
    assert isinstance(wrong, UsageError)
    assert "give a name that ends in .png, .svg or .pdf" in str(wrong)
    both = _run("games", "--store", store, "--json", "--plot").exception
    assert isinstance(both, UsageError)
    if "matplotlib" in sys.modules or pytest.importorskip("matplotlib"):
        nowhere = _run("games", "--store", store, "--plot", tmp_path / "no" / "x.png").exception
        assert isinstance(nowhere, InputError)
        assert "cannot be written: No such file or directory" in str(nowhere)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    missing = _run("games", "--store", store, "--plot", tmp_path / "x.png").exception
    assert isinstance(missing, UsageError)
    assert "pip install 'vectra-bot[plot]'" in str(missing)


# --- the terminal ---------------------------------------------------------------------------------


def test_bars_in_the_terminal() -> None:
    """Bars have one scale, fractions of a cell included, with values beside them."""
    rows: list[Any] = [("BUY", 100, 50), ("SELL", 25, -100), ("BET", None, 0)]
    text = chart.render(plan(Rows(("kind", "p50_ms", "p95_ms"), rows), "latency"), 40)
    lines = text.splitlines()
    assert lines[2] == "p50_ms, p95_ms [ms] by kind".replace("_", " ")
    full = lines[3].count("█")
    assert lines[3].startswith(" BUY p50_ms ██")
    assert abs(lines[4].count("█") - full / 2) <= 1
    assert abs(lines[5].count("█") - full / 4) <= 1
    assert lines[6].count("░") == full
    assert lines[6].endswith("-100")
    assert lines[7].split() == ["BET", "p50_ms", "-"]
    assert max(map(len, lines)) <= 40


def test_curves_in_the_terminal() -> None:
    """A rising line runs from the lower left to the upper right, with both ends of both axes."""
    rows: list[Any] = [(n, n * 2) for n in range(101)]
    lines = chart.render(plan(Rows(("tick", "n"), rows), "t"), 60).splitlines()
    grid = [line.partition("│")[2] for line in lines if "│" in line]
    assert lines[3].split()[0] == "200"
    assert grid[0].rstrip()[-1] in BRAILLE
    assert grid[-1][0] in BRAILLE
    starts = [len(row) - len(row.lstrip()) for row in grid]
    assert starts == sorted(starts, reverse=True)
    assert lines[-1].split() == ["0", "tick", "100"]


def test_the_command_draws_in_the_terminal(store: Path) -> None:
    """--plot without FILE draws text; a query's name after it is not a file."""
    for arguments in (("pnl-by-game", "--plot"), ("--plot", "pnl-by-game")):
        result = _run(*arguments, "--store", store)
        assert result.exit_code == 0, result.output
        assert "running pnl [SOL]" in result.stdout
        assert BRAILLE & set(result.stdout)


@given(
    st.lists(
        st.tuples(
            st.floats(-1e9, 1e9) | st.integers(-5, 5),
            st.none() | st.floats(allow_nan=True, allow_infinity=True) | st.integers(),
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(10, 120),
    st.booleans(),
)
def test_any_numbers_can_be_drawn(rows: list[Any], width: int, plain: bool) -> None:
    """Any numbers at any width give lines that fit, in ASCII with the plain option."""
    try:
        drawing = plan(Rows(("x", "y"), rows), "t")
    except InputError:
        assert all(y is None for _, y in rows)
        return
    text = chart.render(drawing, width, plain=plain)
    assert max(map(len, text.splitlines())) <= width
    assert not plain or text.isascii()


def test_names_cannot_act_on_the_terminal() -> None:
    """Escapes in names, titles and columns are displayed, not executed."""
    evil = "\x1b[2J"
    bars = ChartDrawing(evil, evil, [evil], [Panel("", [Series(evil, [evil], [1.0])])])
    line = ChartDrawing(evil, evil, None, [Panel("", [Series(evil, [1.0], [1.0])])])
    for drawing in (bars, line):
        assert "\x1b" not in chart.render(drawing, 80)
