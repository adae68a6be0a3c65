"""Games simulated from the price law with a free generator, to check computed odds (protocol 4.2, v3).

This is a second implementation of the law that shares nothing but ``game.rules`` with the computed figures.
It draws the same distribution with less work: the number of live ticks of a game is one draw, a geometric
number, which changes no distribution because a rug is independent of the price; one uniform number decides
both the kind of a move and its size. Games are played in parallel, sorted by length, so that those still
alive are always the first of their batch. Every game of a batch is played to its end: stopping at the first
N that have ended would favour short ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import sqrt
from typing import Any

import numpy as np
from attrs import define, frozen
from numpy.random import PCG64, Generator
from numpy.typing import NDArray

from vectra_bot.analysis.odds.formulas import sidebet_return
from vectra_bot.analysis.odds.moves import Floats
from vectra_bot.errors import UsageError
from vectra_bot.game import rules

BATCH = 16_384
MAX_GAMES = 100_000_000
_RUG_SHARE = 1 - rules.RUG_DROP


@define
class Tally:
    """Sums of one quantity over games: its mean and standard error.

    If a mean depends on a few games, its standard error is not reliable; ``effective_games`` shows that:
    it is the number of equally weighted games with the same precision (Kish).
    """

    games: int = 0
    total: float = 0.0
    absolute: float = 0.0
    squares: float = 0.0

    def add(self, values: Floats) -> None:
        self.games += len(values)
        self.total += float(values.sum())
        self.absolute += float(np.abs(values).sum())
        self.squares += float(np.dot(values, values))

    @property
    def mean(self) -> float:
        return self.total / self.games

    @property
    def standard_error(self) -> float:
        variance = max(0.0, self.squares / self.games - self.mean**2)
        return sqrt(variance / self.games)

    @property
    def effective_games(self) -> float:
        return self.absolute**2 / self.squares if self.squares else 0.0


@frozen(kw_only=True)
class Position:
    """A position to follow in every game, closed by the first price at or beyond one of its limits.

    Attributes:
        name: name of its tallies.
        low, high: closed at the first tick at or below, or at or above; None for never.
        ticks: closed after this many ticks at the latest; None for never. Several give several tallies.
        constant, slope: its value at the close is ``max(0, constant + slope * price)``.
        tally_exits: also tally the four kinds of exit.
    """

    name: str
    low: float | None = None
    high: float | None = None
    ticks: tuple[int | None, ...] = (None,)
    constant: float = 0.0
    slope: float = 1.0
    tally_exits: bool = False


@frozen(kw_only=True)
class Plan:
    """Games to play and quantities to tally.

    Attributes:
        price, low: the state every game starts from.
        holds: ticks after which a unit of money held since the start is valued.
        hold_to_rug: whether it is also valued at the rug.
        levels: prices for which it is tallied whether they are reached.
        rug_limits: limits for which it is tallied whether the rug price is below.
        last_limits: limits for which it is tallied whether the last price is at or below.
        alive_at: ticks for which it is tallied whether the game is alive after them.
        positions: positions to follow.
        sidebets: ticks at which a sidebet is placed, in games that are alive then.
    """

    price: float = rules.START_PRICE
    low: float = rules.START_PRICE
    holds: tuple[int, ...] = ()
    hold_to_rug: bool = False
    levels: tuple[float, ...] = ()
    rug_limits: tuple[float, ...] = ()
    last_limits: tuple[float, ...] = ()
    alive_at: tuple[int, ...] = ()
    positions: tuple[Position, ...] = ()
    sidebets: tuple[int, ...] = ()


@define
class Batch:
    """Games played in parallel.

    Attributes:
        live_ticks: live ticks of each game, longest first.
        price, peak, low: last live price, highest since the start, and lowest of the game.
    """

    live_ticks: NDArray[np.int64]
    price: Floats
    peak: Floats
    low: Floats

    @property
    def rug_price(self) -> Floats:
        result: Floats = self.low * _RUG_SHARE
        return result


def generator(seed: int) -> Generator:
    """Return a generator for *seed*; the same seed gives the same games on every machine."""
    return Generator(PCG64(seed))


def move(prices: Floats, rng: Generator) -> Floats:
    """Return the prices after one live tick, drawn from the law."""
    count = len(prices)
    kind = rng.random(count)
    span = rules.DRIFT_MAX - rules.DRIFT_MIN
    change = (kind - rules.BIG_MOVE_CHANCE) * (span / (1 - rules.BIG_MOVE_CHANCE))
    change += rules.DRIFT_MIN
    noise = np.sqrt(prices)
    np.minimum(noise, rules.NOISE_ROOT_CAP, out=noise)
    noise *= 2 * rng.random(count) - 1
    noise *= rules.NOISE
    change += noise
    big = np.flatnonzero(kind < rules.BIG_MOVE_CHANCE)
    up = kind[big] * (2 / rules.BIG_MOVE_CHANCE)  # 0 to 1 falls, 1 to 2 rises
    rises = up >= 1
    size = rules.BIG_MOVE_MIN + (up - rises) * (rules.BIG_MOVE_MAX - rules.BIG_MOVE_MIN)
    change[big] = np.where(rises, size, -size)
    change += 1
    change *= prices
    candles = rng.binomial(count, rules.GOD_CANDLE_CHANCE)
    if candles:
        struck = rng.choice(count, candles, replace=False)
        struck = struck[prices[struck] <= rules.GOD_CANDLE_MAX_PRICE]
        change[struck] = prices[struck] * rules.GOD_CANDLE_FACTOR
    return change


class _Holder:
    """Follows one position through a batch and tallies how it ends."""

    def __init__(self, position: Position, tallies: dict[str, Tally], count: int) -> None:
        self._position = position
        self._tallies = tallies
        self._open = np.arange(count)
        self._worth = np.zeros(count)
        self._end = np.zeros(count, dtype=np.int8)  # 0 open, 1 high, 2 low
        self._ticks = {tick for tick in position.ticks if tick is not None}
        self._kept: dict[int, tuple[NDArray[np.intp], Floats, NDArray[np.int8], Floats]] = {}
        self._last = max(self._ticks) if None not in position.ticks else rules.MAX_TICKS

    def see(self, tick: int, prices: Floats) -> None:
        """Process the prices of the games that are alive at *tick*."""
        if tick > self._last:
            return
        position = self._position
        alive = self._open[: int(np.searchsorted(self._open, len(prices)))]
        seen = prices[alive]
        low = seen <= position.low if position.low is not None else np.zeros(len(seen), dtype=bool)
        high = (
            seen >= position.high if position.high is not None else np.zeros(len(seen), dtype=bool)
        )
        closed = low | high
        if closed.any():
            gone = alive[closed]
            self._worth[gone] = self._value(seen[closed])
            self._end[gone] = np.where(high[closed], 1, 2)
            alive, seen = alive[~closed], seen[~closed]
        self._open = alive
        if tick in self._ticks:
            self._snapshot(tick, alive, self._value(seen))

    def _value(self, prices: Floats) -> Floats:
        result: Floats = np.maximum(0.0, self._position.constant + self._position.slope * prices)
        return result

    def _snapshot(self, tick: int, alive: NDArray[np.intp], worth: Floats) -> None:
        """Store the position's value at *tick*; rugged games are valued at the end."""
        self._kept[tick] = (alive, worth, self._end.copy(), self._worth.copy())

    def finish(self, batch: Batch) -> None:
        """Tally the batch, once every game of it has ended."""
        at_rug = self._value(batch.rug_price)
        for tick in self._position.ticks:
            end, worth = self._end, self._worth
            timed_out = np.zeros(len(end), dtype=bool)
            if tick is not None:
                open_, value, end, worth = self._kept.get(
                    tick, (np.zeros(0, dtype=np.intp), np.zeros(0), end, worth)
                )
                worth = worth.copy()
                worth[open_] = value
                timed_out[open_] = True
            rugged = (end == 0) & ~timed_out
            name = self._position.name if tick is None else f"{self._position.name} {tick}"
            self._add(name, np.where(rugged, at_rug, worth))
            if self._position.tally_exits:
                for what, which in (
                    ("reached", end == 1), ("stopped", end == 2), ("timed out", timed_out),
                    ("rugged", rugged),
                ):  # fmt: skip
                    self._add(f"{name} {what}", which.astype(float))

    def _add(self, name: str, values: Floats) -> None:
        self._tallies.setdefault(name, Tally()).add(values)


def batches(games: int, rng: Generator) -> Iterator[Batch]:
    """Yield *games* games that are ready to start at price 1, in batches."""
    for start in range(0, games, BATCH):
        count = min(BATCH, games - start)
        live = rng.geometric(rules.RUG_CHANCE, count) - 1
        live = np.sort(np.minimum(live, rules.MAX_TICKS))[::-1]
        ones = np.full(count, rules.START_PRICE)
        yield Batch(live, ones, ones.copy(), ones.copy())


def simulate(plan: Plan, games: int, rng: Generator) -> dict[str, Tally]:
    """Play *games* games from the plan's state and return its tallies by name.

    Memory is that of one batch. Raises UsageError if the number of games is out of range.
    """
    if not 1 <= games <= MAX_GAMES:
        raise UsageError(f"games was {games!r}: give 1 to {MAX_GAMES}")
    tallies: dict[str, Tally] = {}
    for batch in batches(games, rng):
        batch.price[:] = plan.price
        batch.peak[:] = plan.price
        batch.low[:] = plan.low
        holders = [_Holder(position, tallies, len(batch.price)) for position in plan.positions]
        snapshots = play(batch, rng, holders, plan.holds)
        for holder in holders:
            holder.finish(batch)
        _tally(plan, batch, snapshots, tallies)
    return tallies


def play(
    batch: Batch, rng: Generator, holders: Iterable[_Holder] = (), holds: Iterable[int] = ()
) -> dict[int, Floats]:
    """Play every game of *batch* to its end; return the prices of living games at the ticks *holds*."""
    wanted = set(holds)
    snapshots: dict[int, Floats] = {}
    ascending = batch.live_ticks[::-1]
    count = len(ascending)
    for tick in range(1, int(batch.live_ticks[0]) + 1):
        alive = count - int(np.searchsorted(ascending, tick))
        prices = move(batch.price[:alive], rng)
        batch.price[:alive] = prices
        np.maximum(batch.peak[:alive], prices, out=batch.peak[:alive])
        np.minimum(batch.low[:alive], prices, out=batch.low[:alive])
        for holder in holders:
            holder.see(tick, prices)
        if tick in wanted:
            snapshots[tick] = prices
    return snapshots


def _tally(
    plan: Plan, batch: Batch, snapshots: dict[int, Floats], tallies: dict[str, Tally]
) -> None:
    def add(name: str, values: NDArray[Any]) -> None:
        tallies.setdefault(name, Tally()).add(values.astype(float))

    at_rug = batch.rug_price
    rug_tick = batch.live_ticks + 1
    for tick in plan.holds:
        worth = at_rug.copy()
        prices = snapshots.get(tick, np.zeros(0))
        worth[: len(prices)] = prices
        add(f"hold {tick}", worth / plan.price - 1)
    if plan.hold_to_rug:
        add("hold to rug", at_rug / plan.price - 1)
    for level in plan.levels:
        add(f"reach {level!r}", batch.peak >= level)
    for limit in plan.rug_limits:
        add(f"rug price {limit!r}", at_rug < limit)
    for limit in plan.last_limits:
        add(f"last price {limit!r}", batch.price <= limit)
    for tick in plan.alive_at:
        add(f"alive {tick}", batch.live_ticks >= tick)
    add("rug tick", rug_tick)
    for start in plan.sidebets:
        placed = rug_tick[batch.live_ticks >= start]
        won = placed <= start + rules.SIDEBET_WINDOW_TICKS
        add(f"sidebet {start}", won)
        profit = rules.SIDEBET_PAYOUT_X * won - 1.0
        add(f"sidebet {start} variance", (profit - sidebet_return(start)) ** 2)


def drawn(chance: float, games: int, rng: Generator) -> Tally:
    """Return the tally of *games* draws that are true with *chance*."""
    hits = int(rng.binomial(games, chance))
    return Tally(games, float(hits), float(hits), float(hits))


def one_tick(price: float, low: float, games: int, rng: Generator) -> Tally:
    """Return the tally of the profit of holding one tick from a state, the rug included."""
    tally = Tally()
    for start in range(0, games, 4 * BATCH):
        count = min(4 * BATCH, games - start)
        rugged = rng.binomial(count, rules.RUG_CHANCE)
        worth = np.full(count, low * _RUG_SHARE)
        worth[rugged:] = move(np.full(count - rugged, price), rng)
        tally.add(worth / price - 1)
    return tally
