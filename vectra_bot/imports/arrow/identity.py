"""Which rows of foreign Parquet a store has already, whatever file they come in.

A row is its kind and its values by column, and its ordinal among equal rows. Compression, row groups, the
order of columns, dictionaries and the width of numbers do not matter; a column of nulls counts like none.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import attrs

from vectra_bot.imports.arrow.names import snake

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_GROW: Final = 0x9E3779B97F4A7C15
_MIX: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_EXACT: Final = float(1 << 53)
_FRACTION: Final = 0x5851F42D4C957F2D


def row_digests(table: pa.Table, kind: str) -> np.ndarray[Any, Any]:
    """Return 64 bits for each row of *table*, which has documents of *kind*; equal rows have equal ones."""
    import numpy as np

    total = np.full(table.num_rows, _of_text(kind), dtype=np.uint64)
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        values = _mixed(_values(column) ^ np.uint64(_of_text(snake(name))))
        if column.null_count:
            values = np.where(column.is_null().to_numpy(zero_copy_only=False), 0, values)
        total += values.astype(np.uint64)
    return _mixed(total)


def with_ordinals(digests: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return *digests* such that the second of two equal ones, the third and so on differ from the first."""
    import numpy as np

    order = np.argsort(digests, kind="stable")
    ordered = digests[order]
    first = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] + np.uint64(1)))
    counts = np.diff(first, append=len(ordered))
    ordinals = np.arange(len(ordered)) - np.repeat(first, counts)
    found = digests.copy()
    again = order[ordinals > 0]
    found[again] = _mixed(
        digests[again] + ordinals[ordinals > 0].astype(np.uint64) * np.uint64(_GROW)
    )
    return found


@attrs.define
class RowLedger:
    """The rows of one import that name no session, in their order.

    Attributes:
        others: ids of the sessions that have rows of it.
    """

    others: list[str] = attrs.field(factory=list)
    _digests: list[Any] = attrs.field(factory=list)
    _known: Any = None
    _kept: list[Any] = attrs.field(factory=list)
    _at: int = 0

    def look(self, digests: np.ndarray[Any, Any]) -> None:
        """Add rows that will be imported unless the store has them."""
        self._digests.append(digests)

    def compare(self, found: Any) -> None:
        """Note which rows the store has: *found* is what its ledger says of :attr:`identities`."""
        self._known, self.others = found

    @property
    def identities(self) -> np.ndarray[Any, Any]:
        """Return the identity of every row."""
        import numpy as np

        return with_ordinals(np.concatenate([np.zeros(0, dtype=np.uint64), *self._digests]))

    @property
    def new(self) -> np.ndarray[Any, Any]:
        """Return the identities of the rows that the store lacks."""
        whole = self.identities
        return whole if self._known is None else whole[~self._known]

    def take(self, table: pa.Table, kind: str, kept: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return which of the next rows the store has.

        Args:
            table: the rows.
            kind: of their documents.
            kept: indices of those that can be used.
        """
        import numpy as np

        count = table.num_rows
        if self._known is None:
            self.look(row_digests(table, kind))
            known = np.zeros(count, dtype=bool)
        else:
            known = self._known[self._at : self._at + count]
        usable = np.zeros(count, dtype=bool)
        usable[kept] = True
        self._kept.append(usable & ~known)
        self._at += count
        return known

    def written(self) -> bytes:
        """Return the identities of the rows that were new and could be used."""
        import numpy as np

        kept = np.concatenate([np.zeros(0, dtype=bool), *self._kept])
        new: bytes = self.identities[kept].astype("<u8").tobytes()
        return new


def _of_text(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _mixed(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return numbers whose bits depend on all bits of *values* (SplitMix64's finisher)."""
    import numpy as np

    values = values.astype(np.uint64)
    for shift, factor in _MIX:
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    mixed: np.ndarray[Any, Any] = values ^ (values >> np.uint64(31))
    return mixed


def _values(column: pa.Array) -> np.ndarray[Any, Any]:
    """Return 64 bits for each value of a column; for a null any."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as is_

    if is_.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if is_.is_null(kind):
        column, kind = column.cast(pa.int8()), pa.int8()
    if is_.is_timestamp(kind):
        return _bits(column.cast(pa.timestamp("ns", kind.tz), safe=False).cast(pa.int64()))
    if is_.is_boolean(kind) or is_.is_integer(kind):
        whole = kind if is_.is_uint64(kind) else pa.int64()
        return _bits(column.cast(whole))
    if is_.is_floating(kind):
        return _of_doubles(column.cast(pa.float64()))
    if is_.is_string(kind) or is_.is_large_string(kind):
        texts = column.dictionary_encode()
        codes = pc.fill_null(texts.indices, 0).to_numpy(zero_copy_only=False)
        found: np.ndarray[Any, Any] = _of_texts(texts.dictionary.to_pylist())[codes]
        return found
    shown = [json.dumps(value, sort_keys=True, default=str) for value in column.to_pylist()]
    return _of_texts(shown)


def _of_texts(texts: list[str]) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.array([_of_text(text) for text in texts] or [0], dtype=np.uint64)


def _bits(column: pa.Array) -> np.ndarray[Any, Any]:
    import numpy as np
    import pyarrow.compute as pc

    bits: np.ndarray[Any, Any] = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
    return bits.astype(np.uint64)


def _of_doubles(column: pa.Array) -> np.ndarray[Any, Any]:
    """Return the bits of doubles; a whole number has those of the integer."""
    import numpy as np
    import pyarrow.compute as pc

    values = pc.fill_null(column, 0.0).to_numpy(zero_copy_only=False) + 0.0
    whole = (np.abs(values) < _EXACT) & (values == np.floor(values))
    integers = np.where(whole, values, 0.0).astype(np.int64).astype(np.uint64)
    return np.where(whole, integers, values.view(np.uint64) ^ np.uint64(_FRACTION))
