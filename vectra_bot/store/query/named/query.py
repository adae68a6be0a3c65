"""The type of a named query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs


@attrs.frozen
class Chart:
    """How to draw a result.

    Attributes:
        x: column of the horizontal axis, or of the categories.
        y: columns that are drawn.
        only: values that columns must have in drawn rows.
        unit: of the values, empty if it is in the columns' names.
        by: column with one line per value; if a line has several columns, the last column of ``y`` is drawn.
    """

    x: str
    y: tuple[str, ...]
    only: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    unit: str = ""
    by: str = ""


@attrs.frozen
class NamedQuery:
    """SQL with a name.

    Attributes:
        summary: one line that describes the result.
        sql: over the views, or over :data:`SEED_PATH`, which refers to the store.
        parameters: name to default of the ``$name`` parameters in the SQL.
        chart: how to draw the result, None to derive it from the columns.
    """

    name: str
    summary: str
    sql: str
    parameters: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
    chart: Chart | None = None


SESSION: Final[Mapping[str, Any]] = {"session": None}
"""The parameter of queries that can be limited to one session."""
