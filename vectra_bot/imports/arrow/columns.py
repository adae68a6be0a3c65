"""One foreign Arrow column as one of schema 2.0.0: as a whole where it fits, else value by value.

Every conversion returns the column in its new type with null where there was none or none could be made,
and which of the values could not be made. Nothing is guessed: a number that is not finite, an amount of more
than nine places, a text that is no number, bytes that are no UTF-8 are all refused. Two rules are as on the
wire: a *double* of SOL is the nearest lamport, because JSON and data frames carry it with noise, and a price
is the double itself, read from text or decimal without a rounding of our own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import attrs

from vectra_bot.imports.arrow.values import MAX_SOL, READERS, REFUSED

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

# Up to here a double tells neighbouring lamports apart after the multiplication.
_EXACT_SOL: Final = 4_000_000.0


def arrow_type(kind: str) -> pa.DataType:
    """Return the Arrow type of a column of *kind*, as the schemas of the parts have it."""
    import pyarrow as pa

    if kind in ("int", "ns", "ms"):
        return pa.int64()
    types = {
        "sol": pa.decimal128(38, 9),
        "price": pa.float64(),
        "double": pa.float64(),
        "bool": pa.bool_(),
        "utc": pa.timestamp("us", tz="UTC"),
    }
    return types.get(kind, pa.string())


@attrs.frozen
class Converted:
    """A column in its new type, and where it could not be made (None: nowhere)."""

    values: pa.Array
    bad: np.ndarray[Any, Any] | None = None


def convert(column: pa.Array, kind: str) -> Converted:
    """Return *column* as the type that a column of *kind* has in schema 2.0.0.

    ``ns`` and ``ms`` are times as numbers since 1970, of the envelope and of the records: a column of
    timestamps, of ISO 8601 text or of numbers in that very unit.
    """
    import pyarrow as pa

    if isinstance(column, pa.DictionaryArray):
        return _convert_dictionary(column, kind)
    if pa.types.is_null(column.type):
        return Converted(pa.nulls(len(column), arrow_type(kind)))
    converted = _WHOLE_COLUMNS[kind](column)
    return _by_value(column, kind) if converted is None else converted


def _convert_dictionary(column: pa.DictionaryArray, kind: str) -> Converted:
    """Convert the distinct values, then spread them."""
    import pyarrow.compute as pc

    distinct = convert(column.dictionary, kind)
    values = distinct.values.take(column.indices)
    if distinct.bad is None or not len(distinct.bad):
        return Converted(values)
    bad = distinct.bad[pc.fill_null(column.indices, 0).to_numpy(zero_copy_only=False)]
    return Converted(values, bad & column.indices.is_valid().to_numpy(zero_copy_only=False))


def _by_value(column: pa.Array, kind: str) -> Converted:
    """Convert value by value: some of them do not fit."""
    import numpy as np
    import pyarrow as pa

    one = READERS[kind]
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.large_binary() if _is_large(column) else pa.binary())
    found: list[Any] = []
    bad = np.zeros(len(column), dtype=bool)
    for index, scalar in enumerate(column):
        try:
            value = _plain(scalar)
            found.append(None if value is None else one(value))
        except REFUSED:
            found.append(None)
            bad[index] = True
    return Converted(pa.array(found, type=arrow_type(kind)), bad if bad.any() else None)


def _is_large(column: pa.Array) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_large_string(column.type))


def _plain(scalar: pa.Scalar) -> Any:
    """Return a value as Python has it; text from its bytes, so that bad UTF-8 is seen."""
    value = scalar.as_py()
    return value.decode() if isinstance(value, bytes) else value


# ---------------------------------------------------------------------------------- whole columns


# What arrow's casts read as we do; they also take 0x10, and cut what has too many places.
_PLAIN_SOL: Final = r"^[+-]?[0-9]{1,18}(\.[0-9]{1,9}0*)?$"
_PLAIN_DOUBLE: Final = r"^-?([0-9]+(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$"
_PLAIN_INT: Final = r"^-?[0-9]{1,19}$"


def _texts(column: pa.Array, pattern: str = "") -> pa.Array | None:
    """Return a text column whose UTF-8 was checked, None if it is no text, not UTF-8 or not of *pattern*."""
    import pyarrow as pa
    import pyarrow.compute as pc

    types = pa.types
    if not (types.is_string(column.type) or types.is_large_string(column.type)):
        return None
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return None
    column = column.cast(pa.string()) if types.is_large_string(column.type) else column
    if pattern and pc.all(pc.match_substring_regex(column, pattern)).as_py() is False:
        return None
    return column


def _sol(column: pa.Array) -> Converted | None:
    import pyarrow as pa

    if pa.types.is_floating(column.type):
        return _sol_of_doubles(column)
    if pa.types.is_integer(column.type) or pa.types.is_decimal(column.type):
        return _checked_sol(column)
    texts = _texts(column, _PLAIN_SOL)
    return None if texts is None else _checked_sol(texts)


def _checked_sol(column: pa.Array) -> Converted | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        values = column.cast(arrow_type("sol"))
    except pa.ArrowInvalid:
        return None
    limit = pa.scalar(MAX_SOL, type=arrow_type("sol"))
    fits = pc.all(pc.less(pc.abs(values), limit)).as_py()
    return Converted(values) if fits in (True, None) else None


def _sol_of_doubles(column: pa.Array) -> Converted | None:
    """Return doubles of SOL by the nearest lamport; None where one is too large for that."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
    bad = ~np.isfinite(numbers)
    if bool(np.any(np.abs(numbers[~bad]) >= _EXACT_SOL)):
        return None
    lamports = np.rint(np.where(bad, 0.0, numbers) * 1e9).astype(np.int64)
    there = column.is_valid().to_numpy(zero_copy_only=False) & ~bad
    return Converted(decimals_of(lamports, there), bad if bad.any() else None)


def decimals_of(lamports: np.ndarray[Any, Any], there: np.ndarray[Any, Any]) -> pa.Array:
    """Return whole lamports as ``DECIMAL(38,9)``, null where *there* is false."""
    import numpy as np
    import pyarrow as pa

    wide = np.empty((len(lamports), 2), dtype="<i8")
    wide[:, 0] = lamports
    wide[:, 1] = lamports >> 63
    validity = pa.array(there, type=pa.bool_()).buffers()[1]
    buffers = [validity, pa.py_buffer(wide.tobytes())]
    return pa.Array.from_buffers(arrow_type("sol"), len(lamports), buffers)


def _double(column: pa.Array) -> Converted | None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_decimal(column.type):
        column = column.cast(pa.string())  # arrow's own way from decimal to double is not exact
    elif not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        texts = _texts(column, _PLAIN_DOUBLE)
        if texts is None:
            return None
        column = texts
    try:
        values = column.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    numbers = pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False)
    bad = ~np.isfinite(numbers)
    if not bad.any():
        return Converted(values)
    return Converted(pc.if_else(pa.array(~bad), values, None), bad)


def _int(column: pa.Array) -> Converted | None:
    import pyarrow as pa

    if pa.types.is_boolean(column.type) or pa.types.is_temporal(column.type):
        return None
    if not (
        pa.types.is_integer(column.type)
        or pa.types.is_floating(column.type)
        or pa.types.is_decimal(column.type)
    ):
        texts = _texts(column, _PLAIN_INT)
        if texts is None:
            return None
        column = texts
    try:
        return Converted(column.cast(pa.int64()))
    except pa.ArrowInvalid:
        return None


def _moment(unit: str) -> Callable[[pa.Array], Converted | None]:
    def whole(column: pa.Array) -> Converted | None:
        import pyarrow as pa

        if pa.types.is_timestamp(column.type):
            try:
                return Converted(column.cast(pa.timestamp(unit, column.type.tz)).cast(pa.int64()))
            except pa.ArrowInvalid:
                return None
        return _int(column)

    return whole


def _bool(column: pa.Array) -> Converted | None:
    import pyarrow as pa

    return Converted(column) if pa.types.is_boolean(column.type) else None


def _text(column: pa.Array) -> Converted | None:
    import pyarrow as pa

    if pa.types.is_integer(column.type):
        return Converted(column.cast(pa.string()))
    texts = _texts(column)
    return None if texts is None else Converted(texts)


def _utc(column: pa.Array) -> Converted | None:
    import pyarrow as pa

    if not pa.types.is_timestamp(column.type):
        return None
    try:
        # Of nanoseconds the schema keeps the microseconds; nothing else may be cut.
        cut = column.type.unit != "ns"
        found = column.cast(pa.timestamp("us", column.type.tz), safe=cut)
        return Converted(found.cast(arrow_type("utc")))
    except pa.ArrowInvalid:
        return None


def _never(_: pa.Array) -> None:
    return None


_WHOLE_COLUMNS: Final[dict[str, Callable[[pa.Array], Converted | None]]] = {
    "sol": _sol,
    "price": _double,
    "double": _double,
    "int": _int,
    "ns": _moment("ns"),
    "ms": _moment("ms"),
    "bool": _bool,
    "text": _text,
    "enum": _text,
    "alert_type": _text,
    "utc": _utc,
    "json": _never,
}


__all__ = ["Converted", "arrow_type", "convert", "decimals_of"]
