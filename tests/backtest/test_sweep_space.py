"""Ranges of a sweep: declared or given, as a grid or drawn."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot import Strategy, param
from vectra_bot.backtest.sweep.space import MAX_SETS, Range, Space, defaults_of, shown, space_of
from vectra_bot.errors import ConfigError, UsageError, VectraError
from vectra_bot.models import GameTick
from vectra_bot.params import parameters


class Tuned(Strategy):
    """A strategy with every kind of parameter."""

    stake: Decimal = param("0.01", low="0.001", high="1", log=True)
    entry: int = param(5, low=1, high=9)
    target: float = param(1.5, low=1.0)
    side: str = param("BULL", choices=("BULL", "BEAR"))
    again: bool = False
    token: str | None = param(None, secret=True)

    def on_game_tick(self, tick: GameTick, game: object) -> None:
        """Do nothing."""


def range_of(text: str) -> Range:
    """Return the range that *text* gives."""
    return space_of(Tuned, [text]).ranges[0]


def test_declared_ranges_vary_by_default() -> None:
    """Two bounds, choices and switches are ranges; one bound and a secret are not; what is fixed is not."""
    space = space_of(Tuned, [], {"entry": "7"})

    assert space.names == ("stake", "side", "again")
    assert space.ranges[0].log
    assert defaults_of(Tuned, space.names) == {"entry": 5, "target": 1.5}


@pytest.mark.parametrize(
    ("text", "points", "values"),
    [
        ("target=1:3", 3, (1.0, 2.0, 3.0)),
        ("target=1:100:log", 3, (1.0, 10.0, 100.0)),
        ("target=1:2:0.25", 3, (1.0, 1.25, 1.5, 1.75, 2.0)),
        ("entry=1:9:4", 3, (1, 5, 9)),
        ("entry=1:3", 9, (1, 2, 3)),
        ("entry", 3, (1, 5, 9)),
        ("entry=4,2,4", 3, (4, 2)),
        ("stake", 4, (Decimal("0.001"), Decimal("0.01"), Decimal("0.1"), Decimal(1))),
        ("side=BEAR", 3, ("BEAR",)),
        ("again", 3, (False, True)),
    ],
)
def test_a_range_gives_its_points(text: str, points: int, values: tuple[object, ...]) -> None:
    """Bounds are included, values are typed, and none is given twice."""
    assert range_of(text).points(points) == values


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("taget=1:2", "did you mean target"),
        ("target", "give target=LOW:HIGH"),
        ("target=3:1", "give the lower bound first"),
        ("target=0.5:2", "has the value '0.5': give a number of at least 1.0"),
        ("target=1:2:-1", "has the step '-1'"),
        ("target=1:2:x", "has the step 'x'"),
        ("target=1:2:3:4", "give LOW:HIGH"),
        ("entry=1.5,2", "has the value '1.5'"),
        ("side=BULL:BEAR", "give LOW:HIGH"),
        ("side=CRAB", "one of BULL, BEAR"),
        ("token=a,b", "which is secret"),
    ],
)
def test_a_wrong_range_is_refused_in_one_line(text: str, words: str) -> None:
    """The message has what was given and what to give."""
    with pytest.raises((ConfigError, UsageError), match=words) as caught:
        space_of(Tuned, [text])

    assert "\n" not in str(caught.value)


def test_a_parameter_has_one_range_or_value() -> None:
    """Given twice, or fixed as well, it is refused."""
    for given_ranges, fixed in ((["entry", "entry=1:2"], {}), (["entry"], {"entry": "5"})):
        with pytest.raises(UsageError, match="given twice"):
            space_of(Tuned, given_ranges, fixed)


def test_a_grid_has_every_combination() -> None:
    """The last range varies first."""
    space = space_of(Tuned, ["entry=1,2", "side"])

    assert [tuple(one.values()) for one in space.grid(5)] == [
        (1, "BULL"), (1, "BEAR"), (2, "BULL"), (2, "BEAR"),
    ]  # fmt: skip


def test_a_grid_is_bounded() -> None:
    """More sets than a sweep may have are refused before any is made."""
    space = space_of(Tuned, ["target=1:9", "stake"])

    with pytest.raises(UsageError, match=f"at most {MAX_SETS:,} sets"):
        list(space.grid(1_000))


def test_drawn_sets_follow_from_the_seed_and_differ() -> None:
    """The same seed draws the same sets; a small space is exhausted instead of repeated."""
    space = space_of(Tuned, ["target=1:9", "stake"])
    small = space_of(Tuned, ["entry=1,2", "again"])

    one, again, other = (list(space.drawn(50, seed)) for seed in (1, 1, 2))

    assert one == again != other
    assert len({tuple(values.values()) for values in one}) == 50
    assert len(list(small.drawn(50, 1))) == 4


@given(
    low=st.floats(1e-3, 1e3), ratio=st.floats(1.01, 1e3), share=st.floats(0, 1), log=st.booleans()
)
def test_every_value_is_in_its_range(low: float, ratio: float, share: float, log: bool) -> None:
    """Rounding to six digits never leaves the bounds, and the value can be typed again."""
    target = next(one for one in parameters(Tuned) if one.name == "target")
    one = Range(target, low, low * ratio, log=log)

    value = one.at(share)

    assert one.low <= value <= one.high
    assert float(shown({"x": value}).partition("=")[2]) == value


def test_a_logarithmic_range_begins_above_zero() -> None:
    """A ratio to zero does not exist."""
    target = next(one for one in parameters(Tuned) if one.name == "target")

    with pytest.raises(VectraError, match="begin above 0"):
        Range(target, 0.0, 1.0, log=True)


def test_an_empty_space_is_refused() -> None:
    """A strategy that declares no range needs one."""

    class Plain(Strategy):
        target: float = 1.5

        def on_game_tick(self, tick: GameTick, game: object) -> None:
            """Do nothing."""

    with pytest.raises(UsageError, match="give --range KEY=LOW:HIGH"):
        space_of(Plain, [])
    assert Space(()).names == ()
