"""The report of a session as a value: its figures, as JSON, text and HTML."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import attrs
from attrs import field, frozen

from vectra_bot.actions.arming import Standing
from vectra_bot.report.figures import (
    BetFigures,
    CurvePoint,
    DrawdownFigures,
    ExposureFigures,
    GameChart,
    GameFigures,
    LimitFigures,
    TradeFigures,
)
from vectra_bot.report.latencies import HookFigures, Latency, SendLatency, SlowCallback


@frozen(kw_only=True)
class NoEntries:
    """When a session stopped opening positions and placing bets.

    Attributes:
        game: number of the game, 1 for the session's first.
        reason: why the first of the denied entries was denied.
    """

    game: int
    reason: str


@frozen(kw_only=True)
class Report:
    """The result of a session; amounts in SOL.

    Attributes:
        games: games that rugged during the session.
        actions: number of actions by terminal state.
        games_traded: games in which an entry was executed.
        denials: number of denied actions by the code of the reason.
        no_entries_from: the game from which on every entry was denied by a limit, a halt or a stop, and the
            reason; None if the strategy's last entry was not denied by one.
        pnl: change of cash.
        pnl_before_prizes: ``pnl`` without ``prizes``: the profit of trading and betting.
        prizes: won in drawings, without a stake.
        pnl_per_game: mean profit before prizes of the games that ended; a stake that is still open in a side
            game's round counts as cash there, while ``pnl`` excludes it.
        pnl_interval: 95 % confidence interval of the mean profit per game before prizes (Student t, with
            the larger of the sample's and the law's deviation), None below two games.
        expected: expected value, under the law, of the risks that were taken: every tick a position was open
            and every sidebet placed, at their exact conditional expectation. Actual minus expected profit
            before prizes is luck. Stakes in side games count at the odds the embedded exchange assumes
            (unverified).
        expected_without: risks whose expected value is unknown, because their payoff is:
            ``leverage``, ``shorts``. ``expected`` excludes them, and no ``luck`` is given.
        open_value: what was still open when the session ended: the position at the last price and a
            sidebet's stake. Cash and ``pnl`` exclude it.
        luck: probability that luck alone gives at least the same profit before prizes, for the risks taken
            (:mod:`vectra_bot.report.luck`). None if nothing was at risk or an expected value is unknown.
        luck_method: ``exact`` (bets), ``bound`` (positions in few games: luck is at most this) or ``normal``.
        luck_error: limit of the error of ``luck`` by the normal method, 0 for the others.
        plugin_errors: number of exceptions by plugin.
        digest: SHA-256 over every action with its outcome, without times.
        ended: why the session ended.
        error: one line if a strategy raised, else None.
        unfinished: what a stop left undone, one line each: a call of the strategy that it interrupted, files
            that were not built or uploaded in time.
        lag_ms: the longest that the session was behind its ``speed``, milliseconds; None without a speed.
        shadow: whether decisions of a real account were filled on paper.
        proofs: number of actions by what proved their terminal state.
        standing: what the session was allowed to do when it was about to end; None without a session.
        unsettled: games that ended unseen, whose stakes a paper desk counts as lost; None without one.
        alert_sinks: alerts by sink, and by outcome: delivered, failed, late (the call took too
            long), dropped (the sink was too slow or rested), expired.
        send_latency: receipt of a frame to the hand-over of the request it led to, in real time.
        trades: positions from their first buy until flat again, and how many of them won.
        bets: settled stakes, and how many of them won.
        staked: own SOL that executed entries put at risk, one after the other.
        return_on_stake: ``pnl_before_prizes`` with ``open_value``, divided by ``staked``; None without.
        best_game, worst_game: games in which something was at risk, by profit before prizes; None without.
        drawdown: largest fall of the equity from its peak, prizes excluded.
        exposure: ticks at which something was open, and how much SOL.
        curve: profit game by game, what is open included, before prizes, with the law's band: the expected
            value of the same risks -+ 1.96 standard deviations (95 % of sessions with these risks, in the
            limit of many). At most 401 points.
        limits_met: limits that denied actions, by name.
        charts: the best, the worst and the last game in which we traded, with their prices and fills.
        kept: whether the session is in its store; False with ``no_store``.
        slow_callbacks: callbacks of the strategy that took longer than a tick. No two runs take as long: this
            and *hook_times* do not count when reports are compared.
        hook_times: time of the plugins' hooks.
    """

    mode: str
    venue: str
    session_id: str
    strategy: str
    seed: int | None
    store: str
    journal: str
    games: int
    ticks: int
    actions: dict[str, int]
    forced_sells: int
    settlements: int
    cash_start: Decimal | None
    cash_end: Decimal | None
    pnl: Decimal | None
    open_value: Decimal
    pnl_per_game: Decimal | None
    pnl_interval: tuple[Decimal, Decimal] | None
    expected: Decimal
    expected_per_game: Decimal | None
    luck: float | None
    latency: Latency
    frames: int
    quarantined: int
    digest: str
    ended: str
    plugin_errors: dict[str, int] = field(factory=dict)
    error: str | None = None
    expected_without: tuple[str, ...] = ()
    prizes: Decimal = Decimal(0)
    recovered: tuple[str, ...] = ()
    pnl_before_prizes: Decimal | None = None
    luck_method: str | None = None
    luck_error: float | None = None
    games_traded: int = 0
    denials: dict[str, int] = field(factory=dict)
    no_entries_from: NoEntries | None = None
    unfinished: tuple[str, ...] = ()
    lag_ms: int | None = None
    shadow: bool = False
    proofs: dict[str, int] = field(factory=dict)
    standing: Standing | None = None
    unsettled: int | None = None
    send_latency: SendLatency = field(factory=partial(SendLatency, count=0))
    alert_sinks: Mapping[str, Mapping[str, int]] = field(factory=dict)
    trades: TradeFigures = field(factory=TradeFigures)
    bets: BetFigures = field(factory=BetFigures)
    staked: Decimal = Decimal(0)
    return_on_stake: float | None = None
    best_game: GameFigures | None = None
    worst_game: GameFigures | None = None
    drawdown: DrawdownFigures = field(factory=DrawdownFigures)
    exposure: ExposureFigures = field(factory=ExposureFigures)
    curve: tuple[CurvePoint, ...] = ()
    limits_met: dict[str, LimitFigures] = field(factory=dict)
    charts: tuple[GameChart, ...] = ()
    kept: bool = True
    slow_callbacks: tuple[SlowCallback, ...] = field(default=(), eq=False)
    hook_times: tuple[HookFigures, ...] = field(default=(), eq=False)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-serializable data; amounts are numbers of SOL."""
        return {
            attribute.name: _plain(getattr(self, attribute.name))
            for attribute in attrs.fields(type(self))
        }

    def to_html(self) -> str:
        """Return the report as one page of HTML that needs no other file: charts, tables, no script."""
        from vectra_bot.report.page import page

        return page(self)

    def __str__(self) -> str:
        """Return the report as lines of text, as ``vectra-bot run`` prints it."""
        from vectra_bot.report.text import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        """Return the report as a notebook shows it."""
        from vectra_bot.report.page import fragment

        return fragment(self)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, Standing):
        return {"word": value.word, "arming": value.state.value, "reasons": list(value.reasons)}
    if attrs.has(type(value)):
        return {
            attribute.name: _plain(getattr(value, attribute.name))
            for attribute in attrs.fields(type(value))
            if attribute.metadata.get("json", True)
        }
    return value
