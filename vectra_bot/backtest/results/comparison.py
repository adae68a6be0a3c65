"""Several strategies or parameter sets over the same games: which is better, and could it be luck?

Each variant is compared with the first one, game by game (:mod:`vectra_bot.analysis.pairs`), and the
probabilities are corrected for the number of comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from vectra_bot.analysis.pairs import holm, paired_difference
from vectra_bot.backtest.games import Games, Played
from vectra_bot.backtest.play import PlayConfig
from vectra_bot.backtest.results.report import profit_interval, shown_settings
from vectra_bot.game.amounts import to_sol
from vectra_bot.report.results import plain

LEVEL: Final = 0.05
"""A corrected *p* of at most this is called a difference."""

_POINTS: Final = 200

Interval = tuple[Decimal, Decimal]


@frozen(kw_only=True)
class Variant:
    """One of the strategies or parameter sets that are compared; amounts in SOL, before prizes.

    Attributes:
        name: as it was asked for.
        strategy, settings: the strategy, and the parameters that were set.
        games_traded: games with an executed entry or bet.
        bets: executed entries and bets.
        pnl: profit of all games.
        mean: profit per game.
        interval: its 95 % interval by the studentized bootstrap; None where too few games differ.
        expected: expected profit of its risks per game, by the law; None if a payoff is unknown.
        unverified: what it staked on terms that no capture shows: ``leverage``, ``shorts``, ``side games``.
        difference: ``mean`` less that of the first variant; None for the first one.
        difference_interval: its 95 % interval; None where too few games differ.
        p: probability that luck alone makes a difference this large; None for the first variant.
        p_corrected: corrected for the number of comparisons (Holm).
        alike: whether this and the first variant bet so much alike that *p* is exact.
        played: how its games were played.
        curve: number of games, and the profit after them.
    """

    name: str
    strategy: str
    settings: dict[str, Any]
    games_traded: int
    bets: int
    pnl: Decimal
    mean: Decimal | None
    interval: Interval | None
    expected: Decimal | None
    unverified: tuple[str, ...]
    difference: Decimal | None = None
    difference_interval: Interval | None = None
    p: float | None = None
    p_corrected: float | None = None
    alike: bool | None = None
    played: Played
    curve: tuple[tuple[int, Decimal], ...] = field(repr=False, metadata={"json": False})


@frozen(kw_only=True)
class Comparison:
    """The result of a comparison.

    Attributes:
        seed: of the exchange.
        games: games that all variants played.
        not_played: games that were asked for and not played by all, because the comparison was stopped.
        unplayable: games of a file that cannot be played, by reason.
        ended: why it ended.
        latency_ms: one way to the exchange, milliseconds.
        baseline: name of the first variant, with which the others are compared.
        comparisons: number of comparisons, for which ``p_corrected`` is corrected.
        variants: in the order in which they were given.
    """

    seed: int
    games: int
    not_played: int
    unplayable: dict[str, int]
    ended: str
    latency_ms: int
    baseline: str
    comparisons: int
    variants: tuple[Variant, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON-serializable data; amounts are numbers of SOL."""
        return dict(plain(self))

    def to_html(self) -> str:
        """Return the comparison as one page of HTML that needs no other file."""
        from vectra_bot.backtest.results.comparison_page import comparison_page

        return comparison_page(self)

    def __str__(self) -> str:
        """Return the comparison as lines of text."""
        from vectra_bot.backtest.results.comparison_text import comparison_pairs
        from vectra_bot.report.text import lines

        return lines("Comparison", comparison_pairs(self))

    def _repr_html_(self) -> str:
        """Return the comparison as a notebook shows it."""
        from vectra_bot.backtest.results.comparison_page import comparison_fragment

        return comparison_fragment(self)


def comparison(
    played: Mapping[str, tuple[PlayConfig, Games]], *, ended: str, unplayable: Mapping[str, int]
) -> Comparison:
    """Compare backtests of the same games.

    Args:
        played: what was asked for and the table of its games, by the name of the variant; the first one is
            the baseline. Only games that all of them have are compared.
        ended: why playing ended.
        unplayable: games of a file that cannot be played, by reason.
    """
    count = min(len(table) for _, table in played.values())
    tables = {name: table.head(count) for name, (_, table) in played.items()}
    variants = [_variant(name, config, tables[name]) for name, (config, _) in played.items()]
    config = next(iter(played.values()))[0]
    return Comparison(
        seed=config.seed,
        games=count,
        not_played=config.games - count,
        unplayable=dict(unplayable),
        ended=ended,
        latency_ms=config.latency_ms,
        baseline=variants[0].name,
        comparisons=len(variants) - 1,
        variants=tuple(_compared(variants, list(tables.values())) if count else variants),
    )


def _variant(name: str, config: PlayConfig, table: Games) -> Variant:
    count, made = len(table), int(table.pnl.sum())
    expected = None if table.unknown or not count else float(table.expected.sum()) / count
    return Variant(
        name=name,
        strategy=config.source.name,
        settings=shown_settings(config),
        games_traded=int(((table.entries + table.bets) > 0).sum()),
        bets=_bets(table),
        pnl=to_sol(made),
        mean=to_sol(round(made / count)) if count else None,
        interval=profit_interval(table),
        expected=None if expected is None else to_sol(round(expected)),
        unverified=table.unverified,
        played=table.played,
        curve=_curve(table.pnl),
    )


def _compared(variants: Sequence[Variant], tables: Sequence[Games]) -> list[Variant]:
    """Return the variants with what they differ by from the first one."""
    first = tables[0]
    found = [
        paired_difference(table.pnl, first.pnl, seed=table.seed, bets=(_bets(table), _bets(first)))
        for table in tables[1:]
    ]
    corrected = holm([one.p for one in found])
    return [
        variants[0],
        *(
            evolve(
                variant,
                difference=to_sol(round(one.mean)),
                difference_interval=_interval(one.low, one.high),
                p=one.p,
                p_corrected=p,
                alike=one.alike,
            )
            for variant, one, p in zip(variants[1:], found, corrected, strict=True)
        ),
    ]


def _bets(table: Games) -> int:
    return int(table.entries.sum() + table.bets.sum())


def _interval(low: float | None, high: float | None) -> Interval | None:
    return None if low is None or high is None else (to_sol(round(low)), to_sol(round(high)))


def _curve(profits: NDArray[np.int64]) -> tuple[tuple[int, Decimal], ...]:
    sums = np.concatenate(([0], np.cumsum(profits)))
    ends = np.unique(np.linspace(0, len(profits), _POINTS + 1).astype(np.int64))
    return tuple((int(end), to_sol(int(sums[end]))) for end in ends)
