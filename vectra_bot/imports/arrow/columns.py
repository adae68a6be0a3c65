"""One foreign Arrow column converted to schema 2.0.0: by Arrow's cast where it agrees, else by value.

Every conversion returns the column in its new type, with null for missing and for invalid values, and
which values were invalid. Nothing is guessed: a number that is not finite, an amount with more than nine
decimals, text that is not a number and invalid UTF-8 are all refused. Two rules are as on the wire: a
*double* of SOL is the nearest lamport, because JSON and data frames carry it with noise, and a price is
the double itself, parsed from text or decimal without extra rounding.

Single values are parsed by :mod:`vectra_bot.imports.arrow.values`. Arrow's casts convert most values at
once; they also accept ``0x10``, ``nan`` or too large amounts, so each kind restricts what they get.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any, Final

import attrs

from vectra_bot.game.rules import LAMPORT
from vectra_bot.imports.arrow.values import MAX_SOL, READERS, REFUSED
from vectra_bot.serde import Column
from vectra_bot.store.parquet import schema
from vectra_bot.wire.amounts import EXACT_SOL

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_DOUBLE: Final = r"^-?([0-9]+(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$"
_INT: Final = r"^-?[0-9]{1,19}$"
# Texts that Arrow's casts parse like our parsers, by kind of column; whole numbers too.
_TEXTS: Final = {
    "sol": r"^[+-]?[0-9]{1,18}(\.[0-9]{1,9}0*)?$", "price": _DOUBLE, "double": _DOUBLE,
    "int": _INT, "ns": _INT, "ms": _INT, "text": "", "enum": "", "alert_type": "",
}  # fmt: skip
_WHOLE: Final = ("int", "ns", "ms")
# Doubles are cast to these kinds from zero up to the limit.
_LIMITS: Final = {
    "sol": EXACT_SOL, "price": math.inf, "double": math.inf, **dict.fromkeys(_WHOLE, 2.0**63)
}  # fmt: skip


def arrow_type(kind: str) -> pa.DataType:
    """Return the Arrow type of a column of *kind*, as in the schemas of the parts."""
    return schema.arrow_type(Column("", "int" if kind in ("ns", "ms") else kind, required=False))


@attrs.frozen
class Converted:
    """A column in its new type, and which values were invalid (None: no value)."""

    values: pa.Array
    bad: np.ndarray[Any, Any] | None = None


def convert(column: pa.Array, kind: str) -> Converted:
    """Return *column* in the type of a column of *kind* in schema 2.0.0.

    ``ns`` and ``ms`` are times as numbers since 1970, of the envelope and of the records: the column has
    timestamps, ISO 8601 text or numbers in that unit.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, pa.DictionaryArray):
        return _convert_dictionary(column, kind)
    if pa.types.is_null(column.type):
        return Converted(pa.nulls(len(column), arrow_type(kind)))
    column = _normal(column, kind)
    made = pa.nulls(len(column), arrow_type(kind))
    usual = _usual(column, kind)
    if usual is not None:
        # If one is too large for the type, each is converted separately.
        with contextlib.suppress(pa.ArrowInvalid):
            made = _cast(column if usual is True else pc.if_else(usual, column, None), kind)
    odd = pc.and_(column.is_valid(), made.is_null()).to_numpy(zero_copy_only=False)
    return _by_value(column, kind, made, odd) if odd.any() else Converted(made)


def _convert_dictionary(column: pa.DictionaryArray, kind: str) -> Converted:
    """Convert the distinct values, then expand them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    distinct = convert(column.dictionary, kind)
    values = distinct.values.take(column.indices)
    if distinct.bad is None:
        return Converted(values)
    bad = pc.fill_null(pa.array(distinct.bad).take(column.indices), False)
    return Converted(values, bad.to_numpy(zero_copy_only=False))


def _normal(column: pa.Array, kind: str) -> pa.Array:
    """Return texts and bytes as text, or as bytes if some are invalid UTF-8; floats as doubles."""
    import pyarrow as pa

    types, given = pa.types, column.type
    if types.is_floating(given):
        return column.cast(pa.float64())
    if types.is_decimal(given) and kind in ("price", "double"):
        return column.cast(pa.string())  # Arrow's cast from decimal to double is not exact
    if not any(is_one(given) for is_one in (
        types.is_string, types.is_large_string, types.is_string_view, types.is_binary,
        types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary,
    )):  # fmt: skip
        return column
    column = column.cast(pa.binary())
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        return column


def _usual(column: pa.Array, kind: str) -> Any:
    """Return which values Arrow casts like our parsers, None if none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    types, given = pa.types, column.type
    if types.is_string(given) and kind in _TEXTS:
        pattern = _TEXTS[kind]
        return pc.match_substring_regex(column, pattern) if pattern else True
    if types.is_floating(given) and kind in _LIMITS:
        within = pc.less(pc.abs(column), _LIMITS[kind])
        return pc.and_(within, pc.equal(column, pc.trunc(column))) if kind in _WHOLE else within
    if types.is_integer(given):
        return True if kind in _TEXTS else None
    if types.is_decimal(given):
        return True if kind == "sol" or kind in _WHOLE else None
    if types.is_timestamp(given):
        return True if kind in ("utc", "ns", "ms") else None
    return True if types.is_boolean(given) and kind == "bool" else None


def _cast(column: pa.Array, kind: str) -> pa.Array:
    """Return castable values in their new type, null where the number is too large.

    Raises:
        pyarrow.ArrowInvalid: a value does not fit the type.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    target = arrow_type(kind)
    if pa.types.is_timestamp(column.type):
        unit = "us" if kind == "utc" else kind
        # The schema keeps microseconds of nanoseconds; nothing else may be truncated.
        cut = kind == "utc" and column.type.unit == "ns"
        return column.cast(pa.timestamp(unit, column.type.tz), safe=not cut).cast(target)
    if kind == "sol":
        if pa.types.is_floating(column.type):
            lamports = pc.round(pc.multiply(column, 1e9)).cast(pa.int64())
            column = pc.multiply(
                lamports.cast(pa.decimal128(19, 0)), pa.scalar(LAMPORT, pa.decimal128(10, 9))
            )
        values = column.cast(target)
        return pc.if_else(pc.less(pc.abs(values), pa.scalar(MAX_SOL, target)), values, None)
    if pa.types.is_floating(target):
        values = column.cast(target, safe=False)  # a large whole number is the nearest double
        return pc.if_else(pc.is_finite(values), values, None)
    return column.cast(target)


def _by_value(column: pa.Array, kind: str, made: pa.Array, odd: np.ndarray[Any, Any]) -> Converted:
    """Convert the values where *odd* is true one by one and put them into *made*."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    read = READERS[kind]
    found: list[Any] = []
    bad = np.zeros(len(column), dtype=bool)
    for index in np.flatnonzero(odd):
        try:
            value = column[int(index)].as_py()
            found.append(read(value.decode() if isinstance(value, bytes) else value))
        except REFUSED:
            found.append(None)
            bad[index] = True
    values = pc.replace_with_mask(made, pa.array(odd), pa.array(found, arrow_type(kind)))
    return Converted(values, bad if bad.any() else None)
