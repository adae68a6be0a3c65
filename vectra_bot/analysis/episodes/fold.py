"""From the documents of a session, in order, to episodes with their steps.

A step is a decision point: the presale, then each live tick that was received in time. A tick that was missed
and read later is not one, because nobody could act at it; it only enters
peak, low and volatility from then on.
The observation of a step is made when the step's tick is folded, before any later document is read, so that
it cannot depend on one. An action belongs to the newest step when it was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs
from attrs import define, field, frozen

from vectra_bot.actions.episode import EpisodeBook
from vectra_bot.actions.ids import ActionIds
from vectra_bot.analysis.episodes.ledger import DocumentLedger, Shown
from vectra_bot.analysis.episodes.market import PriceHistory
from vectra_bot.game import rules
from vectra_bot.game.account import Account
from vectra_bot.game.amounts import to_lamports
from vectra_bot.models import (
    ActionState,
    ActionType,
    Actor,
    GamePhase,
    MLEpisode,
    PlayerAction,
    ServerState,
    ShortInfo,
    ShortPositionState,
)

CHOICES: Final = {"BULL": 1, "BEAR": 2, "CRAB": 3, "GREEN": 1, "RED": 2}
"""Numbers of the choices of side games in the action columns."""

_NOT_ASKED = frozenset({ActionState.DENIED, ActionState.NOT_SENT})


@frozen
class TickRow:
    """A price as stored; ``phase`` is its :class:`GamePhase`'s value."""

    seq: int
    ts_ns: int
    game_id: str
    tick: int
    price: float
    phase: str
    starts_in_ms: int
    connected_players: int
    trade_count: int | None
    backfilled: bool


@frozen
class StatedRow:
    """A statement of our account as stored."""

    seq: int
    ts_ns: int
    game_id: str
    player_id: str
    record: ServerState


@frozen
class MovedRow:
    """A transition of an action's state, or that its stake was lost (``after`` empty)."""

    seq: int
    ts_ns: int
    action_id: str
    before: str
    after: str


@frozen
class CompletedRow:
    """An action as stored, which is when it was complete."""

    seq: int
    ts_ns: int
    record: PlayerAction


@frozen
class ShortRow:
    """A state of our short as stored."""

    seq: int
    ts_ns: int
    record: ShortPositionState


@frozen
class ShortValueRow:
    """What the venue stated of our short between two statements of the account."""

    seq: int
    ts_ns: int
    game_id: str
    short: ShortInfo | None


@frozen
class OpenedRow:
    """A game's first document; the game before it has ended."""

    seq: int
    ts_ns: int
    game_id: str


@frozen
class EndedRow:
    """The session ended in order."""

    seq: int
    ts_ns: int


StoredRow: TypeAlias = (
    TickRow | StatedRow | MovedRow | CompletedRow | ShortRow | ShortValueRow | OpenedRow | EndedRow
)


@frozen
class Facts:
    """What the documents of a part of a session say of its actions, looked up when evidence arrives.

    ``asked`` has the bot's actions by game, in the order in which they were asked for.
    """

    actions: Mapping[str, PlayerAction]
    shown: Mapping[str, Shown]
    asked: Mapping[str, Sequence[PlayerAction]]


@frozen(eq=False)
class Episode:
    """One game in which the bot acted, with its steps.

    Attributes:
        record: the summary; the engine's where it stored one.
        observations: a tuple of the observation columns for each step, and one after the last step.
        steps: number and ids of the actions of each step.
        actions: the actions with the step in which they were asked for.
        rewards: lamports by step; they add up to the profit of the record.
        terminated: whether the game ended, rather than the session.
        gaps: live ticks that were not received in time.
        joined_late: whether the first frame of the game was after its start.
        source: ``stored`` if the record is the engine's and the fold agrees with it, ``different`` if the
            fold differs, ``computed`` if the engine stored none.
        difference: profit by the record less profit by the fold, in lamports.
    """

    record: MLEpisode
    observations: tuple[tuple[Any, ...], ...]
    actions: tuple[tuple[int, PlayerAction], ...]
    rewards: tuple[int, ...]
    terminated: bool
    gaps: int
    joined_late: bool
    started_ns: int
    source: str = "computed"
    difference: int = 0

    @property
    def is_storable(self) -> bool:
        """Whether every amount fits in 64 bits, as the columns of the tables."""
        values = [value for row in self.observations for value in row if isinstance(value, int)]
        asked = (action.amount for _, action in self.actions if action.amount is not None)
        values += [to_lamports(amount) for amount in asked]
        return max(map(abs, (*values, *self.rewards)), default=0) < _TOO_LARGE

    def confirmed_by(self, stored: MLEpisode | None) -> Episode:
        """Return the episode with the record that the engine stored, None if it stored none."""
        if stored is None:
            return self
        difference = to_lamports(stored.final_pnl - self.record.final_pnl)
        source = "stored" if _same(stored, self.record) else "different"
        if not difference:
            return attrs.evolve(self, record=stored, source=source)
        last = self.observations[-1]
        after = (
            *last[:_EQUITY],
            last[_EQUITY] + difference,
            last[_EQUITY + 1] + difference,
            last[-1],
        )
        return attrs.evolve(
            self,
            record=stored,
            source=source,
            difference=difference,
            observations=(*self.observations[:-1], after),
            rewards=(*self.rewards[:-1], self.rewards[-1] + difference),
        )


_TOO_LARGE: Final = 2**60  # sums of a step's actions fit too
_EQUITY: Final = -3  # obs_equity, obs_pnl, obs_undecided are the last three


def _same(stored: MLEpisode, found: MLEpisode) -> bool:
    """Return whether two records agree in all but the time at which the next game was first seen."""
    ended_at, duration_ms = stored.ended_at, stored.duration_ms
    return attrs.evolve(found, ended_at=ended_at, duration_ms=duration_ms) == stored


@define
class _Row:
    tick: int
    presale: bool
    observation: tuple[Any, ...]


@define
class SessionFold:
    """Folds the documents of one session; call :meth:`feed` with each in order, then :meth:`finish`."""

    session_id: str
    facts: Facts
    ledger: DocumentLedger = field(factory=DocumentLedger)
    book: EpisodeBook = field(init=False)
    market: PriceHistory = field(factory=PriceHistory)
    _closed: list[Episode] = field(factory=list)
    _rows: list[_Row] = field(factory=list)
    _undecided: set[str] = field(factory=set)
    _now_ns: int = 0
    _tick: int = 0
    _last_tick: int = -1
    _gaps: int = 0
    _price: float = rules.START_PRICE
    _rug_price: float | None = None
    _sidebet: tuple[str | None, int] = (None, 0)
    _newest: TickRow | None = None
    _asked: Sequence[PlayerAction] = ()
    _ended: bool = False

    def __attrs_post_init__(self) -> None:
        self.book = EpisodeBook(self.session_id, ActionIds(self.session_id))

    @property
    def account(self) -> Account:
        return self.ledger.account

    @property
    def rows(self) -> tuple[tuple[Any, ...], ...]:
        """The observations of the running game so far."""
        return tuple(row.observation for row in self._rows)

    def take(self) -> list[Episode]:
        """Return the episodes that were completed since the last call."""
        found, self._closed = self._closed, []
        return found

    def feed(self, entry: StoredRow) -> None:
        """Fold one document."""
        self._now_ns = self.account.now_ns = max(self._now_ns, entry.ts_ns)
        match entry:
            case TickRow():
                self._on_tick(entry)
            case StatedRow():
                self._on_stated(entry)
            case MovedRow():
                self._on_moved(entry)
            case CompletedRow():
                self.book.completed(entry.record)
            case ShortRow():
                self.ledger.on_short(entry.record, rugged=self._rug_price is not None)
            case ShortValueRow():
                if entry.game_id == self.book.game_id:
                    self.account.value_short(entry.short)
            case OpenedRow():
                self._open(entry.game_id)
            case EndedRow():
                self.finish()

    def finish(self) -> None:
        """Close the running game: the session, or what is stored of it, ends."""
        if not self._ended:
            self._ended = True
            self._close(rugged=self._rug_price is not None)

    def abandon(self) -> None:
        """Drop the running game, whose documents contradict each other.

        The next statement of the account counts as its first one.
        """
        self.book = EpisodeBook(self.session_id, ActionIds(self.session_id))
        self.ledger = DocumentLedger()
        self._rows.clear()
        self._undecided.clear()

    def _open(self, game_id: str) -> None:
        if game_id == self.book.game_id:
            return
        if self.book.game_id:
            self._close(rugged=True)
        if self.book.game_id or not self.account.known:
            if self._rug_price is not None:
                self.ledger.rug(self._rug_price)
            self.ledger.open_game()
        self.book.open(game_id, self._now_ns, self.account)
        self.market, self._rows = PriceHistory(), []
        self._asked = self.facts.asked.get(game_id, ())
        self._tick, self._last_tick, self._gaps = 0, -1, 0
        self._price, self._rug_price, self._newest = rules.START_PRICE, None, None

    def _on_tick(self, tick: TickRow) -> None:
        if tick.game_id != self.book.game_id:
            return  # a late frame of a game that is over
        if tick.backfilled:
            self.market.see(tick.tick, tick.price)
        elif tick.phase == GamePhase.ACTIVE.value:
            self._on_live(tick)
        elif tick.phase == GamePhase.RUGGED.value:
            if self._rug_price is None:
                self._rug_price = self._price = tick.price
                self.book.ticks = tick.tick or self.book.ticks
        elif tick.phase == GamePhase.PRESALE.value and not self._rows:
            self._price = tick.price
            self._add(tick, presale=True)

    def _on_live(self, tick: TickRow) -> None:
        if not self.market.see(tick.tick, tick.price):
            return
        self._gaps += tick.tick - self._last_tick - 1
        self._tick = self._last_tick = tick.tick
        self._price = tick.price
        self.book.mark(tick.tick, tick.price, self.account)
        self._add(tick, presale=False)

    def _add(self, tick: TickRow, *, presale: bool) -> None:
        self._newest = tick
        seen = self._observe(tick, self._tick, tick.price, presale=presale)
        self._rows.append(_Row(self._tick, presale, seen))

    def _observe(
        self, tick: TickRow, number: int, price: float, *, presale: bool
    ) -> tuple[Any, ...]:
        """Return the observation columns, in their order."""
        account, market = self.account, self.market
        lots, bet, short = account.lots, account.sidebet, account.short
        value = 0
        if lots and price > 0:
            value = account.value(price)
        equity = account.equity(price)
        return (
            presale,
            number,
            tick.starts_in_ms,
            price,
            market.peak,
            market.low,
            market.volatility,
            tick.connected_players,
            tick.trade_count,
            account.cash,
            account.bonus,
            account.qty,
            account.cost,
            value,
            max(number - lots[0].tick, 0) if lots else 0,
            0 if bet is None else to_lamports(bet.amount),
            0 if bet is None else max(number - bet.start_tick, 0),
            0 if short is None else to_lamports(short.stake),
            0 if short is None else to_lamports(short.value),
            account.staked,
            equity,
            equity - self.book.start_equity,
            len(self._undecided),
        )

    def _on_stated(self, stated: StatedRow) -> None:
        seen = self.ledger.stated(stated.record, stated.player_id, stated.ts_ns, self._tick)
        if seen.first:
            self.book.open(self.book.game_id, self.book.started_ns, self.account)
            self._rows.clear()

    def _on_moved(self, moved: MovedRow) -> None:
        action = self.facts.actions.get(moved.action_id)
        if not moved.after:
            self.ledger.lose_stake(moved.action_id)
        if action is None or not moved.after:
            return
        after = ActionState(moved.after)
        if moved.before == ActionState.INTENT.value and after not in _NOT_ASKED:
            self.book.sent(action)
        if after.is_terminal:
            self._undecided.discard(moved.action_id)
        else:
            self._undecided.add(moved.action_id)
        if after.is_executed:
            shown = self.facts.shown.get(moved.action_id)
            self.ledger.executed(action, self.book.game_id, self._tick, shown)

    def _close(self, *, rugged: bool) -> None:
        book = self.book
        book.open_at_rug |= self.ledger.at_rug
        record = book.close(self._now_ns, self.account, self._price, rugged=rugged)
        if record is None:
            return
        self._closed.append(self._episode(record, rugged=rugged))

    def _episode(self, record: MLEpisode, *, rugged: bool) -> Episode:
        newest = self._newest or TickRow(
            0, 0, record.game_id, 0, self._price, "", 0, 0, None, False
        )
        if not self._rows:  # the bot acted in a game of which no tick was stored
            self._add(newest, presale=True)
        seen = [row.observation for row in self._rows]
        self._undecided.clear()
        seen.append(self._observe(newest, record.duration_ticks, self._price, presale=False))
        pnl = [row[_EQUITY + 1] for row in seen]
        rewards = [after - before for before, after in zip([0, *pnl[1:-1]], pnl[1:], strict=True)]
        return Episode(
            record=record,
            observations=tuple(seen),
            actions=tuple((self._step_of(action), action) for action in self._asked),
            rewards=tuple(rewards),
            terminated=rugged,
            gaps=self._gaps,
            joined_late=self._rows[0].tick > 0,
            started_ns=self.book.started_ns,
        )

    def _step_of(self, action: PlayerAction) -> int:
        """Return the newest step when *action* was asked for."""
        context = action.game_context
        before = context.phase in (GamePhase.COOLDOWN, GamePhase.PRESALE)
        if before or context.time_since_start is None:
            return 0
        found = 0
        for number, row in enumerate(self._rows):
            if row.tick <= context.tick:
                found = number
        return found


def is_asked(action: PlayerAction) -> bool:
    """Return whether the bot asked the venue for *action*: not local, and not denied by our limits."""
    local = action.action_type.is_local
    return action.actor is Actor.BOT and not local and action.state is not ActionState.DENIED


def action_columns(actions: Iterable[PlayerAction]) -> tuple[int, ...]:
    """Return the action columns of a step in which *actions* were asked for."""
    buy = leverage = sell = sidebet = short = close = 0
    stakes = {ActionType.BBC_PREDICT: (0, 0), ActionType.CANDLEFLIP_BET: (0, 0)}
    for action in actions:
        kind, amount = action.action_type, to_lamports(action.amount or 0)
        if kind is ActionType.BUY:
            buy, leverage = buy + amount, max(leverage, action.leverage)
        elif kind is ActionType.SELL:
            sell = min(100, sell + (100 if action.percentage is None else action.percentage))
        elif kind is ActionType.SIDEBET:
            sidebet += amount
        elif kind is ActionType.SHORT_OPEN:
            short += amount
        elif kind is ActionType.SHORT_CLOSE:
            close = 1
        elif kind in stakes:
            stakes[kind] = (stakes[kind][0] + amount, CHOICES.get(action.choice or "", 0))
    bbc, candleflip = stakes.values()
    return (buy, leverage, sell, sidebet, short, close, *bbc, *candleflip)


def moved_from(seq: int, ts_ns: int, kind: str, detail_json: str) -> MovedRow | None:
    """Return what an ``action.state`` or ``stake.unsettled`` event says; None if it cannot be read."""
    try:
        detail = json.loads(detail_json)
        action_id = detail["action_id"]
        if kind == "stake.unsettled":
            return MovedRow(seq, ts_ns, str(action_id), "", "")
        before, after = ActionState(detail["before"]), ActionState(detail["after"])
        return MovedRow(seq, ts_ns, str(action_id), before.value, after.value)
    except (ValueError, KeyError, TypeError):
        return None
