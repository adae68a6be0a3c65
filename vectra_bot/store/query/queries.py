"""The named queries of a store: the three of the schema, word for word, and ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vectra_bot.errors import InputError, UnknownNameError
from vectra_bot.params import plain_number
from vectra_bot.store.query.named import acts, feed, money, players, seed
from vectra_bot.store.query.named.query import Chart, NamedQuery

PANEL: Final = NamedQuery(
    "latency-panel",
    "latency by type of action from the stored sketches, without a scan: p50, p95, p99, in ms",
    "",
    chart=Chart(
        "action_type", ("p50", "p95", "p99"), {"column": "timestamps_total_latency_ms"}, "ms"
    ),
)
"""Computed from the sketches in the manifests, not by SQL."""

QUERIES: Final[tuple[NamedQuery, ...]] = tuple(
    sorted(
        (*seed.QUERIES, *acts.QUERIES, *money.QUERIES, *feed.QUERIES, *players.QUERIES, PANEL),
        key=lambda query: query.name,
    )
)
"""All named queries, sorted by name."""


def named_query(name: str) -> NamedQuery:
    """Return the query called *name*.

    Raises:
        UnknownNameError: there is none.
    """
    known = {query.name: query for query in QUERIES}
    if name not in known:
        raise UnknownNameError("query", name, known)
    return known[name]


def values_of(query: NamedQuery, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a query's parameters, the defaults for those not in *params*.

    Raises:
        UnknownNameError: it has no such parameter.
        InputError: text is not a number where one is needed.
    """
    for given in params:
        if given not in query.parameters:
            raise UnknownNameError(f"parameter of {query.name}", given, query.parameters)
    return {
        name: _like(default, name, params[name]) if name in params else default
        for name, default in query.parameters.items()
    }


def _like(default: Any, name: str, value: Any) -> Any:
    """Return a parameter's value, converted to a number if the default is one."""
    if not isinstance(value, str) or not isinstance(default, int | float):
        return value
    try:
        return type(default)(plain_number(value))
    except ValueError:
        raise InputError(f"{name} was {value!r}: give a number such as {default}") from None


__all__ = ["PANEL", "QUERIES", "Chart", "NamedQuery", "named_query", "values_of"]
