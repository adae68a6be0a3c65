"""Charts of a query's result: what is drawn against what, as a picture by matplotlib (extra ``plot``)."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from vectra_bot.cli.rows import is_number
from vectra_bot.errors import InputError, UsageError

if TYPE_CHECKING:
    from vectra_bot.store.catalog import Result
    from vectra_bot.store.queries import Chart

SUFFIXES: Final = (".png", ".svg", ".pdf")
MAX_CATEGORIES: Final = 40
MAX_SERIES: Final = 6
# Series of one unit share a panel unless one would be flat beside the other.
_MAX_RATIO: Final = 50
_UNITS: Final = (
    (r"_ms$|latency", "ms"),
    (r"_ns$", "ns"),
    (r"_s$", "s"),
    (r"percent|_pct$", "%"),
    (r"lamports", "lamports"),
    (r"(^|_)(pnl|cash|amount|stake|payout|spent|received|reward|external|balance)(_|$)|_sol$", "SOL"),
    (r"price|(^|_)peak(_|$)|avg_cost", "SOL per unit"),
    (r"tick", "tick"),
)  # fmt: skip
# Okabe and Ito's colours: told apart by the colour-blind too.
COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")


@attrs.frozen
class Series:
    """One line or one kind of bar; a value that is missing is NaN."""

    name: str
    values: list[float]


@attrs.frozen
class Panel:
    """Series that share an axis."""

    unit: str
    series: list[Series]


@attrs.frozen
class Drawing:
    """What is drawn.

    Attributes:
        x_name: what the horizontal axis or the categories are.
        x: its values: text for bars, numbers or times for lines.
        bars: whether ``x`` are categories.
        left_out: columns with numbers that are not drawn.
    """

    title: str
    x_name: str
    x: list[Any]
    bars: bool
    panels: list[Panel]
    left_out: tuple[str, ...] = ()


def plan(result: Result, title: str, chart: Chart | None = None) -> Drawing:
    """Return how to draw *result*: the first column across, the columns with numbers upwards.

    Args:
        result: of the query.
        title: what stands over it.
        chart: which columns to take, where the query knows better.

    Raises:
        InputError: there is nothing to draw.
    """
    rows = list(result.rows)
    if chart is not None:
        wanted = [(result.columns.index(name), text) for name, text in chart.only.items()]
        rows = [row for row in rows if all(row[i] == text for i, text in wanted)]
    if not rows:
        raise InputError("there is nothing to draw: the query gave no rows")
    numeric = [i for i in range(len(result.columns)) if _is_numeric([row[i] for row in rows])]
    if chart is not None:
        x = result.columns.index(chart.x)
        chosen = [result.columns.index(name) for name in chart.y]
    else:
        # A single column is drawn over the number of the row.
        x = -1 if len(result.columns) == 1 else 0
        chosen = [i for i in numeric if i != x]
    if not chosen:
        raise InputError("there is nothing to draw: no column beside the first holds numbers")
    x_name, values, bars = _across(result.columns, rows, x)
    series = [
        Series(result.columns[i], [_number(row[i]) for row in rows]) for i in chosen[:MAX_SERIES]
    ]
    left_out = tuple(result.columns[i] for i in chosen[MAX_SERIES:])
    return Drawing(title, x_name, values, bars, _panels(series, chart), left_out)


def _across(
    columns: Sequence[str], rows: list[tuple[Any, ...]], x: int
) -> tuple[str, list[Any], bool]:
    """Return name and values of the horizontal axis, and whether they are categories."""
    if x < 0:
        return "row", list(range(1, len(rows) + 1)), False
    name, values = columns[x], [row[x] for row in rows]
    if _is_numeric(values) and all(math.isfinite(_number(value)) for value in values):
        return name, [_number(value) for value in values], False
    if all(isinstance(value, date | datetime) for value in values):
        return name, values, False
    if len(values) > MAX_CATEGORIES:
        return f"row, in the order of {name}", list(range(1, len(rows) + 1)), False
    return name, ["-" if value is None else str(value) for value in values], True


def _panels(series: list[Series], chart: Chart | None) -> list[Panel]:
    panels: list[Panel] = []
    for one in series:
        unit = (chart.unit if chart is not None else "") or unit_of(one.name)
        size = _size(one)
        for panel in panels:
            sizes = [size, *map(_size, panel.series)]
            if panel.unit == unit and max(sizes) <= _MAX_RATIO * max(min(sizes), 1e-300):
                panel.series.append(one)
                break
        else:
            panels.append(Panel(unit, [one]))
    return panels


def _size(series: Series) -> float:
    return max((abs(v) for v in series.values if math.isfinite(v)), default=0.0)


def _is_numeric(values: list[Any]) -> bool:
    return any(map(is_number, values)) and all(v is None or is_number(v) for v in values)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def unit_of(column: str) -> str:
    """Return the unit of a column by its name, empty if the name does not say."""
    for pattern, unit in _UNITS:
        if re.search(pattern, column.lower()):
            return unit
    return ""


def labelled(name: str, unit: str) -> str:
    """Return an axis' label."""
    plain = name.replace("_", " ")
    return f"{plain} [{unit}]" if unit and unit != plain else plain


def picture(drawing: Drawing, path: Path) -> None:
    """Write *drawing* as a picture; the name's suffix says which kind.

    Raises:
        UsageError: matplotlib is not installed, or the suffix is none of :data:`SUFFIXES`.
        InputError: the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"--plot was {str(path)!r}: give a name that ends in {', '.join(SUFFIXES)}"
        )
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError(
            "matplotlib is not installed: pip install 'vectra-bot[plot]', "
            "or leave the file's name away for a chart in the terminal"
        ) from error
    # Names of players are text, never formulas of matplotlib's.
    with mpl.rc_context({"text.parse_math": False, "font.size": 9}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        height = 1.2 + 2.9 * len(drawing.panels)
        figure = Figure(figsize=(9.6, height), dpi=150, layout="constrained")
        axes = figure.subplots(len(drawing.panels), 1, sharex=True, squeeze=False)[:, 0]
        for axis, panel in zip(axes, drawing.panels, strict=True):
            _draw_panel(axis, drawing, panel)
        axes[-1].set_xlabel(labelled(drawing.x_name, unit_of(drawing.x_name)))
        figure.suptitle(drawing.title, fontsize=10.5, fontweight="bold")
        try:
            figure.savefig(path)
        except OSError as error:
            raise InputError(
                f"--plot was {str(path)!r}, which cannot be written: {error.strerror or error}; "
                "give another name"
            ) from error


def _draw_panel(axis: Any, drawing: Drawing, panel: Panel) -> None:
    for number, series in enumerate(panel.series):
        colour = COLOURS[number % len(COLOURS)]
        if drawing.bars:
            share = 0.8 / len(panel.series)
            places = [i - 0.4 + share * (number + 0.5) for i in range(len(drawing.x))]
            bars = axis.bar(places, series.values, share * 0.94, color=colour, label=series.name)
            if len(drawing.x) * len(panel.series) <= MAX_CATEGORIES:
                axis.bar_label(bars, fmt="{:.5g}", fontsize=7, padding=2)
        elif _is_rising(drawing.x):
            marker = "o" if len(drawing.x) <= 80 else ""
            axis.plot(
                drawing.x, series.values, color=colour, label=series.name, linewidth=1.3,
                marker=marker, markersize=3,
            )  # fmt: skip
        else:
            axis.scatter(drawing.x, series.values, color=colour, label=series.name, s=12, alpha=0.7)
    if drawing.bars:
        axis.set_xticks(range(len(drawing.x)), drawing.x)
        long = max(map(len, drawing.x)) * len(drawing.x) > 90
        axis.tick_params(axis="x", rotation=40 if long else 0)
        axis.margins(y=0.12)
    names = ", ".join(series.name for series in panel.series)
    axis.set_ylabel(labelled(names if len(names) <= 40 else "value", panel.unit))
    if len(panel.series) > 1:
        axis.legend(frameon=False, ncols=len(panel.series), loc="best", fontsize=8)
    axis.grid(visible=True, axis="y", color="0.9", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    if any(value < 0 for series in panel.series for value in series.values):
        axis.axhline(0, color="0.4", linewidth=0.8)


def _is_rising(values: list[Any]) -> bool:
    return all(a <= b for a, b in pairwise(values))
