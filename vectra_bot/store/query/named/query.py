"""What a named query is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs


@attrs.frozen
class Chart:
    """How a result is best drawn.

    Attributes:
        x: column of the horizontal axis, or of the categories.
        y: columns that are drawn.
        only: values that columns of a drawn row have.
        unit: of the values, empty if their columns' names say it.
        by: column of which each value gets a line of its own; of several lines each, the last column
            of ``y`` is drawn.
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
        summary: one line that says what it returns.
        sql: over the views, or over :data:`SEED_PATH`, which stands for the store.
        parameters: name to default of the values that the text takes as ``$name``.
        chart: how to draw the result, None if its columns say enough.
    """

    name: str
    summary: str
    sql: str
    parameters: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
    chart: Chart | None = None


SESSION: Final[Mapping[str, Any]] = {"session": None}
"""The parameter of queries that can be asked about one session."""
