"""The saved state of a strategy: numbers come back as they were, and plain JSON is written as it is."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot import Strategy, run
from vectra_bot.errors import InputError
from vectra_bot.journal import journal_directory, read_header
from vectra_bot.params.saved import state_of_json, state_to_text

NUMPY = st.one_of(
    st.integers(-(2**31), 2**31 - 1).map(np.int32),
    st.integers(0, 2**64 - 1).map(np.uint64),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(np.float32),
    st.booleans().map(np.bool_),
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)  # fmt: skip
STATES = st.recursive(
    PLAIN | st.decimals(allow_nan=False, allow_infinity=False) | NUMPY,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("$decimal"), inner),
    max_leaves=10,
)


def same(one: Any, other: Any) -> bool:
    """Return whether two states are equal, their types included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Decimal):
        return one.as_tuple() == other.as_tuple()
    return bool(one == other)


@given(STATES)
def test_a_state_comes_back_as_it_was(state: Any) -> None:
    assert same(state_of_json(json.loads(state_to_text(state))), state)


@given(PLAIN)
def test_plain_json_is_written_as_json(state: Any) -> None:
    """So states of earlier versions read the same."""
    if "$" not in json.dumps(state):
        assert state_to_text(state) == json.dumps(state, sort_keys=True, allow_nan=False)


def test_arrays_keep_type_and_shape() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = state_of_json(json.loads(state_to_text({"weights": array})))["weights"]
    assert found.dtype == array.dtype
    assert (found == array).all()
    assert found.shape == (2, 3)


@pytest.mark.parametrize(
    "state", [{1, 2}, object(), np.array(["a"]), float("nan"), np.float32("inf")]
)
def test_what_is_no_number_is_refused(state: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        state_to_text(state)


@pytest.mark.parametrize("written", [{"$decimal": "x"}, {"$numpy": ["no", 1]}, {"$array": 1}])
def test_a_form_that_cannot_be_read_is_named(written: Any) -> None:
    with pytest.raises(ValueError, match=r"a saved \$\w+ cannot be read"):
        state_of_json(written)


class Keeper(Strategy):
    """Keep a Decimal and a numpy number across sessions."""

    def __init__(self) -> None:
        self.seen: Any = {"cash": Decimal("0.10"), "mean": np.float32(0.1), "games": 0}

    def on_game_end(self, game: Any, summary: Any) -> None:
        self.seen["games"] += 1

    def save(self) -> Any:
        return self.seen

    def restore(self, state: Any) -> None:
        assert type(state["mean"]) is np.float32
        assert state["cash"].as_tuple() == Decimal("0.10").as_tuple()
        self.seen = state


def test_a_session_resumes_another_ones_state(tmp_path: Path) -> None:
    """Also the state of one that ended before it saved anything itself."""
    common: dict[str, Any] = {"store": tmp_path, "crowd": 0, "speed": "max", "seed": 7}
    run(Keeper, session_id="a", games=2, **common)
    run(Keeper, session_id="b", games=1, restore_from="a", **common)
    header = read_header(journal_directory(tmp_path, "b"))
    assert header["restored"]["games"] == 2
    assert header["restored"]["cash"] == {"$decimal": "0.10"}
    run("watch", session_id="c", games=1, **common)
    with pytest.raises(InputError, match="session 'c' saved no state"):
        run(Keeper, session_id="d", restore_from="c", games=1, **common)
