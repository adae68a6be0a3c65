"""Sketches give the quantiles of SQL within their accuracy, and merge in any order to the same."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vectra_bot.errors import StoreError
from vectra_bot.store.parquet.sketch import (
    ACCURACY,
    Sketch,
    latency_sketches,
    merged_sketches,
)

Array = np.ndarray[Any, Any]
QUANTILES = (0.0, 0.01, 0.5, 0.95, 0.99, 1.0)


def _shapes() -> dict[str, Array]:
    random = np.random.default_rng(20260101)
    return {
        "bimodal": np.concatenate([random.normal(200, 5, 5_000), random.normal(5_000, 50, 5_000)]),
        "two values with the median between": np.repeat([100.0, 9_000.0], 500),
        "heavy tail": (random.pareto(1.05, 10_000) + 1) * 80,
        "all equal": np.full(1_000, 217.0),
        "small whole numbers": random.integers(0, 9, 5_000).astype(float),
        "negative": random.normal(-900, 100, 10_000),
        "zeros and few": np.concatenate([np.zeros(990), np.arange(1.0, 11.0)]),
        "one": np.array([3.25]),
        "two": np.array([10.0, 20.0]),
        "huge and tiny": np.array([5e-324, 1e-300, 1.0, 1e300, 1.7e308]),
    }


@pytest.mark.parametrize("name", _shapes())
def test_quantiles_are_those_of_the_values(name: str) -> None:
    """Whatever the shape, a quantile is within the accuracy of PERCENTILE_CONT over the values."""
    values = _shapes()[name]
    sketch = Sketch.of(values)
    assert (sketch.count, sketch.min, sketch.max) == (len(values), values.min(), values.max())
    for q in QUANTILES:
        assert sketch.quantile(q) == pytest.approx(np.quantile(values, q), rel=ACCURACY + 1e-9)


@given(
    st.lists(st.floats(0, 1e12) | st.integers(0, 400).map(float), min_size=1),
    st.floats(0, 1),
    st.sampled_from([1.0, -1.0]),
)
def test_any_values_of_one_sign(values: list[float], q: float, sign: float) -> None:
    """Values of one sign give any quantile within the accuracy, relative to the exact one."""
    given_values = np.array(values) * sign
    found = Sketch.of(given_values).quantile(q)
    # A fraction next to 1 is itself only known to the last bit of a double.
    rounding = 1e-14 * max(values)
    expected = pytest.approx(np.quantile(given_values, q), rel=ACCURACY + 1e-6, abs=rounding)
    assert found == expected


@given(st.lists(st.floats(-1e9, 1e9), min_size=1), st.floats(0, 1))
def test_mixed_signs_are_exact_to_the_larger_neighbour(values: list[float], q: float) -> None:
    """Between a negative and a positive value the error is relative to the larger of the two."""
    ordered = np.sort(np.array(values))
    place = q * (len(values) - 1)
    near = np.abs(ordered[[int(np.floor(place)), int(np.ceil(place))]]).max()
    found = Sketch.of(ordered).quantile(q)
    assert found == pytest.approx(np.quantile(ordered, q), rel=1e-6, abs=near * (ACCURACY + 1e-6))


@settings(settings.get_profile("costly"))
@given(st.lists(st.lists(st.integers(-500, 10**7)), max_size=5), st.randoms())
def test_merging_is_adding_in_any_order(groups: list[list[int]], random: Any) -> None:
    """Merging sketches in any order and grouping gives the sketch of all values together."""
    whole = Sketch.of(np.array([value for group in groups for value in group], dtype=np.int64))
    sketches = [Sketch.of(np.array(group, dtype=np.int64)) for group in groups]
    random.shuffle(sketches)
    assert Sketch.merged(sketches) == whole
    one_by_one = Sketch.of(np.array([]))
    for sketch in sketches:
        one_by_one = sketch.merge(one_by_one)
    assert one_by_one == whole


@given(st.lists(st.floats(-1e300, 1e300)))
def test_json_keeps_a_sketch_exactly(values: list[float]) -> None:
    """A sketch decoded from its JSON is equal to the original."""
    sketch = Sketch.of(np.array(values))
    assert Sketch.from_json(json.loads(json.dumps(sketch.to_json()))) == sketch


@settings(settings.get_profile("costly"))
@given(st.lists(st.lists(st.floats(-1e300, 1e300) | st.integers(-9, 9))))
def test_several_are_decoded_as_one(groups: list[list[float]]) -> None:
    """Sketches that are decoded together equal the merged single ones."""
    sketches = [Sketch.of(np.array(values, float)) for values in groups]
    together = Sketch.from_json(*(sketch.to_json() for sketch in sketches))
    assert together == Sketch.merged(sketches)
    assert together == Sketch.of(np.array([value for values in groups for value in values], float))


def test_without_values_there_is_no_quantile() -> None:
    """An empty sketch returns None, and an invalid fraction is refused."""
    empty = Sketch.of(np.array([]))
    assert (empty.count, empty.min, empty.max, empty.quantile(0.5)) == (0, None, None, None)
    with pytest.raises(ValueError, match="between 0 and 1"):
        empty.quantile(1.5)
    with pytest.raises(ValueError, match="finite"):
        Sketch.of(np.array([1.0, np.nan]))


@pytest.mark.parametrize(
    "change",
    [
        {"count": 3},
        {"accuracy": 0.01},
        {"counts": "u1:AQ=="},
        {"counts": "f8:AQ=="},
        {"steps": None},
        {"first": "x"},
        {"min": None},
    ],
    ids=str,
)
def test_changed_sketch_is_refused(change: dict[str, Any]) -> None:
    """Anything that is not a sketch, or has another accuracy, is refused in one line."""
    data = {**Sketch.of(np.array([1.0, 2.0])).to_json(), **change}
    with pytest.raises(StoreError, match="a sketch cannot be read"):
        Sketch.from_json(data)


def test_latencies_have_a_sketch_for_each_type_of_action() -> None:
    """Latencies are sketched by column and type; missing ones are skipped; parts add up."""
    table = pa.table(
        {
            "action_type": ["BUY", "SELL", "BUY", "BUY", "SELL"],
            "timestamps_send_latency_ms": pa.array([None] * 5, pa.int64()),
            "timestamps_confirm_latency_ms": pa.array([0, None, 7, 3, None], pa.int64()),
            "timestamps_total_latency_ms": pa.array([200, 210, None, 240, 190], pa.int64()),
        }
    )
    stored = latency_sketches(table)
    assert {column: sorted(by_type) for column, by_type in stored.items()} == {
        "timestamps_confirm_latency_ms": ["BUY"],
        "timestamps_total_latency_ms": ["BUY", "SELL"],
    }
    halves = [latency_sketches(table.slice(0, 2)), latency_sketches(table.slice(2))]
    together = merged_sketches(halves)
    assert together == merged_sketches([stored])
    assert together["timestamps_total_latency_ms"]["BUY"].quantile(0.5) == pytest.approx(220)
    assert latency_sketches(table.slice(0, 0)) == {}
