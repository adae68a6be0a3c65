"""Conversion of a table of foreign columns to documents of schema 2.0.0, and the rows that are invalid.

Columns are matched by :mod:`vectra_bot.imports.arrow.names` and converted by
:mod:`vectra_bot.imports.arrow.columns`. An invalid value makes its row bad, and the first fault of a row
is reported. A missing required value is filled, or makes the row bad if nothing can fill it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import attrs

from vectra_bot.imports.arrow.columns import Converted, arrow_type, convert
from vectra_bot.imports.arrow.epochs import days_of, epochs_of, undated, with_zone
from vectra_bot.imports.arrow.names import (
    IDS,
    KEYS,
    MOMENTS,
    OWN,
    OWN_TIMES,
    SENDER,
    Names,
    choices_of,
    defaults_of,
    snake,
)
from vectra_bot.models import DocType, Mode
from vectra_bot.models.times import NS_PER_MS, NS_PER_US
from vectra_bot.serde import Column, document_columns

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_ZEROS: Final[dict[str, Any]] = {
    "sol": Decimal(0),
    "price": 0.0,
    "double": 0.0,
    "int": 0,
    "bool": False,
    "text": "",
}
_DIFFERENCES: Final = {
    "timestamps_send_latency_ms": ("timestamps_server_ts", "timestamps_client_ts"),
    "timestamps_confirm_latency_ms": ("timestamps_confirmed_ts", "timestamps_server_ts"),
    "timestamps_total_latency_ms": ("timestamps_confirmed_ts", "timestamps_client_ts"),
    "reward": ("state_after_cumulative_pnl", "state_before_cumulative_pnl"),
    "cash_delta": ("state_after_cash", "state_before_cash"),
}
_EARLY_TICKS: Final = 50
_ENTRIES: Final = ("BUY", "SHORT_OPEN")
_TEXT: Final = "give text in UTF-8"
_TIME: Final = "give a time"
_TIME_KINDS: Final = ("ns", "ms", "utc")
_WANTED: Final = {
    "sol": "give an amount of SOL with at most nine places", "price": "give a finite price",
    "double": "give a finite number", "int": "give a whole number of 64 bits", "bool": "give true or false",
    "text": _TEXT, "enum": _TEXT, "alert_type": _TEXT, "utc": _TIME, "ns": _TIME, "ms": _TIME,
    "json": "give a JSON object",
}  # fmt: skip


@attrs.frozen
class EnvelopeDefaults:
    """Envelope values for rows that lack them; *ids* is the prefix of missing ids."""

    ids: str
    venue: str
    mode: Mode = Mode.REPLAY
    source: str = "import"
    utc_offset_s: int = 0


@attrs.frozen
class Conformed:
    """Documents without the columns of :data:`OWN`, and the faults of the other rows.

    Attributes:
        table: the good rows, in order, columns by name.
        kept: index in the source of each of them.
        bad: number in the file, reason and invalid value of each other row.
        zoneless: number of times without a zone.
        dateless: number of rows without a time.
        undated: number of rows whose time is only their number, or before 1973.
    """

    table: pa.Table
    kept: np.ndarray[Any, Any]
    bad: list[tuple[int, str, str]]
    zoneless: int = 0
    dateless: int = 0
    undated: int = 0


def flat(table: pa.Table) -> pa.Table:
    """Return *table* with the fields of nested columns as separate columns."""
    import pyarrow as pa

    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    return table


def conform(
    table: pa.Table, doc_type: DocType, names: Names, envelope: EnvelopeDefaults, rows: Any
) -> Conformed:
    """Return the rows of a flat *table* as documents of *doc_type*.

    *rows* are the numbers of the table's rows in their file. A row without any time gets the day that its
    game's id names, else 1970, and its number in nanoseconds, which keeps the order.
    """
    return _Conforming(table, doc_type, names, envelope, rows).run()


@attrs.define
class _Conforming:
    """Conversion of one table: its columns as they are made, and the first fault of each row."""

    table: pa.Table
    doc_type: DocType
    names: Names
    envelope: EnvelopeDefaults
    rows: Any
    _done: dict[str, Any] = attrs.field(factory=dict)
    _codes: Any = None
    _zoneless: int = 0
    _dateless: int = 0
    _undated: int = 0
    _reasons: list[tuple[str, str]] = attrs.field(factory=lambda: [("", "")])

    def run(self) -> Conformed:
        import numpy as np
        import pyarrow as pa

        self._codes = np.zeros(self.table.num_rows, dtype=np.int32)
        for name in self.names.lacking:
            every = pa.repeat(pa.scalar(value=True), self.table.num_rows)
            self._refuse(every, f"{name} is missing: the file does not have this column", name)
        columns = [c for c in document_columns(self.doc_type) if c.name not in OWN]
        for column in columns:
            if column.name in self.names.found:
                self._convert(column)
        self._moments()
        for column in columns:
            if not column.derived:
                self._complete(column)
        self._derive()
        good = self._codes == 0
        made = pa.table({column.name: self._column(column) for column in columns})
        return Conformed(
            made.filter(pa.array(good)), np.flatnonzero(good), self._faults(),
            self._zoneless, self._dateless, self._undated,
        )  # fmt: skip

    def _refuse(self, bad: pa.Array, reason: str, column: str) -> None:
        """Record a fault of the rows where *bad* is true and that have none yet."""
        import pyarrow.compute as pc

        chosen = pc.fill_null(bad, False).to_numpy(zero_copy_only=False)
        if chosen.any():
            self._codes[chosen & (self._codes == 0)] = len(self._reasons)
            self._reasons.append((reason, column))

    def _column(self, column: Column) -> pa.Array:
        """Return a column as far as it was converted."""
        import pyarrow as pa

        made = self._done.get(column.name)
        return pa.nulls(self.table.num_rows, arrow_type(column.kind)) if made is None else made

    def _convert(self, column: Column) -> None:
        import pyarrow as pa

        name, kind = column.name, column.kind
        if name == "ts_ns":
            kind = "ns"
        elif name.endswith("_ts"):
            kind = "ms"
        source = self.table.column(self.names.found[name]).combine_chunks()
        if kind in _TIME_KINDS:
            if pa.types.is_dictionary(source.type):
                source = source.dictionary_decode()
            source, bare = with_zone(source, self.envelope.utc_offset_s)
            self._zoneless += bare
        made = convert(source, kind)
        if kind in ("ns", "ms") and snake(self.names.found[name]) != "ts_ns":
            made = _dated(source, kind, made)
        if made.bad is not None:
            self._refuse(pa.array(made.bad), f"{name}: {_WANTED[kind]}", name)
        options = choices_of(self.doc_type).get(name)
        self._done[name] = (
            made.values if options is None else self._chosen(column, made.values, options)
        )

    def _chosen(self, column: Column, values: pa.Array, options: tuple[str, ...]) -> pa.Array:
        """Compare texts, ignoring case, with the allowed values of a column."""
        import pyarrow as pa
        import pyarrow.compute as pc

        by_lower = {option.lower(): option for option in options}
        distinct = values.dictionary_encode()
        texts = [by_lower.get(text.lower(), text) for text in distinct.dictionary.to_pylist()]
        own_name = column.kind == "alert_type"  # that of a plugin has a dot
        unknown = [not (text in options or (own_name and "." in text)) for text in texts]
        reason = f"{column.name}: it must be one of {', '.join(options[:10])}"
        self._refuse(pa.array(unknown, pa.bool_()).take(distinct.indices), reason, column.name)
        return pc.take(pa.array(texts, pa.string()), distinct.indices)

    def _moments(self) -> None:
        """Give every document a time: its own, else one of its record, else from the order of rows."""
        import pyarrow as pa
        import pyarrow.compute as pc

        made = self._done.get("ts_ns", pa.nulls(self.table.num_rows, pa.int64()))
        own_times = OWN_TIMES.get(self.doc_type, ())
        for name in own_times:
            if name in self._done and made.null_count:
                own = self._done[name].cast(pa.int64())
                scale = NS_PER_US if name.endswith("_at") else NS_PER_MS
                limit = 2**63 // scale - 1
                usable = pc.and_(pc.less_equal(own, limit), pc.greater_equal(own, -limit))
                made = pc.coalesce(made, pc.multiply(pc.if_else(usable, own, None), scale))
        games = self._done.get("game_id")
        if made.null_count:
            self._dateless += made.null_count
            rows = pa.array(self.rows)
            if games is not None:
                made = pc.coalesce(made, pc.add(days_of(games.cast(pa.string())), rows))
            made = pc.coalesce(made, rows)
        self._done["ts_ns"] = made
        self._undated += undated(made)
        for column in document_columns(self.doc_type):
            if column.name in own_times and column.name.endswith("_ts") and column.required:
                own_ms = pc.divide(made, NS_PER_MS)
                self._done[column.name] = pc.coalesce(self._column(column), own_ms)

    def _complete(self, column: Column) -> None:
        """Fill missing required values; a row with one that cannot be filled is bad."""
        import pyarrow.compute as pc

        values = self._column(column)
        if column.required and values.null_count:
            filling = None if column.name in KEYS[self.doc_type] else self._filling(column)
            if filling is None:
                self._refuse(values.is_null(), f"{column.name} is missing", column.name)
            else:
                values = pc.coalesce(values, filling)
        self._done[column.name] = values

    def _filling(self, column: Column) -> Any:
        """Return the value that fills a column: an array or a scalar, None if nothing can."""
        import pyarrow as pa
        import pyarrow.compute as pc

        name, kind = column.name, arrow_type(column.kind)
        if name in SENDER:
            value = getattr(self.envelope, name)
            return pa.scalar(getattr(value, "value", value), pa.string())
        if name in IDS:
            head = pa.scalar(f"{self.envelope.ids}:")
            return pc.binary_join_element_wise(head, pa.array(self.rows).cast(pa.string()), "")
        if name == "button":
            return self._done["action_type"]
        if name == "game_context_game_id":
            return pc.fill_null(self._done["game_id"], "")
        if name in MOMENTS:
            return pc.divide(self._done["ts_ns"], NS_PER_US).cast(pa.timestamp("us")).cast(kind)
        value = defaults_of(self.doc_type).get(name, _ZEROS.get(column.kind))
        if value is None:
            return None
        return pa.scalar(float(value) if column.kind == "price" else value, kind)

    def _derive(self) -> None:
        """Compute columns that are derived from others; a given value must agree."""
        import pyarrow as pa
        import pyarrow.compute as pc

        done, found = self._done, self.names.found
        if self.doc_type is DocType.PLAYER_ACTION:
            for name, (end, start) in _DIFFERENCES.items():
                if start in found and end in found:
                    self._agree(name, _difference(done[end], done[start]))
            zero = pa.scalar(Decimal(0), arrow_type("sol"))
            done.setdefault("reward", pa.repeat(zero, self.table.num_rows))
        elif self.doc_type is DocType.OTHER_PLAYER_ACTION:
            entry = pc.is_in(done["action_type"], value_set=pa.array(_ENTRIES))
            self._agree("is_early_entry", pc.and_(pc.less(done["tick"], _EARLY_TICKS), entry))
            profit = pc.fill_null(pc.greater(done["player_pnl"], Decimal(0)), False)
            self._agree("is_profitable_player", profit)

    def _agree(self, name: str, made: pa.Array) -> None:
        import pyarrow.compute as pc

        given = self._done.get(name)
        if given is not None:
            reason = f"{name} does not agree with the columns it is derived from"
            self._refuse(pc.not_equal(given, made), reason, name)
            made = pc.coalesce(made, given)
        self._done[name] = made

    def _faults(self) -> list[tuple[int, str, str]]:
        import numpy as np

        found = []
        for index in np.flatnonzero(self._codes).tolist():
            reason, column = self._reasons[self._codes[index]]
            source = self.names.found.get(column)
            value = "" if source is None else _shown(self.table.column(source)[index])
            found.append((int(self.rows[index]), reason, value))
        return found


def _difference(end: pa.Array, start: pa.Array) -> pa.Array:
    """Return the difference of two times or two amounts; null if it exceeds 64 bits."""
    import pyarrow as pa
    import pyarrow.compute as pc

    amounts = pa.types.is_decimal(end.type)
    # Amounts are below 10**18: Arrow requires room for one more digit in the difference.
    exact = pa.decimal128(28, 9 if amounts else 0)
    made = pc.subtract(end.cast(exact), start.cast(exact))
    if not amounts:
        made = pc.if_else(pc.less(pc.abs(made), Decimal(2**63)), made, None)
    return made.cast(end.type)


def _dated(column: pa.Array, kind: str, made: Converted) -> Converted:
    """Return the times of a column with numbers in the unit that their range shows.

    Other numbers are not times since 1970: of the rows' own times they become null, in a record they stay.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    epochs = epochs_of(column)
    if epochs is None:
        return made
    texts = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if kind == "ns" and not texts:
        return Converted(epochs)
    if kind == "ms":
        epochs = pc.divide(epochs, NS_PER_MS)
    values = pc.coalesce(epochs, made.values.cast(pa.int64()))
    bad = None if made.bad is None else made.bad & values.is_null().to_numpy(zero_copy_only=False)
    return Converted(values.cast(made.values.type), bad)


def _shown(scalar: pa.Scalar) -> str:
    try:
        return "" if not scalar.is_valid else str(scalar.as_py())
    except UnicodeDecodeError:
        return "invalid UTF-8"
    except (ValueError, OverflowError, TypeError):
        return f"a {scalar.type} that Python cannot represent"
