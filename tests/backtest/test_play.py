"""A backtest by the engine: its table, its blocks, and that a game depends on seed and number alone."""

from __future__ import annotations

import numpy as np
import pytest

from vectra_bot.backtest import Games, play
from vectra_bot.errors import ConfigError


@pytest.fixture(scope="module")
def played() -> Games:
    return play("take-profit", games=4, seed=7, engine="event")


def test_balance_is_what_the_games_left(played: Games) -> None:
    """The balance at the end is the start and every game's profit."""
    assert played.balance[-1] == 1_000 * 10**9 + played.pnl.sum()
    assert (np.diff(played.balance) == played.pnl[1:]).all()
    assert played.stake.sum() == played.entries.sum() * 10_000_000


def test_a_game_is_the_same_wherever_the_backtest_begins(played: Games) -> None:
    """Game 2 of a seed has its prices whether it is played third or first."""
    later = play("take-profit", games=2, seed=7, first=2, engine="event")

    assert later.game_ids() == played.game_ids()[2:]
    for name in ("peak", "rug_tick", "rug_price", "pnl"):
        assert (getattr(later, name) == getattr(played, name)[2:]).all(), name
    assert later.expected == pytest.approx(played.expected[2:], abs=1e-3)


def test_each_block_begins_a_new_account(played: Games) -> None:
    """Each block has its own account, and the rows of all are in one table."""
    blocks = play("take-profit", games=4, seed=7, engine="event", block=2)

    assert blocks.played.blocks == 2
    assert (blocks.pnl == played.pnl).all()
    assert blocks.balance[2] == 1_000 * 10**9 + blocks.pnl[2]


def test_table_converts(played: Games) -> None:
    table = played.arrow()

    assert table.num_rows == 4
    assert table["game_id"].to_pylist() == played.game_ids()
    assert table["pnl"].to_pylist() == played.pnl.tolist()


def test_an_option_out_of_range_is_named() -> None:
    with pytest.raises(ConfigError, match="option games was 0: give a whole number from 1"):
        play("take-profit", games=0, seed=7)
