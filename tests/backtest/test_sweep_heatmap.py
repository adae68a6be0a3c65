"""The heat map of a sweep: every set is in one cell, whatever its parameters."""

from __future__ import annotations

import math

import pytest

from tests.backtest.test_sweep_space import Tuned
from vectra_bot.backtest.sweep.heatmap import MAX_SIDE, heat_map
from vectra_bot.backtest.sweep.space import space_of


def test_a_grid_has_a_cell_for_each_pair_of_values() -> None:
    """Cells are means over the parameters that are not shown; values ascend."""
    space = space_of(Tuned, ["target=3,1,2", "entry=1,2", "again"])
    tried = [
        (values, values["target"] * 10 + values["entry"] + values["again"])
        for values in space.grid(5)
    ]

    found = heat_map(space, tried)

    assert (found.across, found.down) == ("target", "entry")
    assert (found.columns, found.rows) == (("1", "2", "3"), ("1", "2"))
    assert found.cells == ((11.5, 21.5, 31.5), (12.5, 22.5, 32.5))
    assert [found.shade(value) for value in (11.5, 22.0, 32.5)] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("count", [1, 2, 12, 200])
def test_drawn_sets_are_put_together(count: int) -> None:
    """The map stays small, and no set is lost: the cells have all the profit."""
    space = space_of(Tuned, ["target=1:100:log", "stake"])
    tried = [(values, 1.0) for values in space.drawn(count, 3)]

    found = heat_map(space, tried)

    cells = [value for row in found.cells for value in row]
    assert len(found.columns) <= MAX_SIDE
    assert len(found.rows) <= MAX_SIDE
    assert {value for value in cells if value is not None} == {1.0}
    assert sum(value is not None for value in cells) >= math.isqrt(count)
    assert found.shade(1.0) == 0.5


def test_one_parameter_is_one_row() -> None:
    """A sweep of one parameter has a row without a name; words keep the order they were given in."""
    space = space_of(Tuned, ["side"])

    found = heat_map(space, [({"side": "BULL"}, 1.0), ({"side": "BEAR"}, -1.0)])

    assert (found.down, found.columns, found.cells) == ("", ("BULL", "BEAR"), ((1.0, -1.0),))
