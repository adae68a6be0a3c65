"""GameArrays drawn from the law: the same with and without the library, and distributed as exact games."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kernel.test_play import same, seeds
from vectra_bot.errors import UsageError
from vectra_bot.game import rules
from vectra_bot.kernel import library
from vectra_bot.kernel.batch import GameBatch, _empty, _tables, draw_games, play_games
from vectra_bot.kernel.library import GameArrays, LoadedLaw
from vectra_bot.kernel.play import key_bytes

costly = settings(
    settings.get_profile("costly"), suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def ks_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Kolmogorov-Smirnov distance of two samples, over the critical value of 5 %."""
    points = np.concatenate([one, other])
    shares = [
        np.searchsorted(np.sort(sample), points, "right") / len(sample) for sample in (one, other)
    ]
    critical = 1.358 * np.sqrt(1 / len(one) + 1 / len(other))
    return float(np.abs(shares[0] - shares[1]).max() / critical)


def assert_same_prices(one: GameBatch, other: GameBatch) -> None:
    """Compare every game of two batches."""
    assert same(one, other)
    for number in range(len(one)):
        assert np.array_equal(one.prices_of(number), other.prices_of(number))


@costly
@given(
    st.integers(0, 40),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**60),
    st.floats(0.001, 3_000),
    st.floats(0, 1, exclude_min=True),
)
def test_the_library_draws_what_numpy_draws(
    compiled: LoadedLaw, count: int, seed: int, first: int, price: float, share: float
) -> None:
    """Bit for bit, for any seed, piece and starting state."""
    low = price * max(share, 1e-6)

    fast = draw_games(count, seed, first=first, price=price, low=low, prices=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(library.SWITCH, "off")
        slow = draw_games(count, seed, first=first, price=price, low=low, prices=True)

    assert_same_prices(fast, slow)


def test_god_candles_are_the_same(compiled: LoadedLaw, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among thousands of games, with candles and god draws above the limit."""
    fast = draw_games(6_000, 11, price=80.0, low=1.0, prices=True)
    monkeypatch.setenv(library.SWITCH, "off")
    slow = draw_games(6_000, 11, price=80.0, low=1.0, prices=True)

    assert_same_prices(fast, slow)
    jumps = [
        np.max(fast.prices_of(n)[1:] / fast.prices_of(n)[:-1], initial=0) for n in range(6_000)
    ]
    assert sum(jump > 9 for jump in jumps) >= 3


def test_pieces_and_threads_change_no_game(compiled: LoadedLaw) -> None:
    """Game number n of a seed is always the same."""
    whole = draw_games(200_000, 7)

    assert same(whole, draw_games(200_000, 7, threads=2))
    piece = draw_games(1_000, 7, first=100_500)
    assert np.array_equal(piece.peak, whole.peak[100_500:101_500])
    priced = draw_games(10_000, 7, prices=True, threads=2)
    assert np.array_equal(priced.peak, whole.peak[:10_000])
    assert np.array_equal([priced.prices_of(n).max() for n in range(10_000)], priced.peak)


def test_distribution(compiled: LoadedLaw) -> None:
    """Peak, length, rug price and last price are distributed as those of exact games."""
    exact, drawn = play_games(seeds(30_000, 5)), draw_games(400_000, 6)

    for name in ("peak", "rug_tick", "rug_price", "last_price"):
        assert ks_distance(getattr(exact, name), getattr(drawn, name)) < 1, name
    mean = (1 - (1 - rules.RUG_CHANCE) ** rules.MAX_TICKS) / rules.RUG_CHANCE
    error = drawn.rug_tick.std() / np.sqrt(len(drawn))
    assert abs(drawn.rug_tick.mean() - mean) < 4 * error


@pytest.mark.parametrize("room", [0, 1, 150, 5_000])
def test_too_little_room(compiled: LoadedLaw, room: int) -> None:
    """Prices are never written beyond their room, and the call says that there was too little."""
    keys = [key_bytes(*key) for key in seeds(40, 9)]
    lengths = np.cumsum([0, *map(len, keys)], dtype=np.int64)
    rug_by, god_by = _tables()

    def calls(arrays: GameArrays) -> Iterator[int]:
        yield compiled.replay(40, b"".join(keys), lengths.ctypes.data, 1, 1, arrays)
        tables = rug_by.ctypes.data, god_by.ctypes.data
        yield compiled.simulate(40, 9, 0, 1.0, 1.0, *tables, arrays)

    batch = _empty(40, room + 5_000)
    assert batch.prices is not None
    batch.prices[:] = -1
    names = [name for name, _ in GameArrays._fields_[:-1]]
    arrays = GameArrays(*(getattr(batch, name).ctypes.data for name in names), room)
    for written in calls(arrays):
        assert written == -1
        assert (batch.prices[room:] == -1).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": -1}, "count was -1"),
        ({"count": 100_000_001}, "count was 100000001"),
        ({"seed": -1}, "seed was -1"),
        ({"seed": 2**64}, "seed was 18446744073709551616"),
        ({"first": -1}, "first was -1"),
        ({"price": 1.0, "low": 2.0}, "price and low were 1.0 and 2.0"),
        ({"price": float("nan")}, "price and low were nan"),
        ({"low": 0.0}, "price and low were 1.0 and 0.0"),
        ({"threads": 0}, "threads was 0"),
    ],
)
def test_arguments(changes: dict[str, float], message: str) -> None:
    """What is out of range is refused with the value."""
    with pytest.raises(UsageError, match=message):
        draw_games(**{"count": 10, "seed": 1, **changes})
