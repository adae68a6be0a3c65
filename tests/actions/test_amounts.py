"""Amounts and whole numbers of every type that a computation gives."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from math import floor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.test_tracker import bench_with
from vectra_bot.errors import StrategyError
from vectra_bot.models import PlayerAction
from vectra_bot.params import floor_to

np = pytest.importorskip("numpy")

LAMPORTS = 10**9
_FLOATS = (np.float16, np.float32, np.float64, np.longdouble)
_INTS = (
    np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64,
)  # fmt: skip


def shortest(value: Any) -> Decimal:
    """Return the shortest decimal of a float of any size."""
    return Decimal(str(value))


amounts = st.one_of(
    st.floats(0, 1e6).map(lambda v: (v, Decimal(repr(v)))),
    st.decimals(0, 10**6, places=60).map(lambda v: (v, v)),
    st.fractions(0, 10**6).map(lambda v: (v, v)),
    st.integers(0, 10**6).map(lambda v: (v, Decimal(v))),
    st.decimals(0, 10**6, places=12).map(lambda v: (f"{v:f}", v)),
    st.tuples(st.sampled_from(_FLOATS), st.floats(0, 6e4)).map(lambda p: p[0](p[1])).map(
        lambda v: (v, shortest(v))
    ),
    st.tuples(st.sampled_from(_INTS), st.integers(0, 127)).map(lambda p: (p[0](p[1]), Decimal(p[1]))),
)  # fmt: skip


@given(amounts)
def test_an_amount_of_any_type_is_rounded_down_to_a_lamport(given_: tuple[Any, Any]) -> None:
    """Python's and numpy's numbers, fractions and text; a float counts as its shortest decimal."""
    value, number = given_
    ratio = Fraction(number)
    assert floor_to(value, 9) == floor(ratio * LAMPORTS)
    assert floor_to(value, 0) == floor(ratio)


@given(amounts)
def test_negative_numbers_are_named_by_their_sign(given_: tuple[Any, Any]) -> None:
    """However small: -1e-12 is not rounded to nothing."""
    value, number = given_
    if not number or isinstance(value, str) or type(value) in _INTS:
        return
    assert floor_to(-value, 9) == -1


@pytest.mark.parametrize(
    "value",
    [True, np.True_, object(), 1j, np.complex64(1), b"1", [1], np.array([1.0]), "", "one", "1_0", "\u0661",
     float("nan"), float("inf"), np.float32("nan"), np.float64("inf"), Decimal("NaN"), Decimal("sNaN"),
     Decimal("Infinity"), "nan", "-inf", 10**30, Decimal("1e999999"), "1e999999", Fraction(10**30)],
    ids=lambda value: f"{type(value).__name__} {value!r}".partition(" at ")[0],
)  # fmt: skip
def test_what_is_not_a_finite_number_is_refused(value: Any) -> None:
    """In one line, before anything is computed with it."""
    with pytest.raises(StrategyError, match="amount was"):
        bench_with(lambda a: a.buy(value))


def test_a_decimal_context_changes_no_amount() -> None:
    """Nor does a strategy's precision."""
    with localcontext() as context:
        context.prec = 2
        assert floor_to(Decimal("0.123456789987654321"), 9) == 123_456_789
        assert floor_to("1e-400000", 9) == 0


_ACTIONS: dict[str, Any] = {
    "buy": lambda a, v: a.buy(v),
    "sidebet": lambda a, v: a.sidebet(v),
    "short": lambda a, v: a.short_open(v),
    "bbc": lambda a, v: a.bbc_predict("BULL", v, round_id="r1"),
    "candleflip": lambda a, v: a.candleflip_bet("RED", v, round_id="r2"),
}


@pytest.mark.parametrize("name", _ACTIONS)
@pytest.mark.parametrize(
    "value",
    [0.0123456789, 0.1 + 0.2 - 0.28, Decimal(1) / 81, Fraction(1, 81), np.float32(0.0123),
     np.float16(0.0123), np.longdouble("0.0123"), np.float64(0.0123), "0.0123456789123"],
    ids=repr,
)  # fmt: skip
def test_every_action_takes_any_number(name: str, value: Any) -> None:
    """And asks for it rounded down to a lamport."""
    asked: list[PlayerAction] = []
    bench_with(lambda a: asked.append(_ACTIONS[name](a, value)))
    (action,) = asked
    assert action.amount == Decimal(floor_to(value, 9)) / LAMPORTS


@pytest.mark.parametrize(
    "value",
    [50, 50.0, 50.9, "50", Decimal("50.5"), Fraction(101, 2), np.int16(50), np.float32(50.5)],
    ids=repr,
)
def test_a_percentage_of_any_type_counts_whole(value: Any) -> None:
    """Its whole part is the percentage."""
    asked: list[PlayerAction] = []
    bench_with(lambda a: a.buy("0.01", max_ticks=value), lambda a: asked.append(a.sell(value)))
    assert [action.percentage for action in asked] == [50]
