"""Quantile sketches: the distribution of a column in a few hundred counts.

A sketch counts values in buckets whose bounds grow by a constant factor, separately for negative and
positive values and zeros; minimum and maximum are exact. Sketches are merged by adding counts, so the
order of merging does not matter. A quantile is computed like SQL's ``PERCENTILE_CONT``: the two values
around rank ``q * (count - 1)`` of the sorted column are found by bucket, and interpolated. Each of the
two is within :data:`ACCURACY` of the true one.
"""

from __future__ import annotations

import binascii
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from vectra_bot.errors import StoreError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

ACCURACY: Final = 0.003
"""Largest relative error of a value estimated from its bucket."""

LATENCY_COLUMNS: Final = (
    "timestamps_send_latency_ms",
    "timestamps_confirm_latency_ms",
    "timestamps_total_latency_ms",
)
"""Columns of a player's actions that have a sketch for each type of action."""

_GAMMA: Final = (1 + ACCURACY) / (1 - ACCURACY)
# Doubles span 2**-1074 to 2**1024: with this offset, every bucket of a positive value has a positive
# key.
_BIAS: Final = 1 << 18
_TYPES: Final = ("u1", "u2", "u4", "u8")


class Sketch:
    """The distribution of a column; immutable.

    Attributes:
        count: number of values.
        min, max: minimum and maximum, exact; None without values.
        keys: numbers of the buckets with values, increasing; 0 is the bucket of zeros.
        counts: number of values in each of them.
    """

    __slots__ = ("count", "counts", "keys", "max", "min")

    def __init__(
        self,
        keys: np.ndarray[Any, Any],
        counts: np.ndarray[Any, Any],
        low: float | None,
        high: float | None,
    ) -> None:
        """Create from bucket keys in increasing order and their counts; use :meth:`of` for values."""
        self.keys = keys
        self.counts = counts
        self.count = int(counts.sum())
        self.min = low
        self.max = high

    @classmethod
    def of(cls, values: np.ndarray[Any, Any]) -> Self:
        """Return the sketch of *values*, a one-dimensional array of finite numbers.

        Raises:
            ValueError: a value is infinite or not a number.
        """
        import numpy as np

        numbers = np.asarray(values, dtype=np.float64)
        if not np.isfinite(numbers).all():
            raise ValueError("a sketch needs finite numbers: exclude the others")
        if not len(numbers):
            return cls._empty()
        magnitudes = np.abs(numbers)
        keys = np.zeros(len(numbers), dtype=np.int64)
        other = magnitudes > 0
        keys[other] = np.ceil(np.log(magnitudes[other]) / math.log(_GAMMA)).astype(np.int64) + _BIAS
        np.negative(keys, where=numbers < 0, out=keys)
        found, counts = np.unique(keys, return_counts=True)
        return cls(found, counts.astype(np.int64), float(numbers.min()), float(numbers.max()))

    @classmethod
    def _empty(cls) -> Self:
        import numpy as np

        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), None, None)

    @classmethod
    def merged(cls, sketches: Iterable[Sketch]) -> Self:
        """Return the sketch of the values of all *sketches* together."""
        import numpy as np

        given = [sketch for sketch in sketches if sketch.count]
        if not given:
            return cls._empty()
        keys = np.concatenate([sketch.keys for sketch in given])
        counts = np.concatenate([sketch.counts for sketch in given])
        low = min(sketch.min for sketch in given if sketch.min is not None)
        high = max(sketch.max for sketch in given if sketch.max is not None)
        return cls(*_summed(keys, counts), low, high)

    def merge(self, other: Sketch) -> Sketch:
        """Return the sketch of the values of both."""
        return Sketch.merged((self, other))

    def quantile(self, q: float) -> float | None:
        """Return the same as ``PERCENTILE_CONT(q)``, None without values.

        If the two values around the rank have different signs, the error is relative to the larger of
        the two, not to the result.

        Args:
            q: the fraction of values below, 0 to 1.

        Raises:
            ValueError: *q* is not between 0 and 1.
        """
        if not 0 <= q <= 1:
            raise ValueError(f"q was {q!r}: give a fraction between 0 and 1")
        if not self.count:
            return None
        place = q * (self.count - 1)
        below, above = self._value_at(math.floor(place)), self._value_at(math.ceil(place))
        if below == above:
            return below
        return below + (above - below) * (place - math.floor(place))

    def _value_at(self, rank: int) -> float:
        """Return the value at *rank* of the sorted column, from 0."""
        import numpy as np

        low, high = self.min, self.max
        if low is None or high is None:
            raise ValueError("a sketch without values has no ranks")
        if rank == 0 or rank == self.count - 1:
            return low if rank == 0 else high
        bucket = int(np.searchsorted(np.cumsum(self.counts), rank, side="right"))
        key = int(self.keys[bucket])
        if key == 0:
            return 0.0
        # In halves of the exponent: the power itself may exceed the largest double.
        half = math.exp((abs(key) - _BIAS) * math.log(_GAMMA) / 2)
        middle = math.copysign(half * (2 / (_GAMMA + 1)) * half, key)
        return min(max(middle, low), high)

    def to_json(self) -> dict[str, Any]:
        """Return the sketch as a JSON object: counts packed as base64 of little-endian integers."""
        import numpy as np

        if not self.count:
            return {"accuracy": ACCURACY, "count": 0}
        return {
            "accuracy": ACCURACY,
            "count": self.count,
            "min": self.min,
            "max": self.max,
            "first": int(self.keys[0]),
            "steps": _packed(np.diff(self.keys)),
            "counts": _packed(self.counts),
        }

    @classmethod
    def from_json(cls, *stored: Mapping[str, Any]) -> Self:
        """Return the sketch in a JSON object, or the merged sketch of several, which are decoded together.

        Raises:
            StoreError: one is not a sketch, or has another accuracy than this version's.
        """
        try:
            given = [data for data in stored if _has_values(data)]
            return cls._unpacked(given) if given else cls._empty()
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise StoreError(
                f"a sketch cannot be read: {error}; compact the session again to rebuild it"
            ) from error

    @classmethod
    def _unpacked(cls, given: Sequence[Mapping[str, Any]]) -> Self:
        """Return the sketch of the values of all JSON objects *given*, each with values."""
        import numpy as np

        steps = [_unpacked(data["steps"]) for data in given]
        counts = [_unpacked(data["counts"]) for data in given]
        if [len(some) + 1 for some in steps] != [len(some) for some in counts]:
            raise ValueError("the numbers of counts and buckets differ")
        begins = np.cumsum([0, *map(len, counts)])[:-1]
        firsts = np.array([data["first"] for data in given], np.int64)
        # One running sum gives all keys: at the start of each sketch it jumps to the sketch's first.
        leaps = np.zeros(sum(map(len, counts)), np.int64)
        own = np.ones(len(leaps), bool)
        own[begins] = False
        leaps[own] = np.concatenate(steps)
        lasts = firsts + np.add.reduceat(leaps, begins)
        leaps[begins] = np.diff(lasts, prepend=0) - (lasts - firsts)
        keys, numbers = np.cumsum(leaps), np.concatenate(counts)
        if np.any(np.abs(keys) > 2 * _BIAS):
            raise ValueError("a bucket is outside the range of doubles")
        if np.add.reduceat(numbers, begins).tolist() != [data["count"] for data in given]:
            raise ValueError("the counts do not add up")
        low = min(float(data["min"]) for data in given)
        high = max(float(data["max"]) for data in given)
        return cls(*_summed(keys, numbers), low, high)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sketch):
            return NotImplemented
        return self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Sketch(count={self.count}, min={self.min}, max={self.max})"


def _summed(
    keys: np.ndarray[Any, Any], counts: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the distinct keys, increasing, and the sum of the counts of each."""
    import numpy as np

    # Weights are doubles: exact up to 2**53 values. The range of all doubles has some 500,000 buckets.
    first = int(keys.min())
    sums = np.bincount(keys - first, weights=counts)
    found = np.flatnonzero(sums)
    return found + first, sums[found].astype(np.int64)


def _has_values(data: Mapping[str, Any]) -> bool:
    if data["accuracy"] != ACCURACY:
        raise ValueError(f"its accuracy is {data['accuracy']!r}, not {ACCURACY}")
    return bool(data["count"] != 0)


def _packed(numbers: np.ndarray[Any, Any]) -> str:
    """Return non-negative integers as ``TYPE:BASE64``, in the smallest type that fits."""
    import numpy as np

    largest = int(numbers.max(initial=0))
    kind = next(t for t in _TYPES if largest <= np.iinfo(t).max)
    packed = binascii.b2a_base64(numbers.astype("<" + kind).tobytes(), newline=False)
    return f"{kind}:{packed.decode()}"


def _unpacked(text: str) -> np.ndarray[Any, Any]:
    import numpy as np

    kind, _, packed = text.partition(":")
    if kind not in _TYPES:
        raise ValueError(f"{kind!r} is not one of {', '.join(_TYPES)}")
    found = np.frombuffer(binascii.a2b_base64(packed), dtype="<" + kind)
    return found.astype(np.int64) if kind == "u8" else found


def latency_sketches(table: pa.Table) -> dict[str, Any]:
    """Return the sketches of a table of player actions as JSON, by column and type of action.

    Actions without latency are skipped; a type without any has no sketch.
    """
    import numpy as np

    types = table.column("action_type").combine_chunks().dictionary_encode()
    codes = types.indices.to_numpy(zero_copy_only=False)
    names = types.dictionary.to_pylist()
    found: dict[str, Any] = {}
    for name in LATENCY_COLUMNS:
        column = table.column(name).combine_chunks()
        there = column.is_valid().to_numpy(zero_copy_only=False)
        values = column.fill_null(0).to_numpy(zero_copy_only=False)
        by_type = {
            str(action): Sketch.of(values[chosen]).to_json()
            for code, action in sorted(enumerate(names), key=lambda pair: str(pair[1]))
            if np.any(chosen := there & (codes == code))
        }
        if by_type:
            found[name] = by_type
    return found


def merged_sketches(stored: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Sketch]]:
    """Return the merged sketches of several parts, by column and type of action.

    Raises:
        StoreError: one of them cannot be read.
    """
    gathered: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for sketches in stored:
        for column, by_type in sketches.items():
            for action, data in by_type.items():
                lists = gathered.setdefault(column, {})
                lists.setdefault(action, []).append(data)
    return {
        column: {action: Sketch.from_json(*given) for action, given in sorted(by_type.items())}
        for column, by_type in sorted(gathered.items())
    }
