"""Sidebets: evidence that one was placed, and its result (protocol 7).

A result proves the bet as well. The history of games has the results of all sidebets of a finished game
(protocol 5.4): one of our bets that it lacks was not placed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from decimal import Decimal

from attrs import define, field

from vectra_bot.actions.book import ActionBook, fits, remember
from vectra_bot.actions.notes import Settled, Tracked
from vectra_bot.actions.reconcile.fills import LATE_TICKS
from vectra_bot.game import rules
from vectra_bot.game.account import Account, Unexplained
from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.game.holdings import SidebetView
from vectra_bot.game.state import GameView
from vectra_bot.models import (
    ActionOutcome,
    ActionState,
    ActionType,
    PlayerUpdate,
    Proof,
    SidebetPlaced,
    SidebetResult,
    StakeSettled,
    StateCause,
)


@define
class Sidebets:
    """Correlates evidence about our sidebet with the actions of the book."""

    book: ActionBook
    account: Account
    game: GameView
    _settled: OrderedDict[str, None] = field(factory=OrderedDict)
    _placed: OrderedDict[str, None] = field(factory=OrderedDict)

    def on_placed(self, event: SidebetPlaced) -> None:
        """Process the event that confirms a sidebet of our account."""
        remember(self._placed, _key(event.game_id, event.start_tick), None)
        tracked = self.book.traced(event.trace_id)
        if tracked is None or not fits(tracked.action, ActionType.SIDEBET, event.amount):
            alone = [t for t in self.book.undecided() if t.action.action_type is ActionType.SIDEBET]
            alone_fits = (
                len(alone) == 1
                and fits(alone[0].action, ActionType.SIDEBET, event.amount)
                and alone[0].action.game_id == event.game_id
            )
            tracked = alone[0] if alone_fits and event.trace_id is None else None
        if tracked is None:
            self._external_sidebet(event)
            return
        self.book.evidence(tracked, event.recv_ns)
        tracked.price = event.price
        shown: Unexplained | None = None
        if not tracked.booked:
            tracked.booked = True
            bet = self._bet(event, tracked.action.action_id)
            shown = self.account.place_sidebet(bet, StateCause.ACTION)
        if tracked.action.is_decided:
            if not tracked.action.state.is_executed:
                self.book.contradiction(
                    tracked, "a sidebet was placed that was decided as not executed"
                )
        else:
            self.book.executed(
                tracked, event.recv_ns, "sidebet event", Proof.SIDEBET, event.server_ts
            )
            self.book.complete_shown(tracked, shown)

    def _external_sidebet(self, event: SidebetPlaced) -> None:
        running = self.account.sidebet
        if running is not None and running.start_tick == event.start_tick:
            return
        tracked = self.book.external(ActionType.SIDEBET, event.amount, event.recv_ns)
        tracked.price = event.price
        bet = self._bet(event, tracked.action.action_id)
        self.account.place_sidebet(bet, StateCause.EXTERNAL)
        self.book.executed(tracked, event.recv_ns, "sidebet event", Proof.SIDEBET, event.server_ts)

    def _bet(self, event: SidebetPlaced, action_id: str) -> SidebetView:
        bonus = self.account.bonus_in(to_lamports(event.amount))
        return SidebetView(event.amount, event.start_tick, event.end_tick, action_id, to_sol(bonus))

    def on_result(self, event: SidebetResult) -> None:
        """Process the result of our sidebet; each is settled once."""
        key = _key(event.game_id, event.start_tick)
        if key in self._settled:
            return
        if self.account.sidebet is None and key not in self._placed:
            fitting = [t for t in self._open(event.game_id) if _may_be(t, event)]
            if len(fitting) == 1:
                self._unseen(fitting[0], event, Proof.SIDEBET)
                return
        bet = self.account.sidebet
        action_id = bet.action_id if bet is not None else None
        self.account.settle_sidebet(to_lamports(event.payout), action_id)
        self._settle(event, action_id)

    def _settle(self, event: SidebetResult, action_id: str | None) -> None:
        remember(self._settled, _key(event.game_id, event.start_tick), None)
        settled = StakeSettled(
            action_id=action_id or "",
            game_id=event.game_id,
            action_type=ActionType.SIDEBET.value,
            stake=event.amount,
            won=event.payout > 0,
            payout=event.payout,
            pnl=event.payout - event.amount,
            tick=event.tick,
        )
        self.book.notes.append(Settled(settled, at_rug=event.payout > 0))

    def _unseen(self, tracked: Tracked, event: SidebetResult, proof: Proof) -> None:
        """Book a bet that is known by its result alone, and decide its action."""
        action_id = tracked.action.action_id
        remember(self._placed, _key(event.game_id, event.start_tick), None)
        tracked.booked = True
        self.book.evidence(tracked, event.recv_ns)
        bonus = self.account.bonus_in(to_lamports(event.amount))
        bet = SidebetView(event.amount, event.start_tick, event.end_tick, action_id, to_sol(bonus))
        stake, payout = to_lamports(event.amount), to_lamports(event.payout)
        held, shown = self.account.sidebet, self.account.shown_net(payout - stake)
        if shown is None:
            shown = self.account.place_sidebet(bet, StateCause.ACTION)
            self.account.settle_sidebet(payout, action_id)
            self.account.sidebet = held
        self.book.executed(tracked, event.recv_ns, "sidebet result", proof)
        self.book.complete_shown(tracked, shown)
        self._settle(event, action_id)

    # The history of games.

    @property
    def awaited(self) -> set[str]:
        """Return the games whose history would prove something."""
        games = {
            tracked.action.game_id
            for tracked in self.book.undecided()
            if tracked.action.action_type is ActionType.SIDEBET
        }
        if self.account.sidebet is not None:
            games.add(self.game.game_id)
        return games

    def on_history(self, game_id: str, results: Sequence[SidebetResult], now_ns: int) -> None:
        """Decide our sidebets in a finished game; *results* are all of them, by the history of games."""
        bet = self.account.sidebet
        unknown = []
        for result in results:
            key = _key(game_id, result.start_tick)
            held = bet is not None and bet.start_tick == result.start_tick
            if held and game_id == self.game.game_id:
                self.on_result(result)
            elif key not in self._placed and key not in self._settled:
                unknown.append(result)
        by_amount: dict[Decimal | None, list[Tracked]] = {}
        for tracked in self._open(game_id):
            by_amount.setdefault(tracked.action.amount, []).append(tracked)
        for amount, open_ in by_amount.items():
            rows = [row for row in unknown if row.amount == amount]
            rows = [row for row in rows if row.start_tick >= open_[0].action.game_context.tick]
            self._decide(open_, rows, now_ns)

    def _decide(self, open_: list[Tracked], rows: list[SidebetResult], now_ns: int) -> None:
        """Decide actions of one amount by the bets of that amount, if only one assignment is possible."""
        if not rows:
            for tracked in open_:
                outcome = ActionOutcome(
                    False,
                    error=ActionState.NOT_EXECUTED.value,
                    error_reason="the history of the finished game has no such sidebet",
                    server_request_id=tracked.ack_id,
                )
                state, why = ActionState.NOT_EXECUTED, "history of games"
                self.book.decide(tracked, state, now_ns, why, outcome, proof=Proof.HISTORY)
                self.book.complete(tracked, None, None)
            return
        rows = sorted(rows, key=lambda row: row.start_tick)
        pairs = list(zip(open_, rows, strict=False))
        if len(open_) == len(rows) and all(_may_be(*pair) for pair in pairs):
            for tracked, row in pairs:
                self._unseen(tracked, row, Proof.HISTORY)

    def _open(self, game_id: str) -> list[Tracked]:
        """Return the undecided sidebets of a game, in the order in which they were sent."""
        return [
            tracked
            for tracked in self.book.undecided()
            if tracked.action.action_type is ActionType.SIDEBET
            and tracked.action.game_id == game_id
            and not tracked.booked
        ]

    def shown(self, update: PlayerUpdate, tracked: Tracked) -> SidebetView:
        """Return our sidebet as stated in *update*, as the effect of *tracked*."""
        stated = update.sidebet
        start = stated.start_tick if stated is not None else self.game.tick
        end = stated.end_tick if stated is not None else start + rules.SIDEBET_WINDOW_TICKS
        amount = tracked.action.amount or Decimal(0)
        if stated is not None:
            remember(self._placed, _key(tracked.action.game_id, start), None)
        return SidebetView(amount, start, end, tracked.action.action_id, to_sol(tracked.bonus))


def _key(game_id: str, start_tick: int) -> str:
    """Return the key of a bet: a player has one at a time, so no two begin at the same tick."""
    return f"{game_id}:{start_tick}"


def _may_be(tracked: Tracked, result: SidebetResult) -> bool:
    """Return whether *result* fits what an action asked for, and begins when it can have been executed."""
    action = tracked.action
    late = result.start_tick - action.game_context.tick
    return (
        action.game_id == result.game_id
        and action.amount == result.amount
        and 0 <= late <= LATE_TICKS
    )
