"""Hypothesis strategies for every record, read from the fields themselves."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from functools import cache
from typing import Any

import attrs
from hypothesis import strategies as st

from vectra_bot.models import RECORDS, AlertType, DocType, ExceptionalPlayer

RECORD_TYPES: tuple[type, ...] = (*RECORDS.values(), ExceptionalPlayer)

_INT64 = st.integers(-(2**63), 2**63 - 1)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | _INT64
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_PLUGIN_ALERTS = st.tuples(st.text(min_size=1), st.text(min_size=1)).map(
    lambda pair: f"{pair[0].replace('.', '_')}.{pair[1]}"
)
_KINDS: dict[str, st.SearchStrategy[Any]] = {
    "sol": st.integers(-(10**27) + 1, 10**27 - 1).map(lambda n: Decimal(n).scaleb(-9)),
    "price": st.floats(allow_nan=False, allow_infinity=False).map(lambda x: Decimal(repr(x))),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "int": _INT64,
    "text": st.text(),
    "bool": st.booleans(),
    "utc": st.datetimes(timezones=st.just(UTC)),
    "json": st.dictionaries(st.text(), _JSON, max_size=3),
    "alert_type": st.sampled_from(AlertType) | _PLUGIN_ALERTS,
}


def _field(attribute: attrs.Attribute[Any]) -> st.SearchStrategy[Any]:
    kind = attribute.metadata["column"]
    arguments = [a for a in getattr(attribute.type, "__args__", ()) if a is not type(None)]
    inner: Any = arguments[0] if arguments else attribute.type
    optional = type(None) in getattr(attribute.type, "__args__", ())
    options = getattr(attribute.validator, "options", None)
    if kind == "record":
        values = records(inner)
    elif kind == "enum":
        values = st.sampled_from(inner)
    elif options is not None:
        values = st.sampled_from(list(options))
    else:
        values = _KINDS[kind]
    return st.none() | values if optional else values


@cache
def records(record_type: type) -> st.SearchStrategy[Any]:
    """Return a strategy for any valid record of *record_type*."""
    fields = {a.name: _field(a) for a in attrs.fields(record_type)}
    return st.builds(record_type, **fields)


def any_document() -> st.SearchStrategy[tuple[DocType, Any]]:
    """Return a strategy for a record of any stored kind, with its kind."""
    return st.sampled_from(DocType).flatmap(
        lambda doc_type: st.tuples(st.just(doc_type), records(RECORDS[doc_type]))
    )
