"""Queries that a store knows by name: the three of the schema, word for word, and ours."""

from __future__ import annotations

from typing import Final

from vectra_bot.store.named import acts, feed, money, players, seed
from vectra_bot.store.named.query import SEED_PATH, Chart, NamedQuery

PANEL: Final = NamedQuery(
    "latency-panel",
    "latency by type of action from the stored sketches, without a scan: p50, p95, p99, in ms",
    "",
    chart=Chart(
        "action_type", ("p50", "p95", "p99"), {"column": "timestamps_total_latency_ms"}, "ms"
    ),
)
"""Answered from the sketches in the manifests, not by SQL."""

QUERIES: Final[tuple[NamedQuery, ...]] = tuple(
    sorted(
        (*seed.QUERIES, *acts.QUERIES, *money.QUERIES, *feed.QUERIES, *players.QUERIES, PANEL),
        key=lambda query: query.name,
    )
)
"""All named queries, sorted by name."""

__all__ = ["PANEL", "QUERIES", "SEED_PATH", "Chart", "NamedQuery"]
