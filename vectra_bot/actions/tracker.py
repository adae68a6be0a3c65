"""ActionTracker: the life of every action, from intent to proven outcome.

Theory of operation. An action is ``INTENT`` when it is journaled, ``SENT`` when the gateway handed it to the
venue, and then waits for evidence, which comes in any order: an acknowledgement, a trade, a sidebet event, a
player update. Evidence is matched by key: the trace id we chose, together with our own player id, the kind
and the amount (trace ids are public); then the acknowledgement id. A trade with neither belongs to an action
only if exactly one is in flight; a change of our account to the only set of actions that explains it
(:mod:`vectra_bot.actions.reconcile`). Nothing is ever matched by its position in a queue, and nothing is ever
resent.

An action without evidence in time, or whose connection was lost, becomes ``UNKNOWN``: not a final state, but
one in which no new risk is taken until evidence or the settled game proves a terminal state. *Decided* means
terminal; *complete* means decided, and the state after it is known or will never be. The tracker reports what
happened as notes, in order; the engine turns them into documents and hooks.

::

    INTENT ──► SENT ──► CONFIRMED | REJECTED
      │          │
      ▼          ▼
    NOT_SENT   UNKNOWN ──► EXECUTED_LATE | NOT_EXECUTED | UNRESOLVED          DENIED: never sent
"""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal

import attrs
from attrs import define, field

from vectra_bot.actions.book import ActionBook, player_state, remember
from vectra_bot.actions.notes import (
    Booked,
    ForcedSell,
    Stated,
    Tracked,
)
from vectra_bot.actions.reconcile.change import UnknownChange
from vectra_bot.actions.reconcile.ends import MissedEnds, PastEnd
from vectra_bot.actions.reconcile.fills import Executed, effect_of
from vectra_bot.actions.rounds import SIDE_GAMES, Stakes
from vectra_bot.actions.shorts import Shorts, bonus_of, short_of
from vectra_bot.actions.sidebets import Sidebets
from vectra_bot.game import rules
from vectra_bot.game.account import Account, AccountUpdate, Unexplained
from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.game.holdings import StakeView
from vectra_bot.game.lots import Lot
from vectra_bot.game.state import GameView
from vectra_bot.models import (
    Ack,
    ActionOutcome,
    ActionState,
    ActionType,
    DrawingResult,
    GamePhase,
    PlayerAction,
    PlayerRequest,
    PlayerUpdate,
    Proof,
    SendResult,
    StateCause,
    Trade,
)
from vectra_bot.models.times import NS_PER_MS

# The venue's names for SOL in trades and updates (protocol 5.5, 5.6).
SOL_COINS = (None, "solana", rules.SOL_ADDRESS)

_TRADE_KINDS = {
    "buy": ActionType.BUY,
    "sell": ActionType.SELL,
    "short_open": ActionType.SHORT_OPEN,
    "short_close": ActionType.SHORT_CLOSE,
}


@define
class ActionTracker:
    """Correlates evidence with actions; one per session.

    Attributes:
        book: the incomplete actions.
        account: our money.
        game: the running game.
        sidebets: correlates evidence about our sidebet.
        stakes: the same for our stakes in the side games' rounds.
        shorts: the same for our short.
        ends: games whose end was missed.
    """

    book: ActionBook
    account: Account
    game: GameView
    sidebets: Sidebets
    stakes: Stakes
    shorts: Shorts
    ends: MissedEnds = field(init=False)
    _trades: OrderedDict[str, None] = field(factory=OrderedDict)
    _drawings: OrderedDict[str, None] = field(factory=OrderedDict)
    _forced_game: str = ""

    def __attrs_post_init__(self) -> None:
        self.ends = MissedEnds(self.book, self.account)

    def on_time(self, now_ns: int) -> None:
        """Stop waiting for evidence that is overdue at *now_ns*."""
        self.book.on_time(now_ns)
        self.stakes.on_time(now_ns)
        self.ends.on_time(now_ns)

    def on_disconnected(self, reason: str) -> None:
        """Make every undecided action UNKNOWN: what was sent may have been executed unseen."""
        self.book.on_disconnected(reason)
        self.stakes.rounds.lose()
        self.ends.on_disconnected()

    def on_game_closed(self, game_id: str, rug_ns: int | None, now_ns: int) -> None:
        """Decide the undecided actions of *game_id*; stakes in side games' rounds continue."""
        wait = self.ends.begin(game_id, rug_ns, now_ns)
        self.book.on_game_closed(game_id, now_ns, wait=wait)
        if self.account.stated is not None:
            self.stakes.prove(self.account.stated.recv_ns)
        self.stakes.lose(now_ns)

    def on_ending(self, now_ns: int) -> None:
        """Decide and complete everything: the session ends."""
        self.book.on_ending(now_ns)
        self.stakes.on_ending()

    def on_send_result(self, result: SendResult) -> None:
        """Process whether a command was sent."""
        tracked = self.book.get(result.action_id)
        if tracked is None:
            self.book.find(
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
            state, why = ActionState.NOT_SENT, "send result"
            self.book.decide(tracked, state, result.recv_ns, why, outcome, proof=Proof.SEND)
            self.book.complete(tracked, None, None)
            return
        self.book.sent(tracked, result)

    def on_player_request(self, request: PlayerRequest) -> None:
        """Process a request of the person at the page."""
        self.book.human(request)

    def on_ack(self, ack: Ack) -> None:
        """Process an acknowledgement: it proves a rejection; an execution is proven only by its effect."""
        tracked = self.book.answered(ack.ack_id)
        if tracked is None:
            if ack.success is not None:  # the answer to a ping is empty
                self.book.find(
                    "action.stray_ack",
                    "info",
                    "an acknowledgement answers no request that waits for one",
                    ack_id=ack.ack_id,
                    success=ack.success,
                )
            return
        self.book.evidence(tracked, ack.recv_ns)
        if ack.success is False:
            self._refused(tracked, ack)
        elif ack.success is None and not tracked.action.is_decided:
            self.book.move(tracked, ActionState.UNKNOWN, "unreadable acknowledgement")
        elif ack.success and tracked.action.state is ActionState.NOT_EXECUTED:
            self.book.contradiction(tracked, "the venue accepted an action that it did not execute")

    def _refused(self, tracked: Tracked, ack: Ack) -> None:
        if tracked.action.is_decided:
            if tracked.action.state.is_executed:
                self.book.contradiction(tracked, "the venue rejected an action that it executed")
            return
        outcome = ActionOutcome(
            False,
            error=ActionState.REJECTED.value,
            error_reason=ack.message or "no reason given",
            server_request_id=ack.ack_id,
        )
        state, why = ActionState.REJECTED, "acknowledgement"
        self.book.decide(tracked, state, ack.recv_ns, why, outcome, proof=Proof.ACK)
        self.book.complete(tracked, None, None)

    def on_trade(self, trade: Trade) -> None:
        """Process a trade of our account."""
        if trade.trade_id in self._trades:
            return
        remember(self._trades, trade.trade_id, None)
        kind = _TRADE_KINDS.get(trade.kind)
        if kind is None or trade.coin not in SOL_COINS:
            self._foreign(trade)
            return
        tracked = self.book.match_trace(trade, kind)
        if kind.is_unverified:
            self.shorts.on_trade(trade, kind, tracked)
            return
        if tracked is None and kind is ActionType.SELL and self._is_external_sale(trade):
            return
        if tracked is None and trade.trace_id is None:
            tracked = self.book.match_alone(trade, kind)
        if tracked is None:
            self._external_trade(trade, kind)
        elif tracked.price is None:
            self._traded(tracked, trade, kind)

    def _foreign(self, trade: Trade) -> None:
        """Record our trade of an unknown kind; a coin other than SOL ends trading."""
        self.book.find(
            "trade.unsupported",
            "critical" if trade.coin not in SOL_COINS else "warning",
            f"own trade of kind {trade.kind!r} in coin {trade.coin!r}",
            trade_id=trade.trade_id,
        )
        if trade.coin not in SOL_COINS:
            self.book.gate.stop_all(f"our account trades {trade.coin!r} instead of SOL")

    def _is_external_sale(self, trade: Trade) -> bool:
        """Book a sale that we did not request if it is the rug's or a liquidation; return whether it was."""
        if self.shorts.is_rugs(trade):
            self._forced_sell(to_lamports(trade.amount), to_lamports(trade.qty), bonus_of(trade))
            return True
        lot = self.account.liquidated_lot(to_lamports(trade.qty), trade.price)
        if lot is None:
            return False
        # One of our actions at such a price would have found the lot already liquidated (protocol 9).
        self._external_trade(trade, ActionType.SELL, liquidated=lot)
        return True

    def _forced_sell(self, amount: int, qty: int, bonus: int = 0) -> None:
        """Book the rug's sale, at the first of its two pieces of evidence."""
        again = self._forced_game == self.game.game_id
        if again and not self.account.lots:
            return
        self._forced_game = self.book.gate.rugged_game = self.game.game_id
        self.account.sell(amount, qty, None, StateCause.FORCED_SELL, bonus=bonus)
        if not again:
            self.book.notes.append(ForcedSell(amount - bonus))

    def _traded(self, tracked: Tracked, trade: Trade, kind: ActionType) -> None:
        """Apply a trade that is the fill of *tracked*."""
        self.book.priced(tracked, trade)
        tracked.bonus = bonus_of(trade)
        shown: Unexplained | None = None
        if not tracked.booked:
            shown = self._enter(trade, kind, tracked.action, StateCause.ACTION)
            if kind is ActionType.BUY:
                self.book.notes.append(Booked(tracked.plan))
        elif kind is ActionType.BUY and trade.game_id == self.game.game_id:
            self.account.name_lot(_lot_of(trade, tracked.action, tracked.bonus))
        self.book.traded(tracked, trade, shown)

    def _enter(
        self,
        trade: Trade,
        kind: ActionType,
        action: PlayerAction,
        cause: StateCause,
        liquidated: Lot | None = None,
    ) -> Unexplained | None:
        """Book a trade; a trade of a finished game changes cash only, its position no longer exists."""
        amount, qty, bonus = to_lamports(trade.amount), to_lamports(trade.qty), bonus_of(trade)
        action_id = action.action_id
        if trade.game_id != self.game.game_id:
            signed = bonus - amount if kind is ActionType.BUY else amount - bonus
            return self.account.move_cash(signed, action_id, cause, unverified=action.unverified)
        if kind is ActionType.BUY:
            return self.account.buy(_lot_of(trade, action, bonus), action_id, cause)
        return self.account.sell(amount, qty, action_id, cause, bonus=bonus, liquidated=liquidated)

    def _external_trade(
        self, trade: Trade, kind: ActionType, liquidated: Lot | None = None
    ) -> None:
        leverage = (trade.leverage or 1) if liquidated is None else liquidated.leverage
        tracked = self.book.external(
            kind,
            trade.amount,
            trade.recv_ns,
            by_venue=liquidated is not None,
            leverage=leverage,
            unverified=leverage > 1,
        )
        self.book.priced(tracked, trade)
        tracked.bonus = bonus_of(trade)
        shown = self._enter(trade, kind, tracked.action, StateCause.EXTERNAL, liquidated)
        self.book.traded(tracked, trade, shown)

    def on_drawing(self, drawing: DrawingResult, prize: Decimal) -> bool:
        """Book *prize*, won in a drawing without any action; return False for a duplicate."""
        key = f"{drawing.name}:{drawing.drawing_id}"
        if key in self._drawings:
            return False
        remember(self._drawings, key, None)
        self.account.move_cash(to_lamports(prize), None, StateCause.STAKE_SETTLED)
        self.book.find("account.drawing", "info", f"we won in a {drawing.name}", prize=str(prize))
        return True

    def on_player_update(self, update: PlayerUpdate) -> None:
        """Process the venue's statement of our account and find the cause of its change."""
        if update.selected_coin not in SOL_COINS:
            self.book.find(
                "account.coin",
                "critical",
                "a coin other than SOL is selected",
                coin=update.selected_coin,
            )
            self.book.gate.stop_all(f"coin {update.selected_coin!r} is selected instead of SOL")
        short = self.account.short
        statement = self.account.state_update(update)
        cause, action_id, unverified = _cause(statement)
        past = self.ends.explain(update)
        if past is not None:
            statement = self._past(past, statement, update)
            cause, action_id = past.effect.cause, past.effect.action_id
            if not (past.executed or past.sold):
                cause = None if statement.delta_cash == 0 else cause
        elif not statement.explained:
            change = self._unknown_change(update, statement)
            shown = None if change is None else change.answer()
            if shown is not None:
                for fill in shown.fills:
                    self._shown(fill, update)
                last = shown.fills[-1].tracked.action
                cause, action_id = StateCause.ACTION, last.action_id
                unverified = any(fill.tracked.action.unverified for fill in shown.fills)
                statement = attrs.evolve(statement, explained=True, effects=shown.before)
            elif self._looks_forced(statement):
                cause = StateCause.FORCED_SELL
                self._forced_sell(statement.delta_cash, -statement.delta_qty)
                statement = self.account.state_update(update)
            else:
                cause = StateCause.UNEXPLAINED
                ours = change is not None and change.may_be_ours
                statement = attrs.evolve(statement, ours=ours)
                self.book.unexplained(statement)
        agreed = self.account.adopt(update, statement, self.game.tick)
        if not agreed and cause is not StateCause.UNEXPLAINED:
            self.book.find(
                "account.corrected",
                "warning",
                "our ledger differed from the venue's; corrected",
                cash=str(update.cash),
                position_qty=str(update.position_qty),
            )
        self.book.notes.append(Stated(update, statement, cause, action_id, unverified))
        self.shorts.on_stated(short)
        state, now_ms = player_state(update), update.recv_ns // NS_PER_MS
        for effect in statement.effects:
            tracked = self.book.get(effect.action_id)
            if tracked is not None and tracked.action.is_decided:
                self.book.complete(tracked, state, now_ms)
        self.stakes.prove(update.recv_ns)

    def _unknown_change(self, update: PlayerUpdate, seen: AccountUpdate) -> UnknownChange | None:
        """Return an unexplained change, and the undecided actions beside it; None if there are none."""
        candidates = [t for t in self.book.undecided() if t.action.state is not ActionState.INTENT]
        if not candidates:
            return None
        return UnknownChange(
            candidates,
            update,
            seen,
            self.account,
            self.game.prices,
            forced=self._looks_forced(seen),
            rugged=self.game.phase is GamePhase.RUGGED,
        )

    def _past(self, past: PastEnd, seen: AccountUpdate, update: PlayerUpdate) -> AccountUpdate:
        """Decide the actions of a game whose end was missed, and book all that *update* shows of it."""
        for tracked in past.executed:
            self.book.evidence(tracked, update.recv_ns)
            tracked.booked = True
            self.book.executed(tracked, update.recv_ns, "player update", Proof.UPDATE)
            self.book.complete(tracked, player_state(update), update.recv_ns // NS_PER_MS)
        for tracked in past.others:
            self.book.decide_unproven(tracked, update.recv_ns, lacking="")
            self.book.complete(tracked, None, None)
        self.account.shown(past.effect, self.game.tick)
        return attrs.evolve(seen, explained=True, effects=self.account.pending)

    def _shown(self, fill: Executed, update: PlayerUpdate) -> None:
        """Book what an action did, and decide it: *update* shows the effect."""
        tracked = fill.tracked
        self.book.evidence(tracked, update.recv_ns)
        tracked.booked = True
        tracked.amount = abs(fill.cash + fill.bonus)
        tracked.bonus = abs(fill.bonus)
        self.account.shown(effect_of(fill), self.game.tick, tracked.action.leverage)
        self._adopt_stake(update, tracked)
        if fill.qty > 0:
            self.book.notes.append(Booked(tracked.plan))
        self.book.executed(tracked, update.recv_ns, "player update", Proof.UPDATE)
        self.book.complete(tracked, player_state(update), update.recv_ns // NS_PER_MS)

    def _adopt_stake(self, update: PlayerUpdate, tracked: Tracked) -> None:
        """Record the stake of an action that the update shows; a short is adopted from the update."""
        action, account = tracked.action, self.account
        bonus = to_sol(tracked.bonus)
        if action.action_type is ActionType.SIDEBET:
            account.sidebet = self.sidebets.shown(update, tracked)
        elif action.action_type is ActionType.SHORT_OPEN and update.short is not None:
            account.short = short_of(update.short, action.action_id, bonus)
        elif action.action_type.is_side_game:
            side_game = SIDE_GAMES[action.action_type]
            stake = StakeView(
                side_game,
                action.round_id or "",
                action.choice or "",
                action.amount or Decimal(0),
                action.action_id,
                bonus,
            )
            account.stakes[side_game, stake.round_id] = stake

    def _looks_forced(self, seen: AccountUpdate) -> bool:
        """Return whether a change is the rug's sale: everything sold, for what only a rug pays."""
        sold = -seen.delta_qty
        if sold <= 0 or sold != self.account.qty or seen.delta_cash < 0:
            return False
        rug_price = self.game.rug_price
        if rug_price is not None and self.account.leveraged:
            return True  # what a leveraged lot pays is not known for certain
        if rug_price is not None:
            # A lamport of each lot may be rounded; a sale before the rug pays fifty times as much.
            paid = seen.delta_cash + seen.delta_bonus
            return paid <= self.account.value(rug_price) + len(self.account.lots)
        return seen.delta_cash <= sold * self.game.price * rules.FORCED_SELL_SHARE


def _lot_of(trade: Trade, action: PlayerAction, bonus: int) -> Lot:
    """Return the lot that a buy brought."""
    qty, amount = to_lamports(trade.qty), to_lamports(trade.amount)
    return Lot(qty, amount, trade.tick, trade.price, trade.leverage or action.leverage, bonus)


def _cause(statement: AccountUpdate) -> tuple[StateCause | None, str | None, bool]:
    if not statement.effects:
        return None, None, False
    last = statement.effects[-1]
    return last.cause, last.action_id, any(e.unverified for e in statement.effects)
