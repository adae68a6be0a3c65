"""The report of a session: what happened, the expected value under the law, and how certain it is."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import attrs
from attrs import define, field, frozen

from vectra_bot.actions.arming import Standing
from vectra_bot.analysis.intervals import student_t_95
from vectra_bot.engine import Engine
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
    Trade,
)
from vectra_bot.report.latencies import Latencies, Latency, SendLatency
from vectra_bot.report.luck import Bet, Luck, Risks
from vectra_bot.serde import canonical_json, record_to_json

# Distinct reasons of denials that are counted apart.
_MAX_REASONS = 64
_OTHER_REASONS = "other"
# What denies every entry from then on, as far as is known then: lost money does not return by itself.
_FINAL_REASONS = ("limit.session_loss", "halt", "stop", "cash")

_SIDE_GAMES = {ActionType.BBC_PREDICT: BBC, ActionType.CANDLEFLIP_BET: CANDLEFLIP}


def assumed_rounds() -> dict[str, SideGame]:
    """Return the side games by name, with the default (assumed) odds (protocol 11; unverified)."""
    return {BBC: bbc_game(), CANDLEFLIP: candleflip_game()}


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

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-serializable data; amounts are numbers of SOL."""
        result: dict[str, Any] = {}
        for attribute in attrs.fields(type(self)):
            result[attribute.name] = _plain(getattr(self, attribute.name))
        return result


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Standing):
        return {"word": value.word, "arming": value.state.value, "reasons": list(value.reasons)}
    if isinstance(value, Latency | SendLatency | NoEntries):
        return attrs.asdict(value)
    return value


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
    _digest: Any = field(factory=hashlib.sha256)
    # Of the running game: lamports put at risk, whether a position was held; and prizes counted so far.
    _at_risk: int = 0
    _held: bool = False
    _prizes: int = 0

    def before(self, event: Event) -> None:
        """Process an event before the engine does: it ends the tick during which a position was held.

        The profit of holding over one tick is compared with its exact conditional expectation under the
        law at the start of the tick; the sum is the expected profit of the risks taken.
        """
        game, account = self.engine.game, self.engine.account
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
        if not isinstance(record, PlayerAction) or record.is_human:
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
        return reason

    def _count_risk(self, action: PlayerAction, stake: int) -> None:
        """Count a stake of *stake* lamports that an executed action has put at risk."""
        kind = action.action_type
        if kind is ActionType.SIDEBET:
            self.risks.add_bet(sidebet(stake))
        elif kind is ActionType.SHORT_OPEN:
            self.unknown.add("shorts")
        elif kind in _SIDE_GAMES and action.choice is not None:
            self.risks.add_bet(self._side_bet(_SIDE_GAMES[kind], stake, action.choice))

    def _side_bet(self, name: str, stake: int, choice: str) -> Bet:
        game = self.rounds[name]
        return Bet(stake, game.payout(stake, choice), float(game.odds[choice]))

    def count_games(self) -> None:
        """Count games that the engine has closed since the last call."""
        closed = self.engine.counts["games"]
        if closed > self.games:
            self.games = closed
            prizes = self.engine.counts["prizes"]
            pnl = to_lamports(self.engine.history[-1].pnl) - (prizes - self._prizes)
            self._prizes = prizes
            self.pnl_sum += pnl
            self.pnl_squares += pnl * pnl
            if self._held:
                self.risks.add_game(pnl, self._at_risk)
            self._held, self._at_risk = False, 0

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
        latency=tally.latencies.of_effects(),
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
    )


def _conduct(tally: SessionTally) -> dict[str, Any]:
    """Return what a report says of how requests were sent and proven."""
    return {
        "send_latency": tally.latencies.of_sends(),
        "proofs": dict(sorted(tally.proofs.items())),
        "standing": tally.standing,
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
