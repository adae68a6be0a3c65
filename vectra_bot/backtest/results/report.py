"""The result of a backtest: the figures of a session's report, computed from the table of its games.

Imports analysis (intervals by resampling) and report (figures, luck).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from attrs import field, frozen
from numpy.random import PCG64, Generator
from numpy.typing import NDArray

from vectra_bot.analysis.pairs import resampled_mean
from vectra_bot.backtest.games import COLUMNS, Games, Played
from vectra_bot.backtest.play import PlayConfig
from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.params import masked, parameters, settings_of
from vectra_bot.report.figures import (
    MAX_CURVE,
    CurvePoint,
    DrawdownFigures,
    GameFigures,
    curve_point,
)
from vectra_bot.report.luck import FEW_GAMES, Luck, Risks
from vectra_bot.report.results import plain

_OF_THE_LAW: Final = ("expected", "variance")  # sums of doubles, whose order is the engine's

QUANTILES: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_BARS: Final = 40
# The bars show what is between these quantiles; what is beyond is counted in the first and the last one.
_SHOWN: Final = (0.005, 0.995)


@frozen(kw_only=True)
class ProfitBar:
    """A bar of a distribution: games whose profit is from ``low`` to ``high`` SOL."""

    low: float
    high: float
    games: int


@frozen(kw_only=True)
class ProfitSpread:
    """How the profits of the games with an entry or a bet are distributed.

    Attributes:
        games: how many they are.
        won: those of them with a profit.
        win_rate: ``won / games``, None without one.
        quantiles: SOL by share of the games, such as ``0.05``; empty without one.
        bars: equally wide; profits beyond the first and the last one are counted in these.
    """

    games: int = 0
    won: int = 0
    win_rate: float | None = None
    quantiles: dict[str, Decimal] = field(factory=dict)
    bars: tuple[ProfitBar, ...] = ()


@frozen(kw_only=True)
class BacktestExposure:
    """How long and with how much the account was at risk.

    Attributes:
        ticks: live ticks at which anything was open.
        share: of all ticks, None without one.
        mean: SOL put into what was open, mean of these ticks; None without one.
        largest_stake: most SOL that the entries and bets of one game staked together.
    """

    ticks: int = 0
    share: float | None = None
    mean: Decimal | None = None
    largest_stake: Decimal = Decimal(0)


@frozen(kw_only=True)
class BacktestReport:
    """The result of a backtest; amounts in SOL.

    Attributes:
        strategy: its name.
        settings: its parameters that were set.
        seed: of the exchange.
        games: games played.
        not_played: games that were asked for and not played, because the backtest was stopped.
        unplayable: games of a file that cannot be played, by reason.
        ended: why it ended.
        latency_ms: one way to the exchange, milliseconds.
        played: which engine played, and why if not the fast one; whether the law was compiled.
        ticks: live ticks played.
        games_traded: games with an executed entry or bet.
        entries, bets, fills: executed buys and shorts; sidebets and side games; all executions.
        actions, denials: actions by terminal state; denied ones by the code of the reason.
        capped: how often the venue's cap reduced the winnings of a game.
        staked: own SOL that entries and bets put at risk.
        pnl: profit before prizes, of all games.
        prizes: won in drawings, without a stake.
        pnl_per_game: mean of ``pnl``.
        pnl_interval: its 95 % interval by the studentized bootstrap, None where too few games differ.
        return_on_stake: ``pnl / staked``, None without a stake.
        expected: expected value, by the law, of the risks that were taken; the rest of ``pnl`` is luck.
        expected_per_game: its mean.
        expected_without: risks whose expected value is unknown.
        unverified: what was staked on terms that no capture shows: ``leverage``, ``shorts``, ``side games``.
        band: ``expected`` less and more 1.96 standard deviations by the law, None if a payoff is unknown.
        luck: probability that luck alone gives at least the same profit, for the risks taken; None if
            nothing was at risk or an expected value is unknown.
        luck_method, luck_error: as in :class:`vectra_bot.Report`.
        best_game, worst_game: by profit before prizes; None without an entry.
        drawdown: largest fall of the sum of profits, at the ends of games.
        exposure: ticks at which something was open, and how much SOL.
        spread: distribution of the profits.
        curve: profit game by game, with the law's band.
        digest: SHA-256 over the table of games, the same by either engine; without the law's expectation and
            variance, whose last digits depend on the order of their sums.
        table: the games.
    """

    strategy: str
    settings: dict[str, Any]
    seed: int
    games: int
    not_played: int
    unplayable: dict[str, int]
    ended: str
    latency_ms: int
    played: Played
    ticks: int
    games_traded: int
    entries: int
    bets: int
    fills: int
    actions: dict[str, int]
    denials: dict[str, int]
    capped: int
    staked: Decimal
    pnl: Decimal
    prizes: Decimal
    pnl_per_game: Decimal | None
    pnl_interval: tuple[Decimal, Decimal] | None
    return_on_stake: float | None
    expected: Decimal
    expected_per_game: Decimal | None
    expected_without: tuple[str, ...]
    unverified: tuple[str, ...]
    band: tuple[Decimal, Decimal] | None
    luck: float | None
    luck_method: str | None
    luck_error: float | None
    best_game: GameFigures | None
    worst_game: GameFigures | None
    drawdown: DrawdownFigures
    exposure: BacktestExposure
    spread: ProfitSpread
    curve: tuple[CurvePoint, ...]
    digest: str
    table: Games = field(repr=False, metadata={"json": False})

    def to_json(self) -> dict[str, Any]:
        """Return the report without the table as JSON-serializable data; amounts are numbers of SOL."""
        return dict(plain(self))

    def to_html(self) -> str:
        """Return the report as one page of HTML that needs no other file."""
        from vectra_bot.backtest.results.page import backtest_page

        return backtest_page(self)

    def __str__(self) -> str:
        """Return the report as lines of text, as ``vectra-bot backtest`` prints it."""
        from vectra_bot.backtest.results.text import backtest_pairs
        from vectra_bot.report.text import lines

        return lines("Backtest", backtest_pairs(self))

    def _repr_html_(self) -> str:
        """Return the report as a notebook shows it."""
        from vectra_bot.backtest.results.page import backtest_fragment

        return backtest_fragment(self)

    def arrow(self) -> Any:
        """Return the table of games as Arrow; amounts in lamports."""
        return self.table.arrow()

    def df(self) -> Any:
        """Return the table of games as a pandas DataFrame; amounts in lamports."""
        return self.table.df()


def backtest_report(
    config: PlayConfig,
    table: Games,
    *,
    ended: str,
    unplayable: Mapping[str, int] = MappingProxyType({}),
) -> BacktestReport:
    """Return the report of what *config* asked for and *table* has; *unplayable* games are named."""
    count, traded = len(table), (table.entries + table.bets) > 0
    made, expected = int(table.pnl.sum()), float(table.expected.sum())
    staked = int(table.stake.sum())
    luck = None if table.unknown else risks_of(table).luck(made, {})
    last = _curve(table)[-1]
    return BacktestReport(
        strategy=config.source.name,
        settings=shown_settings(config),
        seed=config.seed,
        games=count,
        not_played=config.games - count,
        unplayable=dict(unplayable),
        ended=ended,
        latency_ms=config.latency_ms,
        played=table.played,
        ticks=table.ticks,
        games_traded=int(traded.sum()),
        entries=int(table.entries.sum()),
        bets=int(table.bets.sum()),
        fills=table.fills,
        actions={state: number for state, number in sorted(table.actions.items()) if number},
        denials=dict(sorted(table.denials.items())),
        capped=table.capped,
        staked=to_sol(staked),
        pnl=to_sol(made),
        prizes=to_sol(int(table.prizes.sum())),
        pnl_per_game=to_sol(round(made / count)) if count else None,
        pnl_interval=profit_interval(table),
        return_on_stake=made / staked if staked else None,
        expected=to_sol(round(expected)),
        expected_per_game=to_sol(round(expected / count)) if count else None,
        expected_without=tuple(sorted(table.unknown)),
        unverified=table.unverified,
        band=None if last.low is None or last.high is None else (last.low, last.high),
        best_game=_game(table, traded, largest=True),
        worst_game=_game(table, traded, largest=False),
        drawdown=_drawdown(table, to_lamports(config.cash)),
        exposure=_exposure(table),
        spread=_spread(table.pnl[traded]),
        curve=_curve(table),
        digest=digest(table),
        table=table,
        **_luck(luck),
    )


def shown_settings(config: PlayConfig) -> dict[str, Any]:
    """Return the parameters that were set, as they may be stored."""
    values = settings_of(config.strategy())
    given = {name: value for name, value in values.items() if name in config.settings}
    return masked(parameters(config.source.cls), given)


def profit_interval(table: Games) -> tuple[Decimal, Decimal] | None:
    """Return the 95 % interval of the profit per game in SOL, None where too few games differ."""
    if not len(table):
        return None
    profits = table.pnl[table.pnl != 0].astype(np.float64)
    found = resampled_mean(profits, len(table), Generator(PCG64(table.seed)))
    if found.low is None or found.high is None:
        return None
    return to_sol(round(found.low)), to_sol(round(found.high))


def digest(table: Games) -> str:
    """Return the SHA-256 over all columns but those of the law."""
    found = hashlib.sha256()
    for name in COLUMNS:
        if name in _OF_THE_LAW:
            continue
        found.update(np.ascontiguousarray(getattr(table, name)).tobytes())
    return found.hexdigest()


def risks_of(table: Games) -> Risks:
    """Return what the games put at risk."""
    held = table.entries > 0
    profits, stakes = table.pnl[held], table.stake[held]
    amounts = np.abs(profits.astype(np.float64))
    first = zip(profits[: FEW_GAMES - 1].tolist(), stakes[: FEW_GAMES - 1].tolist(), strict=True)
    return Risks(
        bets=table.placed,
        games=int(held.sum()),
        expected=float(table.expected.sum()),
        variance=float(table.variance.sum()),
        more_kinds=table.placed.total() < int(table.bets.sum()),
        third=sum(count * bet.third for bet, count in table.placed.items()),
        profits=[(profit, max(stake, -profit, 1)) for profit, stake in first],
        squares=float((amounts**2).sum()),
        cubes=float((amounts**3).sum()),
    )


def _luck(luck: Luck | None) -> dict[str, Any]:
    return {
        "luck": None if luck is None else luck.chance,
        "luck_method": None if luck is None else luck.method.value,
        "luck_error": None if luck is None else luck.error,
    }


def _game(table: Games, traded: NDArray[np.bool_], *, largest: bool) -> GameFigures | None:
    """Return the best or the worst of the games that were traded."""
    rows = np.flatnonzero(traded)
    if not len(rows):
        return None
    profits = table.pnl[rows]
    row = int(rows[profits.argmax() if largest else profits.argmin()])
    return GameFigures(
        game=table.first + row, game_id=table.game_id(row), pnl=to_sol(int(table.pnl[row]))
    )


def _drawdown(table: Games, cash: int) -> DrawdownFigures:
    sums = np.concatenate(([0], np.cumsum(table.pnl)))
    peaks = np.maximum.accumulate(sums)
    falls = peaks - sums
    at = int(falls.argmax())
    fall, peak = int(falls[at]), cash + int(peaks[at])
    return DrawdownFigures(
        amount=to_sol(fall),
        share=fall / peak if fall and peak > 0 else None,
        peak=to_sol(peak),
        game=table.first + at - 1 if fall else None,
    )


def _exposure(table: Games) -> BacktestExposure:
    ticks = int(table.exposure_ticks.sum())
    mean = int(table.exposure_lamport_ticks.sum()) // ticks if ticks else None
    return BacktestExposure(
        ticks=ticks,
        share=ticks / table.ticks if table.ticks else None,
        mean=None if mean is None else to_sol(mean),
        largest_stake=to_sol(int(table.stake.max(initial=0))),
    )


def _spread(profits: NDArray[np.int64]) -> ProfitSpread:
    if not len(profits):
        return ProfitSpread()
    won = int((profits > 0).sum())
    low, high = np.quantile(profits, _SHOWN, method="nearest").tolist()
    counts, edges = np.histogram(
        np.clip(profits, low, high), bins=_BARS if high > low else 1, range=(low, high)
    )
    levels = np.quantile(profits, QUANTILES, method="nearest").tolist()
    return ProfitSpread(
        games=len(profits),
        won=won,
        win_rate=won / len(profits),
        quantiles={f"{q:g}": to_sol(v) for q, v in zip(QUANTILES, levels, strict=True)},
        bars=tuple(
            ProfitBar(low=float(a) / 1e9, high=float(b) / 1e9, games=int(number))
            for a, b, number in zip(edges[:-1], edges[1:], counts, strict=True)
        ),
    )


def _curve(table: Games) -> tuple[CurvePoint, ...]:
    """Return the curve from the start to the end."""
    count = len(table)
    ends = np.unique(np.linspace(0, count, min(count, MAX_CURVE) + 1).astype(np.int64))
    sums = [
        np.concatenate(([0], np.cumsum(c))) for c in (table.pnl, table.expected, table.variance)
    ]
    point = partial(_point, unknown=bool(table.unknown))
    return tuple(point(int(at), *(s[at] for s in sums)) for at in ends)


def _point(
    game: int, pnl: np.int64, expected: np.float64, variance: np.float64, *, unknown: bool
) -> CurvePoint:
    return curve_point(game, int(pnl), float(expected), None if unknown else float(variance))


__all__ = ["BacktestReport", "ProfitBar", "ProfitSpread", "backtest_report"]
