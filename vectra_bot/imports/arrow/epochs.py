"""Columns of times in foreign tables: epochs of any unit, text and timestamps without a zone.

The unit of a number follows from its range, as in captures (:mod:`vectra_bot.venues.captures.times`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vectra_bot.models.times import NS_PER_US
from vectra_bot.venues.captures.times import DATED_NS, RELATIVE, UNITS, offset_text

if TYPE_CHECKING:
    import pyarrow as pa

_MAX_NS: Final = 2**63 - 1
_WHOLE: Final = r"^\s*[0-9]{1,19}\s*$"
_BROKEN: Final = r"^\s*[0-9]{1,18}\.[0-9]{1,9}\s*$"
_NO_ZONE: Final = r"^\s*\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?\s*$"


def epochs_of(column: pa.Array) -> pa.Array | None:
    """Return the numbers of a column of times as nanoseconds since 1970, null where there is none.

    Numbers below :data:`~vectra_bot.venues.captures.times.RELATIVE` are not times since 1970. None if the
    column has neither numbers nor text.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    types, given = pa.types, column.type
    if types.is_integer(given):
        return _scaled(column.cast(pa.int64(), safe=False))
    if types.is_floating(given):
        return _scaled(column.cast(pa.float64()))
    if types.is_decimal(given):
        return _scaled(column.cast(pa.float64()))
    if not (types.is_string(given) or types.is_large_string(given)):
        return None
    texts = pc.utf8_trim_whitespace(column)
    whole = pc.if_else(pc.match_substring_regex(texts, _WHOLE), texts, None)
    broken = pc.if_else(pc.match_substring_regex(texts, _BROKEN), texts, None)
    try:
        numbers = whole.cast(pa.int64())
    except pa.ArrowInvalid:
        numbers = pa.nulls(len(column), pa.int64())
    return pc.coalesce(_scaled(numbers), _scaled(broken.cast(pa.float64())))


def _scaled(numbers: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    made = pa.nulls(len(numbers), pa.int64())
    low = RELATIVE
    number = float if pa.types.is_floating(numbers.type) else int
    for limit, unit in UNITS:
        last = min(limit, _MAX_NS // unit)  # what is later does not fit 64 bits
        within = pc.and_(pc.greater_equal(numbers, number(low)), pc.less(numbers, number(last)))
        chosen = pc.if_else(within, numbers, None)
        if pa.types.is_floating(numbers.type):
            # A double of seconds carries microseconds; more digits are noise.
            steps = max(unit // NS_PER_US, 1)
            chosen = pc.round(pc.multiply(chosen, float(steps))).cast(pa.int64())
            made = pc.coalesce(made, pc.multiply(chosen, unit // steps))
        else:
            made = pc.coalesce(made, pc.multiply(chosen, unit))
        low = limit
    return made


def with_zone(column: pa.Array, utc_offset_s: int) -> tuple[pa.Array, int]:
    """Return a column of times with the zone of those that have none, and how many those are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    types, given = pa.types, column.type
    if types.is_timestamp(given) and given.tz is None:
        count = len(column) - column.null_count
        if not utc_offset_s or not count:
            return column, count
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[given.unit]
        shifted = pc.subtract(column.cast(pa.int64()), utc_offset_s * per_second)
        return shifted.cast(given), count
    if not (types.is_string(given) or types.is_large_string(given)):
        return column, 0
    bare = pc.fill_null(pc.match_substring_regex(column, _NO_ZONE), False)
    count = pc.sum(bare).as_py() or 0
    if not count or not utc_offset_s:
        return column, count
    zoned = pc.binary_join_element_wise(
        pc.utf8_trim_whitespace(column),
        pa.scalar(offset_text(utc_offset_s), given),
        pa.scalar("", given),
    )
    return pc.if_else(bare, zoned, column), count


def days_of(game_ids: pa.Array) -> pa.Array:
    """Return the start of the day that each game's id names, nanoseconds since 1970; null if none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    named = pc.match_substring_regex(game_ids, r"^20\d{6}-")
    days = pc.utf8_slice_codeunits(pc.if_else(named, game_ids, None), 0, 8)
    made = pc.strptime(days, format="%Y%m%d", unit="s", error_is_null=True)
    return pc.multiply(made.cast(pa.int64()), 10**9)


def undated(moments: pa.Array) -> int:
    """Return how many times are before the first that is a date."""
    import pyarrow.compute as pc

    return pc.sum(pc.less(moments, DATED_NS)).as_py() or 0
