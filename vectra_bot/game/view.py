"""Our account as a strategy or plugin sees it: read-only, in SOL."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.game.holdings import ShortView, SidebetView, StakeView
from vectra_bot.game.lots import liquidation_price
from vectra_bot.game.outside import BareView, fresh, state_of
from vectra_bot.models import PlayerState

if TYPE_CHECKING:
    from vectra_bot.game.account import Account


def multiple(account: Account, price: float) -> float:
    """Return the value of our long position at *price* over its cost; 0.0 when flat."""
    cost = account.cost
    if not cost:
        return 0.0
    if account.leveraged:
        return account.value(price) / cost
    return account.qty * price / cost


def multiples(account: Account, price: float, other: float) -> tuple[float, float]:
    """Return :func:`multiple` at two prices, for one look at the lots: most of its time."""
    cost = account.cost
    if not cost:
        return 0.0, 0.0
    if account.leveraged:
        return account.value(price) / cost, account.value(other) / cost
    qty = account.qty
    return qty * price / cost, qty * other / cost


def _account(view: BareView) -> Account:
    account: Account = state_of(view)
    return account


class PositionView(BareView):
    """Our long position, read-only; false when flat."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return bool(_account(self).lots)

    @property
    def qty(self) -> Decimal:
        """Return the quantity held."""
        return to_sol(_account(self).qty)

    @property
    def avg_cost(self) -> Decimal:
        """Return the mean entry price, rounded down to nine places; 0 when flat (protocol 6)."""
        return _account(self).state.avg_cost

    @property
    def entry_tick(self) -> int | None:
        """Return the tick of the oldest lot still held, None when flat."""
        lots = _account(self).lots
        return lots[0].tick if lots else None

    def value(self, price: float) -> Decimal:
        """Return the SOL that selling everything at *price* pays."""
        return to_sol(_account(self).value(price))

    def multiple(self, price: float) -> float:
        """Return value at *price* over cost; 0.0 when flat.

        A leveraged lot counts at what it would sell for (protocol 9; unverified).
        """
        return multiple(_account(self), price)

    @property
    def leverage(self) -> int:
        """Return the highest leverage of the lots held, 1 when flat."""
        return max((lot.leverage for lot in _account(self).lots), default=1)

    @property
    def liquidation_price(self) -> float | None:
        """Return the highest price that liquidates a lot, None if none can be (protocol 9; unverified)."""
        limits = (liquidation_price(lot.price, lot.leverage) for lot in _account(self).lots)
        return max((limit for limit in limits if limit is not None), default=None)


class AccountView(BareView):
    """Our money, read-only, in SOL."""

    __slots__ = ()

    @property
    def position(self) -> PositionView:
        """Return our long position; false when there is none."""
        return PositionView(_account(self))

    @property
    def cash(self) -> Decimal:
        """Return the free balance, including the effect of actions whose execution was seen."""
        return to_sol(_account(self).cash)

    @property
    def sidebet(self) -> SidebetView | None:
        """Return our open sidebet, None if there is none."""
        found: SidebetView | None = fresh(_account(self).sidebet)
        return found

    @property
    def short(self) -> ShortView | None:
        """Return our short position, None if there is none (protocol 8; payoff unverified)."""
        found: ShortView | None = fresh(_account(self).short)
        return found

    @property
    def stakes(self) -> tuple[StakeView, ...]:
        """Return our stakes in rounds of side games that have no result yet (protocol 11; unverified)."""
        return tuple(map(fresh, _account(self).stakes.values()))

    @property
    def bonus(self) -> Decimal:
        """Return the bonus balance, which the venue spends before cash (unverified)."""
        return to_sol(_account(self).bonus)

    @property
    def pnl(self) -> Decimal:
        """Return this game's realised profit in SOL; an open position counts at cost, a bet at stake."""
        account = _account(self)
        open_cost = sum(lot.cost - lot.bonus for lot in account.lots)
        for stake in (account.sidebet, account.short):
            if stake is not None:
                amount = stake.amount if isinstance(stake, SidebetView) else stake.stake
                open_cost += to_lamports(amount - stake.bonus)
        return to_sol(account.game_pnl + open_cost)

    @property
    def player_id(self) -> str:
        return _account(self).player_id

    @property
    def state(self) -> PlayerState:
        """Return the account as a record."""
        return _account(self).state
