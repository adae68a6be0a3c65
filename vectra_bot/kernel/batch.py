"""Many games at once: replayed exactly from their seeds, or drawn from the law with a free generator.

The arrays are the same with and without the compiled library, and with any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import starmap
from math import ceil, sqrt
from typing import Final

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from vectra_bot.errors import UsageError, safe_repr
from vectra_bot.game import fair, rules
from vectra_bot.kernel import drawn
from vectra_bot.kernel.library import GameArrays, LoadedLaw, loaded
from vectra_bot.kernel.play import key_bytes

Floats = NDArray[np.float64]

MAX_GAMES: Final = 100_000_000
"""Most games of one call that draws; the results of more do not fit a machine's memory."""

_CHUNK: Final = 4_096  # exact games of one call of the library
_DRAWN_CHUNK: Final = 1 << 22  # drawn ones, about a second
_SHARED_CHUNK: Final = 1 << 16  # of them, where threads share the work
_MAX_PRICES: Final = rules.MAX_TICKS + 1


@frozen(eq=False)
class GameBatch:
    """Games of a batch, each array with one entry per game (protocol 4.5).

    Attributes:
        peak: highest live price, at least the starting price.
        rug_tick: number of the tick that rugs, and of live prices.
        rug_price: price at which open positions are sold at the rug.
        last_price: last live price.
        start: where a game's prices begin in ``prices``; None if prices were not wanted.
        prices: the live prices of all games, each game's in one piece; None if not wanted.
    """

    peak: Floats
    rug_tick: NDArray[np.int32]
    rug_price: Floats
    last_price: Floats
    start: NDArray[np.int64] | None = None
    prices: Floats | None = None

    def __len__(self) -> int:
        return len(self.rug_tick)

    @property
    def rugged(self) -> NDArray[np.bool_]:
        """False for the games that reached the law's limit of 5000 ticks."""
        result: NDArray[np.bool_] = self.rug_tick <= rules.MAX_TICKS
        return result

    def prices_of(self, game: int) -> Floats:
        """Return the live prices of game number *game* by tick, a view.

        Raises:
            UsageError: the batch was made without prices.
        """
        if self.prices is None or self.start is None:
            raise UsageError("the batch has no prices: make it with prices=True")
        start = int(self.start[game])
        return self.prices[start : start + int(self.rug_tick[game])]


def play_games(
    games: Sequence[tuple[str, str]],
    version: str = rules.LAW_VERSION,
    *,
    prices: bool = False,
    threads: int = 1,
) -> GameBatch:
    """Replay games from their seeds, each as ``game.fair.play_game`` does, bit for bit.

    Args:
        games: server seed and game id of each game.
        version: version of the law: ``v1``, ``v2`` or ``v3``.
        prices: whether every price is returned too, about 1.6 KB a game.
        threads: threads that share the work.

    Raises:
        UsageError: *version* is not a known version of the law, or *threads* is not 1 or more.
    """
    fair.check_version(version)
    law, starts = loaded(), _starts(0, len(games), _CHUNK, threads)

    def played(at: int) -> GameBatch:
        chunk = games[at : at + starts.step]
        return (
            _replayed_slowly(chunk, version, prices=prices)
            if law is None
            else _replayed(law, chunk, version, prices=prices)
        )

    return _joined(list(_mapped(played, starts, threads)), prices=prices)


def draw_games(
    count: int,
    seed: int,
    *,
    first: int = 0,
    price: float = rules.START_PRICE,
    low: float = rules.START_PRICE,
    prices: bool = False,
    threads: int = 1,
) -> GameBatch:
    """Draw games from the v3 law with a free generator: the distribution of exact games, without seeds.

    Game number n of a seed is the same in every call, so that many games can be drawn in pieces.

    Args:
        count: number of games, at most 100 million.
        seed: seed of the generator, below 2**64.
        first: number of the first game.
        price: price at which every game begins.
        low: lowest price before, which decides the rug price.
        prices: whether every price is returned too, about 1.6 KB a game.
        threads: threads that share the work.

    Raises:
        UsageError: an argument is out of range.
    """
    if not 0 <= count <= MAX_GAMES:
        raise UsageError(f"count was {safe_repr(count)}: give 0 to {MAX_GAMES} games")
    if not 0 <= seed < 1 << 64:
        raise UsageError(f"seed was {safe_repr(seed)}: give a whole number from 0 to 2**64 - 1")
    if not 0 <= first <= 1 << 60:
        raise UsageError(f"first was {safe_repr(first)}: give a whole number from 0 to 2**60")
    if not 0 < low <= price < 1e12:
        raise UsageError(
            f"price and low were {price!r} and {low!r}: give a low above 0, not above the price"
        )
    law, end = loaded(), first + count
    most = _DRAWN_CHUNK if threads == 1 else _SHARED_CHUNK
    if prices or law is None:
        most = _CHUNK
    starts = _starts(first, end, most, threads)

    def made(at: int) -> GameBatch:
        plan = drawn.Draws(min(starts.step, end - at), seed, at, price, low)
        if law is not None:
            return _simulated(law, plan, prices=prices)
        peak, rug_tick, rug_price, last, start, every = drawn.simulate(
            plan, *_tables(), prices=prices
        )
        return GameBatch(peak, rug_tick, rug_price, last, start, every)

    return _joined(list(_mapped(made, starts, threads)), prices=prices)


def _starts(first: int, end: int, most: int, threads: int) -> range:
    """Return where pieces of at most *most* games begin, as many for every thread: none waits for another."""
    if threads < 1:
        raise UsageError(f"threads was {safe_repr(threads)}: give 1 or more")
    rounds = max(1, ceil((end - first) / (most * threads)))
    return range(first, end, max(1, ceil((end - first) / (rounds * threads))))


def _mapped(
    call: Callable[[int], GameBatch], starts: Sequence[int], threads: int
) -> Iterator[GameBatch]:
    if threads == 1 or len(starts) < 2:
        return map(call, starts)
    with ThreadPoolExecutor(min(threads, len(starts))) as pool:
        return iter(list(pool.map(call, starts)))


def _filled(call: Callable[[GameArrays], int], count: int, *, prices: bool) -> GameBatch:
    """Return the *count* games that *call* writes to arrays that it is given.

    How many prices there will be is not known. Games that are so much longer than the law's mean that they do
    not fit have a chance below 1e-14; the call is then repeated with room for the longest possible games.
    """
    mean = 1 / rules.RUG_CHANCE
    likely = int(mean * (count + 8 * sqrt(count))) + _MAX_PRICES
    for room in (min(likely, count * _MAX_PRICES), count * _MAX_PRICES):
        batch = _empty(count, room if prices else None)
        addresses = (
            None if array is None else array.ctypes.data
            for array in (getattr(batch, name) for name, _ in GameArrays._fields_[:-1])
        )  # fmt: skip
        written = call(GameArrays(*addresses, room))
        if written >= 0:
            return batch if batch.prices is None else evolve(batch, prices=batch.prices[:written])
    raise MemoryError


def _empty(count: int, room: int | None) -> GameBatch:
    """Return arrays for *count* games, and for *room* prices unless it is None."""
    return GameBatch(
        np.empty(count), np.empty(count, np.int32), np.empty(count), np.empty(count),
        None if room is None else np.empty(count, np.int64),
        None if room is None else np.empty(room),
    )  # fmt: skip


def _replayed(
    law: LoadedLaw, games: Sequence[tuple[str, str]], version: str, *, prices: bool
) -> GameBatch:
    texts = list(starmap(fair.generator_key, games))
    joined = "".join(texts)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    if joined.isascii() and lengths.min() >= 1 and lengths.max() <= 256:
        keys = joined.encode("ascii")
    else:
        mixed = list(starmap(key_bytes, games))
        keys = b"".join(mixed)
        lengths = np.fromiter(map(len, mixed), np.int64, len(mixed))
    key_at = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    god_candles, capped = version == "v3", version != "v1"

    def replay(arrays: GameArrays) -> int:
        return int(law.replay(len(texts), keys, key_at.ctypes.data, god_candles, capped, arrays))

    return _filled(replay, len(texts), prices=prices)


def _replayed_slowly(games: Sequence[tuple[str, str]], version: str, *, prices: bool) -> GameBatch:
    played = [fair.play_game(seed, game_id, version) for seed, game_id in games]
    ticks = np.array([game.rug_tick for game in played], np.int32)
    return GameBatch(
        np.array([game.peak for game in played]),
        ticks,
        np.array([game.rug_price for game in played]),
        np.array([game.prices[-1] for game in played]),
        np.cumsum(ticks, dtype=np.int64) - ticks if prices else None,
        np.concatenate([np.array(game.prices) for game in played]) if prices else None,
    )


@cache
def _tables() -> tuple[Floats, Floats]:
    """Return the chances of a rug, and of a god draw, after at most 0, 1, 2 ... other ticks."""

    def table(chance: float) -> Floats:
        survival, chances = 1.0, []
        for _ in range(rules.MAX_TICKS):
            survival *= 1 - chance
            chances.append(1 - survival)
        return np.array(chances)

    return table(rules.RUG_CHANCE), table(rules.GOD_CANDLE_CHANCE)


def _simulated(law: LoadedLaw, plan: drawn.Draws, *, prices: bool) -> GameBatch:
    rug_by, god_by = _tables()

    def simulate(arrays: GameArrays) -> int:
        return int(
            law.simulate(
                plan.count, plan.seed, plan.first, plan.price, plan.low,
                rug_by.ctypes.data, god_by.ctypes.data, arrays,
            )
        )  # fmt: skip

    return _filled(simulate, plan.count, prices=prices)


def _joined(batches: list[GameBatch], *, prices: bool) -> GameBatch:
    if len(batches) == 1:
        return batches[0]
    batches = batches or [_empty(0, 0 if prices else None)]
    start = None
    if prices:
        shift, starts = 0, []
        for batch in batches:
            assert batch.start is not None
            assert batch.prices is not None
            starts.append(batch.start + shift)
            shift += len(batch.prices)
        start = np.concatenate(starts)
    return GameBatch(
        np.concatenate([batch.peak for batch in batches]),
        np.concatenate([batch.rug_tick for batch in batches]),
        np.concatenate([batch.rug_price for batch in batches]),
        np.concatenate([batch.last_price for batch in batches]),
        start,
        np.concatenate([batch.prices for batch in batches if batch.prices is not None])
        if prices
        else None,
    )
