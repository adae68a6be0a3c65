"""Chances and expected values of a position from a state of the game, computed on grids.

Every figure is computed on a grid and on one with every cell halved; the finer one is the figure. The rest
of its error is usually a small part of the difference of the two. The *stated* error is twice that
difference plus a floor, a bound that was valid in every tested state, compared with grids three times as
fine. Families of lows converge with the square of the step; for them both grids together give a third,
better value (Richardson), and the stated error is twice that correction. The coarse grid also ends earlier,
so the difference covers what lies beyond the ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from math import exp, log

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from vectra_bot.analysis.odds.moves import Floats
from vectra_bot.analysis.odds.walk import FLAT, RAY, Edge, Walk, grid, node_of, pays
from vectra_bot.errors import UsageError
from vectra_bot.game import rules
from vectra_bot.game.fair import rug_price

STEP = 0.02
"""Largest cell of the coarse grid, in the logarithm of the price."""

_NARROW_STEP = 0.01  # for positions that end within one big move of their entry
_NEAR = 0.4  # a few big moves
_FAMILY_STEP = 0.04  # a family affects only the rug price: 2 % of a price
_FOREVER_STEP = 0.01  # held to the rug, the rug price is the whole result

MAX_HOLD_TICKS = rules.MAX_TICKS
SMALLEST_PRICE = 1e-6
LARGEST_PRICE = 1e6
LARGEST_TARGET = 1e9
LEAST_GAP = 0.01
_DOWN = 6.0  # how far below the state a grid begins, and above it ends, in the logarithm
_UP = 6.0
_FAMILY_DOWN = 5.0  # the lowest of the lows that are followed
_STRIDE = 4  # cells per low
_COARSE_SHORTER = 0.5
_MOST_CELLS = 1_300  # of the coarse grid: matrices stay below 60 MB
_SAFETY = 2.0
_FLOOR = 1e-5
_ROUNDING = 1e-8  # also covers the games that outlive the law's last tick: 1.3e-11 of all


@frozen
class Computed:
    """A figure and the bound of its numerical error."""

    value: float
    error: float

    def __add__(self, other: Computed) -> Computed:
        return Computed(self.value + other.value, self.error + other.error)

    def times(self, factor: float) -> Computed:
        """Return the figure in another unit."""
        return Computed(self.value * factor, self.error * abs(factor))

    def plus(self, constant: float) -> Computed:
        """Return the figure with an exact number added."""
        return Computed(self.value + constant, self.error)


@frozen(kw_only=True)
class State:
    """The state of the game.

    Attributes:
        price: the current price.
        low: the lowest price of the game so far, including the 1 it starts at; it determines the rug price.
    """

    price: float = rules.START_PRICE
    low: float = field(default=rules.START_PRICE)

    def __attrs_post_init__(self) -> None:
        if not SMALLEST_PRICE <= self.price <= LARGEST_PRICE:
            raise UsageError(
                f"price was {self.price!r}: give {SMALLEST_PRICE} to {LARGEST_PRICE:.0f}"
            )
        if not SMALLEST_PRICE <= self.low <= min(self.price, rules.START_PRICE):
            raise UsageError(
                f"price was {self.price!r} and low {self.low!r}: give {SMALLEST_PRICE} <= low <= price, "
                "and low <= 1"
            )


@frozen(kw_only=True)
class Exits:
    """When a position is closed, other than by a rug.

    Attributes:
        target: closed at the first tick with this price or more; None for never.
        stop: closed at the first tick with this price or less; None for never.
        max_ticks: closed after this many ticks; None for never.
    """

    target: float | None = None
    stop: float | None = None
    max_ticks: int | None = None

    def check(self, state: State) -> None:
        """Raise UsageError if an exit is on the wrong side of the price, or too near."""
        if self.target is not None and not state.price * (1 + LEAST_GAP) <= self.target:
            raise UsageError(
                f"target was {self.target!r}: give at least 1.01 times the price {state.price!r}"
            )
        if self.target is not None and self.target > LARGEST_TARGET:
            raise UsageError(f"target was {self.target!r}: give at most {LARGEST_TARGET:.0f}")
        if self.stop is not None and not SMALLEST_PRICE <= self.stop <= state.price * (
            1 - LEAST_GAP
        ):
            raise UsageError(
                f"stop was {self.stop!r}: give {SMALLEST_PRICE} to 0.99 times the price {state.price!r}"
            )
        if self.max_ticks is not None and not 1 <= self.max_ticks <= MAX_HOLD_TICKS:
            raise UsageError(f"max_ticks was {self.max_ticks!r}: give 1 to {MAX_HOLD_TICKS}")


def on_two_grids(
    compute: Callable[[int], Floats], *, extrapolate: bool = False, linear: bool = False
) -> list[Computed]:
    """Return the combined results of *compute* for refinement 1 and 2; see this module's docstring.

    Two grids can agree by accident, so the error is never below a floor, unless the function
    is *linear* in the price, which a grid represents exactly.
    """
    coarse, fine = compute(1), compute(2)
    correction = (fine - coarse) / 3 if extrapolate else fine - coarse
    values = fine + correction if extrapolate else fine
    scale = np.abs(fine)
    floor = _ROUNDING * np.maximum(scale, 1.0) if linear else _FLOOR * np.maximum(scale, 0.01)
    errors = _SAFETY * np.abs(correction) + floor
    return [Computed(float(v), float(e)) for v, e in zip(values, errors, strict=True)]


def _beyond(refine: int) -> float:
    """Return by how much a grid ends earlier; only the coarse one does."""
    return _COARSE_SHORTER if refine == 1 else 0.0


def _bottom(state: State, refine: int) -> float:
    return state.price * exp(-_DOWN + _beyond(refine))


def _top(state: State, refine: int) -> float:
    """Return a price above which god candle and noise cap no longer depend on the price."""
    settled = rules.GOD_CANDLE_MAX_PRICE * exp(3.0)
    return max(state.price * exp(_UP), settled) * exp(-_beyond(refine))


def _grid(anchors: list[float], step: float, refine: int) -> Floats:
    """Return a grid over *anchors* with the god candle's limit as a node; a very wide grid is coarser."""
    limit = rules.GOD_CANDLE_MAX_PRICE
    if min(anchors) < limit < max(anchors):
        anchors = [*anchors, limit]
    span = log(max(anchors) / min(anchors))
    return grid(anchors, max(step, span / _MOST_CELLS), refine)


def _walk(
    state: State, anchors: list[float], ends: tuple[Edge, Edge], refine: int, step: float = STEP
) -> Walk:
    prices = _grid([state.price, *anchors], step, refine)
    lower, upper = ends
    return Walk(prices=prices, lower=lower, upper=upper)


def _at(walk: Walk, state: State, at_rug: float = 0.0) -> Floats:
    """Return the expectation at *state* until the rug, as an array of one."""
    return np.array([walk.until_rug(at_rug)[node_of(walk.prices, state.price), 0]])


def _after(
    walk: Walk, state: State, values: Floats, ticks: Sequence[int], at_rug: float = 0.0
) -> Floats:
    """Return the expectation at *state* of *values* after each number of *ticks*."""
    at = node_of(walk.prices, state.price)
    wanted = set(ticks)
    found = {0: values[at, 0]}
    for tick in range(1, max(ticks) + 1):
        values = walk.step(values, at_rug)
        if tick in wanted:
            found[tick] = values[at, 0]
    return np.array([found[tick] for tick in ticks])


# ---- the rug's part: value of positions open at the rug


def _lows(state: State, exits: Exits, step: float, refine: int) -> tuple[Floats, NDArray[np.intp]]:
    """Return the grid of a family of lows and their nodes, from low to high.

    Below a stop no low can be reached with the position still open.
    """
    floor = state.low * exp(-_FAMILY_DOWN)
    if exits.stop is not None:
        floor = max(floor, min(exits.stop, state.low))
    top = exits.target if exits.target is not None else state.price * exp(_UP - _beyond(refine))
    prices = _grid([floor, state.low, state.price, top], step, refine)
    first, last = node_of(prices, floor), node_of(prices, state.low)
    return prices, np.unique(np.concatenate([np.arange(last, first, -_STRIDE), [first]]))


def _integrated(lows: Floats, chances: Floats, outlived: float, stopped: bool) -> float:
    """Return E[low at the rug; rug], from the chances of a rug before the price is at each low or below.

    ``E[min(low, lowest price)] = integral of P(lowest price > m) dm`` from 0 to low. Below the last low
    the chance lies between its own and that of any rug; with a stop it is constant.
    """
    rest = chances[0] if stopped else (chances[0] + outlived) / 2
    return float(np.sum((chances[1:] + chances[:-1]) / 2 * np.diff(lows)) + lows[0] * rest)


def _rug_part(state: State, exits: Exits, ticks: Sequence[int]) -> list[Computed]:
    """Return E[rug price; the rug comes first] within each of *ticks*."""

    def compute(refine: int) -> Floats:
        walk, at, lows = _family(state, exits, _FAMILY_STEP, refine)
        found: dict[int, float] = {}
        values = walk.start()
        for tick in range(1, max(ticks) + 1):
            values = walk.step(values, 1.0)
            if tick in ticks:
                rugged = 1 - (1 - rules.RUG_CHANCE) ** tick
                found[tick] = _integrated(lows, values[at], rugged, exits.stop is not None)
        return np.array([rug_price(found[tick]) for tick in ticks])

    return on_two_grids(compute, extrapolate=True)


def _rug_part_forever(state: State, exits: Exits, step: float) -> Computed:
    """Return E[rug price; the rug comes first], however long it takes."""

    def compute(refine: int) -> Floats:
        walk, at, lows = _family(state, exits, step, refine)
        chances = walk.until_rug(1.0)[at]
        return np.array([rug_price(_integrated(lows, chances, 1.0, exits.stop is not None))])

    return on_two_grids(compute, extrapolate=True)[0]


def _family(state: State, exits: Exits, step: float, refine: int) -> tuple[Walk, int, Floats]:
    prices, nodes = _lows(state, exits, step, refine)
    upper = pays() if exits.target is not None else FLAT
    walk = Walk(prices=prices, lower=pays(), upper=upper, barriers=nodes)
    return walk, node_of(prices, state.price), prices[nodes]


# ---- holding


def hold(state: State, ticks: Sequence[int]) -> list[Computed]:
    """Return the expected profit per unit invested, for each holding time in *ticks*.

    The unit buys at the current price; if the game rugs before, it is sold at the rug price (protocol 4.4,
    6).
    """
    check_ticks(ticks)

    def compute(refine: int) -> Floats:
        ends = [_bottom(state, refine), _top(state, refine)]
        walk = _walk(state, ends, (RAY, RAY), refine)
        return _after(walk, state, walk.start(walk.prices), ticks)

    alive_then = on_two_grids(compute, linear=True)
    pairs = zip(alive_then, _rug_part(state, Exits(), ticks), strict=True)
    return [(alive + rugged).times(1 / state.price).plus(-1.0) for alive, rugged in pairs]


def hold_square(state: State, ticks: Sequence[int]) -> list[float]:
    """Return an approximation of E[(price then / price now)**2; alive] for each number of *ticks*.

    It determines how many games a mean needs: the longer the hold, the fewer games the mean depends on.
    """
    ends = [_bottom(state, 1), _top(state, 1)]
    walk = _walk(state, ends, (RAY, RAY), 1)
    squares = walk.start((walk.prices / state.price) ** 2)
    return [float(value) for value in _after(walk, state, squares, ticks)]


def hold_to_rug(state: State) -> Computed:
    """Return the expected profit per unit invested and held to the rug."""
    rugged = _rug_part_forever(state, Exits(), _FOREVER_STEP)
    return rugged.times(1 / state.price).plus(-1.0)


# ---- first passages


@lru_cache(maxsize=256)
def reach(state: State, target: float) -> Computed:
    """Return the chance that the price reaches *target* before the rug."""
    Exits(target=target).check(state)

    def compute(refine: int) -> Floats:
        walk = _walk(state, [_bottom(state, refine), target], (FLAT, pays(1.0)), refine)
        return _at(walk, state)

    return on_two_grids(compute)[0]


def rug_price_below(state: State, limits: Sequence[float]) -> list[Computed]:
    """Return for each of *limits* the chance that the rug price is below it, or at it if it is reached.

    With a limit of ``rug_price(state.low)`` it is the chance that the game falls below its low so far.
    """
    lows = [limit / rug_price(1.0) for limit in limits]
    for limit, low in zip(limits, lows, strict=True):
        if not 0 < low <= state.low * (1 + 1e-9):
            raise UsageError(
                f"rug price was {limit!r}: give more than 0, up to {rug_price(state.low)!r}"
            )

    return [_falls_to(state, low) for low in lows]


def _falls_to(state: State, low: float) -> Computed:
    """Return the chance that the price falls below *low* before the rug."""

    def compute(refine: int) -> Floats:
        top = state.price * exp(_UP - _beyond(refine))
        step = _NARROW_STEP if low > state.price * _NEAR else STEP
        walk = _walk(state, [low, top], (pays(1.0), FLAT), refine, step)
        return _at(walk, state)

    return on_two_grids(compute)[0]


def last_price_below(state: State, limit: float) -> Computed:
    """Return the chance that the last price before the rug is *limit* or less."""

    def compute(refine: int) -> Floats:
        ends = [min(_bottom(state, refine), limit * exp(-1.0)), max(_top(state, refine), limit * 2)]
        walk = _walk(state, [*ends, limit], (FLAT, FLAT), refine)
        return np.array([_last_below(walk, limit)[node_of(walk.prices, state.price)]])

    return on_two_grids(compute)[0]


def _last_below(walk: Walk, limit: float) -> Floats:
    """Return by node the chance that the last price is *limit* or less, from the chance after the next tick.

    The chance itself is discontinuous at the limit, its expectation one tick ahead is not, so that is solved.
    """
    rug = rules.RUG_CHANCE
    ahead = (1 - rug) * rug * walk.chance_next_below(limit)
    later = walk.until_rug(source=ahead)[:, 0]
    result: Floats = rug * (walk.prices <= limit) + later
    return result


@frozen
class TakeProfit:
    """The result of a position with exits.

    Attributes:
        reached, stopped, timed_out, rugged: chances of the four kinds of exit.
        profit: expected profit per unit invested.
    """

    reached: Computed
    stopped: Computed
    timed_out: Computed
    rugged: Computed
    profit: Computed


def take_profit(state: State, exits: Exits) -> TakeProfit:
    """Return the odds of a position bought at *state* and closed by *exits*, sold at the price in force."""
    exits.check(state)

    nothing = Computed(0.0, 0.0)
    possible = [exits.target is not None, exits.stop is not None, exits.max_ticks is not None]
    if possible == [True, False, False]:
        assert exits.target is not None
        chances = [reach(state, exits.target), nothing, nothing]
    else:
        chances = [
            _end(state, exits, [pays(float(i == k)) for i in range(3)]) if possible[k] else nothing
            for k in range(3)
        ]
    rugged = (chances[0] + chances[1] + chances[2]).times(-1).plus(1.0)
    money = _end(state, exits, [pays(slope=1.0)] * 3)
    if exits.max_ticks is None:
        at_rug = _rug_part_forever(state, exits, STEP)
    else:
        (at_rug,) = _rug_part(state, exits, [exits.max_ticks])
    profit = (money + at_rug).times(1 / state.price).plus(-1.0)
    reached, stopped, timed_out = chances
    return TakeProfit(reached, stopped, timed_out, rugged, profit)


def _end(state: State, exits: Exits, payoffs: Sequence[Edge]) -> Computed:
    """Return the expectation if target, stop and timeout pay *payoffs*, and a rug nothing."""
    hit, stopped, final = payoffs
    lower = stopped if exits.stop is not None else FLAT
    upper = hit if exits.target is not None else (RAY if final.slope else FLAT)
    step = STEP if exits.stop is None else _NARROW_STEP

    def compute(refine: int) -> Floats:
        bottom = exits.stop if exits.stop is not None else _bottom(state, refine)
        top = exits.target if exits.target is not None else _top(state, refine)
        walk = _walk(state, [bottom, top], (lower, upper), refine, step)
        if exits.max_ticks is None:
            return _at(walk, state)
        values = walk.start(final.constant + final.slope * walk.prices)
        return _after(walk, state, values, [exits.max_ticks])

    return on_two_grids(compute)[0]


# ---- unverified payoffs


def leveraged(state: State, leverage: int, ticks: Sequence[int]) -> list[Computed]:
    """Return the expected profit per unit of a leveraged lot, for each holding time in *ticks*. unverified.

    Its value is ``stake * (1 + leverage * (price / entry - 1))``, never below 0. The first tick at or below
    the threshold of protocol 9 liquidates it at the price in force; at a rug it is worth nothing.
    """
    threshold = rules.LIQUIDATION_FALL.get(leverage)
    if threshold is None:
        known = ", ".join(map(str, rules.LIQUIDATION_FALL))
        raise UsageError(f"leverage was {leverage!r}: give one of {known}")
    check_ticks(ticks)
    constant, slope = 1.0 - leverage, leverage / state.price

    def compute(refine: int) -> Floats:
        ends = [state.price * (1 - threshold), _top(state, refine)]
        walk = _walk(state, ends, (pays(constant, slope), RAY), refine, _NARROW_STEP)
        return _after(walk, state, walk.start(constant + slope * walk.prices), ticks)

    return [value.plus(-1.0) for value in on_two_grids(compute)]


def leveraged_square(state: State, leverage: int, ticks: Sequence[int]) -> list[float]:
    """Return what :func:`hold_square` does, for a leveraged lot that is not liquidated before."""
    ends = [state.price * (1 - rules.LIQUIDATION_FALL[leverage]), _top(state, 1)]
    walk = _walk(state, ends, (pays(), RAY), 1, _NARROW_STEP)
    squares = walk.start((1 + leverage * (walk.prices / state.price - 1)) ** 2)
    return [float(value) for value in _after(walk, state, squares, ticks)]


def short(state: State, ticks: Sequence[int]) -> list[Computed]:
    """Return the expected profit per unit of a short, for each holding time in *ticks*. unverified.

    Its value is ``stake * (2 - price / entry)``; it is closed at 0 by the first tick at twice its entry, and
    at the rug price by a rug (protocol 8: the textbook form).
    """
    check_ticks(ticks)
    closed_at = 2 * state.price

    def compute(refine: int) -> Floats:
        walk = _walk(state, [_bottom(state, refine), closed_at], (FLAT, pays()), refine)
        return _after(walk, state, walk.start(2 - walk.prices / state.price), ticks, 2.0)

    rugged = _rug_part(state, Exits(target=closed_at), ticks)
    pairs = zip(on_two_grids(compute), rugged, strict=True)
    return [(money + part.times(-1 / state.price)).plus(-1.0) for money, part in pairs]


def check_ticks(ticks: Iterable[int]) -> None:
    """Raise UsageError if a number of ticks is out of range."""
    for tick in ticks:
        if not 1 <= tick <= MAX_HOLD_TICKS:
            raise UsageError(f"ticks was {tick!r}: give 1 to {MAX_HOLD_TICKS}")
