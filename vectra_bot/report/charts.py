"""Charts of a report: lines in inline SVG, labels and marks in HTML beside them.

The SVG is stretched to its box, so that a chart fits any width; text and marks are HTML, placed in per cent,
so that they keep their size. Colours come from the page's style, for light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape
from itertools import pairwise

from attrs import frozen

from vectra_bot.report.figures import CurvePoint, GameChart

_SIDE = 1000
_MARGIN = 0.06
_LOG_FROM = 8.0

COLOURS = 8
"""Colours of lines that a chart distinguishes."""


@frozen
class Axis:
    """Values mapped to 0 ... 1, on a logarithmic scale if *log*."""

    low: float
    high: float
    log: bool = False

    def place(self, value: float) -> float:
        """Return where *value* is, 0 at the low end; values beyond an end are at it."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        return (at - low) / (high - low) if high > low else 0.5

    def ticks(self, count: int) -> list[float]:
        """Return round values on the axis, about *count*."""
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
            found = [value for value in found if self.low <= value <= self.high]
            return found if len(found) <= count + 2 else found[:: math.ceil(len(found) / count)]
        rough = (self.high - self.low) / count
        if rough <= 0:
            return [self.low]
        size = 10.0 ** math.floor(math.log10(rough))
        step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
        first = math.ceil(self.low / step)
        return [number * step for number in range(first, math.floor(self.high / step) + 1)]


def wide_axis(values: Iterable[float]) -> Axis:
    """Return an axis of *values* with a margin."""
    known = list(values)
    low, high = min(known), max(known)
    margin = (high - low) * _MARGIN or abs(high) * _MARGIN or 1.0
    return Axis(low - margin, high + margin)


def curve_chart(curve: Sequence[CurvePoint]) -> str:
    """Return profit over games, with the expected value and the law's band."""
    across = Axis(0, max(curve[-1].game, 1))
    banded = all(point.low is not None for point in curve)
    values = [float(point.pnl) for point in curve] + [float(point.expected) for point in curve]
    if banded:
        values += [float(v) for point in curve for v in (point.low, point.high) if v is not None]
    up = wide_axis([*values, 0.0])
    games = [float(point.game) for point in curve]
    lines = [_level(up, 0.0, "zero")]
    if banded:
        edge = [(point.game, float(point.high or 0)) for point in curve]
        edge += [(point.game, float(point.low or 0)) for point in reversed(curve)]
        lines.insert(0, _path(across, up, edge, "band", close=True))
    if banded:  # else the expected value of all risks is not known
        expected = zip(games, (float(p.expected) for p in curve), strict=True)
        lines.append(_path(across, up, expected, "expected"))
    lines.append(_path(across, up, zip(games, (float(p.pnl) for p in curve), strict=True), "pnl"))
    names = [("pnl", "profit, SOL")]
    if banded:
        names += [("expected", "expected value"), ("band", "95 % band of the law")]
    return _chart(across, up, lines, names, "profit by game", across_name="games ended")


def game_chart(chart: GameChart) -> str:
    """Return the prices of a game with our fills."""
    known = [price for price in chart.prices if price == price]
    filled = [mark.price for mark in chart.marks if mark.kind != "forced sell"]
    low, high = min([*known, *filled, 1.0]), max([*known, *filled, 1.0])
    if low > 0 and high / low > _LOG_FROM:
        up = Axis(low / 1.1, high * 1.1, log=True)
    else:
        up = wide_axis([low, high])
    last = chart.rug_tick if chart.rug_tick is not None else len(chart.prices)
    across = Axis(0, max(last, *(mark.tick for mark in chart.marks), 1))
    lines = [_level(up, 1.0, "zero"), _path(across, up, enumerate(chart.prices), "price")]
    if chart.rug_tick is not None:
        at = across.place(chart.rug_tick) * _SIDE
        lines.append(f'<path class="rug" d="M{at:.1f} 0V{_SIDE}"/>')
    marks = [
        f'<i class="mark {mark.kind.replace(" ", "-")}" title="{escape(mark.kind)}" '
        f'style="left:{across.place(mark.tick):.2%};top:{1 - up.place(mark.price):.2%}"></i>'
        for mark in chart.marks
    ]
    kinds = dict.fromkeys(mark.kind for mark in chart.marks)
    names = [("price", "price"), *((f"mark {k.replace(' ', '-')}", k) for k in kinds)]
    if chart.rug_tick is not None:
        names.append(("rug", "rug"))
    title = f"prices of game {chart.game}"
    return _chart(across, up, lines, names, title, marks=marks, across_name="tick")


def bar_chart(bars: Sequence[tuple[float, float, int]], *, across_name: str) -> str:
    """Return bars, each from a low to a high value across, and as high as its number."""
    across = Axis(bars[0][0], bars[-1][1])
    up = Axis(0.0, max(number for _, _, number in bars) * (1 + _MARGIN))
    corners: list[tuple[float, float]] = []
    for low, high, number in bars:
        corners += [(low, 0.0), (low, number), (high, number), (high, 0.0)]
    lines = [_path(across, up, corners, "bars", close=True)]
    if across.low < 0.0 < across.high:
        at = across.place(0.0) * _SIDE
        lines.append(f'<path class="zero" d="M{at:.1f} 0V{_SIDE}"/>')
    return _chart(
        across,
        up,
        lines,
        [("bars", "games")],
        "games by profit",
        across_name=across_name,
        whole=False,
    )


def lines_chart(
    lines: Sequence[tuple[str, Sequence[tuple[float, float]]]], *, title: str, across_name: str
) -> str:
    """Return several named lines in one chart; each has its colour, which repeats after eight."""
    across = Axis(0, max(1.0, *(x for _, points in lines for x, _ in points)))
    up = wide_axis([0.0, *(y for _, points in lines for _, y in points)])
    drawn = [_level(up, 0.0, "zero")]
    drawn += [
        _path(across, up, points, f"line{at % COLOURS}") for at, (_, points) in enumerate(lines)
    ]
    names = [(f"line{at % COLOURS}", escape(name)) for at, (name, _) in enumerate(lines)]
    return _chart(across, up, drawn, names, title, across_name=across_name)


def range_chart(axis: Axis, low: float, mean: float, high: float) -> str:
    """Return an interval as a line with its mean, on an axis that several of them share."""
    left, middle, right = (axis.place(value) * _SIDE for value in (low, mean, high))
    zero = axis.place(0.0) * _SIDE
    return (
        f'<div class="range"><svg viewBox="0 0 {_SIDE} 10" preserveAspectRatio="none" role="img" '
        f'aria-label="{mean:.6g}, from {low:.6g} to {high:.6g}">'
        f'<path class="zero" d="M{zero:.1f} 0V10"/><path class="pnl" d="M{left:.1f} 5H{right:.1f}'
        f'M{left:.1f} 2V8M{right:.1f} 2V8"/></svg>'
        f'<i class="dot" style="left:{middle / _SIDE:.2%}"></i></div>'
    )


def _path(
    across: Axis,
    up: Axis,
    points: Iterable[tuple[float, float]],
    name: str,
    *,
    close: bool = False,
) -> str:
    parts, joined = [], False
    for x, y in points:
        if y != y:  # a tick that was missed
            joined = False
            continue
        place = f"{across.place(x) * _SIDE:.1f} {(1 - up.place(y)) * _SIDE:.1f}"
        parts.append(f"{'L' if joined else 'M'}{place}")
        joined = True
    return f'<path class="{name}" d="{"".join(parts)}{"Z" if close else ""}"/>'


def _level(up: Axis, value: float, name: str) -> str:
    return f'<path class="{name}" d="M0 {(1 - up.place(value)) * _SIDE:.1f}H{_SIDE}"/>'


def _chart(
    across: Axis,
    up: Axis,
    lines: Sequence[str],
    names: Sequence[tuple[str, str]],
    title: str,
    *,
    across_name: str,
    marks: Sequence[str] = (),
    whole: bool = True,
) -> str:
    rows = up.ticks(8)
    grid = "".join(_level(up, value, "grid") for value in rows)
    left = _labels(rows, lambda value: f"top:{1 - up.place(value):.2%}")
    below = [value for value in across.ticks(6) if not whole or value == round(value)]
    bottom = _labels(below, lambda value: f"left:{across.place(value):.2%}")
    legend = "".join(f'<span><i class="key {kind}"></i>{name}</span>' for kind, name in names)
    return (
        f'<div class="legend">{legend}</div>'
        f'<div class="chart"><div class="y axis">{left}</div><div class="plot">'
        f'<svg viewBox="0 0 {_SIDE} {_SIDE}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(title)}">{grid}{"".join(lines)}</svg>{"".join(marks)}</div>'
        f'<div class="x axis">{bottom}</div><div class="axis name">{across_name}</div></div>'
    )


def _labels(values: Sequence[float], style: Callable[[float], str]) -> str:
    digits = 0
    if len(values) > 1:
        gap = min(abs(b - a) for a, b in pairwise(values))
        digits = max(0, -math.floor(math.log10(gap))) if gap > 0 else 0
    return "".join(
        f'<span style="{style(value)}">{value if digits else round(value):.{digits}f}</span>'
        for value in values
    )
