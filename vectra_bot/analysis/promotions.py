"""What the venue's promotions were worth: rugpool and Golden Hour drawings of a store (protocol 12).

A player enters the rugpool with what is lost in instarugs and a Golden Hour's drawing with what is staked,
so a prize has an expected value per SOL. It is estimated from the drawings recorded in a store, however few.
What gives entries is known for the rugpool (1 per 0.001 SOL lost) and a model for Golden Hours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import attrs
from attrs import define, field, frozen

from vectra_bot.analysis.intervals import Mean, mean_of
from vectra_bot.analysis.odds import rug_within
from vectra_bot.errors import WireError
from vectra_bot.game import rules
from vectra_bot.game.amounts import lamports_from_double
from vectra_bot.store.query.catalog import Catalog
from vectra_bot.wire.drawings import GoldenDrawingPayload, PoolDrawing, PoolState, read_drawing

PRESALE_TICKS: Final = (1, 2, 3, 4, 5, 6, 10, 20, 40)
"""Ticks to which the purchase of the presale is held in :attr:`Promotions.presale`."""

_FRAMES: Final = """
    SELECT raw_json FROM ws_event
    WHERE direction = 'in' AND event_name IN ('goldenHourDrawing', 'rugpoolDrawing', 'gameStatePlayerUpdate')
    ORDER BY session_id, seq
"""


@frozen
class Presale:
    """A purchase in the presale that is sold at a tick, or lost at the rug before it; per SOL of stake.

    Attributes:
        tick: at which it is sold.
        before_prizes: expected profit by the price law.
        prize: expected prize of the rugpool, if all instarugs until the drawing pay as the recorded ones.
        low, high: of ``prize``, by the interval of the pool's value per SOL lost.
    """

    tick: int
    before_prizes: float
    prize: float
    low: float | None
    high: float | None

    @property
    def with_prize(self) -> float:
        """Expected profit, the prize included."""
        return self.before_prizes + self.prize


@frozen(kw_only=True)
class Promotions:
    """What recorded drawings were worth.

    Attributes:
        pool_drawings: drawings of the rugpool that are recorded.
        pools: pools that were seen with entries, drawn or not; each counts once in what follows.
        pool_per_sol_lost: SOL of prize per SOL lost in an instarug, None without a pool.
        golden_drawings: drawings of golden games that are recorded.
        golden_per_sol_of_sidebets, golden_per_sol_of_longs: SOL of prize per SOL staked in a golden game, by
            the model of entries; a long that is held for 30 ticks or less. None without a drawing.
        presale: expected profit of a presale purchase with the rugpool's prize; empty without a pool.
        unreadable: frames of drawings that could not be read.
    """

    pool_drawings: int
    pools: int
    pool_per_sol_lost: Mean | None
    golden_drawings: int
    golden_per_sol_of_sidebets: Mean | None
    golden_per_sol_of_longs: Mean | None
    presale: tuple[Presale, ...]
    unreadable: int

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON-serializable data."""
        found = attrs.asdict(self)
        for row, presale in zip(found["presale"], self.presale, strict=True):
            row["with_prize"] = presale.with_prize
        return found


@define
class RecordedDrawings:
    """Drawings and pools, each counted once however many sessions have recorded it."""

    golden: dict[str, GoldenDrawingPayload] = field(factory=dict)
    pool_drawings: set[int] = field(factory=set)
    pools: dict[int, PoolState] = field(factory=dict)
    unreadable: int = 0

    def read(self, frames: Iterable[str]) -> None:
        """Read frames of the store, in order."""
        for raw in frames:
            try:
                self._add(read_drawing(raw))
            except WireError:
                self.unreadable += 1

    def _add(self, seen: GoldenDrawingPayload | PoolDrawing | PoolState | None) -> None:
        if isinstance(seen, GoldenDrawingPayload):
            self.golden[seen.id] = seen
        elif isinstance(seen, PoolDrawing):
            self.pool_drawings.add(seen.timestamp)
        elif seen is not None:
            last = seen.last_drawing
            if last is not None:
                self.pool_drawings.add(last.timestamp)
            # A pool lasts from one drawing to the next, and its entries only grow.
            pool = last.timestamp if last is not None else 0
            known = self.pools.get(pool)
            if seen.total_entries and (known is None or seen.total_entries > known.total_entries):
                self.pools[pool] = seen


def promotions(catalog: Catalog) -> Promotions:
    """Return what the drawings recorded in a store were worth.

    Raises:
        InputError, StoreError: the store cannot be read.
    """
    recorded = RecordedDrawings()
    recorded.read(row[0] for row in catalog.sql(_FRAMES).rows)
    return worth(recorded)


def worth(recorded: RecordedDrawings) -> Promotions:
    """Return what *recorded* drawings were worth."""
    per_sol = rules.LAMPORTS_PER_SOL / rules.RUGPOOL_LAMPORTS_PER_ENTRY
    pools = recorded.pools.values()
    lost = mean_of(
        [_sol(pool.rugpool_amount) / pool.total_entries * per_sol for pool in pools], least=0.0
    )
    entries = rules.LAMPORTS_PER_SOL / rules.GOLDEN_LAMPORTS_PER_ENTRY
    golden = [_per_entry(drawing) * entries for drawing in recorded.golden.values()]
    return Promotions(
        pool_drawings=len(recorded.pool_drawings),
        pools=len(recorded.pools),
        pool_per_sol_lost=lost,
        golden_drawings=len(recorded.golden),
        golden_per_sol_of_sidebets=mean_of(
            [value * rules.GOLDEN_SIDEBET_X for value in golden], least=0.0
        ),
        golden_per_sol_of_longs=mean_of(golden, least=0.0),
        presale=() if lost is None else _presale(lost),
        unreadable=recorded.unreadable,
    )


def _per_entry(drawing: GoldenDrawingPayload) -> float:
    return _sol(drawing.prize_amount) / sum(entry.entry_count for entry in drawing.entries)


def _sol(amount: float | None) -> float:
    return lamports_from_double(amount or 0.0) / rules.LAMPORTS_PER_SOL


def _presale(lost: Mean) -> tuple[Presale, ...]:
    from vectra_bot.analysis.odds import passages

    start = passages.State(price=rules.START_PRICE, low=rules.START_PRICE)
    found = []
    for tick, held in zip(PRESALE_TICKS, passages.hold(start, PRESALE_TICKS), strict=True):
        # The rug takes 98 % of the lowest price, so at least that much of the stake is lost.
        share = rug_within(min(tick, rules.INSTARUG_TICKS)) * rules.RUG_DROP
        prize, low, high = (
            None if value is None else value * share for value in (lost.mean, lost.low, lost.high)
        )
        found.append(Presale(tick, held.value, prize or 0.0, low, high))
    return tuple(found)
