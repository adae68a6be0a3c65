"""What a set of actions can have done, by the ticks at which the venue may have executed them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from attrs import frozen

from vectra_bot.actions.notes import Tracked
from vectra_bot.game import rules
from vectra_bot.game.account import Effect
from vectra_bot.game.amounts import to_lamports
from vectra_bot.game.lots import Lot, buy_qty, lot_value, split_lots
from vectra_bot.models import ActionType, StateCause

MAX_CANDIDATES = 8
"""With more undecided actions nothing is decided by a statement: too many sets would explain one."""
MAX_PATHS = 20_000
"""Combinations of ticks that are tried for the actions of one set."""
LATE_TICKS = 20
"""How many ticks after its decision an action may be executed: 5 s, many times the measured latency."""

PRICED = frozenset({ActionType.BUY, ActionType.SELL})
"""Actions whose effect depends on the price."""


@frozen
class Executed:
    """What one action did to our account: lamports of cash and bonus money, and quantity."""

    tracked: Tracked
    cash: int
    qty: int = 0
    bonus: int = 0


class UnprovenError(Exception):
    """What would decide is not known, or takes too long to compute."""


def subsets(tracked: Sequence[Tracked], least: int = 1) -> Iterator[tuple[Tracked, ...]]:
    """Yield the sets of actions with at least *least* of them, each in the order in which they were sent."""
    for size in range(least, len(tracked) + 1):
        yield from combinations(tracked, size)


def stake_of(tracked: Tracked) -> int:
    """Return the lamports that an entry stakes, 0 for an exit."""
    action = tracked.action
    return to_lamports(action.amount or 0) if action.action_type.is_entry else 0


@frozen
class Path:
    """One way in which a few actions may have been executed: at which ticks, and what that leaves."""

    cash: int
    lots: tuple[Lot, ...]
    fills: tuple[Executed, ...]
    tick: int

    @property
    def qty(self) -> int:
        return sum(lot.qty for lot in self.lots)


def paths(
    chosen: Sequence[Tracked], lots: Sequence[Lot], prices: Sequence[float]
) -> Iterator[Path]:
    """Yield the ways in which the actions *chosen* can have been executed in this order.

    Args:
        chosen: buys, sales and stakes, in the order in which they were sent.
        lots: what was held before.
        prices: live prices by tick.

    Raises:
        UnprovenError: there are too many.
    """
    found = [Path(0, tuple(lots), (), 0)]
    for tracked in chosen:
        found = [after for path in found for after in _steps(path, tracked, prices)]
        if len(found) > MAX_PATHS:
            raise UnprovenError
    yield from found


def _steps(path: Path, tracked: Tracked, prices: Sequence[float]) -> Iterator[Path]:
    kind = tracked.action.action_type
    if kind not in PRICED:
        fill = Executed(tracked, -stake_of(tracked))
        yield Path(path.cash + fill.cash, path.lots, (*path.fills, fill), path.tick)
        return
    sent = tracked.action.game_context.tick
    first = max(sent, path.tick)
    known = prices or [rules.START_PRICE]  # in the presale there is one price
    for tick in range(first, min(len(known), sent + LATE_TICKS + 1)):
        price = known[tick]
        if price != price or price <= 0:  # a tick that was missed
            continue
        done, left = _fill(path, tracked, price, tick)
        if done is not None:
            yield Path(path.cash + done.cash, left, (*path.fills, done), tick)


def _fill(
    path: Path, tracked: Tracked, price: float, tick: int
) -> tuple[Executed | None, tuple[Lot, ...]]:
    """Return what a buy or sale at *price* does, None if nothing is held, and the lots after it."""
    action = tracked.action
    if action.action_type is ActionType.BUY:
        stake = stake_of(tracked)
        lot = Lot(buy_qty(stake, price), stake, tick, price, action.leverage)
        return Executed(tracked, -stake, lot.qty), (*path.lots, lot)
    share = 100 if action.percentage is None else action.percentage
    sold, left = split_lots(path.lots, path.qty * share // 100)
    if not sold:
        return None, path.lots
    amount = sum(lot_value(lot, price) for lot in sold)
    return Executed(tracked, amount, -sum(lot.qty for lot in sold)), tuple(left)


def effect_of(fill: Executed) -> Effect:
    """Return the effect of a fill on our account."""
    action = fill.tracked.action
    return Effect(StateCause.ACTION, fill.cash, fill.qty, action.action_id, delta_bonus=fill.bonus)
