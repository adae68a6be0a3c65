"""Side games: results from the generator, frequencies, payouts, and rejections (protocol 11)."""

from __future__ import annotations

import hashlib
from collections import Counter
from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.errors import ConfigError
from vectra_bot.game.fair import draws, generator_key
from vectra_bot.game.sidegames import (
    BBC,
    CANDLEFLIP,
    SideGame,
    bbc_game,
    candleflip_game,
    side_game,
)

SOL = 10**9
GAMES = [bbc_game(), candleflip_game()]

seeds = st.text("0123456789abcdef", min_size=64, max_size=64)


def seed_of(number: int) -> str:
    return hashlib.sha256(f"side-games/{number}".encode()).hexdigest()


def made(odds: dict, payouts: dict) -> SideGame:
    return SideGame(name=BBC, odds=odds, payouts=payouts)


@given(seeds, st.integers(0, 10**6), st.sampled_from(GAMES))
def test_a_result_follows_from_seed_and_round(seed: str, number: int, game: SideGame) -> None:
    """The first draw of the generator keyed with ``seed-round`` determines the result."""
    round_id = f"20260101-{number:016x}"
    draw = next(draws(generator_key(seed, round_id)))
    edges = list(accumulate(game.odds.values()))
    choice = list(game.odds)[sum(edge <= draw for edge in edges)]
    assert game.result(seed, round_id) == game.result(seed, round_id) == choice


@pytest.mark.parametrize("game", GAMES, ids=lambda game: game.name)
def test_results_come_as_often_as_the_odds_say(game: SideGame) -> None:
    """Chi-square of 1,500 rounds with fixed seeds stays below the 1 % limit."""
    rounds = 1500
    counts = Counter(game.result(seed_of(n), f"20260101-{n:016x}") for n in range(rounds))
    chi = sum(
        (counts[choice] - rounds * float(chance)) ** 2 / (rounds * float(chance))
        for choice, chance in game.odds.items()
    )
    assert set(counts) == set(game.odds)
    assert chi < {1: 6.63, 2: 9.21}[len(game.odds) - 1]


def test_another_round_of_the_same_seed_is_another_draw() -> None:
    """The result depends on both seed and round."""
    game = candleflip_game()
    by_round = {game.result(seed_of(1), f"round-{n}") for n in range(30)}
    by_seed = {game.result(seed_of(n), "round-1") for n in range(30)}
    assert by_round == by_seed == {"GREEN", "RED"}


def test_the_default_odds_give_all_three_choices_one_edge() -> None:
    """7/15, 7/15, 1/15 at 2x, 2x, 14x lose one fifteenth each; even odds at 1.94x lose 3 %."""
    game = bbc_game()
    assert {round(game.expected_return(choice), 12) for choice in game.odds} == {round(-1 / 15, 12)}
    assert [round(float(chance) * 100, 1) for chance in game.odds.values()] == [46.7, 46.7, 6.7]
    flip = candleflip_game()
    assert {round(flip.expected_return(choice), 12) for choice in flip.odds} == {-0.03}
    assert (game.name, flip.name) == (BBC, CANDLEFLIP)


@given(st.integers(1, 5 * SOL), st.sampled_from(GAMES), st.data())
def test_a_payout_is_floored_to_a_lamport(amount: int, game: SideGame, data: st.DataObject) -> None:
    """Stake times the payout's decimal, rounded down: 1.94x is 1.94 exactly, not its double."""
    choice = data.draw(st.sampled_from(sorted(game.odds)))
    exact = amount * Fraction(str(game.payouts[choice]))
    assert 0 <= exact - game.payout(amount, choice) < 1
    assert game.payout(100, choice) == {2.0: 200, 14.0: 1400, 1.94: 194}[game.payouts[choice]]


@pytest.mark.parametrize(
    "odds",
    [
        {"A": "1/2", "B": "1/3"},
        {"A": "1/2", "B": "2/3"},
        {"A": 1, "B": 0},
        {"A": 2, "B": -1},
        {},
        {"A": "half", "B": "1/2"},
        {"A": "1/0"},
        {"A": float("nan")},
        {"A": None},
    ],
)
def test_odds_that_are_none_are_refused(odds: dict) -> None:
    """Chances lie above 0 and sum to exactly 1; anything else is a ConfigError that shows it."""
    with pytest.raises(ConfigError, match="odds of bbc"):
        made(odds, dict.fromkeys(odds, 2.0))


@pytest.mark.parametrize(
    "payouts",
    [
        {"A": 2.0},
        {"A": 2.0, "B": 2.0, "C": 2.0},
        {"A": 2.0, "B": 0},
        {"A": 2.0, "B": -3},
        {"A": 2.0, "B": 1001},
        {"A": 2.0, "B": float("nan")},
        {"A": 2.0, "B": "3"},
    ],
)
def test_payouts_that_are_none_are_refused(payouts: dict) -> None:
    """There is one payout for each choice, a number above 0 and up to 1000."""
    with pytest.raises(ConfigError, match="payouts of bbc"):
        made({"A": "1/2", "B": "1/2"}, payouts)


def test_odds_decide_in_their_order_and_completely() -> None:
    """A choice with almost all of the chance wins every draw; the rest belongs to the last one."""
    sure = made({"A": Fraction(10**18 - 1, 10**18), "B": Fraction(1, 10**18)}, {"A": 1.0, "B": 9.0})
    assert {sure.result(seed_of(n), "r") for n in range(40)} == {"A"}
    turned = made(
        {"B": Fraction(1, 10**18), "A": Fraction(10**18 - 1, 10**18)}, {"A": 1.0, "B": 9.0}
    )
    assert {turned.result(seed_of(n), "r") for n in range(40)} == {"A"}


def test_a_games_tables_cannot_be_changed() -> None:
    """Odds and payouts are read-only and do not follow the dict they were made from."""
    payouts = {"A": 2.0, "B": 2.0}
    game = made({"A": "1/2", "B": "1/2"}, payouts)
    payouts["A"] = 99.0
    assert game.payouts["A"] == 2.0
    with pytest.raises(TypeError):
        game.odds["A"] = Fraction(1)


def test_odds_and_payouts_are_read_from_text() -> None:
    """Numbers are in the order of the choices; what is not given keeps its default."""
    assert side_game(BBC) == bbc_game()
    assert side_game(CANDLEFLIP) == candleflip_game()
    assert side_game(BBC, "7/15,7/15,1/15", "2,2,14") == bbc_game()

    crab = side_game(BBC, odds="0.25, 0.25, 1/2", payouts="2.5,3,1.94")
    assert crab.odds == {"BULL": Fraction(1, 4), "BEAR": Fraction(1, 4), "CRAB": Fraction(1, 2)}
    assert crab.payouts == {"BULL": 2.5, "BEAR": 3.0, "CRAB": 1.94}
    assert side_game(BBC, payouts="3,3,3").odds == bbc_game().odds


@pytest.mark.parametrize(
    ("name", "odds", "payouts", "message"),
    [
        (BBC, "1/2,1/2", None, "odds of bbc were '1/2,1/2': give a number for each of BULL, BEAR"),
        (BBC, "1/4,1/4,1/4,1/4", None, "such as 7/15,7/15,1/15"),
        (BBC, "1/2,1/2,1/2", None, "chances above 0 that sum to 1"),
        (BBC, "1,0,0", None, "chances above 0 that sum to 1"),
        (BBC, "1/0,1/2,1/2", None, "odds of bbc were"),
        (BBC, "1e999999999,0,0", None, "odds of bbc were"),
        (BBC, "", None, "odds of bbc were"),
        (CANDLEFLIP, "-1,2", None, "odds of candleflip were '-1,2'"),
        (CANDLEFLIP, "\u0661/2,1/2", None, "odds of candleflip were"),
        (CANDLEFLIP, None, "2", "payouts of candleflip were '2'"),
        (CANDLEFLIP, None, "nan,2", "such as 1.94,1.94"),
        (CANDLEFLIP, None, "0,2", "payouts of candleflip were"),
        (CANDLEFLIP, None, "1001,2", "from 0 to 1000"),
    ],
)
def test_text_that_gives_no_odds_is_refused(
    name: str, odds: str | None, payouts: str | None, message: str
) -> None:
    """The error names the game, the text and an example; a number is never too big to read."""
    with pytest.raises(ConfigError) as caught:
        side_game(name, odds, payouts)
    assert message in str(caught.value)
