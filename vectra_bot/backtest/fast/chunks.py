"""The games of a block, with what the law expects of holding in them.

Those of a seed are replayed or drawn some hundred at a time, given ones are played as they are. Imports
backtest.fast.orders, exchange (ids), game and kernel; numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from vectra_bot.backtest.fast.orders import NeedsEngine
from vectra_bot.exchange.config import ExchangeConfig
from vectra_bot.exchange.identities import Identities
from vectra_bot.game import fair, rules
from vectra_bot.game.fair import FairGame
from vectra_bot.kernel.batch import Floats, GameBatch, play_games

_CHUNK_GAMES = 512
_NEAR_ZERO = 1e-9

if TYPE_CHECKING:
    View = memoryview[Any]

# Prices of a given game that the driver's sums and scans represent as the engine does.
_LOWEST, _HIGHEST = 1e-6, 1e6


@frozen(eq=False)
class FastGameData:
    """One game to play.

    Attributes:
        number: its number under the seed.
        prices: its live prices by tick.
        following: server seed and id of the game after it.
        chunk: the games it was replayed with.
        at: its place among them.
        start: where its prices begin among theirs.
    """

    number: int
    game_id: str
    server_seed: str
    prices: tuple[float, ...]
    rug_tick: int
    rug_price: float
    following: tuple[str, str]
    chunk: Chunk
    at: int
    start: int

    def expected(self, first: int, last: int) -> tuple[float, float]:
        """Return expectation and variance of holding one token from tick *first* until *last*."""
        mean, variance = self.chunk.sums
        first, last = self.start + first, self.start + last
        return mean[last] - mean[first], variance[last] - variance[first]

    @cached_property
    def alone(self) -> tuple[GameBatch, int]:
        """The game as a batch of one, and the address of its first price, for a scan of exits."""
        games, at = self.chunk.games, slice(self.at, self.at + 1)
        assert games.prices is not None
        batch = GameBatch(
            games.peak[at], games.rug_tick[at], games.rug_price[at], games.last_price[at],
            None if games.start is None else games.start[at], games.prices,
        )  # fmt: skip
        return batch, games.prices[self.start :].ctypes.data


class Chunk:
    """Some games replayed together."""

    def __init__(self, games: GameBatch) -> None:
        self.games = games

    def start(self, at: int) -> int:
        """Return where the prices of game *at* begin."""
        assert self.games.start is not None
        return int(self.games.start[at])

    @cached_property
    def sums(self) -> tuple[View, View]:
        """The running sums over all ticks of expected profit and variance of one unit held.

        They differ from ``fair.expected_return`` and ``fair.return_variance`` by rounding alone.
        """
        prices = self.games.prices
        assert prices is not None
        lows = np.ones_like(prices)
        for at in range(len(self.games)):
            own, start = self.games.prices_of(at), self.start(at)
            np.minimum.accumulate(own, out=lows[start : start + len(own)])
        mean, variance = gains(prices, lows)
        return _running(mean), _running(variance)


def _running(values: Floats) -> View:
    """Return the sum of the values before each, and of all; single items of a view are read faster."""
    sums = np.zeros(len(values) + 1)
    np.cumsum(values, out=sums[1:])
    return sums.data


def gains(prices: Floats, lows: Floats) -> tuple[Floats, Floats]:
    """Return mean and variance of what one unit gains over the next tick, at many prices at once.

    These are ``fair.expected_return`` times the price, and ``fair.return_variance`` times its square. Without
    the rug the mean return is constant, and the mean square linear in the price, up to the price from which
    the law has no god candle and no more noise; above it both are constant.
    """
    top = rules.GOD_CANDLE_MAX_PRICE
    at_rug = fair.rug_price(1.0) * lows
    low, high = _square(_NEAR_ZERO), _square(top)
    mean, square = fair.expected_return(1.0, 0.0) * prices, low + (high - low) / top * prices
    above = prices > top
    if above.any():
        mean[above] = fair.expected_return(2 * top, 0.0) * prices[above]
        square[above] = _square(2 * top)
    mean += rules.RUG_CHANCE * at_rug
    square *= prices * prices
    square += rules.RUG_CHANCE * (at_rug - prices) ** 2
    square -= mean * mean
    return mean, square


def _square(price: float) -> float:
    """Return the mean square of a tick's return at *price*, without that of the rug."""
    mean = fair.expected_return(price, 0.0)
    return fair.return_variance(price, 0.0) + mean**2 - rules.RUG_CHANCE


def chunks_of(config: ExchangeConfig, count: int) -> Iterator[FastGameData]:
    """Yield the *count* games from the config's first one on, as the exchange plays them.

    Raises:
        NeedsEngine: a game was given that cannot be played exactly.
    """
    ids, first = Identities(config.seed), config.first_game
    given = config.made_games[:count]
    for number, game in enumerate(given, first):
        yield _given(game, number, *(secret(config, ids, one) for one in (number, number + 1)))
    count, first = count - len(given), first + len(given)
    for at in range(first, first + count, _CHUNK_GAMES):
        stop = min(at + _CHUNK_GAMES, first + count)
        yield from _of_seed(config.seed, config.start_ns, at, stop, sampled=config.sampled)


# A comparison or a sweep plays the same games again and again: 2,048 of them are kept, about 25 MB.
@lru_cache(maxsize=4)
def _of_seed(
    seed: int, start_ns: int, first: int, stop: int, *, sampled: bool
) -> tuple[FastGameData, ...]:
    """Return the games of a seed from number *first* up to *stop*: replayed, or drawn from the law."""
    config, ids = ExchangeConfig(seed=seed, start_ns=start_ns, sampled=sampled), Identities(seed)
    secrets = [secret(config, ids, number) for number in range(first, stop + 1)]
    games = (
        ids.sampled_games().batch(first, stop - first)
        if sampled
        else play_games(secrets[:-1], prices=True)
    )
    chunk = Chunk(games)
    ticks, rugs = games.rug_tick.tolist(), games.rug_price.tolist()
    return tuple(
        FastGameData(
            number, secrets[place][1], secrets[place][0], tuple(games.prices_of(place).tolist()),
            ticks[place], rugs[place], secrets[place + 1], chunk, place, chunk.start(place),
        )
        for place, number in enumerate(range(first, stop))
    )  # fmt: skip


def check_given(games: Sequence[FairGame]) -> None:
    """Give games to the engine that the law would not make, if they are not played exactly here.

    Raises:
        NeedsEngine: there is one.
    """
    for game in games:
        prices = game.prices
        if prices[0] != rules.START_PRICE:
            raise NeedsEngine(f"a game does not begin at price {rules.START_PRICE:g}")
        if min(prices) < _LOWEST or max(prices) > _HIGHEST:
            raise NeedsEngine(f"a price is below {_LOWEST:g} or above {_HIGHEST:g}")
        # Reports take a sale as that of the rug by its price.
        if not 0 < game.rug_price <= prices[-1] * rules.FORCED_SELL_SHARE:
            raise NeedsEngine(
                f"a rug price is 0 or above {rules.FORCED_SELL_SHARE:g} times the last price"
            )


def _given(
    game: FairGame, number: int, ids: tuple[str, str], following: tuple[str, str]
) -> FastGameData:
    """Return a given game, which is played under the seed and the id of the exchange's game *number*.

    It is a chunk by itself: a sum over other games too would lose digits to one with a high price.
    """
    server_seed, game_id = ids
    prices = np.array(game.prices)
    batch = GameBatch(
        prices.max(keepdims=True), np.array([game.rug_tick], np.int32), np.array([game.rug_price]),
        prices[-1:], np.zeros(1, np.int64), prices,
    )  # fmt: skip
    return FastGameData(
        number, game_id, server_seed, tuple(prices.tolist()), game.rug_tick, game.rug_price, following,
        Chunk(batch), 0, 0,
    )  # fmt: skip


def secret(config: ExchangeConfig, ids: Identities, number: int) -> tuple[str, str]:
    """Return the server seed and the id of game *number*."""
    return ids.secret(number, config.announced_ns(number), sampled=config.sampled)
