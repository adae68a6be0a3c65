"""The fast driver with side games: a block in which rounds open, close and end beside the games.

Theory of operation. A round's steps are steps of the exchange's clock, so the times of the games are needed
also without latency. A step is taken before the step of the game that follows it, after the answers and
requests that are due by then; the alarm is set for the first tick that comes after the next one. A stake
belongs to no game: it may be undecided when one ends, and settled in a later one.

Imports actions, game, models and backtest.fast.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import partial
from typing import Any

from attrs import define, evolve, field

from vectra_bot.actions.desk import Submit
from vectra_bot.actions.exits import NO_EXITS
from vectra_bot.actions.reconcile.fills import MAX_CANDIDATES
from vectra_bot.actions.risk import Ask, RiskGate
from vectra_bot.actions.rounds import SIDE_GAMES
from vectra_bot.backtest.fast.block import FastBlock
from vectra_bot.backtest.fast.bot import FastBot
from vectra_bot.backtest.fast.chunks import FastGameData
from vectra_bot.backtest.fast.desk import FastDesk
from vectra_bot.backtest.fast.orders import Order, Owner
from vectra_bot.backtest.fast.rounds import EndedStake, FastRounds, RoundsVenue
from vectra_bot.backtest.fast.timeline import Timeline
from vectra_bot.backtest.games import Games, OnFill, ignore_fill
from vectra_bot.backtest.play import PlayConfig, Watch
from vectra_bot.exchange.features.sidegames import RoundStake
from vectra_bot.game.amounts import to_sol
from vectra_bot.game.holdings import StakeView
from vectra_bot.game.rounds import Rounds
from vectra_bot.models import (
    ActionState,
    ActionType,
    GamePhase,
    PlayerAction,
    Proof,
    SideGameKind,
    StakeSettled,
)
from vectra_bot.venues.embedded import DEFAULT_USERNAME

_ACTIONS = {side_game.value: kind for kind, side_game in SIDE_GAMES.items()}


@define(eq=False, weakref_slot=True)
class RoundsDesk(FastDesk):
    """The desk with stakes in rounds."""

    rounds: Rounds = field(factory=Rounds, kw_only=True)

    def ask_round(
        self, kind: ActionType, choice: str, amount: int, round_id: str | None, submit: Submit
    ) -> PlayerAction:
        """Ask for a stake of *amount* lamports in a side game's round, the newest one if None."""
        rounds, side_game = self.rounds, SIDE_GAMES[kind]
        asked = rounds.current(side_game) if round_id is None else rounds.get(side_game, round_id)
        under_way = asked is not None and any(
            order.kind is kind and order.round_id == asked.round_id for order in self.book.undecided
        )
        ask = Ask(kind, amount=amount, choice=choice, round=asked, asked=under_way)
        return self.ask(ask, choice, NO_EXITS, submit)


class RoundsBot(FastBot):
    """Our side with stakes in rounds."""

    def __init__(self, venue: RoundsVenue, *args: Any) -> None:
        self._board = venue.board
        super().__init__(*args)
        self.holdings.side_games = venue.side_games

    def _make_desk(self) -> RoundsDesk:
        return RoundsDesk(
            self.owner, self.game, self.account, self.gate, self.refusals, rounds=self._board.rounds
        )

    def _make_rounds(self) -> FastRounds:
        return FastRounds(self._board)

    def begin(self, data: FastGameData) -> None:
        """Begin a game, with the stakes of earlier ones."""
        super().begin(data)
        self.holdings.carry(self.account)

    def rugged(self, data: FastGameData) -> None:
        """See the frame of the rug: stakes stay open, but no tick counts for them any more."""
        self.holdings.end_ticks()
        super().rugged(data)

    def staked(self, order: Order, stake: RoundStake, cash: int) -> None:
        """Take the statement of our account that shows a stake.

        It decides *order* if no other set of undecided actions explains it; else the stake's own event does,
        and until then the money is gone for an unknown cause, as in the engine.
        """
        if self._explained_otherwise(order):
            self._show(cash, self.account.lots)
        else:
            self._confirm(order, stake, cash, Proof.UPDATE, None)

    def _explained_otherwise(self, order: Order) -> bool:
        """Return whether other actions without an answer may be the cause of *order*'s effect.

        Only stakes in rounds can: the statement shows no other kind's trade, sidebet or short.
        """
        others = [one for one in self.desk.book.undecided if one is not order]
        if len(others) >= MAX_CANDIDATES:
            return True
        sums = {0}
        for one in others:
            if one.kind.is_side_game:
                sums |= {reached + (one.amount or 0) for reached in sums}
            elif one.kind is ActionType.SELL and 0 < self.account.qty < 100:
                self.refusals.refuse(
                    "a stake in a round is undecided with a sale of nearly nothing"
                )
        return order.amount in sums

    def stake_seen(self, order: Order, stake: RoundStake, cash: int) -> None:
        """Take the event that confirms our stake."""
        held = self.account.stakes.get(_key(stake))
        if held is not None:
            self.account.stakes[_key(stake)] = evolve(held, placed_ts=stake.placed_ms)
        elif not order.state.is_terminal:
            self._confirm(order, stake, cash, Proof.SIDEBET, stake.placed_ms)

    def _confirm(
        self, order: Order, stake: RoundStake, cash: int, proof: Proof, placed_ms: int | None
    ) -> None:
        order.state, order.proof, order.booked = ActionState.CONFIRMED, proof, True
        order.paid = stake.amount
        key = _key(stake)
        self.account.stakes[key] = StakeView(
            *key, stake.choice, to_sol(stake.amount), order.ids[0], to_sol(stake.bonus), placed_ms
        )
        self._show(cash, self.account.lots)
        self.complete(order)

    def round_settled(self, ended: EndedStake) -> None:
        """Take the result of our stake in a round."""
        stake = ended.stake
        held = self.account.stakes.pop(_key(stake), None)
        self._show(ended.cash, self.account.lots)
        payout = stake.payout or 0
        settled = StakeSettled(
            action_id="" if held is None else held.action_id or "",
            game_id=ended.game_id,
            action_type=_ACTIONS[stake.game].value,
            stake=to_sol(stake.amount),
            won=payout > 0,
            payout=to_sol(payout),
            pnl=to_sol(payout - stake.amount),
            unverified=True,
        )
        self.call(self.hooks.settled, "on_stake_settled", settled, self.game)

    def end_session(self) -> None:
        """End the session: what has no outcome yet gets none."""
        self.gate.stop_all("the session ends")
        self.desk.look()
        desk = self.desk
        orders, desk.book.orders, desk.calls = desk.book.orders, [], 0
        for order in orders:
            order.state = ActionState.UNRESOLVED
        for order in orders:
            self._completed(order)
        self.report()


class RoundsBlock(FastBlock):
    """A block with rounds."""

    venue: RoundsVenue
    bot: RoundsBot

    def __init__(self, config: PlayConfig, on_fill: OnFill = ignore_fill) -> None:
        super().__init__(config, on_fill)
        self._timeline = self._timeline or Timeline(self.exchange)
        self._immediate = False

    def _make_venue(self, player_id: str, cash: int) -> RoundsVenue:
        return RoundsVenue(self.exchange, player_id, DEFAULT_USERNAME, cash)

    def _make_bot(self, owner: Owner, gate: RiskGate) -> RoundsBot:
        strategy = self.config.strategy()
        return RoundsBot(self.venue, strategy, owner, gate, self._refusals, self.table)

    def _play(self, watch: Watch) -> Games:
        table = super()._play(watch)
        self._guarded(self.bot.end_session)
        self._check()
        return table

    def _run_until(self, until_ns: int) -> None:
        """Take the steps of rounds up to *until_ns*, each after the requests and answers due by then."""
        venue = self.venue
        while venue.due_ns <= until_ns:
            at_ns = venue.due_ns
            if at_ns == until_ns:
                self._refusals.refuse("a round and the game take a step at the same moment")
            self._reach(until_ns)
            super()._run_until(at_ns)
            for ended in venue.step_round(self._ticks_seen()):
                self._post(0, partial(self.bot.round_settled, ended))
                self._post_update(0)
        super()._run_until(until_ns)

    def _reach(self, until_ns: int) -> None:
        """Put the last tick before *until_ns* in force, which was played as one at which nothing was due."""
        game, market, times = self.bot.game, self.venue.market, self._times
        if times is None or game.phase is not GamePhase.ACTIVE or market.rugged:
            return
        tick = bisect_left(times.ticks_ns, until_ns) - 1
        if tick > market.tick:
            game.tick, game.price = tick, game.every[tick]
            market.move(tick, game.price)

    def _ticks_seen(self) -> int:
        """Return the ticks of all games that our side has seen."""
        game, ended = self.bot.game, self.table.ticks
        if game.phase is GamePhase.ACTIVE:
            return ended + game.tick + 1
        return ended + game.tick  # the rug's number, or 0 before a game

    def _after_frame(self, at_ns: int) -> None:
        super()._after_frame(at_ns)
        if not self._latency_ns:
            self._run_until(at_ns)

    def _set_alarm(self, tick: int) -> None:
        super()._set_alarm(tick)
        if self._times is not None:
            after = bisect_left(self._times.ticks_ns, self.venue.due_ns)
            self._alarm = max(tick + 1, min(self._alarm, after))

    def _execute(self, order: Order) -> None:
        """Execute a request that arrived, and post the answers to it."""
        if not order.kind.is_side_game:
            super()._execute(order)
            return
        stake, bot = self.venue.place(order, self._now_ns), self.bot
        if isinstance(stake, str):
            self._post(self._ack_ns, partial(bot.rejected, order, stake))
            return
        cash = self.venue.ledger.cash
        self._post_update(self._update_ns, partial(bot.staked, order, stake, cash))
        self._post(self._row_ns, partial(bot.stake_seen, order, stake, cash))
        self._post(self._ack_ns, _nothing)


def _key(stake: RoundStake) -> tuple[SideGameKind, str]:
    return SideGameKind(stake.game), stake.round_id


def _nothing() -> None:
    """Receive an answer that changes nothing."""
