"""Where declared exits are due over whole batches: take profit, stop loss, trailing stop, limit of ticks."""

from __future__ import annotations

import ctypes
from enum import IntEnum
from math import inf
from typing import Any, Final

import numpy as np
from attrs import field, frozen
from numpy.typing import ArrayLike, NDArray

from vectra_bot.errors import UsageError, safe_repr
from vectra_bot.kernel.batch import Floats, GameBatch
from vectra_bot.kernel.library import ExitRules, HeldPositions, loaded

_NO_LIMIT: Final = 2**31 - 1

Ticks = NDArray[np.int32]


class ExitKind(IntEnum):
    """Why a position should be sold; the first that applies, in this order."""

    NONE = 0
    TAKE_PROFIT = 1
    STOP_LOSS = 2
    TRAILING_STOP = 3
    MAX_TICKS = 4


@frozen(kw_only=True)
class ExitScan:
    """Rules after which a position is sold; one that is None does not apply.

    Attributes:
        take_profit: value over cost at or above which to sell, e.g. 1.5.
        stop_loss: value over cost at or below which to sell, e.g. 0.7.
        trailing_stop: share of the highest value over cost since the first tick at or below which to sell,
            e.g. 0.9; the tick itself counts.
        max_ticks: ticks after the entry at which to sell.
    """

    take_profit: float | None = None
    stop_loss: float | None = None
    trailing_stop: float | None = None
    max_ticks: int | None = None
    _rules: ExitRules = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        for name in ("take_profit", "stop_loss", "trailing_stop"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1e12:
                raise UsageError(f"{name} was {safe_repr(value)}: give a multiple, e.g. 1.5")
        if self.max_ticks is not None and not 1 <= self.max_ticks < _NO_LIMIT:
            raise UsageError(
                f"max_ticks was {safe_repr(self.max_ticks)}: give a whole number of ticks"
            )
        object.__setattr__(self, "_rules", ExitRules(*self.rules()))

    def rules(self) -> tuple[float, float, float, int]:
        """Return numbers that never apply in place of those that are None."""
        return (
            inf if self.take_profit is None else self.take_profit,
            -inf if self.stop_loss is None else self.stop_loss,
            -inf if self.trailing_stop is None else self.trailing_stop,
            _NO_LIMIT if self.max_ticks is None else self.max_ticks,
        )

    def find(
        self,
        games: GameBatch,
        entry: ArrayLike,
        qty: ArrayLike,
        cost: ArrayLike,
        *,
        first_tick: ArrayLike | None = None,
        highest: ArrayLike | None = None,
    ) -> tuple[Ticks, NDArray[np.int8]]:
        """Return for each game the tick at which its position is due, and why (:class:`ExitKind`).

        Without an exit before the rug: the rug's tick and ``NONE``. Positions without leverage only; the
        value over the cost is that of ``PositionView.multiple``.

        Args:
            games: games with their prices.
            entry: tick of the oldest lot, one for each game or one for all.
            qty: tokens held, in units of 10**-9.
            cost: what they cost, in lamports.
            first_tick: the first tick to look at; the one after the entry if None.
            highest: the highest value over cost that a trailing stop has seen before it; 0 if None.

        Raises:
            UsageError: the batch has no prices, or a tick is below 0.
        """
        if games.prices is None or games.start is None:
            raise UsageError("the batch has no prices: make it with prices=True")
        count = len(games)
        entries = _array(entry, count, np.int32)
        firsts = (
            entries + np.int32(1) if first_tick is None else _array(first_tick, count, np.int32)
        )
        if count and (firsts.min() < 0 or entries.min() < 0):
            raise UsageError("a tick was below 0: give ticks from 0 on")
        held = _Held(
            games.prices, games.start, games.rug_tick, entries, firsts,
            _array(qty, count, np.int64), _array(cost, count, np.int64),
            None if highest is None else _array(highest, count, np.float64),
        )  # fmt: skip
        law = loaded()
        if law is None:
            return held.scan_slowly(*self.rules())
        ticks, kinds = np.empty(count, np.int32), np.empty(count, np.int8)
        law.scan_exits(count, held.addresses(), self._rules, ticks.ctypes.data, kinds.ctypes.data)
        return ticks, kinds

    def find_one(
        self, game: GameBatch, prices_at: int, *, entry: int, qty: int, cost: int, first_tick: int,
        highest: float = 0.0,
    ) -> int:  # fmt: skip
        """Return the tick at which one position in the only game of a batch is due, faster than :meth:`find`.

        Args:
            game: the game with its prices.
            prices_at: the address of its first price.
            entry: tick of the oldest lot.
            qty: tokens held, in units of 10**-9.
            cost: what they cost, in lamports.
            first_tick: the first tick to look at.
            highest: the highest value over cost that a trailing stop has seen before it.
        """
        law = loaded()
        if law is None:
            ticks, _ = self.find(game, entry, qty, cost, first_tick=first_tick, highest=highest)
            return int(ticks[0])
        rug_tick = int(game.rug_tick[0])
        due: int = law.next_exit(
            prices_at, first_tick, rug_tick, qty, cost, entry, highest, self._rules
        )
        return due


def _array(values: ArrayLike, count: int, kind: Any) -> NDArray[Any]:
    return np.ascontiguousarray(np.broadcast_to(np.asarray(values, dtype=kind), (count,)))


@frozen(eq=False)
class _Held:
    """The arrays of ``kernel_positions``, in its order."""

    prices: Floats
    start: NDArray[np.int64]
    rug_tick: Ticks
    entry: Ticks
    first_tick: Ticks
    qty: NDArray[np.int64]
    cost: NDArray[np.int64]
    highest: Floats | None

    def addresses(self) -> HeldPositions:
        """Return where the arrays are."""
        arrays = (getattr(self, name) for name, *_ in HeldPositions._fields_)
        return HeldPositions(
            *(None if array is None else ctypes.c_void_p(array.ctypes.data) for array in arrays)
        )

    def scan_slowly(
        self, take_profit: float, stop_loss: float, trailing: float, max_ticks: int
    ) -> tuple[Ticks, NDArray[np.int8]]:
        """Return what ``exits.c`` finds, one game after the other."""
        ticks, kinds = self.rug_tick.copy(), np.zeros(len(self.rug_tick), np.int8)
        for game, first in enumerate(self.first_tick):
            start, rug = int(self.start[game]), int(self.rug_tick[game])
            cost = float(self.cost[game])
            prices = self.prices[start + int(first) : start + rug]
            held = float(self.qty[game]) * prices / cost if cost > 0 else np.zeros(len(prices))
            before = 0.0 if self.highest is None else self.highest[game]
            highest = np.maximum(np.maximum.accumulate(held), before)
            seen = np.arange(int(first), int(first) + len(prices))
            reasons = [
                held >= take_profit,
                held <= stop_loss,
                (held <= trailing * highest) if trailing > 0 else held < 0,
                seen >= int(self.entry[game]) + max_ticks,
            ]
            due = np.flatnonzero(np.any(reasons, axis=0))
            if len(due):
                ticks[game] = seen[due[0]]
                kinds[game] = 1 + next(i for i, reason in enumerate(reasons) if reason[due[0]])
        return ticks, kinds
