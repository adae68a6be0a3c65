"""The result of a backtest: one row per game, in columns, and what applies to all of it.

Imports exchange (the ids of games) and report (bets); numpy, and pyarrow where a table is converted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from attrs import define, evolve, field, fields, frozen
from numpy.typing import NDArray

from vectra_bot.exchange.config import START_NS, ExchangeConfig
from vectra_bot.exchange.identities import Identities
from vectra_bot.report.luck import Bet

if TYPE_CHECKING:
    import pyarrow as pa

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]
Ints = NDArray[np.int32]

_MAX_REASONS = 64
_OTHER_REASONS = "other"


class FillRow(NamedTuple):
    """One of our trades: number of its game, tick, kind on the wire, lamports, 1e-9 tokens, price."""

    game: int
    tick: int
    kind: str
    amount: int
    qty: int
    price: float


OnFill = Callable[[FillRow], None]


def ignore_fill(_fill: FillRow) -> None:
    """Keep no fill."""


@frozen(kw_only=True)
class Played:
    """How a backtest was played.

    Attributes:
        engine: ``fast`` or ``event``; ``mixed`` if some blocks needed the other one.
        why: why blocks were played by the event engine although the fast one was asked for, with the number
            of their games.
        kernel: whether the compiled law computed the games.
        version: version of the law.
        sampled: whether the games were drawn from the law by a free generator: they have no server seed.
        blocks: independent blocks, each with a fresh strategy and account.
        jobs: processes that shared the work.
    """

    engine: str
    why: dict[str, int] = field(factory=dict)
    kernel: bool = False
    version: str = ""
    sampled: bool = False
    blocks: int = 1
    jobs: int = 1


_FLOAT = {"dtype": np.float64}
_LONG = {"dtype": np.int64}
_INT = {"dtype": np.int32}


@define(eq=False, kw_only=True)
class Games:
    """A table with one row per game, and totals; amounts in lamports.

    Attributes:
        seed: the seed of the games.
        first: number of the first row's game under the seed.
        peak: highest live price, at least 1.
        rug_tick: tick of the rug.
        rug_price: price at which open positions were sold.
        entries: executed buys and shorts.
        bets: executed sidebets and stakes in side games.
        stake: lamports that entries and bets put at risk, leverage not counted.
        pnl: change of the cash over the game, prizes excluded; an open stake in a side game counts as cash.
        prizes: won in drawings.
        exposure_ticks: ticks at which anything was open.
        exposure_lamport_ticks: what was put into it, summed over these ticks.
        balance: cash at the end of the game.
        expected: expected profit of the risks taken, by the law (positions without leverage and bets).
        variance: variance of that profit, lamports squared.
        denied: requests that our limits denied.
        denials: their number by reason.
        actions: completed actions by state.
        placed: executed bets by stake, payout and chance.
        unknown: kinds of entries whose expected profit is not known, such as ``leverage``.
        fills: executed buys, sells, forced sales, liquidations, openings and closings of shorts.
        ticks: live ticks played.
        capped: how often the venue's cap reduced the winnings of a game.
        played: how the games were played.
        ids: ids of games that do not come from the seed; empty otherwise.
    """

    seed: int
    first: int
    start_ns: int = START_NS
    peak: Floats = field(metadata=_FLOAT)
    rug_tick: Ints = field(metadata=_INT)
    rug_price: Floats = field(metadata=_FLOAT)
    entries: Ints = field(metadata=_INT)
    bets: Ints = field(metadata=_INT)
    stake: Longs = field(metadata=_LONG)
    pnl: Longs = field(metadata=_LONG)
    prizes: Longs = field(metadata=_LONG)
    exposure_ticks: Longs = field(metadata=_LONG)
    exposure_lamport_ticks: Longs = field(metadata=_LONG)
    balance: Longs = field(metadata=_LONG)
    expected: Floats = field(metadata=_FLOAT)
    variance: Floats = field(metadata=_FLOAT)
    denied: Ints = field(metadata=_INT)
    denials: Counter[str] = field(factory=Counter)
    actions: Counter[str] = field(factory=Counter)
    placed: Counter[Bet] = field(factory=Counter)
    unknown: set[str] = field(factory=set)
    fills: int = 0
    ticks: int = 0
    capped: int = 0
    played: Played = field(factory=lambda: Played(engine="event"))
    ids: tuple[str, ...] = ()

    @classmethod
    def empty(cls, count: int, *, seed: int, first: int, start_ns: int = START_NS) -> Games:
        """Return a table of *count* games with zeros."""
        columns: dict[str, Any] = {n: np.zeros(count, kind) for n, kind in _COLUMNS.items()}
        return cls(seed=seed, first=first, start_ns=start_ns, **columns)

    def __len__(self) -> int:
        return len(self.pnl)

    @property
    def game(self) -> Longs:
        """Return the numbers of the games under the seed."""
        return np.arange(self.first, self.first + len(self), dtype=np.int64)

    def game_ids(self) -> list[str]:
        """Return the ids of the games; those of a seed are computed from it."""
        if self.ids:
            return list(self.ids[: len(self)])
        return self._ids(range(self.first, self.first + len(self)))

    def game_id(self, row: int) -> str:
        """Return the id of the game in *row*."""
        return (
            self.ids[row]
            if self.ids
            else self._ids(range(self.first + row, self.first + row + 1))[0]
        )

    def _ids(self, numbers: range) -> list[str]:
        ids = Identities(self.seed)
        config = ExchangeConfig(seed=self.seed, start_ns=self.start_ns)
        sampled = self.played.sampled
        return [
            ids.secret(number, config.announced_ns(number), sampled=sampled)[1]
            for number in numbers
        ]

    @property
    def unverified(self) -> tuple[str, ...]:
        """Return what was staked on terms that no capture shows: ``leverage``, ``shorts``, ``side games``."""
        from vectra_bot.report.session import sidebet

        rounds = any(bet != sidebet(bet.stake) for bet in self.placed)
        return tuple(sorted(self.unknown)) + ("side games",) * rounds

    def deny(self, row: int, reason: str) -> None:
        """Count a request in game *row* that was denied for *reason*, by the code it begins with."""
        code = reason.partition(":")[0] or _OTHER_REASONS
        if code not in self.denials and len(self.denials) >= _MAX_REASONS:
            code = _OTHER_REASONS
        self.denials[code] += 1
        self.denied[row] += 1

    def head(self, count: int) -> Games:
        """Return the table of the first *count* games, which has all of this one's totals."""
        if count == len(self):
            return self
        return evolve(self, **{name: getattr(self, name)[:count] for name in _COLUMNS})

    def put(self, block: Games) -> None:
        """Copy the rows of *block* to their place, and add its totals."""
        at = block.first - self.first
        for name in _COLUMNS:
            getattr(self, name)[at : at + len(block)] = getattr(block, name)
        for name in ("denials", "actions", "placed"):
            getattr(self, name).update(getattr(block, name))
        self.unknown |= block.unknown
        self.fills += block.fills
        self.ticks += block.ticks
        self.capped += block.capped

    def arrow(self) -> pa.Table:
        """Return the table as Arrow, with ``game`` and ``game_id`` first."""
        import pyarrow as pa

        names = {"game": pa.array(self.game), "game_id": pa.array(self.game_ids())}
        return pa.table(names | {name: pa.array(getattr(self, name)) for name in _COLUMNS})

    def df(self) -> Any:
        """Return the table as a pandas DataFrame."""
        return self.arrow().to_pandas()


_COLUMNS = {one.name: one.metadata["dtype"] for one in fields(Games) if "dtype" in one.metadata}

COLUMNS = tuple(_COLUMNS)
"""The columns that a table stores, in order."""
