"""The leak check: planted leaks are found and named, honest data of the law is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import pytest

from tests.analysis.episodes.games import law_episodes, law_game
from vectra_bot.analysis.episodes.fold import Episode
from vectra_bot.analysis.episodes.leaks import FEWEST, Leak, LeakCheck, named
from vectra_bot.analysis.episodes.tables import steps_of
from vectra_bot.game.fair import FairGame

GAMES = 120
Steps: TypeAlias = dict[str, list[Any]]
Plant: TypeAlias = Callable[[int, Episode, FairGame, Steps], Steps]


@pytest.fixture(scope="module")
def honest() -> list[Episode]:
    return law_episodes(GAMES)


def _check(many: Iterable[Steps]) -> list[Leak]:
    check = LeakCheck()
    for steps in many:
        check.add(steps)
    found = check.finish()
    assert check.tests > 0
    return found


def _with(column: str, values: list[Any]) -> Steps:
    """Return a column and what follows from it after each step."""
    return {column: values, f"next_{column}": [*values[1:], values[-1]]}


def _rug_tick(_: int, episode: Episode, game: FairGame, steps: Steps) -> Steps:
    return _with("obs_connected_players", [game.rug_tick] * len(steps["step"]))


def _peak(_: int, episode: Episode, game: FairGame, steps: Steps) -> Steps:
    return _with("obs_peak", [game.peak] * len(steps["step"]))


def _next_price(_: int, episode: Episode, game: FairGame, steps: Steps) -> Steps:
    return _with("obs_position_cost", [round(1e9 * price) for price in steps["next_obs_price"]])


def _outcome(_: int, episode: Episode, game: FairGame, steps: Steps) -> Steps:
    doubled = any(price >= 2 * game.prices[5] for price in game.prices[6:])
    return _with("obs_bonus", [int(doubled)] * len(steps["step"]))


def _seed(number: int, episode: Episode, game: FairGame, steps: Steps) -> Steps:
    drawn = number * 2_654_435_761 % 2**32
    return _with("obs_trade_count", [drawn] * len(steps["step"]))


PLANTS: dict[str, tuple[Plant, str, str]] = {
    "rug tick": (_rug_tick, "obs_connected_players", "remaining ticks"),
    "peak": (_peak, "obs_peak", "does not follow from the prices"),
    "next price": (_next_price, "obs_position_cost", "next return"),
    "outcome": (_outcome, "obs_bonus", "peak to come"),
    "seed": (_seed, "obs_trade_count", "an id or a seed"),
}


def test_honest_steps_have_no_leak(honest: list[Episode]) -> None:
    """Games of the law with a bot that buys at tick 5."""
    assert _check(map(steps_of, honest)) == []


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_leak_is_found_and_named(name: str, honest: list[Episode]) -> None:
    """What happens after the step, in a column of it: the column is named, and no other is."""
    plant, column, message = PLANTS[name]
    many = []
    for number, episode in enumerate(honest):
        steps = steps_of(episode)
        many.append({**steps, **plant(number, episode, law_game(number)[1], steps)})
    found = _check(many)
    assert {leak.column for leak in found} == {column}
    assert any(message in leak.message for leak in found)
    assert column in named(found)


@pytest.mark.slow
def test_chance_gives_no_report() -> None:
    """Eight data sets of 150 games each."""
    for number in range(8):
        assert _check(map(steps_of, law_episodes(150, 1000 * number))) == []


def test_columns_that_are_shifted_are_found(honest: list[Episode]) -> None:
    """Prices of the next tick: they begin with another price than 1, and the steps do not fit."""
    steps = steps_of(honest[0])
    later = {**steps, "obs_price": steps["next_obs_price"]}
    columns = {leak.column for leak in _few([later])}
    assert {"next_obs_price", "obs_price"} <= columns


def _few(many: Iterable[Steps]) -> list[Leak]:
    check = LeakCheck()
    for steps in many:
        check.add(steps)
    return check.finish()


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("step", lambda values: [v + 1 for v in values], "is not 0, 1, 2"),
        ("obs_tick", lambda values: [0 for _ in values], "does not rise"),
        ("reward", lambda values: [v + 1 for v in values], "is not the change of obs_pnl"),
        ("terminated", lambda values: [True for _ in values], "is true before the last step"),
        ("truncated", lambda values: [*values[:-1], True], "is not the opposite"),
        ("obs_volatility", lambda values: [0.5 for _ in values], "does not follow from the prices"),
    ],
)
def test_steps_that_contradict_themselves_are_found(
    column: str, change: Callable[[list[Any]], list[Any]], message: str, honest: list[Episode]
) -> None:
    """Each with the column and the episode."""
    steps = steps_of(honest[0])
    found = _few([{**steps, column: change(steps[column])}])
    assert any(message in leak.message for leak in found)
    assert honest[0].record.episode_id in str(found[0])


def test_few_games_make_no_test(honest: list[Episode]) -> None:
    """Chance could explain anything."""
    check = LeakCheck()
    for episode in honest[: FEWEST - 1]:
        check.add(steps_of(episode))
    assert check.finish() == []
    assert check.tests == 0


def test_a_game_in_two_sets_is_found() -> None:
    """And a set with a game that began before one of the set before it."""
    check = LeakCheck()
    for name, game, started in (
        ("train", "a", 1),
        ("train", "b", 5),
        ("test", "b", 5),
        ("test", "c", 3),
    ):
        check.place(name, game, started)
    messages = [leak.message for leak in check.finish()]
    assert messages == [
        "game b is in test and train",
        "test has a game that began before one of train",
    ]


def test_many_leaks_are_named_in_one_line() -> None:
    """The rest is counted."""
    text = named([Leak(f"c{n}", "bad") for n in range(30)])
    assert text.startswith("c0: bad; c1: bad")
    assert text.endswith("and 10 more")
