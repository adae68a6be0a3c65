"""Exact replay, compiled: every price, peak and rug of the readable law, bit for bit."""

from __future__ import annotations

import ctypes
import gzip
import json
from collections.abc import Iterator
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.game.test_fair import CANDLE, VECTORS, any_text, versions
from vectra_bot.errors import UsageError
from vectra_bot.game import fair, rules
from vectra_bot.kernel import library
from vectra_bot.kernel.batch import GameBatch, _replayed, _starts, play_games
from vectra_bot.kernel.build import build
from vectra_bot.kernel.library import LoadedLaw
from vectra_bot.kernel.play import play_game

many = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def seeds(count: int, seed: int) -> list[tuple[str, str]]:
    """Return keys of games as the venue writes them."""
    rng = np.random.default_rng(seed)
    return [(rng.bytes(32).hex(), f"20251207-{rng.bytes(8).hex()}") for _ in range(count)]


def assert_equal(batch: GameBatch, number: int, game: fair.FairGame) -> None:
    """Compare one game of a batch with the law's."""
    assert tuple(batch.prices_of(number)) == game.prices
    assert batch.peak[number] == game.peak
    assert batch.rug_tick[number] == game.rug_tick
    assert batch.rug_price[number] == game.rug_price
    assert batch.last_price[number] == game.prices[-1]
    assert batch.rugged[number] == game.rugged


def same(one: GameBatch, other: GameBatch) -> bool:
    """Say whether two batches have the same games."""
    names = ("peak", "rug_tick", "rug_price", "last_price")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector[1]}-{vector[2]}")
def test_published_games(
    compiled: LoadedLaw, vector: tuple[str, str, str, int, float, float]
) -> None:
    """Games whose facts are published come out as published."""
    seed, game_id, version, rug_tick, rug_price, peak = vector[:6]

    game = play_game(seed, game_id, version)

    assert (game.rug_tick, game.rug_price, game.peak) == (rug_tick, rug_price, peak)
    assert game == fair.play_game(seed, game_id, version)


@many
@given(any_text | st.text(min_size=250, max_size=600), any_text, versions)
def test_any_seed_and_version(compiled: LoadedLaw, seed: str, game_id: str, version: str) -> None:
    """Any text is a seed: empty, beyond ASCII, half a character, longer than the generator's key."""
    expected = fair.play_game(seed, game_id, version)

    assert play_game(seed, game_id, version) == expected
    assert_equal(play_games([(seed, game_id)] * 2, version, prices=True), 1, expected)


@pytest.mark.parametrize("version", rules.LAW_VERSIONS)
def test_a_batch_is_its_games(compiled: LoadedLaw, version: str) -> None:
    """The games of a batch do not depend on what is played beside them."""
    games = seeds(150, 1)

    batch = play_games(games, version, prices=True)

    assert len(batch) == 150
    for number, (seed, game_id) in enumerate(games):
        assert_equal(batch, number, fair.play_game(seed, game_id, version))


def test_100000_seeds(compiled: LoadedLaw, folder: Path) -> None:
    """Both libraries, any number of threads and the readable law agree, god candles included."""
    games = seeds(100_000, 2)

    assert same(play_games(games, threads=2), play_games(games))
    batch = play_games(games[:40_000], prices=True)
    base = folder / library.LIBRARY
    plain = library._functions(base, ctypes.CDLL(str(base)))
    first = games[:20_000]
    assert same(_replayed(plain, first, rules.LAW_VERSION, prices=False), play_games(first))
    assert batch.prices is not None
    candles = [
        number
        for number in np.flatnonzero(batch.peak >= rules.GOD_CANDLE_FACTOR * 0.3)
        if np.any(batch.prices_of(number)[1:] / batch.prices_of(number)[:-1] > 5)
    ]
    assert len(candles) > 20
    for number in [*candles, *range(0, 40_000, 500)]:
        assert_equal(batch, number, fair.play_game(*games[number]))


@pytest.mark.parametrize(("count", "threads"), [(20_000, 2), (20_000, 3), (8_193, 2), (4_096, 1)])
def test_threads_get_as_many_games_each(count: int, threads: int) -> None:
    """Every thread plays as many pieces, all of the same size except the last, none above the limit."""
    starts = _starts(100, 100 + count, 4_096, threads)

    assert len(starts) % threads == 0
    assert starts.step <= 4_096
    last = 100 + count - starts[-1]
    assert starts.step - len(starts) < last <= starts.step


def changed_law(key: str, god_chance: float, max_ticks: int) -> Iterator[float]:
    """Yield the prices of a law with another chance of a god candle and another limit."""
    r = fair.draws(key).__next__
    price = 1.0
    yield price
    for _ in range(max_ticks):
        if r() < rules.RUG_CHANCE:
            return
        if r() < god_chance and price <= rules.GOD_CANDLE_MAX_PRICE:
            price *= rules.GOD_CANDLE_FACTOR
        elif r() < rules.BIG_MOVE_CHANCE:
            size = 0.15 + r() * (0.25 - 0.15)
            price *= 1 + (size if r() > 0.5 else -size)
        else:
            drift = -0.02 + r() * (0.03 - -0.02)
            price *= 1 + (drift + 0.005 * min(10.0, sqrt(price)) * (2 * r() - 1))
        yield price


def test_rare_cases_made_frequent(
    compiler: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """God draws at any price, two in a row, and games that reach the limit, by a law with many of them."""
    header = tmp_path / "changed.h"
    header.write_text(
        "#undef LAW_GOD_CANDLE_CHANCE\n#define LAW_GOD_CANDLE_CHANCE 0.06\n"
        "#undef LAW_MAX_TICKS\n#define LAW_MAX_TICKS 120\n"
    )
    build(tmp_path, compiler, target=["-include", str(header)])
    monkeypatch.setenv(library.SWITCH, str(tmp_path))
    games = seeds(400, 3)

    batch = play_games(games, prices=True)

    for number, key in enumerate(games):
        expected = list(changed_law("-".join(key), 0.06, 120))
        assert list(batch.prices_of(number)) == expected
    assert batch.rug_tick.max() == 121
    assert batch.peak.max() > 1_000


def test_real_games(compiled: LoadedLaw, real_data: Path) -> None:
    """Every real game whose seed was revealed, as the venue published it."""
    with gzip.open(real_data / "seeded_games.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]

    for row in rows:
        game = play_game(row["serverSeed"], row["id"], row["gameVersion"])
        assert (game.rug_tick, game.rug_price, game.peak) == (
            row["rugTick"], row["rugPrice"], row["peakMultiplier"],
        )  # fmt: skip
        if row.get("prices"):
            assert game.published_prices == row["prices"]
    assert len(rows) > 30


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same games without the compiled law."""
    monkeypatch.setenv(library.SWITCH, "off")
    games = [(CANDLE[0], CANDLE[1]), *seeds(3, 4)]

    batch = play_games(games, prices=True)

    for number, key in enumerate(games):
        assert play_game(*key) == fair.play_game(*key)
        assert_equal(batch, number, fair.play_game(*key))


@pytest.mark.parametrize("switch", ["", "off"])
def test_arguments(switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A law that is not known and no threads are refused, and a batch without games is empty."""
    monkeypatch.setenv(library.SWITCH, switch)

    with pytest.raises(UsageError, match="the law's version was 'v9'"):
        play_game("a", "b", "v9")
    with pytest.raises(UsageError, match="the law's version was 'v9'"):
        play_games([("a", "b")], "v9")
    with pytest.raises(UsageError, match="threads was 0"):
        play_games([("a", "b")], threads=0)
    with pytest.raises(UsageError, match="make it with prices=True"):
        play_games([("a", "b")]).prices_of(0)
    assert len(play_games([], prices=True)) == 0
