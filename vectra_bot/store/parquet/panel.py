"""Latency panels: quantiles merged from the sketches in the manifests, without a scan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from vectra_bot.store.parquet.sketch import merged_sketches

COLUMNS: Final = ("action_type", "column", "count", "p50", "p95", "p99", "min", "max")


def panel_rows(sketches: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Return a row of :data:`COLUMNS` for each type of action and column, from the sketches of all parts.

    Raises:
        StoreError: a sketch cannot be read.
    """
    return [
        (
            action_type,
            column,
            sketch.count,
            *(sketch.quantile(q) for q in (0.5, 0.95, 0.99)),
            sketch.min,
            sketch.max,
        )
        for column, by_type in merged_sketches(sketches).items()
        for action_type, sketch in by_type.items()
    ]
