"""The report of a session: what happened, the expected value under the law, and how certain it is."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs
from attrs import define, field, frozen

from vectra_bot.engine import Engine
from vectra_bot.game import rules
from vectra_bot.game.fair import expected_return, return_variance
from vectra_bot.game.ledger import to_lamports, to_sol
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
from vectra_bot.serde import canonical_json, record_to_json

# Distinct latencies counted, in ms; a larger latency counts as the largest one.
MAX_LATENCY_MS = 60_000
Z_95 = 1.959963984540054

# Fewer games are too few for a normal shape: no chance is named.
MIN_GAMES_FOR_LUCK = 10

_SIDE_GAMES = {ActionType.BBC_PREDICT: BBC, ActionType.CANDLEFLIP_BET: CANDLEFLIP}


def assumed_rounds() -> dict[str, SideGame]:
    """Return the side games by name, with the default (assumed) odds (protocol 11; unverified)."""
    return {BBC: bbc_game(), CANDLEFLIP: candleflip_game()}


@frozen(kw_only=True)
class Latency:
    """Intent to the player update that showed the effect, in milliseconds."""

    count: int
    p50_ms: int | None = None
    p95_ms: int | None = None
    max_ms: int | None = None


@frozen(kw_only=True)
class Report:
    """The result of a session; amounts in SOL.

    Attributes:
        games: games that rugged during the session.
        actions: number of actions by terminal state.
        pnl_per_game: mean profit of the games that ended; a stake that is still open in a side game's round
            counts as cash there, while ``pnl`` leaves it out.
        pnl_interval: 95 % interval of the mean profit per game (Student t), None below two games.
        expected: what the law gives for the very risks taken: every tick a position was held and every
            sidebet placed, at their exact conditional expectation. Actual minus expected profit is luck.
            Stakes in side games count at the odds the embedded exchange assumes (unverified).
        expected_without: risks taken whose expectation is not known, because their payoff is not:
            ``leverage``, ``shorts``. ``expected`` leaves them out, and no ``luck`` is named.
        open_value: what was still open when the session ended: the position at the last price and a
            sidebet's stake. Cash and ``pnl`` leave it out.
        luck: chance to do at least as well by luck alone: the spread is the law's own for the very risks
            taken, the shape a normal one. None below ten games, and where an expectation is not known.
        prizes: won in drawings; part of ``pnl``, but neither of ``expected`` nor of ``luck``.
        plugin_errors: number of exceptions by plugin.
        digest: SHA-256 over every action with its outcome, without times.
        ended: why the session ended.
        error: one line if a strategy raised, else None.
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
    if isinstance(value, Latency):
        return {
            "count": value.count,
            "p50_ms": value.p50_ms,
            "p95_ms": value.p95_ms,
            "max_ms": value.max_ms,
        }
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
    expected: float = 0.0
    variance: float = 0.0
    unknown: set[str] = field(factory=set)
    latencies: Counter[int] = field(factory=Counter)
    _digest: Any = field(factory=hashlib.sha256)

    def before(self, event: Event) -> None:
        """Process an event before the engine does: it ends the tick during which a position was held.

        The profit of holding over one tick is compared with its exact conditional expectation under the
        law at the start of the tick; the sum is the expected profit of the risks taken.
        """
        game, account = self.engine.game, self.engine.account
        if not account.lots or game.phase is not GamePhase.ACTIVE or game.price <= 0:
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
            self.expected += value * expected_return(game.price, game.low)
            self.variance += value * value * return_variance(game.price, game.low)

    def after(self, document: Document) -> None:
        """Process a document of the engine."""
        record = document.record
        if not isinstance(record, PlayerAction):
            return
        self._digest.update(action_digest_line(record))
        latency = record.total_latency_ms
        if latency is not None:
            self.latencies[min(max(latency, 0), MAX_LATENCY_MS)] += 1
        if record.state.is_executed:
            self._count_risk(record, to_lamports(record.amount or 0))

    def _count_risk(self, action: PlayerAction, stake: int) -> None:
        """Take in a stake of *stake* lamports that an executed action has put at risk."""
        kind = action.action_type
        if kind is ActionType.SIDEBET:
            self.expected += sidebet_expectation(stake)
            self.variance += sidebet_variance(stake)
        elif kind is ActionType.SHORT_OPEN:
            self.unknown.add("shorts")
        elif kind in _SIDE_GAMES and action.choice is not None:
            game = self.rounds[_SIDE_GAMES[kind]]
            chance, payout = float(game.odds[action.choice]), game.payouts[action.choice]
            self.expected += stake * game.expected_return(action.choice)
            self.variance += float((stake * payout) ** 2) * chance * (1.0 - chance)

    def count_games(self) -> None:
        """Count games that the engine has closed since the last call."""
        closed = self.engine.counts["games"]
        if closed > self.games:
            self.games = closed
            pnl = to_lamports(self.engine.history[-1].pnl)
            self.pnl_sum += pnl
            self.pnl_squares += pnl * pnl

    @property
    def digest(self) -> str:
        """Return the SHA-256 over all actions so far."""
        return str(self._digest.hexdigest())

    @property
    def deviation(self) -> float | None:
        """Return the standard deviation of the profit per game in lamports, None below two games."""
        if self.games < 2:
            return None
        spread = self.pnl_squares * self.games - self.pnl_sum * self.pnl_sum
        return math.sqrt(max(spread, 0) / (self.games * (self.games - 1)))

    def interval(self) -> tuple[Decimal, Decimal] | None:
        """Return the 95 % interval of the mean profit per game in SOL."""
        deviation = self.deviation
        if deviation is None:
            return None
        mean = self.pnl_sum / self.games
        reach = student_t_95(self.games - 1) * deviation / math.sqrt(self.games)
        return to_sol(round(mean - reach)), to_sol(round(mean + reach))

    def luck(self, equity_change: int | None) -> float | None:
        """Return the chance that luck alone brings at least *equity_change* lamports."""
        if equity_change is None or self.games < MIN_GAMES_FOR_LUCK or self.variance <= 0:
            return None
        if self.unknown:
            return None
        won = equity_change - self.engine.counts["prizes"]
        z = (won - self.expected) / math.sqrt(self.variance)
        return 0.5 * math.erfc(z / math.sqrt(2))

    def latency(self) -> Latency:
        """Return the quantiles of the observed latencies."""
        count = sum(self.latencies.values())
        if not count:
            return Latency(count=0)
        return Latency(
            count=count,
            p50_ms=self._quantile(0.5, count),
            p95_ms=self._quantile(0.95, count),
            max_ms=max(self.latencies),
        )

    def _quantile(self, share: float, count: int) -> int:
        wanted = max(1, math.ceil(share * count))
        seen = 0
        for value in sorted(self.latencies):
            seen += self.latencies[value]
            if seen >= wanted:
                return value
        return max(self.latencies)

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
    """
    engine, games = tally.engine, tally.games
    account, failure, start = engine.account, engine.failure, engine.account.session_start_cash
    pnl = None if start is None else account.cash - start
    open_value = account.equity(engine.game.price) - account.cash
    return Report(
        mode=header["mode"],
        venue=header["venue"],
        session_id=header["session_id"],
        strategy=header["strategy"]["name"],
        seed=header["seed"],
        store=store,
        journal=journal,
        games=games,
        ticks=engine.counts["ticks"],
        actions=tally.actions(),
        forced_sells=engine.counts["forced_sells"],
        settlements=engine.counts["settlements"],
        cash_start=None if start is None else to_sol(start),
        cash_end=None if start is None else to_sol(account.cash),
        pnl=None if pnl is None else to_sol(pnl),
        open_value=to_sol(open_value),
        pnl_per_game=to_sol(round(tally.pnl_sum / games)) if games else None,
        pnl_interval=tally.interval(),
        expected=to_sol(round(tally.expected)),
        expected_per_game=to_sol(round(tally.expected / games)) if games else None,
        luck=tally.luck(None if pnl is None else pnl + open_value),
        latency=tally.latency(),
        frames=frames,
        quarantined=quarantined,
        digest=tally.digest,
        ended=ended,
        plugin_errors=dict(sorted(engine.plugin_errors.items())),
        error=None if failure is None else f"{failure.callback}: {failure.error}",
        expected_without=tuple(sorted(tally.unknown)),
        prizes=to_sol(engine.counts["prizes"]),
        recovered=recovered,
    )


def action_digest_line(action: PlayerAction) -> bytes:
    """Return one action with its outcome and without its times, as canonical JSON."""
    data = record_to_json(action)
    data.pop("timestamps", None)
    data.pop("first_evidence_ts", None)
    return canonical_json(data).encode() + b"\n"


def sidebet_expectation(stake: int) -> float:
    """Return the expected profit of a sidebet in units of *stake*: it wins if the next 40 ticks rug."""
    return stake * (_sidebet_win() * rules.SIDEBET_PAYOUT_X - 1.0)


def sidebet_variance(stake: int) -> float:
    """Return the variance of a sidebet's profit in units of *stake* squared."""
    win = _sidebet_win()
    return float((stake * rules.SIDEBET_PAYOUT_X) ** 2) * win * (1.0 - win)


def _sidebet_win() -> float:
    return 1.0 - (1.0 - rules.RUG_CHANCE) ** rules.SIDEBET_WINDOW_TICKS


def student_t_95(freedom: int) -> float:
    """Return the two-sided 95 % quantile of Student's t (exact for 1 and 2, else Cornish-Fisher)."""
    if freedom == 1:
        return 12.706204736432095
    if freedom == 2:
        return 4.302652729911275
    z, n = Z_95, float(freedom)
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )
