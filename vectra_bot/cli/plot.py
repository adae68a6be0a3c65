"""Charts of a query's result: choice of axes, and the picture by matplotlib (extra ``plot``)."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Sequence
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from vectra_bot.cli.rows import all_numbers
from vectra_bot.errors import InputError, UsageError
from vectra_bot.fsio.modes import file_mode

if TYPE_CHECKING:
    from vectra_bot.store.query.catalog import Result
    from vectra_bot.store.query.queries import Chart

SUFFIXES: Final = (".png", ".svg", ".pdf")
MAX_CATEGORIES: Final = 40
MAX_SERIES: Final = 6
# Series of one unit share a panel unless one would look flat beside the other.
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
# Okabe and Ito's colours: distinguishable with colour blindness too.
COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")


@attrs.frozen
class Series:
    """One line or one kind of bar: a value at each ``x``, NaN where it is missing; or single *points*."""

    name: str
    x: list[Any]
    values: list[float]
    points: bool = False


@attrs.frozen
class Panel:
    """Series that share an axis; *label* is its name if those of the series are not."""

    unit: str
    series: list[Series]
    label: str = ""


@attrs.frozen
class ChartDrawing:
    """Content of a chart.

    Attributes:
        x_name: name of the horizontal axis or of the categories.
        categories: of bars; None for lines, whose series have numbers or times on the axis.
        not_drawn: series that are not drawn because there is no room.
    """

    title: str
    x_name: str
    categories: list[str] | None
    panels: list[Panel]
    not_drawn: tuple[str, ...] = ()

    @property
    def x_unit(self) -> str:
        """The unit of the horizontal axis."""
        first = self.panels[0].series[0].x[0]
        return "UTC" if isinstance(first, datetime) else unit_of(self.x_name)


def plan(result: Result, title: str, chart: Chart | None = None) -> ChartDrawing:
    """Return how to draw *result*: the first column across, the columns of numbers upwards.

    Args:
        result: of the query.
        title: title of the chart.
        chart: columns to use, if the query defines them.

    Raises:
        InputError: there is nothing to draw.
    """
    columns, rows = result.columns, list(result.rows)
    if chart is not None:
        wanted = [(columns.index(name), text) for name, text in chart.only.items()]
        rows = [row for row in rows if all(row[i] == text for i, text in wanted)]
    if not rows:
        raise InputError("there is nothing to draw: the query returned no rows")
    # A single column is drawn over the row number.
    x = 0 if len(columns) > 1 else -1
    chosen = [i for i in range(len(columns)) if i != x and all_numbers([row[i] for row in rows])]
    by = -1
    if chart is not None:
        x, chosen = columns.index(chart.x), [columns.index(name) for name in chart.y]
        by = columns.index(chart.by) if chart.by else -1
    if not chosen:
        raise InputError("there is nothing to draw: no column has numbers to draw over another")
    x_name, across, bars = _across(columns, rows, x)
    series = _series(columns, rows, across, chosen, by)
    return ChartDrawing(
        title,
        x_name,
        across if bars else None,
        _panels(series[:MAX_SERIES], chart),
        tuple(one.name for one in series[MAX_SERIES:]),
    )


def _series(
    columns: Sequence[str],
    rows: list[tuple[Any, ...]],
    across: list[Any],
    chosen: list[int],
    by: int,
) -> list[Series]:
    """Return a series for each chosen column; if *by* has several values, one for each of them."""
    groups = list(dict.fromkeys(str(row[by]) for row in rows)) if by >= 0 else []
    if len(groups) < 2:
        return [Series(columns[i], across, [_number(row[i]) for row in rows]) for i in chosen]
    found = []
    for group in groups:
        places = [place for place, row in enumerate(rows) if str(row[by]) == group]
        values = [_number(rows[place][chosen[-1]]) for place in places]
        name = f"{columns[chosen[-1]]}, {group[:8]}"
        found.append(Series(name, [across[place] for place in places], values))
    return found


def _across(
    columns: Sequence[str], rows: list[tuple[Any, ...]], x: int
) -> tuple[str, list[Any], bool]:
    """Return name and values of the horizontal axis, and whether they are categories."""
    if x < 0:
        return "row", list(range(1, len(rows) + 1)), False
    name, values = columns[x], [row[x] for row in rows]
    if all_numbers(values) and all(math.isfinite(_number(value)) for value in values):
        return name, [_number(value) for value in values], False
    if all(isinstance(value, date | datetime) for value in values):
        return name, values, False
    if len(values) > MAX_CATEGORIES:
        return f"row, in the order of {name}", list(range(1, len(rows) + 1)), False
    return name, ["-" if value is None else str(value) for value in values], True


def _panels(series: list[Series], chart: Chart | None) -> list[Panel]:
    panels: list[Panel] = []
    for one in series:
        unit = (chart.unit if chart is not None else "") or unit_of(one.name.partition(",")[0])
        size = largest(one)
        for panel in panels:
            sizes = [size, *map(largest, panel.series)]
            if panel.unit == unit and max(sizes) <= _MAX_RATIO * max(min(sizes), 1e-300):
                panel.series.append(one)
                break
        else:
            panels.append(Panel(unit, [one]))
    return panels


def largest(series: Series) -> float:
    """Return the largest absolute value of a series."""
    return max((abs(v) for v in series.values if math.isfinite(v)), default=0.0)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def unit_of(column: str) -> str:
    """Return the unit of a column by its name, empty if the name has none."""
    for pattern, unit in _UNITS:
        if re.search(pattern, column.lower()):
            return unit
    return ""


def labelled(name: str, unit: str) -> str:
    """Return the label of an axis."""
    plain = name.replace("_", " ")
    return f"{plain} [{unit}]" if unit and unit != plain else plain


def picture(drawing: ChartDrawing, path: Path) -> None:
    """Write *drawing* as a picture in the format of the name's suffix.

    Raises:
        UsageError: matplotlib is not installed, or the suffix is not one of :data:`SUFFIXES`.
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
            "or omit the file name for a chart in the terminal"
        ) from error
    # Names of players are text, never matplotlib formulas.
    settings: Any = {"text.parse_math": False, "font.size": 9, "date.converter": "concise"}
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        height = 1.2 + 2.9 * len(drawing.panels)
        figure = Figure(figsize=(9.6, height), dpi=150, layout="constrained")
        axes = figure.subplots(len(drawing.panels), 1, sharex=True, squeeze=False)[:, 0]
        for axis, panel in zip(axes, drawing.panels, strict=True):
            _draw_panel(axis, drawing, panel)
        axes[-1].set_xlabel(labelled(drawing.x_name, drawing.x_unit))
        figure.suptitle(drawing.title, fontsize=10.5, fontweight="bold")
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, file_mode(path)))
            figure.savefig(path)
        except OSError as error:
            raise InputError(
                f"--plot was {str(path)!r}, which cannot be written: {error.strerror or error}; "
                "give another name"
            ) from error


def _draw_panel(axis: Any, drawing: ChartDrawing, panel: Panel) -> None:
    for number, series in enumerate(panel.series):
        colour = COLOURS[number % len(COLOURS)]
        if drawing.categories is not None:
            share = 0.8 / len(panel.series)
            places = [i - 0.4 + share * (number + 0.5) for i in range(len(series.x))]
            bars = axis.bar(places, series.values, share * 0.94, color=colour, label=series.name)
            if len(series.x) * len(panel.series) <= MAX_CATEGORIES:
                axis.bar_label(bars, fmt="{:.5g}", fontsize=7, padding=2)
        elif _is_rising(series.x) and not series.points:
            axis.plot(
                series.x, series.values, color=colour, label=series.name, linewidth=1.3,
                marker="o" if len(series.x) <= 80 else "", markersize=3,
            )  # fmt: skip
        else:
            axis.scatter(series.x, series.values, color=colour, label=series.name, s=12, alpha=0.7)
    if drawing.categories is not None:
        axis.set_xticks(range(len(drawing.categories)), drawing.categories)
        long = max(map(len, drawing.categories)) * len(drawing.categories) > 90
        axis.tick_params(axis="x", rotation=40 if long else 0)
        axis.margins(y=0.12)
    names = ", ".join(dict.fromkeys(series.name.partition(",")[0] for series in panel.series))
    names = panel.label or (names if len(names) <= 40 else "value")
    axis.set_ylabel(labelled(names, panel.unit))
    if len(panel.series) > 1:
        axis.legend(
            frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0,
            fontsize=8,
        )  # fmt: skip
    axis.grid(visible=True, axis="y", color="0.9", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    if any(value < 0 for series in panel.series for value in series.values):
        axis.axhline(0, color="0.4", linewidth=0.8)


def _is_rising(values: list[Any]) -> bool:
    return all(a <= b for a, b in pairwise(values))
