"""The results of a sweep in memory: sums of each set over groups of games, however many games there are.

Games are put together in groups of consecutive ones, each group a row of what the reality check draws from;
sums over them are exact. Imports analysis (intervals), backtest, game and kernel; numpy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from vectra_bot.analysis.intervals import Mean, SharedMean
from vectra_bot.backtest.games import Played
from vectra_bot.backtest.sweep.chunks import ChunkKey, ChunkResult
from vectra_bot.game import rules
from vectra_bot.kernel.library import loaded

MAX_GROUPS: Final = 2_000
"""Groups of games at most."""

_MAX_CELLS: Final = 8_000_000  # of sets times groups, 8 bytes in each of two tables
_LEAST_GROUPS: Final = 200

Longs = NDArray[np.int64]
Floats = NDArray[np.float64]


@frozen
class Groups:
    """How the games of a sweep are put together.

    Attributes:
        games: all games.
        size: games of a group, except the last one.
    """

    games: int
    size: int

    @classmethod
    def of(cls, games: int, sets: int) -> Groups:
        """Return groups of *games* that fit the memory for so many *sets*."""
        most = max(_LEAST_GROUPS, min(MAX_GROUPS, _MAX_CELLS // max(sets, 1)))
        return cls(games, -(-games // most))

    def __len__(self) -> int:
        return (self.games + self.size - 1) // self.size

    def counts(self) -> Longs:
        """Return the games in each group."""
        edges = np.minimum(np.arange(len(self) + 1) * self.size, self.games)
        return np.diff(edges)


@define(eq=False)
class SetResults:
    """What one set of parameters made.

    Attributes:
        groups: how games are put together.
        pnl: profit of each group before prizes, lamports.
        expected: what the law expects of the risks taken, lamports.
        games: games played so far.
        traded: games in which it made or lost something.
        totals: entries, bets, stake and prizes.
        denials: actions that limits denied, by reason.
        unknown: kinds of entries whose expected profit is not known.
        unverified: what was staked on terms that no capture shows.
        digests: of each chunk, by its first game.
        engines: drivers that played.
        why: games that the fast driver did not play, by the reason.
    """

    groups: Groups
    pnl: Longs = field(init=False)
    expected: Floats = field(init=False)
    games: int = 0
    traded: int = 0
    totals: Counter[str] = field(factory=Counter)
    denials: Counter[str] = field(factory=Counter)
    unknown: set[str] = field(factory=set)
    unverified: set[str] = field(factory=set)
    digests: dict[int, str] = field(factory=dict)
    engines: set[str] = field(factory=set)
    why: Counter[str] = field(factory=Counter)

    def __attrs_post_init__(self) -> None:
        self.pnl = np.zeros(len(self.groups), np.int64)
        self.expected = np.zeros(len(self.groups))

    def add(self, key: ChunkKey, chunk: ChunkResult) -> None:
        """Add a chunk."""
        rows = np.arange(key.first, key.first + key.games) // self.groups.size
        self.digests[key.first] = chunk.digest()
        np.add.at(self.pnl, rows, chunk.pnl)
        np.add.at(self.expected, rows, chunk.expected)
        self.games += key.games
        self.traded += int(np.count_nonzero(chunk.pnl))
        for name in ("entries", "bets", "stake", "prizes"):
            self.totals[name] += getattr(chunk, name)
        self.denials.update(chunk.denials)
        self.unknown |= set(chunk.unknown)
        self.unverified |= set(chunk.unverified)
        self.engines.add(chunk.engine)
        self.why.update(chunk.why)

    @property
    def is_complete(self) -> bool:
        """Whether all games were played."""
        return self.games == self.groups.games

    def mean(self, rows: slice = slice(None)) -> Mean:
        """Return the profit per game over some groups with its interval, lamports."""
        return mean_of_groups(self.pnl[rows], self.groups.counts()[rows])


def mean_of_groups(sums: Longs | Floats, counts: Longs) -> Mean:
    """Return the mean per game of sums over groups of games, with its interval."""
    shared = SharedMean()
    for count, total in zip(counts.tolist(), sums.tolist(), strict=True):
        shared.add(count, total)
    games = int(counts.sum())
    return shared.mean or Mean(1, float(sums.sum()) / games, None, None)


def excess_of(results: Sequence[SetResults]) -> tuple[Floats, str]:
    """Return the excess of each group and set, and from what: ``law``, or ``zero`` if it is not known.

    A last group of fewer games than the others is excluded: rows are drawn as equals.
    """
    known = not any(one.unknown for one in results)
    columns = [one.pnl - one.expected if known else one.pnl.astype(np.float64) for one in results]
    table: Floats = np.stack(columns, axis=1)
    counts = results[0].groups.counts()
    return table[counts == counts[0]], "law" if known else "zero"


def played_of(results: Sequence[SetResults], *, sampled: bool = False) -> Played:
    """Return how the games of all *results* were played, which were *sampled* or not."""
    engines = {engine for one in results for engine in one.engines}
    why: Counter[str] = Counter()
    for one in results:
        why.update(one.why)
    return Played(
        engine="mixed" if len(engines) > 1 else next(iter(engines), ""),
        why=dict(sorted(why.items())),
        kernel=loaded() is not None,
        version=rules.LAW_VERSION,
        sampled=sampled,
        blocks=sum(len(one.digests) for one in results),
    )


__all__ = ["Groups", "SetResults", "excess_of", "mean_of_groups", "played_of"]
