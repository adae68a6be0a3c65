"""Levels: experience for held stakes, and the features of a level (protocol 6.1; amounts unverified)."""

from __future__ import annotations

import pytest

from tests.exchange.scenario import SOL, account_of, ask, joined, law, received
from vectra_bot.exchange.accounts import Books
from vectra_bot.exchange.features.levels import gain
from vectra_bot.game import rules

GAME = law()


@pytest.mark.parametrize(("held", "xp"), [(19, 0), (20, 1_000), (60, 1_000)])
def test_a_position_counts_when_it_was_held_20_ticks(held: int, xp: int) -> None:
    """One point per 0.001 SOL staked, and none for what was sold earlier."""
    client = joined(level=1)
    client.until_tick(2)
    ask(client, "buyOrder", amount=1)
    client.until_tick(2 + held)
    ask(client, "sellOrder", percentage=100)
    info = received(client, "playerUpdate")[-1]["levelInfo"]
    assert (info["level"], info["xp"], info["totalXP"]) == (1, xp, xp)


def test_only_the_lots_that_were_held_count() -> None:
    """In a sale of two lots the recent one gives no experience."""
    client = joined(level=1)
    client.until_tick(2)
    ask(client, "buyOrder", amount=0.25)
    client.until_tick(20)
    ask(client, "buyOrder", amount=1)
    client.until_tick(22)
    ask(client, "sellOrder", percentage=100)
    assert account_of(client).total_xp == 250


def test_what_is_held_into_the_rug_counts() -> None:
    """However late it was bought (protocol 6.1: held >= 20 ticks or rugged)."""
    client = joined(level=1)
    client.until_tick(GAME.rug_tick - 1)
    ask(client, "buyOrder", amount=0.5)
    client.games(1)
    assert account_of(client).total_xp == 500


def test_a_sidebet_counts_when_it_is_decided() -> None:
    """Won or lost, a sidebet's stake gives experience; a rejected one gives none."""
    client = joined(level=1)
    client.until_tick(2)
    ask(client, "requestSidebet", amount=0.2, xPayout=5)
    ask(client, "requestSidebet", amount=0.2, xPayout=5)
    assert account_of(client).total_xp == 0
    client.until_tick(43)
    assert account_of(client).total_xp == 200


def test_levels_rise_and_end_at_100() -> None:
    """1,500 points a level, several at once; at level 100 points still count."""
    account = Books().open("p", "name", 1, 0)
    gain(account, 2 * rules.XP_PER_LEVEL * rules.LAMPORTS_PER_XP + 7 * rules.LAMPORTS_PER_XP)
    assert (account.level, account.xp, account.total_xp) == (3, 7, 3_007)
    gain(account, 1_000_000 * rules.LAMPORTS_PER_XP)
    assert (account.level, account.total_xp) == (100, 1_003_007)
    gain(account, rules.LAMPORTS_PER_XP)
    assert (account.level, account.total_xp) == (100, 1_003_008)


def test_a_new_level_is_shown_and_opens_leverage() -> None:
    """A player who reaches level 10 in the game can use leverage immediately, and rows and trades say 10."""
    client = joined(level=9)
    client.until_tick(2)
    assert not ask(client, "buyOrder", amount=1, leverage=2)["success"]
    ask(client, "buyOrder", amount=2)
    client.until_tick(22)
    ask(client, "sellOrder", percentage=100)
    assert account_of(client).level == 10
    assert ask(client, "buyOrder", amount=1, leverage=2)["success"]
    assert received(client, "playerUpdate")[-1]["levelInfo"]["level"] == 10
    assert received(client, "standard/newTrade")[-1]["level"] == 10
    row = received(client, "gameStatePlayerUpdate")[-1]["leaderboardEntry"]
    assert row["level"] == 10


def test_the_level_stays_over_games() -> None:
    """Experience belongs to the account, not to the game."""
    client = joined(level=9)
    client.until_tick(GAME.rug_tick - 1)
    ask(client, "buyOrder", amount=2)
    client.games(2)
    assert (account_of(client).level, account_of(client).xp) == (10, 500)
    assert account_of(client).sol.cash < 99 * SOL
