"""Figures of a running session beyond its cash: trades, games, drawdown, exposure, equity, games to chart.

Theory of operation. A trade is a position from its first buy until the account is flat again, by sales or by
the rug. What it cost and brought is read from the fills of actions when they are complete, and from forced
sales as the account books them; a position whose end was not seen is counted as unknown, not valued. Equity
is marked after every input, before prizes, with what is open at the last price. Everything is in lamports,
and memory does not grow with the session: the curve is thinned, and three games are kept for charts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import attrs
from attrs import define, field, frozen

from vectra_bot.analysis.intervals import Z_95
from vectra_bot.engine import Engine
from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.models import ActionType, Event, GameFrame, GameSummary, PlayerAction, Trade

MAX_CURVE: Final = 400
"""Points of an equity curve; a longer session has every second, fourth ... game's."""

MAX_MARKS: Final = 200
"""Fills that a chart of a game shows."""

_MARKS: Final = {
    "buy": "buy",
    "sell": "sell",
    "short_open": "short open",
    "short_close": "short close",
}


@frozen(kw_only=True)
class TradeFigures:
    """Positions from their first buy until flat again; a win brought more than it cost.

    Attributes:
        count: closed ones.
        won: those of them that made a profit.
        win_rate: ``won / count``, None without one.
        pnl: sum of their profits, SOL.
        best, worst: highest and lowest profit of one, SOL; None without one.
        open: whether one is open: 1 or 0.
        unknown: those whose end was not seen; they are in no other figure.
    """

    count: int = 0
    won: int = 0
    win_rate: float | None = None
    pnl: Decimal = Decimal(0)
    best: Decimal | None = None
    worst: Decimal | None = None
    open: int = 0
    unknown: int = 0


@frozen(kw_only=True)
class BetFigures:
    """Settled stakes: sidebets, shorts, side games.

    Attributes:
        count: settled ones.
        won: those that were won.
        win_rate: ``won / count``, None without one.
        pnl: payouts less stakes, SOL.
    """

    count: int = 0
    won: int = 0
    win_rate: float | None = None
    pnl: Decimal = Decimal(0)


@frozen(kw_only=True)
class GameFigures:
    """A game in which something was at risk.

    Attributes:
        game: its number, 1 for the session's first that rugged.
        pnl: its profit before prizes, SOL.
    """

    game: int
    game_id: str
    pnl: Decimal


@frozen(kw_only=True)
class DrawdownFigures:
    """The largest fall of the equity from its highest value before, prizes excluded.

    Attributes:
        amount: SOL.
        share: of the peak, 0 to 1; None if nothing fell.
        peak: the equity from which it fell, SOL.
        game: number of the game of its lowest point; None if nothing fell.
    """

    amount: Decimal = Decimal(0)
    share: float | None = None
    peak: Decimal = Decimal(0)
    game: int | None = None


@frozen(kw_only=True)
class ExposureFigures:
    """How long and with how much the account was at risk.

    Attributes:
        ticks: new ticks at which a position or a stake was open.
        share: of all ticks, None without one.
        mean: SOL put into what was open, mean of these ticks; None without one.
        max: most SOL at one of them.
    """

    ticks: int = 0
    share: float | None = None
    mean: Decimal | None = None
    max: Decimal = Decimal(0)


@frozen(kw_only=True)
class CurvePoint:
    """Profit after a game, what is open included, and what the law expects of the risks taken until then.

    Attributes:
        game: games that had ended.
        pnl: change of the equity before prizes, SOL.
        expected: expected profit of the same risks, SOL.
        low, high: ``expected`` -+ 1.96 standard deviations by the law, SOL; None if a payoff is unknown.
    """

    game: int
    pnl: Decimal
    expected: Decimal
    low: Decimal | None
    high: Decimal | None


@frozen(kw_only=True)
class LimitFigures:
    """A limit that denied actions.

    Attributes:
        limit: its value, as configured.
        denied: actions that it denied.
        game: number of the game of the first of them.
    """

    limit: Decimal | int | None
    denied: int
    game: int


@frozen(kw_only=True)
class ChartMark:
    """A fill of our account in a game.

    Attributes:
        tick: the one whose price was used.
        kind: ``buy``, ``sell``, ``forced sell``, ``short open``, ``short close`` or ``sidebet``.
        price: SOL per unit.
        amount: SOL.
    """

    tick: int
    kind: str
    price: float
    amount: Decimal


@frozen(kw_only=True)
class GameChart:
    """A game to draw: its prices, and where we entered and left.

    Attributes:
        shown_as: why it is shown: ``best``, ``worst``, ``last``.
        game: its number.
        pnl: its profit before prizes, SOL.
        rug_tick, rug_price: None if it did not rug.
        peak: highest price.
        marks: fills, in the order in which they were seen, at most 200.
        more_marks: further fills.
        prices: live prices by tick, NaN where one was missed; not in JSON, the store has them.
    """

    shown_as: tuple[str, ...] = ()
    game: int
    game_id: str
    pnl: Decimal
    ticks: int
    peak: float
    rug_tick: int | None
    rug_price: float | None
    marks: tuple[ChartMark, ...]
    more_marks: int
    prices: tuple[float, ...] = field(repr=False, metadata={"json": False})


@define
class _Position:
    cost: int = 0
    proceeds: int = 0


@define
class TradeTally:
    """Counts trades; a position is known by its game."""

    count: int = 0
    won: int = 0
    pnl: int = 0
    best: int | None = None
    worst: int | None = None
    unknown: int = 0
    _open: dict[str, _Position] = field(factory=dict)

    def filled(self, action: PlayerAction) -> None:
        """Process an executed, complete buy or sale."""
        outcome = action.outcome
        if outcome is None or outcome.executed_amount is None:
            return
        own = to_lamports(outcome.executed_amount - (outcome.executed_bonus or 0))
        position = self._open.setdefault(action.game_id, _Position())
        if action.action_type is ActionType.BUY:
            position.cost += own
            return
        position.proceeds += own
        after = action.state_after
        flat = action.percentage == 100 if after is None else not after.position_qty
        if flat:
            self._close(action.game_id)

    def forced(self, game_id: str, amount: int) -> None:
        """Process a forced sale of everything for *amount* lamports."""
        self._open.setdefault(game_id, _Position()).proceeds += amount
        self._close(game_id)

    def _close(self, game_id: str) -> None:
        position = self._open.pop(game_id)
        if not position.cost:
            self.unknown += 1  # its buy was not seen
            return
        pnl = position.proceeds - position.cost
        self.count += 1
        self.won += pnl > 0
        self.pnl += pnl
        self.best = pnl if self.best is None else max(self.best, pnl)
        self.worst = pnl if self.worst is None else min(self.worst, pnl)

    def end_games(self, running: str) -> None:
        """Process the end of every game but *running*: what is open in it has an unknown end."""
        for game_id in [known for known in self._open if known != running]:
            del self._open[game_id]
            self.unknown += 1

    def figures(self) -> TradeFigures:
        """Return what was counted."""
        return TradeFigures(
            count=self.count,
            won=self.won,
            win_rate=self.won / self.count if self.count else None,
            pnl=to_sol(self.pnl),
            best=None if self.best is None else to_sol(self.best),
            worst=None if self.worst is None else to_sol(self.worst),
            open=len(self._open),
            unknown=self.unknown,
        )


@define
class EquityTally:
    """Marks equity and exposure after every input, and keeps the curve."""

    points: list[CurvePoint] = field(factory=list)
    stride: int = 1
    value: int = 0
    peak: int | None = None
    fall: int = 0
    fall_peak: int = 0
    fall_game: int | None = None
    ticks: int = 0
    open_ticks: int = 0
    open_sum: int = 0
    open_max: int = 0
    _seen: tuple[int, bool] = (0, False)

    def mark(self, engine: Engine, games: int) -> None:
        """Mark the account as it is after an input; *games* have ended."""
        account = engine.account
        if account.session_start_cash is None:
            return
        is_open = bool(account.lots or account.sidebet or account.short or account.stakes)
        ticks = engine.counts["ticks"]
        fresh, self.ticks = ticks > self.ticks, ticks
        if fresh and is_open:
            self._expose(at_risk(engine))
        seen = (account.cash - engine.counts["prizes"], is_open)
        if not is_open and seen == self._seen:
            return
        self._seen = seen
        self.value = value = account.equity(engine.game.price) - engine.counts["prizes"]
        if self.peak is None:
            self.peak = account.session_start_cash
        if value >= self.peak:
            self.peak = value
        elif self.peak - value > self.fall:
            self.fall, self.fall_peak, self.fall_game = self.peak - value, self.peak, games + 1

    def _expose(self, lamports: int) -> None:
        self.open_ticks += 1
        self.open_sum += lamports
        self.open_max = max(self.open_max, lamports)

    def add_point(self, point: CurvePoint) -> None:
        """Add the point of a game that ended; if there are too many, every second one goes."""
        if point.game % self.stride:
            return
        self.points.append(point)
        if len(self.points) > MAX_CURVE:
            self.stride *= 2
            self.points = [kept for kept in self.points if kept.game % self.stride == 0]

    def drawdown(self) -> DrawdownFigures:
        """Return the largest fall."""
        return DrawdownFigures(
            amount=to_sol(self.fall),
            share=self.fall / self.fall_peak if self.fall_peak > 0 else None,
            peak=to_sol(self.fall_peak if self.fall else self.peak or 0),
            game=self.fall_game,
        )

    def exposure(self) -> ExposureFigures:
        """Return how long and with how much the account was at risk."""
        return ExposureFigures(
            ticks=self.open_ticks,
            share=self.open_ticks / self.ticks if self.ticks else None,
            mean=to_sol(self.open_sum // self.open_ticks) if self.open_ticks else None,
            max=to_sol(self.open_max),
        )


def at_risk(engine: Engine) -> int:
    """Return the lamports put into what is open: position, sidebet, short, stakes in rounds."""
    account = engine.account
    total = account.cost + account.staked
    if account.sidebet is not None:
        total += to_lamports(account.sidebet.amount)
    if account.short is not None:
        total += to_lamports(account.short.stake)
    return total


def curve_point(game: int, pnl: int, expected: float, variance: float | None) -> CurvePoint:
    """Return a point of the curve from lamports; *variance* is None if a payoff is unknown."""
    low = high = None
    if variance is not None:
        reach = Z_95 * math.sqrt(variance)
        low, high = to_sol(round(expected - reach)), to_sol(round(expected + reach))
    return CurvePoint(
        game=game, pnl=to_sol(pnl), expected=to_sol(round(expected)), low=low, high=high
    )


@define
class ChartTally:
    """Keeps the games to chart: the best, the worst and the last one in which we traded."""

    best: GameChart | None = None
    worst: GameChart | None = None
    last: GameChart | None = None
    _prices: tuple[float, ...] = ()
    _marks: list[ChartMark] = field(factory=list)
    _more: int = 0
    _trade_ids: set[str] = field(factory=set)
    _forced: int = 0

    def before(self, event: Event, engine: Engine) -> None:
        """Note a fill of our account, and the prices of a game before the next one replaces it."""
        if type(event) is GameFrame:
            game = engine.game
            if event.game_id not in (game.game_id, "") and game.game_id:
                self._prices = tuple(game.prices)
        elif type(event) is Trade and event.player_id == engine.account.player_id:
            kind = _MARKS.get(event.kind)
            if kind and event.trade_id not in self._trade_ids and event.player_id:
                self._trade_ids.add(event.trade_id)
                self._add(event.tick, kind, event.price, event.amount)

    def _add(self, tick: int, kind: str, price: float, amount: Decimal) -> None:
        if len(self._marks) < MAX_MARKS:
            self._marks.append(ChartMark(tick=tick, kind=kind, price=price, amount=amount))
        else:
            self._more += 1

    def after(self, engine: Engine) -> None:
        """Mark the fill of the input as forced if it was."""
        forced = engine.counts["forced_sells"]
        if forced > self._forced:
            self._forced = forced
            if self._marks and self._marks[-1].kind == "sell":
                self._marks[-1] = attrs.evolve(self._marks[-1], kind="forced sell")

    def sidebet(self, action: PlayerAction) -> None:
        """Note an executed sidebet, at the tick and price at which it was asked for."""
        context = action.game_context
        self._add(context.tick, "sidebet", float(context.price), action.amount or Decimal(0))

    def end_game(self, game: int, pnl: int, summary: GameSummary) -> None:
        """Keep the game that ended, if it is the best, the worst or the last with a fill."""
        if self._marks:
            chart = GameChart(
                game=game,
                game_id=summary.game_id,
                pnl=to_sol(pnl),
                ticks=summary.ticks,
                peak=summary.peak,
                rug_tick=summary.rug_tick,
                rug_price=summary.rug_price,
                marks=tuple(self._marks),
                more_marks=self._more,
                prices=self._prices,
            )
            self.last = chart
            if self.best is None or chart.pnl > self.best.pnl:
                self.best = chart
            if self.worst is None or chart.pnl < self.worst.pnl:
                self.worst = chart
        self.forget()

    def forget(self) -> None:
        """Begin the next game."""
        self._marks, self._more, self._prices = [], 0, ()
        self._trade_ids = set()

    def charts(self) -> tuple[GameChart, ...]:
        """Return the games to chart, each once, with why it is shown."""
        shown: dict[str, tuple[GameChart, list[str]]] = {}
        for name, chart in (("best", self.best), ("worst", self.worst), ("last", self.last)):
            if chart is not None:
                shown.setdefault(chart.game_id, (chart, []))[1].append(name)
        return tuple(attrs.evolve(chart, shown_as=tuple(why)) for chart, why in shown.values())


def limit_figures(
    met: Mapping[str, tuple[int, int]], limits: Mapping[str, object]
) -> dict[str, LimitFigures]:
    """Return the limits that denied actions, by name.

    Args:
        met: number of denials, and of the game of the first, by limit.
        limits: of the session's header.
    """
    found = {}
    for name, (denied, game) in sorted(met.items()):
        value = limits.get(name)
        limit = Decimal(value) if isinstance(value, str) else value
        known = limit if isinstance(limit, int | Decimal) else None
        found[name] = LimitFigures(limit=known, denied=denied, game=game)
    return found
