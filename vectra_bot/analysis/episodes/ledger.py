"""Our account, rebuilt from the documents of a session by the same fold that the engine uses.

Theory of operation. The engine books an effect when the first evidence of it arrives. The documents say when
that was: an ``action.state`` event with a terminal state, a ``short_position`` document, a statement of the
account (``server_state``) whose cause is the rug, a settlement or something else. What was booked, amount and
price, is in the action's own document, which is stored when the action is complete; it is used at the moment
of the evidence and never before. The venue's statement is authoritative, as in the engine.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
from attrs import define, field, frozen

from vectra_bot.game import rules
from vectra_bot.game.account import Account, AccountUpdate
from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.game.holdings import ShortView, SidebetView, StakeView
from vectra_bot.game.lots import Lot, buy_qty
from vectra_bot.models import (
    ActionType,
    Actor,
    PlayerAction,
    PlayerUpdate,
    ServerState,
    ShortInfo,
    ShortPositionState,
    SideGameKind,
    StateCause,
)

_SIDE_GAMES = {
    ActionType.BBC_PREDICT: SideGameKind.BBC,
    ActionType.CANDLEFLIP_BET: SideGameKind.CANDLEFLIP,
}
_LEVERAGE_OF_NONE = 1


@frozen
class Shown:
    """What a statement of the account that names an action changed: lamports and 1e-9 units."""

    cash: int
    qty: int


@define
class DocumentLedger:
    """The account of one session, folded from its documents.

    Attributes:
        account: our money.
        at_rug: whether the rug sold something, or paid a stake, in the running game.
    """

    account: Account = field(factory=Account)
    at_rug: bool = False
    _sidebet_pnl: int = 0

    def open_game(self) -> None:
        """Begin a new game: what was held has ended with the old one."""
        self.account.open_game()
        self.at_rug = False
        self._sidebet_pnl = 0

    def rug(self, price: float) -> None:
        """Book the rug's sale of what is still held, which a later statement shows."""
        account = self.account
        if account.lots and price > 0:
            account.sell(account.value(price), account.qty, None, StateCause.FORCED_SELL)
            self.at_rug = True

    def executed(self, action: PlayerAction, game_id: str, tick: int, shown: Shown | None) -> None:
        """Book an action at the moment at which evidence proved it.

        Args:
            action: the action with its outcome.
            game_id: the running game.
            tick: newest tick.
            shown: the change that the account's statement shows for it; None if none names it.
        """
        if action.outcome is None:
            return
        account, kind = self.account, action.action_type
        cause = StateCause.EXTERNAL if action.actor is Actor.EXTERNAL else StateCause.ACTION
        amount = to_lamports(action.outcome.executed_amount or action.amount or 0)
        bonus = to_lamports(action.outcome.executed_bonus or 0)
        own, action_id = amount - bonus, action.action_id
        if kind in _SIDE_GAMES:
            account.place_stake(_stake(action, amount, bonus), cause)
        elif action.game_id != game_id:
            entry = kind.is_entry
            account.move_cash(-own if entry else own, action_id, cause)
        elif kind is ActionType.BUY:
            account.buy(_lot(action, amount, bonus, tick, shown), action_id, cause)
        elif kind is ActionType.SELL:
            account.sell(amount, self._sold(action, own, shown), action_id, cause, bonus=bonus)
        elif kind is ActionType.SIDEBET:
            end = tick + rules.SIDEBET_WINDOW_TICKS
            bet = SidebetView(to_sol(amount), tick, end, action_id, to_sol(bonus))
            account.place_sidebet(bet, cause)
        elif kind is ActionType.SHORT_OPEN:
            stake, price = to_sol(amount), float(action.outcome.executed_price or 1)
            account.open_short(
                ShortView(stake, price, tick, stake, action_id, to_sol(bonus)), cause
            )

    def _sold(self, action: PlayerAction, own: int, shown: Shown | None) -> int:
        """Return the quantity that a sale sold."""
        if shown is not None and shown.cash == own and shown.qty < 0:
            return min(-shown.qty, self.account.qty)
        share = 100 if action.percentage is None else action.percentage
        return self.account.qty * share // 100

    def on_short(self, record: ShortPositionState, *, rugged: bool) -> None:
        """Follow the value of our short, and book its end."""
        short = self.account.short
        if short is None:
            return
        value = short.stake + record.short_pnl
        if record.has_short:
            self.account.short = attrs.evolve(short, value=value)
        else:
            self.account.close_short(to_lamports(value), short.action_id, StateCause.ACTION)
            self.at_rug |= rugged

    def lose_stake(self, action_id: str) -> None:
        """Drop a stake whose round ended without a result."""
        account = self.account
        account.stakes = {k: s for k, s in account.stakes.items() if s.action_id != action_id}

    def stated(self, row: ServerState, player_id: str, recv_ns: int, tick: int) -> AccountUpdate:
        """Adopt a statement of the account; return what it changed."""
        account = self.account
        account.player_id = account.player_id or player_id
        update = _update(row, player_id, recv_ns, account.short)
        seen = account.state_update(update)
        self._settle(row, seen)
        seen = account.state_update(update)
        if not seen.explained and row.cause is StateCause.FORCED_SELL:
            self._forced(seen)
            seen = account.state_update(update)
        self.at_rug |= row.cause is StateCause.FORCED_SELL
        account.adopt(update, seen, tick)
        self._sidebet_pnl = to_lamports(row.sidebet_pnl)
        return seen

    def _forced(self, seen: AccountUpdate) -> None:
        bonus = max(seen.delta_bonus, 0)
        amount, qty = seen.delta_cash + bonus, max(-seen.delta_qty, 0)
        self.account.sell(amount, qty, None, StateCause.FORCED_SELL, bonus=bonus)

    def _settle(self, row: ServerState, seen: AccountUpdate) -> None:
        """Book the result of a stake that a statement shows."""
        account = self.account
        if seen.first or row.cause is not StateCause.STAKE_SETTLED:
            return
        paid = seen.delta_cash - sum(effect.delta_cash for effect in account.pending)
        paid += max(seen.delta_bonus - sum(e.delta_bonus for e in account.pending), 0)
        for key, stake in list(account.stakes.items()):
            if stake.action_id is not None and stake.action_id == row.action_id:
                bonus = max(seen.delta_bonus, 0)
                account.settle_stake(key, max(paid, 0), stake.action_id, bonus=bonus)
                return
        bet = account.sidebet
        if bet is not None and (bet.action_id == row.action_id or row.action_id is None):
            account.settle_sidebet(max(paid, 0), bet.action_id)
            self.at_rug |= paid > 0


def _lot(action: PlayerAction, amount: int, bonus: int, tick: int, shown: Shown | None) -> Lot:
    """Return the lot that a buy brought."""
    outcome = action.outcome
    price = None if outcome is None else outcome.executed_price
    if price is not None:
        qty = buy_qty(amount, float(price))
        return Lot(qty, amount, tick, float(price), action.leverage or _LEVERAGE_OF_NONE, bonus)
    qty = max(shown.qty, 0) if shown is not None and shown.cash == bonus - amount else 0
    qty = qty or buy_qty(amount, float(action.game_context.price))
    return Lot(qty, amount, tick, amount / qty if qty else 1.0, action.leverage, bonus)


def _stake(action: PlayerAction, amount: int, bonus: int) -> StakeView:
    return StakeView(
        _SIDE_GAMES[action.action_type],
        action.round_id or "",
        action.choice or "",
        to_sol(amount),
        action.action_id,
        to_sol(bonus),
    )


def _update(
    row: ServerState, player_id: str, recv_ns: int, short: ShortView | None
) -> PlayerUpdate:
    """Return the venue's statement that *row* stores; it does not store our short, which is kept."""
    kept: Any = None
    if short is not None:
        kept = ShortInfo(
            amount=short.stake,
            entry_price=short.entry_price,
            entry_tick=short.entry_tick,
            value=short.value,
            pnl=short.pnl,
        )
    return PlayerUpdate(
        recv_ns=recv_ns,
        player_id=player_id,
        cash=row.cash,
        position_qty=row.position_qty,
        avg_cost=row.avg_cost,
        total_invested=row.total_invested,
        cumulative_pnl=row.cumulative_pnl,
        sidebet_pnl=row.sidebet_pnl,
        bonus_balance=row.bonus_balance,
        short=kept,
    )


def shown_by(rows: list[ServerState], before: Decimal) -> dict[str, Shown]:
    """Return what statements show of the actions that they name, by action id.

    Args:
        rows: statements in order.
        before: the position by the statement before the first of them.
    """
    found: dict[str, Shown] = {}
    for row in rows:
        if row.action_id is not None and row.cause is not StateCause.STAKE_SETTLED:
            change = to_lamports(row.position_qty - before)
            found.setdefault(row.action_id, Shown(to_lamports(row.delta_cash), change))
        before = row.position_qty
    return found
