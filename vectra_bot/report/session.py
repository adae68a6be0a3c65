"""The report of a session: what happened, the expected value under the law, and how certain it is."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs
from attrs import define, field

from vectra_bot.actions.arming import Standing
from vectra_bot.analysis.intervals import student_t_95
from vectra_bot.engine import RETURNED_KIND, Engine
from vectra_bot.game import rules
from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.game.fair import expected_return, return_variance
from vectra_bot.game.ledger import sidebet_payout
from vectra_bot.game.sidegames import BBC, CANDLEFLIP, SideGame, bbc_game, candleflip_game
from vectra_bot.models import (
    ActionState,
    ActionType,
    Document,
    Event,
    GameFrame,
    GamePhase,
    PlayerAction,
    SystemEvent,
    Trade,
)
from vectra_bot.report.figures import (
    BetFigures,
    ChartTally,
    CurvePoint,
    EquityTally,
    GameFigures,
    TradeTally,
    curve_point,
    limit_figures,
)
from vectra_bot.report.latencies import Latencies, hook_figures, slow_callbacks
from vectra_bot.report.luck import Bet, Luck, Risks
from vectra_bot.report.results import NoEntries, Report
from vectra_bot.serde import canonical_json, record_to_json

# Distinct reasons of denials that are counted apart.
_MAX_REASONS = 64
_OTHER_REASONS = "other"
# What denies every entry from then on, as far as is known then: lost money does not return by itself.
_FINAL_REASONS = ("limit.session_loss", "halt", "stop", "cash")

_POSITION = (ActionType.BUY, ActionType.SELL)
_SIDE_GAMES = {ActionType.BBC_PREDICT: BBC, ActionType.CANDLEFLIP_BET: CANDLEFLIP}


def assumed_rounds() -> dict[str, SideGame]:
    """Return the side games by name, with the default (assumed) odds (protocol 11; unverified)."""
    return {BBC: bbc_game(), CANDLEFLIP: candleflip_game()}


@define
class SessionTally:
    """Observes a session from outside the engine; memory does not grow with its length.

    ``rounds`` has the odds of the side games by name, which frames do not contain.
    """

    engine: Engine
    rounds: Mapping[str, SideGame] = field(factory=assumed_rounds)
    games: int = 0
    pnl_sum: int = 0
    pnl_squares: int = 0
    risks: Risks = field(factory=Risks)
    unknown: set[str] = field(factory=set)
    games_traded: int = 0
    denials: Counter[str] = field(factory=Counter)
    no_entries: NoEntries | None = None
    latencies: Latencies = field(factory=Latencies)
    proofs: Counter[str] = field(factory=Counter)
    standing: Standing | None = None
    warnings: list[str] = field(factory=list)
    staked: int = 0
    trades: TradeTally = field(factory=TradeTally)
    equity: EquityTally = field(factory=EquityTally)
    charts: ChartTally = field(factory=ChartTally)
    best_game: GameFigures | None = None
    worst_game: GameFigures | None = None
    limits_met: dict[str, tuple[int, int]] = field(factory=dict)
    _digest: Any = field(factory=hashlib.sha256)
    # Of the running game: lamports put at risk, whether a position was held; and prizes counted so far.
    _at_risk: int = 0
    _held: bool = False
    _prizes: int = 0
    _forced: int = 0
    _forced_sells: int = 0
    _game_id: str = ""

    def before(self, event: Event) -> None:
        """Process an event before the engine does: it ends the tick during which a position was held.

        The profit of holding over one tick is compared with its exact conditional expectation under the
        law at the start of the tick; the sum is the expected profit of the risks taken.
        """
        game, account = self.engine.game, self.engine.account
        self.charts.before(event, self.engine)
        if not account.lots:
            return
        self._held = True
        if game.phase is not GamePhase.ACTIVE or game.price <= 0:
            return
        if isinstance(event, GameFrame):
            ends = (
                event.game_id == game.game_id
                and event.tick is not None
                and event.tick > game.tick
                and bool(event.active)
            )
        elif isinstance(event, Trade):
            ends = (
                event.player_id == account.player_id
                and event.kind == "sell"
                and event.price <= game.price * rules.FORCED_SELL_SHARE
            )
        else:
            ends = False
        if ends:
            if account.leveraged:
                self.unknown.add("leverage")
            value = sum(lot.qty for lot in account.lots if lot.leverage == 1) * game.price
            self.risks.add_tick(
                value, expected_return(game.price, game.low), return_variance(game.price, game.low)
            )

    def after(self, document: Document) -> None:
        """Process a document of the engine."""
        record = document.record
        if isinstance(record, SystemEvent) and record.kind == RETURNED_KIND:
            self.warnings.append(record.message)
        if not isinstance(record, PlayerAction):
            return
        if record.state.is_executed and record.action_type in _POSITION:
            self.trades.filled(record)
        if record.is_human:
            return
        self._digest.update(action_digest_line(record))
        if record.proof is not None:
            self.proofs[record.proof.value] += 1
        latency = record.total_latency_ms
        if latency is not None:
            self.latencies.add_shown(latency)
        if record.action_type.is_entry:
            self._count_entry(record)
        elif record.state is ActionState.DENIED:
            self._count_denial(record)

    def _count_entry(self, action: PlayerAction) -> None:
        """Count an entry: what it put at risk, or why it was denied."""
        if action.state.is_executed:
            stake = to_lamports(action.amount or 0)
            self.games_traded += self._at_risk == 0
            self._at_risk += stake
            self.staked += _own_stake(action)
            self.no_entries = None
            self._count_risk(action, stake)
        elif action.state is ActionState.DENIED:
            reason = self._count_denial(action)
            if self.no_entries is None and reason.startswith(_FINAL_REASONS):
                self.no_entries = NoEntries(game=self.engine.counts["games"] + 1, reason=reason)

    def _count_denial(self, action: PlayerAction) -> str:
        reason = (action.outcome.error_reason if action.outcome is not None else None) or ""
        code = reason.partition(":")[0] or _OTHER_REASONS
        if code not in self.denials and len(self.denials) >= _MAX_REASONS:
            code = _OTHER_REASONS
        self.denials[code] += 1
        limit = code.removeprefix("limit.")
        if limit != code:
            denied, game = self.limits_met.get(limit, (0, self.engine.counts["games"] + 1))
            self.limits_met[limit] = (denied + 1, game)
        return reason

    def _count_risk(self, action: PlayerAction, stake: int) -> None:
        """Count a stake of *stake* lamports that an executed action has put at risk."""
        kind = action.action_type
        if kind is ActionType.SIDEBET:
            self.risks.add_bet(sidebet(stake))
            self.charts.sidebet(action)
        elif kind is ActionType.SHORT_OPEN:
            self.unknown.add("shorts")
        elif kind in _SIDE_GAMES and action.choice is not None:
            self.risks.add_bet(self._side_bet(_SIDE_GAMES[kind], stake, action.choice))

    def _side_bet(self, name: str, stake: int, choice: str) -> Bet:
        game = self.rounds[name]
        return Bet(stake, game.payout(stake, choice), float(game.odds[choice]))

    def count_games(self) -> None:
        """Count what an input changed: equity, forced sales, games that the engine has closed."""
        engine = self.engine
        game_id, forced = engine.game.game_id, engine.counts["forced_sold"]
        self.charts.after(engine)
        if engine.counts["forced_sells"] > self._forced_sells:
            self._forced_sells = engine.counts["forced_sells"]
            self.trades.forced(self._game_id or game_id, forced - self._forced)
            self._forced = forced
        self.equity.mark(engine, self.games)
        closed = engine.counts["games"]
        if closed > self.games:
            self.games = closed
            self._end_game()
        if game_id != self._game_id:
            self._game_id = game_id
            self.trades.end_games(game_id)
            self.charts.forget()

    def _end_game(self) -> None:
        """Count the game that ended: its profit before prizes, and what was at risk in it."""
        summary, prizes = self.engine.history[-1], self.engine.counts["prizes"]
        pnl = to_lamports(summary.pnl) - (prizes - self._prizes)
        self._prizes = prizes
        self.pnl_sum += pnl
        self.pnl_squares += pnl * pnl
        if self._held:
            self.risks.add_game(pnl, self._at_risk)
        if self._held or self._at_risk or pnl:
            figures = GameFigures(game=self.games, game_id=summary.game_id, pnl=to_sol(pnl))
            if self.best_game is None or figures.pnl > self.best_game.pnl:
                self.best_game = figures
            if self.worst_game is None or figures.pnl < self.worst_game.pnl:
                self.worst_game = figures
        self._held, self._at_risk = False, 0
        self.charts.end_game(self.games, pnl, summary)
        self.equity.add_point(self._point(self.games))

    def _point(self, game: int) -> CurvePoint:
        start = self.engine.account.session_start_cash
        pnl = 0 if start is None else self.equity.value - start
        return curve_point(
            game, pnl, self.risks.expected, None if self.unknown else self.risks.variance
        )

    def curve(self) -> tuple[CurvePoint, ...]:
        """Return the curve from the start to now."""
        first = curve_point(0, 0, 0.0, None if self.unknown else 0.0)
        points, now = (first, *self.equity.points), self._point(self.games)
        return points if points[-1] == now else (*points, now)

    @property
    def digest(self) -> str:
        """Return the SHA-256 over all actions so far."""
        return str(self._digest.hexdigest())

    @property
    def deviation(self) -> float | None:
        """Return the standard deviation of the profit per game in lamports, None below two games.

        The larger of the sample's and the law's for the risks taken: the rare gains and losses that make up
        much of the latter are missing from most samples.
        """
        if self.games < 2:
            return None
        spread = self.pnl_squares * self.games - self.pnl_sum * self.pnl_sum
        sample = max(spread, 0) / (self.games * (self.games - 1))
        return math.sqrt(max(sample, self.risks.variance / self.games))

    def interval(self) -> tuple[Decimal, Decimal] | None:
        """Return the 95 % interval of the mean profit per game in SOL."""
        deviation = self.deviation
        if deviation is None:
            return None
        mean = self.pnl_sum / self.games
        reach = student_t_95(self.games - 1) * deviation / math.sqrt(self.games)
        return to_sol(round(mean - reach)), to_sol(round(mean + reach))

    def luck(self, equity_change: int | None) -> Luck | None:
        """Return the chance that luck alone does as well: *equity_change* lamports, prizes included."""
        if equity_change is None or self.unknown:
            return None
        profit = equity_change - self.engine.counts["prizes"]
        risks = self.risks
        if self._held:
            risks = attrs.evolve(risks, profits=[*risks.profits])
            risks.add_game(profit - self.pnl_sum, self._at_risk)
        return risks.luck(profit, self._undecided())

    def _undecided(self) -> Counter[Bet]:
        """Return the bets whose result is not known."""
        account = self.engine.account
        found = Counter(
            self._side_bet(kind.value, to_lamports(stake.amount), stake.choice)
            for (kind, _), stake in account.stakes.items()
        )
        if account.sidebet is not None:
            found[sidebet(to_lamports(account.sidebet.amount))] += 1
        return found

    def actions(self) -> dict[str, int]:
        """Return the number of actions by terminal state, without states that did not occur."""
        return {
            state.value: self.engine.states[state]
            for state in ActionState
            if self.engine.states[state]
        }


def session_report(
    header: Mapping[str, Any],
    tally: SessionTally,
    *,
    store: str,
    journal: str,
    frames: int,
    quarantined: int,
    ended: str,
    recovered: tuple[str, ...] = (),
    unfinished: tuple[str, ...] = (),
) -> Report:
    """Return the report of the session of *header*, which *tally* has observed to its end.

    Args:
        header: the first entry of its journal.
        tally: what was counted.
        store: how a user names the store.
        journal: folder of the journal.
        frames: inbound frames.
        quarantined: number of them that could not be read.
        ended: why the session ended.
        recovered: ids of the killed sessions that were recovered before it began.
        unfinished: what its end left undone.
    """
    engine, failure = tally.engine, tally.engine.failure
    return Report(
        mode=header["mode"],
        venue=header["venue"],
        session_id=header["session_id"],
        strategy=header["strategy"]["name"],
        seed=header["seed"],
        store=store,
        journal=journal,
        games=tally.games,
        ticks=engine.counts["ticks"],
        actions=tally.actions(),
        forced_sells=engine.counts["forced_sells"],
        settlements=engine.counts["settlements"],
        frames=frames,
        quarantined=quarantined,
        digest=tally.digest,
        ended=ended,
        plugin_errors=dict(sorted(engine.plugin_errors.items())),
        error=(
            None
            if failure is None or failure.interrupted
            else f"{failure.callback}: {failure.error}"
        ),
        expected_without=tuple(sorted(tally.unknown)),
        recovered=recovered,
        unfinished=unfinished,
        games_traded=tally.games_traded,
        denials=dict(sorted(tally.denials.items())),
        no_entries_from=tally.no_entries,
        shadow=bool(header.get("shadow")),
        **_conduct(tally),
        **_money(tally),
        **_play(tally, header["limits"]),
    )


def _conduct(tally: SessionTally) -> dict[str, Any]:
    """Return what a report says of how requests were sent and proven, and how long calls took."""
    return {
        "latency": tally.latencies.of_effects(),
        "send_latency": tally.latencies.of_sends(),
        "proofs": dict(sorted(tally.proofs.items())),
        "standing": tally.standing,
        "slow_callbacks": slow_callbacks(tally.engine.call_times.slow.values()),
        "hook_times": hook_figures(tally.engine.plugins.hook_times),
    }


def _money(tally: SessionTally) -> dict[str, Any]:
    """Return the amounts of a report, and its luck."""
    account, games, expected = tally.engine.account, tally.games, tally.risks.expected
    start, prizes = account.session_start_cash, tally.engine.counts["prizes"]
    pnl = None if start is None else account.cash - start
    open_value = account.equity(tally.engine.game.price) - account.cash
    luck = tally.luck(None if pnl is None else pnl + open_value)
    return {
        "cash_start": None if start is None else to_sol(start),
        "cash_end": None if start is None else to_sol(account.cash),
        "pnl": None if pnl is None else to_sol(pnl),
        "pnl_before_prizes": None if pnl is None else to_sol(pnl - prizes),
        "prizes": to_sol(prizes),
        "open_value": to_sol(open_value),
        "pnl_per_game": to_sol(round(tally.pnl_sum / games)) if games else None,
        "pnl_interval": tally.interval(),
        "expected": to_sol(round(expected)),
        "expected_per_game": to_sol(round(expected / games)) if games else None,
        "luck": None if luck is None else luck.chance,
        "luck_method": None if luck is None else luck.method.value,
        "luck_error": None if luck is None else luck.error,
    }


def _play(tally: SessionTally, limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a report beyond its cash."""
    engine, account = tally.engine, tally.engine.account
    settled, won = engine.counts["settlements"], engine.counts["bets_won"]
    start, made = account.session_start_cash, 0
    if start is not None:
        made = account.equity(engine.game.price) - start - engine.counts["prizes"]
    return {
        "trades": tally.trades.figures(),
        "bets": BetFigures(
            count=settled,
            won=won,
            win_rate=won / settled if settled else None,
            pnl=to_sol(engine.counts["bets_pnl"]),
        ),
        "staked": to_sol(tally.staked),
        "return_on_stake": made / tally.staked if tally.staked else None,
        "best_game": tally.best_game,
        "worst_game": tally.worst_game,
        "drawdown": tally.equity.drawdown(),
        "exposure": tally.equity.exposure(),
        "curve": tally.curve(),
        "charts": tally.charts.charts(),
        "limits_met": limit_figures(tally.limits_met, limits),
    }


def _own_stake(action: PlayerAction) -> int:
    """Return the lamports, bonus money excluded, that an executed entry put at risk."""
    outcome = action.outcome
    if outcome is None or outcome.executed_amount is None:
        return to_lamports(action.amount or 0)
    return to_lamports(outcome.executed_amount - (outcome.executed_bonus or 0))


def action_digest_line(action: PlayerAction) -> bytes:
    """Return one action with its outcome, without its times and its proof, as canonical JSON.

    Evidence that arrives in another order proves the same outcome.
    """
    data = record_to_json(action)
    for name in ("timestamps", "first_evidence_ts", "proof"):
        data.pop(name, None)
    return canonical_json(data).encode() + b"\n"


def sidebet(stake: int) -> Bet:
    """Return a sidebet of *stake* lamports: it wins if one of the next 40 ticks rugs (protocol 7)."""
    win = 1.0 - (1.0 - rules.RUG_CHANCE) ** rules.SIDEBET_WINDOW_TICKS
    return Bet(stake, sidebet_payout(stake), win)
