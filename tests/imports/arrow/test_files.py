"""Foreign columns in schema 2.0.0: a column converts like its single values, and no invalid value passes."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vectra_bot.imports.arrow import Conformed, EnvelopeDefaults, conform, groups_of, match_names
from vectra_bot.imports.arrow.columns import convert
from vectra_bot.imports.arrow.conform import flat
from vectra_bot.imports.arrow.files import kind_by_columns
from vectra_bot.imports.arrow.names import KEYS
from vectra_bot.models import RECORDS, DocType
from vectra_bot.serde import document_columns, record_from_row
from vectra_bot.store.parquet.schema import schema_of
from vectra_bot.wire.amounts import sol

DOUBLES = st.floats(width=64)
SOL_DOUBLES = st.floats(-(10.0**12), 10.0**12)


def made(table: pa.Table, doc_type: DocType) -> Conformed:
    """Return *table* as documents."""
    table = flat(table)
    names = match_names(doc_type, table.column_names)
    rows = range(1, table.num_rows + 1)
    return conform(
        table, doc_type, names, EnvelopeDefaults("ids", "venue"), pa.array(rows).to_numpy()
    )


@given(st.lists(SOL_DOUBLES, max_size=20))
def test_a_double_of_sol_is_the_nearest_lamport(values: list[float]) -> None:
    """As on the wire, whether the whole column is cast or not."""
    found = convert(pa.array(values, pa.float64()), "sol")

    assert found.bad is None
    assert found.values.to_pylist() == [sol(value) for value in values]


@given(st.lists(st.one_of(st.none(), DOUBLES), max_size=20))
def test_prices_keep_their_bits_through_every_type(values: list[float | None]) -> None:
    """Doubles, their text and their decimals give the same double; non-finite values are refused."""
    texts = [None if value is None else repr(value) for value in values]
    for column in (pa.array(values, pa.float64()), pa.array(texts, pa.string())):
        found = convert(column, "price")
        for value, read, bad in zip(values, found.values, _flags(found.bad, values), strict=True):
            finite = value is not None and math.isfinite(value)
            assert bad == (value is not None and not finite)
            if finite:
                assert read.as_py() == value
                assert math.copysign(1, read.as_py()) == math.copysign(1, value or 0.0) or not value


def _flags(bad: Any, values: list[Any]) -> list[bool]:
    return [False] * len(values) if bad is None else [bool(flag) for flag in bad]


@given(st.lists(st.decimals(-(10**6), 10**6, places=15, allow_nan=False), min_size=1, max_size=9))
def test_decimal_prices_are_read_as_their_text(values: list[Decimal]) -> None:
    """A decimal column gives the nearest double, like text; Arrow's own cast does not."""
    found = convert(pa.array(values, pa.decimal128(38, 15)), "price")

    assert found.values.to_pylist() == [float(str(value)) for value in values]


JUNK = st.one_of(
    st.none(),
    st.text(max_size=12),
    st.sampled_from(
        [
            "1",
            "-0.5",
            "1e-3",
            "1e400",
            "nan",
            "inf",
            "1_000",
            "٣",
            "0.0000000001",
            " 7 ",
            "0x1",
            "1,5",
            "",
        ]
    ),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
)


@pytest.mark.parametrize("kind", ["sol", "price", "int", "bool", "utc", "ns", "json", "text"])
@settings(max_examples=100)
@given(values=st.lists(JUNK, max_size=12))
def test_text_is_read_whole_as_value_by_value(kind: str, values: list[str | None]) -> None:
    """One odd value in a column changes no other; null is never bad, and a bad value never passes."""
    whole = convert(pa.array(values, pa.string()), kind)
    single = [convert(pa.array([value], pa.string()), kind) for value in values]

    assert whole.values.to_pylist() == [one.values[0].as_py() for one in single]
    flags = _flags(whole.bad, values)
    assert flags == [one.bad is not None for one in single]
    for value, read, bad in zip(values, whole.values, flags, strict=True):
        assert not (value is None and bad)
        assert read.is_valid == (value is not None and not bad)


def test_a_whole_double_is_the_same_beside_one_that_is_not() -> None:
    """Doubles that are whole 64-bit numbers convert alone as beside others; the others are refused."""
    values = [2.0**53 + 2, -(2.0**63), 2.0**63, 1.5, math.nan, math.inf, 7.0]

    found = convert(pa.array(values), "int")

    assert found.values.to_pylist() == [2**53 + 2, -(2**63), None, None, None, None, 7]
    assert _flags(found.bad, values) == [False, False, True, True, True, True, False]


def test_an_amount_is_the_same_beside_a_large_one() -> None:
    """A double near half a lamport converts as on the wire, whatever else is in its column."""
    values = [274559.9557687105, 5e6 + 0.1]

    found = convert(pa.array([*values, 2.0**62]), "sol")

    assert found.values.to_pylist() == [*map(sol, values), None]


def test_invalid_utf_8_is_refused() -> None:
    """Half a surrogate pair in a text column makes its row bad, and no other row."""
    data = b"ok\xed\xa0\x80fine"
    offsets = pa.py_buffer(pa.array([0, 2, 5, 9], pa.int32()).buffers()[1])
    column = pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(data)])

    found = convert(column, "text")

    assert found.values.to_pylist() == ["ok", None, "fine"]
    assert _flags(found.bad, [0, 0, 0]) == [False, True, False]


def test_amounts_that_would_lose_places_or_overflow_are_refused() -> None:
    """Decimals of another scale convert exactly or not at all."""
    given_ = [Decimal("1.234567891"), Decimal("1.2345678911"), None]
    found = convert(pa.array(given_, pa.decimal128(20, 10)), "sol")
    assert found.values.to_pylist() == [Decimal("1.234567891"), None, None]
    huge = convert(pa.array([10**18, 1, -(10**18)], pa.int64()), "sol")
    assert huge.values.to_pylist() == [None, Decimal(1), None]
    doubles = convert(pa.array([math.nan, 5e6 + 0.1, 1e300, -0.0]), "sol")
    assert doubles.values.to_pylist() == [None, Decimal("5000000.1"), None, Decimal(0)]


def test_rows_are_refused_for_their_first_fault_and_the_others_made() -> None:
    """Camel case, letter case, ISO times and numbers as text are accepted; faults have their row."""
    table = pa.table(
        {
            "gameId": ["a", "b", None, "d", "e", "f"],
            "tickCount": [1.0, 2.5, 3, 4, None, 6],
            "price": ["1.5", "nan", "2", "x", "3", "1.061531247396796"],
            "phase": ["ACTIVE", "active", "zzz", None, "rugged", None],
            "ts": ["2025-01-01T00:00:00", None, None, None, None, "2025-01-01T02:00:00+02:00"],
        }
    )

    found = made(table, DocType.GAME_TICK)

    assert [row for row, _, _ in found.bad] == [2, 3, 4, 5]
    assert [reason.split(":")[0].split(" is")[0] for _, reason, _ in found.bad] == [
        "tick", "phase", "price", "tick"
    ]  # fmt: skip
    assert found.bad[2][2] == "x"
    first, last = found.table.to_pylist()
    assert (first["phase"], last["phase"]) == ("active", "unknown")
    assert first["ts_ns"] == last["ts_ns"] == 1_735_689_600_000_000_000
    assert last["price"] == 1.061531247396796


@pytest.mark.parametrize("doc_type", list(DocType))
def test_with_its_key_columns_alone_every_kind_makes_records(doc_type: DocType) -> None:
    """Filled values pass the record's own checks; the columns filled with zeros are reported."""
    values: dict[str, Any] = {
        "direction": "in", "raw_json": "[]", "game_id": "g", "tick": 3, "price": 1.5, "cash": 1.25,
        "kind": "k", "action_type": "BUY", "amount": 0.1, "alert_type": "my.alert", "message": "m",
        "outcome": "timeout", "round_id": "r", "has_short": True,
    }  # fmt: skip
    table = pa.table({name: [values[name], None] for name in KEYS[doc_type]})

    found = made(table, doc_type)

    assert [row for row, _, _ in found.bad] == [2]
    (row,) = found.table.to_pylist()
    given_names = {*KEYS[doc_type], "session_id", "seq", "doc_type", "schema_version"}
    whole = {c.name: None for c in document_columns(doc_type)} | row
    record = record_from_row(RECORDS[doc_type], {**whole, "session_id": "s"})
    assert record is not None
    filled = match_names(doc_type, table.column_names).filled
    assert not given_names & set(filled)
    for name in filled:
        assert not row[name]


def test_latencies_must_follow_from_their_times() -> None:
    """A latency that disagrees with its two times is bad; alone it is kept as measured."""
    table = pa.table(
        {
            "action_type": ["BUY"] * 3,
            "client_ts": [1000, 1000, 1000],
            "confirmed_ts": [1200, 1200, None],
            "total_latency_ms": [200, 201, 77],
        }
    )

    found = made(table, DocType.PLAYER_ACTION)

    assert found.table.column("timestamps_total_latency_ms").to_pylist() == [200, 77]
    assert [row for row, _, _ in found.bad] == [2]
    assert found.table.column("ts_ns").to_pylist() == [1_000_000_000, 1_000_000_000]


def test_nested_columns_are_read_as_flat_ones() -> None:
    """Records as other programs nest them."""
    table = pa.table(
        {
            "action_type": ["SELL"],
            "state_before": [{"cash": 1.5, "position_qty": "2"}],
            "outcome": [{"success": True}],
        }
    )

    (row,) = made(table, DocType.PLAYER_ACTION).table.to_pylist()

    assert (row["state_before_cash"], row["state_before_position_qty"]) == (
        Decimal("1.5"),
        Decimal(2),
    )
    assert row["outcome_success"] is True


def test_kinds_are_known_by_their_columns() -> None:
    """Columns of only one kind determine it; columns of several kinds do not."""
    assert kind_by_columns(["action_type", "timestamps_total_latency_ms"]) is DocType.PLAYER_ACTION
    assert kind_by_columns(["game_id", "tick", "price"]) is DocType.GAME_TICK
    trade = ["action_type", "amount", "price", "tick", "player_id", "game_id"]
    assert kind_by_columns(trade) is DocType.OTHER_PLAYER_ACTION
    assert kind_by_columns(["a", "b"]) is None


TYPES = [
    pa.bool_(), pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64(), pa.string(),
    pa.large_string(), pa.string_view(), pa.binary(), pa.binary(3), pa.decimal128(12, 2),
    pa.decimal128(38, 20), pa.decimal256(50, 9), pa.timestamp("s"), pa.timestamp("us", "UTC"),
    pa.timestamp("ns", "Europe/Paris"), pa.date32(), pa.time64("ns"), pa.duration("ms"),
    pa.list_(pa.int64()), pa.map_(pa.string(), pa.int64()), pa.null(),
    pa.struct([("cash", pa.string()), ("x", pa.int64())]), pa.dictionary(pa.int8(), pa.string()),
    pa.run_end_encoded(pa.int32(), pa.int64()),
]  # fmt: skip
ANY = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=6),
    st.binary(max_size=4), st.decimals(-(10**20), 10**20), st.datetimes(),
    st.lists(st.integers(0, 9), max_size=2),
)  # fmt: skip


@st.composite
def odd_columns(draw: st.DrawFn, rows: int) -> pa.Array:
    """Return a column of any type with values of it, null if none fits."""
    kind = draw(st.sampled_from(TYPES))
    found = []
    for value in draw(st.lists(ANY, min_size=rows, max_size=rows)):
        try:
            pa.array([value], kind)
        except (pa.ArrowException, TypeError, ValueError, OverflowError, AttributeError):
            value = None  # noqa: PLW2901 - does not fit this type
        found.append(value)
    try:
        return pa.array(found, kind)
    except (pa.ArrowException, TypeError, ValueError):
        return pa.nulls(rows, pa.string())


@settings(max_examples=150)
@given(data=st.data(), doc_type=st.sampled_from(list(DocType)))
def test_columns_of_any_type_make_rows_or_faults(data: st.DataObject, doc_type: DocType) -> None:
    """Nothing raises, every row becomes one or the other, and the result follows the schema."""
    names = [column.name for column in document_columns(doc_type)]
    chosen = data.draw(
        st.lists(st.sampled_from([*names, "ts", "mood"]), unique=True, min_size=1, max_size=6)
    )
    rows = data.draw(st.integers(1, 4))
    table = pa.table({name: data.draw(odd_columns(rows)) for name in {*chosen, *KEYS[doc_type]}})

    found = made(table, doc_type)

    assert found.table.num_rows + len({row for row, _, _ in found.bad}) == rows
    wanted = schema_of(doc_type)
    for column in found.table.column_names:
        assert found.table.column(column).type == wanted.field(column).type
        if not wanted.field(column).nullable:
            assert found.table.column(column).null_count == 0
    assert all(isinstance(value, str) for _, _, value in found.bad)


@given(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=30))
def test_groups_contain_every_row_once(values: list[str | None]) -> None:
    """The rows of a value are in order."""
    groups = groups_of(pa.chunked_array([pa.array(values, pa.string())]))

    assert sorted(int(i) for _, rows in groups for i in rows) == list(range(len(values)))
    for value, rows in groups:
        assert [values[i] for i in rows] == [value] * len(rows)
        assert list(rows) == sorted(rows)
