"""A table of foreign columns as documents of schema 2.0.0, and the rows of it that can be none.

Columns are found by :mod:`vectra_bot.imports.arrow.names` and converted by
:mod:`vectra_bot.imports.arrow.columns`. A value that does not fit makes its row bad, and the first fault of
a row is named. What a row lacks is filled where the schema requires a value, or makes the row bad where
nothing can fill it.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import attrs

from vectra_bot.imports.arrow.columns import Converted, arrow_type, convert
from vectra_bot.imports.arrow.names import (
    KEYS,
    OWN,
    OWN_TIMES,
    TIMES,
    Names,
    choices_of,
    defaults_of,
)
from vectra_bot.models import DocType, Mode
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
_NS_PER_MS: Final = 1_000_000
_LATENCIES: Final = {
    "timestamps_send_latency_ms": ("timestamps_server_ts", "timestamps_client_ts"),
    "timestamps_confirm_latency_ms": ("timestamps_confirmed_ts", "timestamps_server_ts"),
    "timestamps_total_latency_ms": ("timestamps_confirmed_ts", "timestamps_client_ts"),
}
_CHANGES: Final = {
    "reward": ("state_after_cumulative_pnl", "state_before_cumulative_pnl"),
    "cash_delta": ("state_after_cash", "state_before_cash"),
}
_EARLY_TICKS: Final = 50
_ENTRIES: Final = ("BUY", "SHORT_OPEN")


@attrs.frozen
class EnvelopeDefaults:
    """What a document's envelope holds where the row does not say; *ids* begins ids that a row lacks."""

    ids: str
    venue: str
    mode: Mode = Mode.REPLAY
    source: str = "import"


@attrs.define
class RowFaults:
    """The first fault of each row, if it has one."""

    codes: np.ndarray[Any, Any]
    reasons: list[str] = attrs.field(factory=lambda: [""])
    columns: list[str] = attrs.field(factory=lambda: [""])

    def refuse(self, bad: np.ndarray[Any, Any], reason: str, column: str) -> None:
        """Note a fault of the rows where *bad* is true and that have none yet."""
        import numpy as np

        if not np.any(bad):
            return
        self.reasons.append(reason)
        self.columns.append(column)
        self.codes[bad & (self.codes == 0)] = len(self.reasons) - 1


@attrs.frozen
class Conformed:
    """Documents without the columns of :data:`OWN`, and what is wrong with the other rows.

    Attributes:
        table: the good rows, in order, columns by name.
        kept: index in the source of each of them.
        bad: number in the file, reason and offending value of each other row.
    """

    table: pa.Table
    kept: np.ndarray[Any, Any]
    bad: list[tuple[int, str, str]]


def flat(table: pa.Table) -> pa.Table:
    """Return *table* with the fields of nested columns as columns of their own."""
    import pyarrow as pa

    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    return table


def conform(
    table: pa.Table, doc_type: DocType, names: Names, envelope: EnvelopeDefaults, rows: Any
) -> Conformed:
    """Return the rows of a flat *table* as documents of *doc_type*.

    *rows* are the numbers of the table's rows in their file. A row without any time is so many nanoseconds
    after 1970 as its number says: that is no time, and keeps the order.
    """
    return _Conforming(table, doc_type, names, envelope, rows).run()


@attrs.define
class _Conforming:
    """One table on its way."""

    table: pa.Table
    doc_type: DocType
    names: Names
    envelope: EnvelopeDefaults
    rows: Any
    _done: dict[str, Any] = attrs.field(factory=dict)
    _verdict: Any = None

    def run(self) -> Conformed:
        import numpy as np
        import pyarrow as pa

        rows = self.table.num_rows
        self._verdict = RowFaults(np.zeros(rows, dtype=np.int32))
        every = np.ones(rows, dtype=bool)
        for name in self.names.lacking:
            self._verdict.refuse(every, f"{name} is missing: there is no such column", name)
        columns = [c for c in document_columns(self.doc_type) if c.name not in OWN]
        for column in columns:
            if column.name in self.names.found:
                self._convert(column)
        self._moments()
        for column in columns:
            if not column.derived:
                self._complete(column)
        self._derive()
        good = self._verdict.codes == 0
        chosen = pa.array(good)
        made = pa.table(
            {c.name: self._done.get(c.name, pa.nulls(rows, arrow_type(c.kind))) for c in columns}
        )
        return Conformed(made.filter(chosen), np.flatnonzero(good), self._faults())

    def _convert(self, column: Column) -> None:
        kind = column.kind
        if column.name == "ts_ns":
            kind = "ns"
        elif column.name.endswith("_ts"):
            kind = "ms"
        source = self.table.column(self.names.found[column.name]).combine_chunks()
        if column.name == "ts_ns" and self.names.found["ts_ns"] in TIMES and _is_number(source):
            return  # a number of an unknown unit is no time
        made = convert(source, kind)
        if made.bad is not None:
            wanted = "give a time" if kind in ("ns", "ms") else _WANTED[kind]
            self._verdict.refuse(made.bad, f"{column.name}: {wanted}", column.name)
        self._done[column.name] = self._chosen(column, made)

    def _chosen(self, column: Column, made: Converted) -> pa.Array:
        """Hold texts against the few that a column may have; letters' case does not matter."""
        import pyarrow.compute as pc

        options = choices_of(self.doc_type).get(column.name)
        if options is None:
            return made.values
        values = made.values
        known = pc.is_in(values, value_set=_text_array(options))
        if not pc.all(pc.or_kleene(known, pc.is_null(values))).as_py():
            by_lower = {option.lower(): option for option in options}
            distinct = values.dictionary_encode()
            spelled = [
                by_lower.get(text.lower(), text) if text is not None else None
                for text in distinct.dictionary.to_pylist()
            ]
            values = _text_array(spelled).take(distinct.indices)
            known = pc.is_in(values, value_set=_text_array(options))
            if column.kind == "alert_type":  # a plugin's own name has a dot
                known = pc.or_(known, pc.fill_null(pc.match_substring(values, "."), False))
            bad = pc.invert(pc.or_(known, pc.is_null(values))).to_numpy(zero_copy_only=False)
            self._verdict.refuse(
                bad, f"{column.name}: it must be one of {', '.join(options[:10])}", column.name
            )
        return values

    def _moments(self) -> None:
        """Give every document its time: its own, else what its record says, else the order of rows."""
        import pyarrow as pa
        import pyarrow.compute as pc

        rows = self.table.num_rows
        made = self._done.get("ts_ns", pa.nulls(rows, pa.int64()))
        for name in OWN_TIMES.get(self.doc_type, ()):
            if name in self._done and made.null_count:
                own = self._done[name].cast(pa.int64())
                scale = 1000 if name.endswith("_at") else _NS_PER_MS
                limit = 2**63 // scale - 1
                usable = pc.and_(pc.less_equal(own, limit), pc.greater_equal(own, -limit))
                own = pc.multiply(pc.if_else(usable, own, None), scale)
                made = pc.coalesce(made, own)
        if made.null_count:
            made = pc.coalesce(made, pa.array(self.rows))
        self._done["ts_ns"] = made
        for name in OWN_TIMES.get(self.doc_type, ()):
            if name.endswith("_ts") and _required(self.doc_type, name):
                own_ms = pc.divide(made, _NS_PER_MS)
                known = self._done.get(name)
                self._done[name] = own_ms if known is None else pc.coalesce(known, own_ms)

    def _complete(self, column: Column) -> None:
        """Fill what is required and not there; what cannot be filled makes the row bad."""
        import pyarrow as pa
        import pyarrow.compute as pc

        rows = self.table.num_rows
        values = self._done.get(column.name, pa.nulls(rows, arrow_type(column.kind)))
        if column.required and values.null_count:
            if column.name in KEYS[self.doc_type]:
                missing = values.is_null().to_numpy(zero_copy_only=False)
                self._verdict.refuse(missing, f"{column.name} is missing", column.name)
            else:
                filling = self._filling(column)
                if filling is not None:
                    values = pc.coalesce(values, filling)
                else:
                    missing = values.is_null().to_numpy(zero_copy_only=False)
                    self._verdict.refuse(missing, f"{column.name} is missing", column.name)
        self._done[column.name] = values

    def _filling(self, column: Column) -> Any:
        """Return what fills a column: an array or a scalar, None if nothing can."""
        import pyarrow as pa
        import pyarrow.compute as pc

        name, kind = column.name, arrow_type(column.kind)
        if name in ("mode", "venue", "source"):
            value = getattr(self.envelope, name)
            return pa.scalar(getattr(value, "value", value), pa.string())
        if name in ("action_id", "alert_id", "episode_id"):
            return self._numbered()
        if name == "button":
            return self._done["action_type"]
        if name == "game_context_game_id":
            return pc.fill_null(self._done["game_id"], "")
        if name in ("triggered_at", "started_at", "ended_at"):
            return pc.divide(self._done["ts_ns"], 1000).cast(pa.timestamp("us")).cast(kind)
        if name in defaults_of(self.doc_type):
            value = defaults_of(self.doc_type)[name]
            return pa.scalar(float(value) if column.kind == "price" else value, kind)
        return pa.scalar(_ZEROS[column.kind], kind) if column.kind in _ZEROS else None

    def _numbered(self) -> pa.Array:
        """Return ids of rows by their number."""
        import pyarrow as pa
        import pyarrow.compute as pc

        head = pa.scalar(f"{self.envelope.ids}:")
        return pc.binary_join_element_wise(head, pa.array(self.rows).cast(pa.string()), "")

    def _derive(self) -> None:
        """Compute what follows from other columns; a value that was given must agree with it."""
        import pyarrow.compute as pc

        if self.doc_type is DocType.PLAYER_ACTION:
            for name, (end, start) in {**_LATENCIES, **_CHANGES}.items():
                given_start = start in self.names.found
                given_end = end in self.names.found
                made = None
                if given_start and given_end:
                    made = _difference(self._done[end], self._done[start])
                self._agree(name, made)
            if "reward" not in self._done:
                self._done["reward"] = _like(self._done["action_id"], Decimal(0), "sol")
        elif self.doc_type is DocType.OTHER_PLAYER_ACTION:
            early = pc.and_(
                pc.less(self._done["tick"], _EARLY_TICKS),
                pc.is_in(self._done["action_type"], value_set=_text_array(_ENTRIES)),
            )
            profit = pc.fill_null(pc.greater(self._done["player_pnl"], Decimal(0)), False)
            self._agree("is_early_entry", early)
            self._agree("is_profitable_player", profit)

    def _agree(self, name: str, made: Any) -> None:
        import pyarrow.compute as pc

        given = self._done.get(name)
        if made is None:
            return
        if given is not None:
            differ = pc.fill_null(pc.not_equal(given, made), False)
            self._verdict.refuse(
                differ.to_numpy(zero_copy_only=False), f"{name} is not what follows from its columns", name
            )  # fmt: skip
            made = pc.coalesce(made, given)
        self._done[name] = made

    def _faults(self) -> list[tuple[int, str, str]]:
        import numpy as np

        verdict = self._verdict
        found = []
        for index in np.flatnonzero(verdict.codes):
            code = int(verdict.codes[index])
            source = self.names.found.get(verdict.columns[code])
            value = "" if source is None else _shown(self.table.column(source)[int(index)])
            found.append((int(self.rows[index]), verdict.reasons[code], value))
        return found


_WANTED: Final = {
    "sol": "give an amount of SOL with at most nine places",
    "price": "give a finite price",
    "double": "give a finite number",
    "int": "give a whole number of 64 bits",
    "bool": "give true or false",
    "text": "give text in UTF-8",
    "enum": "give text in UTF-8",
    "alert_type": "give text in UTF-8",
    "utc": "give a time",
    "json": "give a JSON object",
}


def _difference(end: pa.Array, start: pa.Array) -> pa.Array:
    """Return the difference of two times or two amounts; null where 64 bits cannot hold it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_decimal(end.type):
        # Amounts are below 10**18: arrow wants room for one more digit of the difference.
        narrow = pa.decimal128(28, 9)
        return pc.subtract(end.cast(narrow), start.cast(narrow)).cast(end.type)
    made = pc.subtract(end, start)
    # The sum wraps around where the signs of what was subtracted differ and the result's is the other.
    wrapped = pc.less(pc.bit_wise_and(pc.bit_wise_xor(end, start), pc.bit_wise_xor(end, made)), 0)
    return pc.if_else(pc.fill_null(wrapped, False), None, made)


def _required(doc_type: DocType, name: str) -> bool:
    return any(c.name == name and c.required for c in document_columns(doc_type))


def _is_number(column: pa.Array) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(column.type) or pa.types.is_floating(column.type))


def _text_array(texts: Iterable[str | None]) -> pa.Array:
    import pyarrow as pa

    return pa.array(list(texts), type=pa.string())


def _like(column: pa.Array, value: Any, kind: str) -> pa.Array:
    import pyarrow as pa

    return pa.repeat(pa.scalar(value, arrow_type(kind)), len(column))


def _shown(scalar: pa.Scalar) -> str:
    try:
        return "" if not scalar.is_valid else str(scalar.as_py())
    except UnicodeDecodeError:
        return "bytes that are no UTF-8"
    except (ValueError, OverflowError, TypeError):
        return f"a {scalar.type} that Python cannot hold"


__all__ = ["Conformed", "EnvelopeDefaults", "conform", "flat"]
