"""ActionTracker: the life of every action, from intent to proven outcome.

Theory of operation. An action is ``INTENT`` when it is journaled, ``SENT`` when the gateway handed it to the
venue, and from then on waits for evidence, which comes in any order: an acknowledgement, a trade, a sidebet
event, a player update. Evidence is matched by key: the trace id we chose, together with our own player id,
the kind and the amount (a trace id is visible to everybody); then the acknowledgement id; and only if
neither is there, and exactly one action is in flight, by the change of cash and quantity it must cause.
Nothing is ever matched by its place in a queue, and nothing is ever sent again.

An action that has no evidence in time, or whose link broke, becomes ``UNKNOWN``: not an end, but a state in
which no new risk is taken, until evidence or the settled game proves one of the terminal states. *Decided*
means terminal; *complete* means decided with the state after it known, or known not to come. The tracker
reports what happened as notes, in order; the engine turns them into documents and hooks.

::

    INTENT ──► SENT ──► CONFIRMED | REJECTED
      │          │
      ▼          ▼
    NOT_SENT   UNKNOWN ──► EXECUTED_LATE | NOT_EXECUTED | UNRESOLVED          DENIED: never sent
"""

from __future__ import annotations

from decimal import Decimal

import attrs
from attrs import define

from vectra_bot.actions.book import ActionBook, remember
from vectra_bot.actions.notes import (
    Booked,
    ForcedSell,
    Settled,
    Stated,
    Submitted,
    Tracked,
)
from vectra_bot.actions.risk import HaltCause
from vectra_bot.game import rules
from vectra_bot.game.account import Effect, SidebetView, Statement, Unexplained
from vectra_bot.game.ledger import Lot, to_lamports, to_sol
from vectra_bot.models import (
    Ack,
    ActionOutcome,
    ActionState,
    ActionType,
    GamePhase,
    PlayerAction,
    PlayerState,
    PlayerUpdate,
    SendResult,
    SidebetPlaced,
    SidebetResult,
    StakeSettled,
    StateCause,
    Trade,
)
from vectra_bot.models.times import NS_PER_MS

EVIDENCE_TIMEOUT_NS = 2_000_000_000
MAX_REMEMBERED = 1024
MAX_UNEXPLAINED = 3

# What the venue calls SOL in trades and updates (protocol 5.5, 5.6).
SOL_COINS = (None, "solana", rules.SOL_ADDRESS)

_TRADE_KINDS = {"buy": ActionType.BUY, "sell": ActionType.SELL}


@define
class ActionTracker(ActionBook):
    """Correlates evidence with actions; one per session."""

    def on_send_result(self, result: SendResult) -> None:
        """Take in whether a command left."""
        tracked = self._open.get(result.action_id)
        if tracked is None:
            self._find(
                "action.stray_send",
                "warning",
                "a send result names no open action",
                action_id=result.action_id,
            )
            return
        if not result.sent:
            outcome = ActionOutcome(
                False, error=ActionState.NOT_SENT.value, error_reason=result.reason or "not sent"
            )
            self._decide(tracked, ActionState.NOT_SENT, result.recv_ns, "send result", outcome)
            self._complete(tracked, None, None)
            return
        tracked.sent_ns = result.recv_ns
        if result.ack_id is not None:
            tracked.ack_id = result.ack_id
            remember(self._by_ack, result.ack_id, tracked)
        if tracked.action.state is ActionState.INTENT:
            self._move(tracked, ActionState.SENT, "send result")
        self.notes.append(Submitted(tracked.action))

    def on_ack(self, ack: Ack) -> None:
        """Take in an acknowledgement: it proves a refusal; acceptance is proven by its effect alone."""
        tracked = self._by_ack.pop(ack.ack_id, None)
        if tracked is None:
            return
        self._evidence(tracked, ack.recv_ns)
        if ack.success is False:
            self._refused(tracked, ack)
        elif ack.success is None and not tracked.action.is_decided:
            self._move(tracked, ActionState.UNKNOWN, "unreadable acknowledgement")

    def _refused(self, tracked: Tracked, ack: Ack) -> None:
        if tracked.action.is_decided:
            if tracked.action.state.is_executed:
                self._contradiction(tracked, "the venue refused an action that it executed")
            return
        outcome = ActionOutcome(
            False,
            error=ActionState.REJECTED.value,
            error_reason=ack.message or "no reason given",
            server_request_id=ack.ack_id,
        )
        self._decide(tracked, ActionState.REJECTED, ack.recv_ns, "acknowledgement", outcome)
        self._complete(tracked, None, None)

    def on_trade(self, trade: Trade) -> None:
        """Take in a trade of our own account."""
        if trade.trade_id in self._trades:
            return
        remember(self._trades, trade.trade_id, None)
        kind = _TRADE_KINDS.get(trade.kind)
        if kind is None or trade.coin not in SOL_COINS:
            self._foreign(trade)
            return
        tracked = self._match_trace(trade, kind)
        if tracked is None and kind is ActionType.SELL and self._is_forced(trade):
            self._forced_sell(to_lamports(trade.amount), to_lamports(trade.qty))
            return
        if tracked is None and trade.trace_id is None:
            tracked = self._match_alone(trade, kind)
        if tracked is None:
            self._external_trade(trade, kind)
        elif tracked.price is None:
            self._traded(tracked, trade, kind)

    def _foreign(self, trade: Trade) -> None:
        """Record a trade of ours that is not of SOL longs; another coin than ours ends trading."""
        self._find(
            "trade.unsupported",
            "critical" if trade.coin not in SOL_COINS else "warning",
            f"own trade of kind {trade.kind!r} in coin {trade.coin!r}",
            trade_id=trade.trade_id,
        )
        if trade.coin not in SOL_COINS:
            self.gate.stop_all(f"our account trades {trade.coin!r} instead of SOL")

    def _forced_sell(self, amount: int, qty: int) -> None:
        """Book the rug's sale, whichever of its two pieces of evidence comes first."""
        if self._forced_game == self.game.game_id:
            return
        self._forced_game = self.game.game_id
        self.account.sell(amount, qty, None, StateCause.FORCED_SELL)
        self.notes.append(ForcedSell(amount))

    def _match_trace(self, trade: Trade, kind: ActionType) -> Tracked | None:
        tracked = self._by_trace.get(trade.trace_id or "")
        return tracked if tracked and _fits(tracked.action, kind, trade.amount) else None

    def _match_alone(self, trade: Trade, kind: ActionType) -> Tracked | None:
        alone = self._undecided()
        fits = len(alone) == 1 and _fits(alone[0].action, kind, trade.amount)
        return alone[0] if fits else None

    def _traded(self, tracked: Tracked, trade: Trade, kind: ActionType) -> None:
        """Apply a trade that is the execution of *tracked*."""
        self._evidence(tracked, trade.recv_ns)
        tracked.price, tracked.amount = trade.price, to_lamports(trade.amount)
        shown: Unexplained | None = None
        if not tracked.booked:
            tracked.booked = True
            shown = self._book(trade, kind, tracked.action.action_id, StateCause.ACTION)
            if kind is ActionType.BUY:
                self.notes.append(Booked(tracked.plan))
        if tracked.action.is_decided:
            if not tracked.action.state.is_executed:
                self._contradiction(
                    tracked, "a trade shows an action executed that was decided otherwise"
                )
            return
        self._executed(tracked, trade.recv_ns, "trade", server_ts=trade.server_ts)
        self._complete_shown(tracked, shown)

    def _book(
        self, trade: Trade, kind: ActionType, action_id: str | None, cause: StateCause
    ) -> Unexplained | None:
        """Book a trade; one of a game that is over moves cash alone, its position is gone."""
        amount, qty = to_lamports(trade.amount), to_lamports(trade.qty)
        if trade.game_id != self.game.game_id:
            signed = -amount if kind is ActionType.BUY else amount
            return self.account.move_cash(signed, action_id, cause)
        if kind is ActionType.BUY:
            return self.account.buy(Lot(qty, amount, trade.tick, trade.price), action_id, cause)
        return self.account.sell(amount, qty, action_id, cause)

    def _complete_shown(self, tracked: Tracked, shown: Unexplained | None) -> None:
        """Complete an action whose effect an earlier update showed before anything explained it."""
        if shown is not None:
            self._unexplained -= 1
            update = shown.update
            self._complete(tracked, _player_state(update), update.recv_ns // NS_PER_MS)

    def _is_forced(self, trade: Trade) -> bool:
        """Whether a sale of ours without an action is the rug's: only a rug falls that far at once."""
        if self.game.phase is GamePhase.RUGGED:
            return trade.price == self.game.rug_price
        return trade.price <= self.game.price * rules.FORCED_SELL_SHARE

    def _external_trade(self, trade: Trade, kind: ActionType) -> None:
        tracked = self.external(kind, trade.amount, trade.recv_ns)
        tracked.price, tracked.amount = trade.price, to_lamports(trade.amount)
        shown = self._book(trade, kind, tracked.action.action_id, StateCause.EXTERNAL)
        self._executed(tracked, trade.recv_ns, "trade", server_ts=trade.server_ts)
        self._complete_shown(tracked, shown)

    def on_sidebet_placed(self, event: SidebetPlaced) -> None:
        """Take in that a sidebet of our own account stands."""
        tracked = self._by_trace.get(event.trace_id or "")
        if tracked is None or not _fits(tracked.action, ActionType.SIDEBET, event.amount):
            alone = [t for t in self._undecided() if t.action.action_type is ActionType.SIDEBET]
            fits = len(alone) == 1 and _fits(alone[0].action, ActionType.SIDEBET, event.amount)
            tracked = alone[0] if fits and event.trace_id is None else None
        if tracked is None:
            self._external_sidebet(event)
            return
        self._evidence(tracked, event.recv_ns)
        tracked.price = event.price
        shown: Unexplained | None = None
        if not tracked.booked:
            tracked.booked = True
            bet = _bet(event, tracked.action.action_id)
            shown = self.account.place_sidebet(bet, StateCause.ACTION)
        if not tracked.action.is_decided:
            self._executed(tracked, event.recv_ns, "sidebet event", server_ts=event.server_ts)
            self._complete_shown(tracked, shown)

    def _external_sidebet(self, event: SidebetPlaced) -> None:
        running = self.account.sidebet
        if running is not None and running.start_tick == event.start_tick:
            return
        tracked = self.external(ActionType.SIDEBET, event.amount, event.recv_ns)
        tracked.price = event.price
        self.account.place_sidebet(_bet(event, tracked.action.action_id), StateCause.EXTERNAL)
        self._executed(tracked, event.recv_ns, "sidebet event", server_ts=event.server_ts)

    def on_sidebet_result(self, event: SidebetResult) -> None:
        """Take in how our sidebet ended; each is settled once."""
        key = f"{event.game_id}:{event.start_tick}"
        if key in self._settled:
            return
        remember(self._settled, key, None)
        bet = self.account.sidebet
        action_id = bet.action_id if bet is not None else None
        self.account.settle_sidebet(to_lamports(event.payout), action_id)
        self.notes.append(
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
                )
            )
        )

    def on_player_update(self, update: PlayerUpdate) -> None:
        """Take in the venue's statement of our account and give its change a cause."""
        if update.selected_coin not in SOL_COINS:
            self._find(
                "account.coin",
                "critical",
                "another coin than SOL is selected",
                coin=update.selected_coin,
            )
            self.gate.stop_all(f"coin {update.selected_coin!r} is selected instead of SOL")
        statement = self.account.state_update(update)
        cause, action_id = _cause(statement)
        if not statement.explained:
            shown = self._match_delta(update, statement)
            if shown is not None:
                cause, action_id = StateCause.ACTION, shown.action.action_id
                statement = attrs.evolve(statement, explained=True)
            elif self._looks_forced(statement):
                cause = StateCause.FORCED_SELL
                self._forced_sell(statement.delta_cash, -statement.delta_qty)
                statement = self.account.state_update(update)
            else:
                cause = StateCause.UNEXPLAINED
                self._unexplained_change(statement)
        agreed = self.account.adopt(update, statement, self.game.tick)
        if not agreed and cause is not StateCause.UNEXPLAINED:
            self._find(
                "account.corrected",
                "warning",
                "our book differed from the venue's; corrected",
                cash=str(update.cash),
                position_qty=str(update.position_qty),
            )
        self.notes.append(Stated(update, statement, cause, action_id))
        state, now_ms = _player_state(update), update.recv_ns // NS_PER_MS
        for effect in statement.effects:
            tracked = self._open.get(effect.action_id or "")
            if tracked is not None and tracked.action.is_decided:
                self._complete(tracked, state, now_ms)

    def _match_delta(self, update: PlayerUpdate, statement: Statement) -> Tracked | None:
        """Attribute an unexplained change to the one action in flight, if it is what that action does.

        A sidebet that the update itself states needs no other key: a player has one at a time.
        """
        candidates = self._undecided()
        if update.sidebet is not None and self.account.sidebet is None:
            bets = [t for t in candidates if t.action.action_type is ActionType.SIDEBET]
            candidates = bets or candidates
        if len(candidates) != 1 or not self._explains(candidates[0].action, update, statement):
            return None
        tracked = candidates[0]
        self._evidence(tracked, update.recv_ns)
        tracked.booked = True
        tracked.amount = abs(statement.delta_cash)
        effect = Effect(
            StateCause.ACTION, statement.delta_cash, statement.delta_qty, tracked.action.action_id
        )
        bet = None
        if tracked.action.action_type is ActionType.SIDEBET:
            bet = self._shown_bet(update, tracked)
        self.account.shown(effect, self.game.tick, bet)
        if effect.delta_qty > 0:
            self.notes.append(Booked(tracked.plan))
        self._executed(tracked, update.recv_ns, "player update")
        self._complete(tracked, _player_state(update), update.recv_ns // NS_PER_MS)
        return tracked

    def _explains(self, action: PlayerAction, update: PlayerUpdate, seen: Statement) -> bool:
        amount = to_lamports(action.amount or 0)
        if action.action_type is ActionType.BUY:
            return seen.delta_cash == -amount and seen.delta_qty > 0
        if action.action_type is ActionType.SIDEBET:
            stated = update.sidebet
            fits = stated is None or to_lamports(stated.amount) == amount
            return seen.delta_cash == -amount and seen.delta_qty == 0 and fits
        if action.action_type is ActionType.SELL and action.percentage is not None:
            wanted = self.account.qty * action.percentage // 100
            return (
                seen.delta_cash > 0
                and abs(-seen.delta_qty - wanted) <= 1
                and not self._looks_forced(seen)
            )
        return False

    def _looks_forced(self, seen: Statement) -> bool:
        """Whether a change is the rug's sale: everything gone, for what only a rug pays."""
        sold = -seen.delta_qty
        if sold <= 0 or sold != self.account.qty or seen.delta_cash < 0:
            return False
        if self.game.phase is GamePhase.RUGGED:
            return True
        return seen.delta_cash <= sold * self.game.price * rules.FORCED_SELL_SHARE

    def _shown_bet(self, update: PlayerUpdate, tracked: Tracked) -> SidebetView:
        stated = update.sidebet
        start = stated.start_tick if stated is not None else self.game.tick
        end = stated.end_tick if stated is not None else start + rules.SIDEBET_WINDOW_TICKS
        return SidebetView(
            tracked.action.amount or Decimal(0), start, end, tracked.action.action_id
        )

    def _unexplained_change(self, statement: Statement) -> None:
        self._unexplained += 1
        self._find(
            "account.unexplained",
            "warning",
            "our account changed without a known cause",
            delta_cash=str(to_sol(statement.delta_cash)),
            delta_qty=str(to_sol(statement.delta_qty)),
        )
        if self._unexplained >= MAX_UNEXPLAINED:
            self.gate.halt(
                HaltCause.MONEY, f"{self._unexplained} unexplained changes of our account"
            )


def _fits(action: PlayerAction, kind: ActionType, amount: Decimal) -> bool:
    """Whether evidence of *kind* and *amount* can be of *action*; a sale's amount is the venue's."""
    if action.action_type is not kind:
        return False
    return kind is ActionType.SELL or action.amount == amount


def _bet(event: SidebetPlaced, action_id: str) -> SidebetView:
    return SidebetView(event.amount, event.start_tick, event.end_tick, action_id)


def _player_state(update: PlayerUpdate) -> PlayerState:
    return PlayerState(
        update.cash,
        update.position_qty,
        update.avg_cost,
        update.total_invested,
        update.cumulative_pnl,
    )


def _cause(statement: Statement) -> tuple[StateCause | None, str | None]:
    if not statement.effects:
        return None, None
    last = statement.effects[-1]
    return last.cause, last.action_id
