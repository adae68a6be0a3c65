"""Sidebets: evidence that one was placed, and its result (protocol 7)."""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal

from attrs import define, field

from vectra_bot.actions.book import ActionBook, fits, remember
from vectra_bot.actions.notes import Settled, Tracked
from vectra_bot.game import rules
from vectra_bot.game.account import Account, Unexplained
from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.game.holdings import SidebetView
from vectra_bot.game.state import GameView
from vectra_bot.models import (
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

    def on_placed(self, event: SidebetPlaced) -> None:
        """Process the event that confirms a sidebet of our account."""
        tracked = self.book.traced(event.trace_id)
        if tracked is None or not fits(tracked.action, ActionType.SIDEBET, event.amount):
            alone = [t for t in self.book.undecided() if t.action.action_type is ActionType.SIDEBET]
            alone_fits = len(alone) == 1 and fits(alone[0].action, ActionType.SIDEBET, event.amount)
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
        if not tracked.action.is_decided:
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
        key = f"{event.game_id}:{event.start_tick}"
        if key in self._settled:
            return
        remember(self._settled, key, None)
        bet = self.account.sidebet
        action_id = bet.action_id if bet is not None else None
        self.account.settle_sidebet(to_lamports(event.payout), action_id)
        self.book.notes.append(
            Settled(
                StakeSettled(
                    action_id=action_id or "",
                    game_id=event.game_id,
                    action_type=ActionType.SIDEBET.value,
                    stake=event.amount,
                    won=event.payout > 0,
                    payout=event.payout,
                    pnl=event.payout - event.amount,
                    tick=event.tick,
                ),
                at_rug=event.payout > 0,
            )
        )

    def shown(self, update: PlayerUpdate, tracked: Tracked) -> SidebetView:
        """Return our sidebet as stated in *update*, as the effect of *tracked*."""
        stated = update.sidebet
        start = stated.start_tick if stated is not None else self.game.tick
        end = stated.end_tick if stated is not None else start + rules.SIDEBET_WINDOW_TICKS
        amount = tracked.action.amount or Decimal(0)
        return SidebetView(amount, start, end, tracked.action.action_id, to_sol(tracked.bonus))
