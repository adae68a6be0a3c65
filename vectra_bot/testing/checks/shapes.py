"""Games with prices of every shape, drawn by hypothesis: no strategy may raise in any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import msgspec

from vectra_bot.errors import VectraError, safe_error
from vectra_bot.strategy import Strategy
from vectra_bot.testing.checks.play import Failure, Terms, play
from vectra_bot.testing.games import make_game

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Prices = list[float]

_LONGEST = 90
_NEARLY_NOTHING, _HUGE = 1e-6, 1e9


class Broken(msgspec.Struct, frozen=True):
    """The simplest games found in which a strategy raises.

    Attributes:
        games: live prices of each game, from tick 0.
        failure: what it raises.
    """

    games: list[Prices]
    failure: Failure


class _Raised(Exception):
    """The strategy raised in a drawn game."""

    def __init__(self, broken: Broken) -> None:
        self.broken = broken


def play_shapes(cls: type[Strategy], terms: Terms, examples: int) -> Broken | None:
    """Play *cls* in drawn games; return the simplest in which it raises, None if it never does.

    Raises:
        ImportError: hypothesis is not installed.
    """
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis.errors import Flaky

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(_drawn_games())
    def never_raises(drawn: list[Prices]) -> None:
        made = tuple(make_game(prices) for prices in drawn)
        try:
            failure = play(cls, attrs.evolve(terms, games=len(made), made_games=made)).failure
        except VectraError as error:  # it cannot be created, which may depend on an earlier play
            failure = Failure("__attrs_post_init__", safe_error(error), "", 1, "", 0)
        if failure is not None:
            found.append(Broken(drawn, failure))
            raise _Raised(found[-1])

    found: list[Broken] = []
    try:
        never_raises()
    except _Raised as raised:
        return raised.broken
    except Flaky:
        return found[-1]
    return None


def _drawn_games() -> SearchStrategy[list[Prices]]:
    from hypothesis import strategies as st

    any_price = st.floats(_NEARLY_NOTHING, _HUGE, allow_nan=False)
    factor = st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0, 1.01, 1.1, 2.0, 1000.0])
    wild = st.lists(any_price, max_size=_LONGEST)
    moving = st.lists(factor, max_size=_LONGEST).map(_walk)
    flat = st.integers(0, _LONGEST).map(lambda ticks: [1.0] * ticks)
    steady = st.tuples(factor, st.integers(1, _LONGEST)).map(lambda two: _walk([two[0]] * two[1]))
    game = st.one_of(flat, moving, steady, wild).map(lambda rest: [1.0, *rest])
    return st.lists(game, min_size=1, max_size=2)


def _walk(factors: list[float]) -> Prices:
    prices, price = [], 1.0
    for factor in factors:
        price = min(max(price * factor, _NEARLY_NOTHING), _HUGE)
        prices.append(price)
    return prices
