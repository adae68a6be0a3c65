"""Bundled strategies: what they do, and what their docstrings state."""

from __future__ import annotations

import inspect
from decimal import Decimal
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path

import pytest

import vectra_bot
from vectra_bot.analysis.odds import sidebet_return
from vectra_bot.params import parameters
from vectra_bot.store.query.catalog import open_store

BUNDLED = {
    point.name: point.load()
    for point in entry_points(group="vectra_bot.strategies")
    if point.value.startswith("vectra_strategies.")
}
OUTLINE = ("Description:", "Parameters:", "Entry:", "Exit:", "Expected value:")


def test_seven_strategies_are_bundled() -> None:
    """The names users know."""
    assert sorted(BUNDLED) == [
        "bbc", "candleflip", "leveraged", "short", "sidebet", "take-profit", "watch",
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_docstring_follows_the_outline(name: str) -> None:
    """Each says what it does, its parameters, entry, exit and expected value, in that order."""
    text = inspect.getdoc(BUNDLED[name]) or ""
    positions = [text.index(section) for section in OUTLINE]

    assert positions == sorted(positions)
    for parameter in parameters(BUNDLED[name]):
        assert f"{parameter.name}: " in text


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_file_is_short_enough_to_copy(name: str) -> None:
    """A strategy used as an example has fewer than 100 lines."""
    path = Path(inspect.getsourcefile(BUNDLED[name]) or "")
    assert len(path.read_text(encoding="utf-8").splitlines()) < 100


def test_watch_does_nothing(store: Path) -> None:
    """Everything is stored, nothing is staked."""
    report = vectra_bot.run("watch", games=2, seed=7)

    assert (report.actions, report.pnl) == ({}, Decimal(0))
    with open_store(store) as catalog:
        ticks = catalog.sql("SELECT count(*) AS n FROM game_tick").rows[0][0]
        trades = catalog.sql("SELECT count(*) AS n FROM other_player").rows[0][0]
    assert ticks > 0
    assert trades > 0


def test_take_profit_buys_once_a_game_at_tick_ten(store: Path) -> None:
    """Every game that lasts two ticks past tick 10 has one confirmed buy, decided at tick 10."""
    vectra_bot.run("take-profit", games=6, seed=7, crowd=0)

    with open_store(store) as catalog:
        lived = catalog.sql("SELECT game_id FROM game_tick WHERE tick = 12 ORDER BY game_id").rows
        bought = catalog.sql(
            "SELECT game_id, game_context_tick, state, amount FROM player_action "
            "WHERE action_type = 'BUY' ORDER BY game_id"
        ).rows
    assert {game for (game,) in lived} <= {row[0] for row in bought}
    assert {row[1:] for row in bought} == {(10, "CONFIRMED", Decimal("0.010000000"))}
    assert len({row[0] for row in bought}) == len(bought)


def test_take_profit_sells_at_its_target_and_not_before(store: Path) -> None:
    """Every sale was decided at `target` times the average cost or more."""
    vectra_bot.run("take-profit", games=8, seed=7, crowd=0, settings={"target": "1.2"})

    with open_store(store) as catalog:
        multiples = catalog.sql(
            "SELECT game_context_price / state_before_avg_cost AS multiple FROM player_action "
            "WHERE action_type = 'SELL'"
        ).rows
    assert multiples
    assert all(float(multiple) >= 1.2 - 1e-6 for (multiple,) in multiples)


def test_sidebet_holds_one_bet_after_another(store: Path) -> None:
    """Bets start at `start_tick`, one at a time, and each is settled."""
    report = vectra_bot.run(
        "sidebet", games=3, seed=7, crowd=0, settings={"stake": "0.02", "start_tick": 5}
    )

    with open_store(store) as catalog:
        rows = catalog.sql(
            "SELECT game_id, game_context_tick, amount, state FROM player_action ORDER BY seq"
        ).rows
    assert {row[2:] for row in rows} == {(Decimal("0.020000000"), "CONFIRMED")}
    assert min(row[1] for row in rows) == 5
    assert report.settlements == len(rows)
    for first, second in pairwise(rows):
        assert first[0] != second[0] or second[1] - first[1] >= 40


def test_sidebet_rests_after_a_denial(store: Path) -> None:
    """A denied action is requested once a game, not at every tick."""
    report = vectra_bot.run("sidebet", games=3, seed=7, crowd=0, limits={"stake": Decimal("0.005")})

    assert report.actions == {"DENIED": report.games}


def test_stated_expectation_of_a_sidebet_is_the_laws() -> None:
    """The docstring's -9.16 % is the exact value, rounded."""
    assert f"{sidebet_return():.2%}" == "-9.16%"
    assert "-9.16 %" in (inspect.getdoc(BUNDLED["sidebet"]) or "")
