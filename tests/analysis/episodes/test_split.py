"""Sets by game and time."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.analysis.episodes.split import NAMES, Shares, split_games
from vectra_bot.errors import UsageError

GAMES = st.dictionaries(st.text(min_size=1, max_size=4), st.integers(0, 40), max_size=40)
PERCENT = st.integers(0, 100)


@given(GAMES, PERCENT, PERCENT)
def test_later_sets_have_later_games(started: dict[str, int], one: int, other: int) -> None:
    """Each game is in one set, and each set begins after the one before it has begun its last game."""
    low, high = sorted((one, other))
    parts = [Decimal(low) / 100, Decimal(high - low) / 100, Decimal(100 - high) / 100]
    sets = split_games(started, Shares(*parts))
    assert sets.keys() == started.keys()
    numbers = {game: NAMES.index(name) for game, name in sets.items()}
    for game, number in numbers.items():
        later = [other for other in started if numbers[other] > number]
        assert all(started[other] > started[game] for other in later)


@given(st.integers(0, 300))
def test_distinct_times_give_the_shares(count: int) -> None:
    """Rounded down, with the rest in the last set."""
    sets = list(split_games({f"g{n}": n for n in range(count)}, Shares.of("0.8,0.1,0.1")).values())
    assert sets.count("train") == count * 8 // 10
    assert sets.count("validation") == count * 9 // 10 - count * 8 // 10


@pytest.mark.parametrize(("text", "sets"), [("1,0,0", "ttt"), ("0,1,0", "vvv"), ("0,0,1", "eee")])
def test_a_set_may_get_everything(text: str, sets: str) -> None:
    """The others are empty."""
    names = {"t": "train", "v": "validation", "e": "test"}
    found = split_games({"a": 1, "b": 2, "c": 3}, Shares.of(text))
    assert list(found.values()) == [names[letter] for letter in sets]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "0.5,0.5",
        "0.8,0.1,0.2",
        "nan,0,1",
        "inf,0,0",
        "-1,1,1",
        "a,b,c",
        "0.8,0.1,0.1,0",
        "1e9,0,0",
    ],
)
def test_other_shares_are_refused(text: str) -> None:
    """In one line with the value and an example."""
    with pytest.raises(
        UsageError, match=r"--split was .*: give three shares .* such as 0\.8,0\.1,0\.1"
    ):
        Shares.of(text)
