"""Shorts: evidence of opening and closing, and the stored position (protocol 8; unverified).

A short is opened and closed by trades without a quantity. Only the venue's statements give its value,
because the payoff is unknown. The rug closes a short as it sells a long: that is a settlement, not an action.
A close that neither we nor the rug caused (a short that lost everything) is external, like a liquidation.
"""

from __future__ import annotations

from decimal import Decimal

from attrs import define

from vectra_bot.actions.book import ActionBook
from vectra_bot.actions.notes import Recorded, Settled, Tracked
from vectra_bot.game import rules
from vectra_bot.game.account import Account, Unexplained
from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.game.holdings import ShortView
from vectra_bot.game.lots import buy_qty
from vectra_bot.game.state import GameView
from vectra_bot.models import (
    ActionType,
    DocType,
    GamePhase,
    ShortInfo,
    ShortPositionState,
    StakeSettled,
    StateCause,
    Trade,
)

_NOTHING = Decimal(0)


@define
class Shorts:
    """Correlates evidence about our short with the actions of the book."""

    book: ActionBook
    account: Account
    game: GameView

    def on_trade(self, trade: Trade, kind: ActionType, tracked: Tracked | None) -> None:
        """Process a trade of our short; *tracked* is the action whose trace id it carries."""
        if tracked is None and trade.trace_id is None:
            tracked = self.book.match_alone(trade, kind)
        if kind is ActionType.SHORT_OPEN:
            self._opened(trade, tracked)
        elif tracked is None and self.is_rugs(trade):
            self._settle(trade, StateCause.STAKE_SETTLED, None, at_rug=True)
        else:
            self._closed(trade, tracked)

    def is_rugs(self, trade: Trade) -> bool:
        """Return whether one of our trades without an action is the rug's, by the size of the fall."""
        if self.game.phase is GamePhase.RUGGED:
            return trade.price == self.game.rug_price
        return trade.price <= self.game.price * rules.FORCED_SELL_SHARE

    def _opened(self, trade: Trade, tracked: Tracked | None) -> None:
        cause = StateCause.ACTION
        if tracked is None:
            if self.account.short is not None:
                return
            cause = StateCause.EXTERNAL
            tracked = self._external(trade, ActionType.SHORT_OPEN)
        self.book.priced(tracked, trade)
        shown: Unexplained | None = None
        if not tracked.booked:
            tracked.booked = True
            tracked.bonus = self.account.bonus_in(to_lamports(trade.amount), trade.bonus_portion)
            shown = self._open_short(trade, tracked, cause)
        self.book.traded(tracked, trade, shown)

    def _open_short(self, trade: Trade, tracked: Tracked, cause: StateCause) -> Unexplained | None:
        action_id, account = tracked.action.action_id, self.account
        amount = to_lamports(trade.amount)
        if trade.game_id != self.game.game_id:
            return account.move_cash(tracked.bonus - amount, action_id, cause, unverified=True)
        short = ShortView(
            trade.amount, trade.price, trade.tick, trade.amount, action_id, to_sol(tracked.bonus)
        )
        shown = account.open_short(short, cause)
        self.book.notes.append(_short_record(short))
        return shown

    def _closed(self, trade: Trade, tracked: Tracked | None) -> None:
        cause = StateCause.ACTION
        if tracked is None:
            cause = StateCause.EXTERNAL
            tracked = self._external(trade, ActionType.SHORT_CLOSE)
        self.book.priced(tracked, trade)
        shown: Unexplained | None = None
        if not tracked.booked:
            tracked.booked = True
            tracked.bonus = self._bonus_paid(trade)
            shown = self._settle(trade, cause, tracked.action.action_id)
        self.book.traded(tracked, trade, shown)

    def _settle(
        self, trade: Trade, cause: StateCause, action_id: str | None, *, at_rug: bool = False
    ) -> Unexplained | None:
        """Book the payout of the short and report the end of its stake."""
        short = self.account.short
        if short is None and at_rug:
            return None
        opened_by = short.action_id if short is not None else None
        amount, bonus = to_lamports(trade.amount), self._bonus_paid(trade)
        shown = self.account.close_short(amount, action_id or opened_by, cause, bonus=bonus)
        if short is None:
            return shown
        self.book.notes.append(_short_record(None, closed=short, payout=trade.amount))
        settled = StakeSettled(
            action_id=opened_by or "",
            game_id=trade.game_id,
            action_type=ActionType.SHORT_OPEN.value,
            stake=short.stake,
            won=trade.amount > short.stake,
            payout=trade.amount,
            pnl=trade.amount - short.stake,
            tick=trade.tick,
            unverified=True,
        )
        self.book.notes.append(Settled(settled, at_rug=at_rug))
        return shown

    def _bonus_paid(self, trade: Trade) -> int:
        """Return the bonus part of the payout: as stated, else split in proportion to the stake."""
        short = self.account.short
        if trade.bonus_portion is not None or short is None or not short.bonus:
            return bonus_of(trade)
        return to_lamports(trade.amount) * to_lamports(short.bonus) // to_lamports(short.stake)

    def _external(self, trade: Trade, kind: ActionType) -> Tracked:
        tracked = self.book.external(kind, trade.amount, trade.recv_ns, unverified=True)
        tracked.booked = False
        return tracked

    def on_stated(self, before: ShortView | None) -> None:
        """Store the short if a player update changed what is known of it."""
        short = self.account.short
        if short is None:
            if before is not None:
                self.book.notes.append(_short_record(None, closed=before))
        elif before is None or short.value != before.value:
            self.book.notes.append(_short_record(short))


def short_of(stated: ShortInfo, action_id: str | None, bonus: Decimal) -> ShortView:
    """Return the short stated in a player update, as the effect of one of our actions."""
    return ShortView(
        stated.amount, stated.entry_price, stated.entry_tick, stated.value, action_id, bonus
    )


def bonus_of(trade: Trade) -> int:
    """Return the part of a trade's amount that is bonus money, in lamports."""
    return to_lamports(trade.bonus_portion) if trade.bonus_portion else 0


def _short_record(
    short: ShortView | None, *, closed: ShortView | None = None, payout: Decimal | None = None
) -> Recorded:
    """Return the document of an open short, or of one that was closed for *payout*."""
    if short is None:
        pnl = payout - closed.stake if closed is not None and payout is not None else _NOTHING
        price = _NOTHING if closed is None else Decimal(repr(closed.entry_price))
        record = ShortPositionState(False, _NOTHING, price, pnl)
        return Recorded(DocType.SHORT_POSITION, record)
    record = ShortPositionState(
        True,
        to_sol(buy_qty(to_lamports(short.stake), short.entry_price)),
        Decimal(repr(short.entry_price)),
        short.pnl,
        at_risk=2 * short.value < short.stake,
    )
    return Recorded(DocType.SHORT_POSITION, record)
