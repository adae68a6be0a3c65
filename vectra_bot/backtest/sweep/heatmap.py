"""Profit by two parameters: the mean over all sets that share their values, or a range of them.

Imports params (values as text) and the room's spaces and results.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from attrs import frozen

from vectra_bot.backtest.sweep.space import Space, shown_value

MAX_SIDE: Final = 12
"""Rows and columns at most."""

_PUT_TOGETHER: Final = 6  # rows or columns where values are put together, at most

Tried = tuple[dict[str, Any], float]


@frozen(kw_only=True)
class HeatMap:
    """A table of profits.

    Attributes:
        across, down: the parameters; ``down`` is "" where only one varies.
        columns, rows: their values, or ranges of values, as text.
        cells: a list for each row: mean profit per game of its sets, in the unit of what was given; None
            without one.
    """

    across: str
    down: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    cells: tuple[tuple[float | None, ...], ...]

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest cell."""
        known = [value for row in self.cells for value in row if value is not None]
        return min(known), max(known)

    def shade(self, value: float) -> float:
        """Return where *value* is between the lowest cell, 0, and the highest, 1."""
        low, high = self.bounds
        return (value - low) / (high - low) if high > low else 0.5

    def to_json(self) -> dict[str, Any]:
        """Return the table as JSON."""
        return {
            "across": self.across,
            "down": self.down,
            "columns": list(self.columns),
            "rows": list(self.rows),
            "cells": [list(row) for row in self.cells],
        }


def heat_map(space: Space, tried: Sequence[Tried]) -> HeatMap:
    """Return the profits of *tried* sets by the two parameters with the most values."""
    values = {
        one.name: list(dict.fromkeys(chosen[one.name] for chosen, _ in tried))
        for one in space.ranges
    }
    order = sorted(space.ranges, key=lambda one: -len(values[one.name]))
    across, down = order[0], order[1] if len(order) > 1 else None
    sides = [len(values[one.name]) for one in (across, down) if one is not None]
    # Sets that were drawn would leave most cells of a row for each value empty.
    most = MAX_SIDE
    if max(sides) > MAX_SIDE or math.prod(sides) > 2 * len(tried):
        most = min(_PUT_TOGETHER, math.isqrt(len(tried)))
    columns = _bins(values[across.name], most)
    rows = {None: ("", 0)} if down is None else _bins(values[down.name], most)
    sums: dict[tuple[int, int], list[float]] = defaultdict(list)
    for chosen, profit in tried:
        row = rows[None if down is None else chosen[down.name]][1]
        sums[row, columns[chosen[across.name]][1]].append(profit)
    names_across, names_down = _names(columns), _names(rows)
    return HeatMap(
        across=across.name,
        down="" if down is None else down.name,
        columns=names_across,
        rows=names_down,
        cells=tuple(
            tuple(
                math.fsum(found) / len(found) if (found := sums.get((row, column))) else None
                for column in range(len(names_across))
            )
            for row in range(len(names_down))
        ),
    )


def _bins(values: Sequence[Any], most: int) -> dict[Any, tuple[str, int]]:
    """Return for each value the text and number of the row or column that has it."""
    order = sorted(values) if _is_ordered(values) else list(values)
    groups = [order[at : at + 1] for at in range(len(order))]
    if len(order) > most:
        edges = [round(number * len(order) / most) for number in range(most + 1)]
        groups = [order[start:end] for start, end in pairwise(edges)]
    return {value: (_text(group), number) for number, group in enumerate(groups) for value in group}


def _is_ordered(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float | Decimal) for value in values)


def _text(group: Sequence[Any]) -> str:
    if len(group) == 1:
        return shown_value(group[0])
    first, last = (
        f"{end:.3g}" if _is_ordered([end]) else str(end) for end in (group[0], group[-1])
    )
    return f"{first}..{last}"


def _names(bins: dict[Any, tuple[str, int]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name, _ in bins.values()))


__all__ = ["MAX_SIDE", "HeatMap", "heat_map"]
