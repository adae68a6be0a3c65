"""Charts in the terminal: bars for categories, Braille dots for lines, without dependencies."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Any, Final

from vectra_bot.cli.plot import ChartDrawing, Panel, Series, labelled, largest
from vectra_bot.cli.rows import cut
from vectra_bot.redaction import clean

_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_HEIGHT: Final = 10
_NARROWEST: Final = 12
_LONGEST_LABEL: Final = 24
# The bit of each dot of a Braille cell, by column and row.
_DOTS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


def render(drawing: ChartDrawing, width: int, *, plain: bool = False) -> str:
    """Return *drawing* as lines of at most *width* characters, one chart for each series.

    Args:
        drawing: what to draw.
        width: of the terminal.
        plain: use ASCII only.
    """
    lines = [clean(drawing.title)]
    for panel in drawing.panels:
        if drawing.categories is not None:
            lines += ["", *_bars(drawing, panel, width, plain=plain)]
        else:
            for series in panel.series:
                lines += ["", *_curve(drawing, panel, series, width, plain=plain)]
    return "\n".join(line.rstrip()[:width] for line in lines)


def _bars(drawing: ChartDrawing, panel: Panel, width: int, *, plain: bool) -> list[str]:
    """Return a bar per category and series, all of a panel to one scale, with its value."""
    several = len(panel.series) > 1
    names = [cut(clean(series.name), _LONGEST_LABEL) for series in panel.series]
    labels = [cut(clean(label), _LONGEST_LABEL) for label in drawing.categories or ()]
    left = max(map(len, labels))
    middle = max(map(len, names)) + 1 if several else 0
    texts = [[_text(value) for value in series.values] for series in panel.series]
    right = max(len(text) for column in texts for text in column)
    room = max(width - left - middle - right - 3, _NARROWEST)
    peak = max(map(largest, panel.series))
    head = ", ".join(names)
    lines = [f"{labelled(head, panel.unit)} by {clean(drawing.x_name).replace('_', ' ')}"]
    for row, label in enumerate(labels):
        for number, series in enumerate(panel.series):
            shown = label if number == 0 else ""
            name = names[number].ljust(middle) if several else ""
            bar = _bar(series.values[row], peak, room, plain=plain)
            lines.append(f"{shown.rjust(left)} {name}{bar} {texts[number][row]}")
    return lines


def _bar(value: float, peak: float, room: int, *, plain: bool) -> str:
    """Return a bar from zero; a negative one is hollow."""
    if not math.isfinite(value) or not peak:
        return ""
    eighths = round(abs(value) / peak * room * 8)
    if plain or value < 0:
        mark = ("-" if plain else "░") if value < 0 else "#"
        return mark * max(round(eighths / 8), 1 if value else 0)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def _curve(
    drawing: ChartDrawing, panel: Panel, series: Series, width: int, *, plain: bool
) -> list[str]:
    """Return the points of a series on a grid, with the ends of both axes."""
    across = [_place(value) for value in series.x]
    points = [(x, y) for x, y in zip(across, series.values, strict=True) if math.isfinite(y)]
    head = labelled(clean(series.name), panel.unit)
    if not points:
        return [head, "(no values)"]
    low, high = min(y for _, y in points), max(y for _, y in points)
    marks = [_text(high), _text((low + high) / 2), _text(low)]
    left = max(map(len, marks))
    room = max(width - left - 2, _NARROWEST)
    grid = _grid(points, room, _HEIGHT, plain=plain)
    at = {_HEIGHT // 2: marks[1]}
    if high > low:
        at |= {0: marks[0], _HEIGHT - 1: marks[2]}
    edge = "|" if plain else "│"
    lines = [head]
    lines += [f"{at.get(row, '').rjust(left)} {edge}{text}" for row, text in enumerate(grid)]
    first, last = _label(series.x, across, min), _label(series.x, across, max)
    lines.append(" " * left + (" +" + "-" * room if plain else " └" + "─" * room))
    name = labelled(clean(drawing.x_name), drawing.x_unit)
    space = room - len(first) - len(last)
    middle = name.center(space) if space > len(name) + 1 else " " * max(space, 1)
    lines.append(f"{' ' * left}  {first}{middle}{last}")
    return lines


def _grid(points: list[tuple[float, float]], width: int, height: int, *, plain: bool) -> list[str]:
    """Return rows of cells with the points in them, joined by lines where x rises."""
    per_x, per_y = (1, 1) if plain else (2, 4)
    columns, rows = width * per_x, height * per_y
    xs, ys = [x for x, _ in points], [y for _, y in points]
    cells = [[0] * width for _ in range(height)]

    def put(column: int, row: int) -> None:
        bit = 1 if plain else _DOTS[column % 2][row % 4]
        cells[row // per_y][column // per_x] |= bit

    first, last, low, high = min(xs), max(xs), min(ys), max(ys)
    rising = xs == sorted(xs)
    before: tuple[int, int] | None = None
    for x, y in points:
        column = _scaled(x, first, last, columns)
        row = rows - 1 - _scaled(y, low, high, rows)
        put(column, row)
        if rising and before is not None:
            for step in range(1, steps := max(abs(column - before[0]), abs(row - before[1]), 1)):
                put(
                    before[0] + (column - before[0]) * step // steps,
                    before[1] + (row - before[1]) * step // steps,
                )
        before = (column, row)
    if plain:
        return ["".join("*" if cell else " " for cell in line) for line in cells]
    return ["".join(chr(0x2800 + cell) if cell else " " for cell in line) for line in cells]


def _scaled(value: float, low: float, high: float, count: int) -> int:
    return count // 2 if high <= low else min(int((value - low) / (high - low) * count), count - 1)


def _place(value: Any) -> float:
    """Return the position of a number or a time on the horizontal axis."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, date):
        return float(value.toordinal())
    return float(value)


def _label(values: list[Any], across: list[float], end: Any) -> str:
    value = values[across.index(end(across))]
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return value.isoformat() if isinstance(value, date) else _text(float(value))


def _text(value: float) -> str:
    return "-" if not math.isfinite(value) else f"{value:.6g}"
