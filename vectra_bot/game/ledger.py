"""The arithmetic of one account in one game, to the lamport (protocol 6, 7, 8, 9).

Theory of operation. Everything is an int of 1e-9 units: SOL in lamports, tokens in billionths. A price is
an IEEE double, taken as the exact binary fraction it is, so that every floor is exact and no float error
can create or destroy a lamport.

* A buy takes ``amount`` and adds one lot of ``floor(amount / price)`` tokens.
* A sell takes the oldest lots first and pays ``floor(part * price)`` for each lot it touches: that is
  why the venue pays up to a few lamports less than the floor of the total.
* The cost of a lot sold in part is split so that the parts add up: the sold share is rounded down and
  the rest stays with the lot.
* ``total_invested`` is a high-water mark of the net money put in, plus every sidebet and short stake.
* A sidebet counts in the PnL only when it is settled; a short at its value.
* ``avg_cost`` is the mean entry price of the open lots, weighted by their tokens and floored. This
  matches real rows of one lot (56 of 56) and of two; cost divided by tokens, which protocol 6 names, is up
  to a few 1e-9 higher, because a buy's tokens are floored.
* Bonus money is spent first, and a payout is split like its stake (unverified). Portions
  add up to the amount, where the venue's own are sometimes a few 1e-9 short of it.
* Winnings of one game are capped at ``max_win``; anything above is not paid (protocol 6.1, notes only).

A rejected request raises before anything changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from attrs import define, field, frozen

from vectra_bot.game import rules
from vectra_bot.game.amounts import (
    UNIT,
    BadAmount,
    GameOpen,
    InsufficientFunds,
    LedgerError,
    NoShort,
    NothingToSell,
    ShortOpen,
    SidebetOpen,
    lamports_from_double,
    pnl_percent,
    price_ratio,
    to_lamports,
    to_sol,
)
from vectra_bot.game.lots import (
    Fill,
    FillKind,
    Lot,
    average_cost,
    buy_qty,
    held_cost,
    is_liquidated,
    leveraged_top,
    liquidation_price,
    lot_value,
    sell_value,
    split_lots,
)
from vectra_bot.game.shorts import OpenShort, ShortTerms

__all__ = [
    "BadAmount",
    "Fill",
    "FillKind",
    "GameOpen",
    "InsufficientFunds",
    "Ledger",
    "LedgerError",
    "Lot",
    "NoShort",
    "NothingToSell",
    "OpenSidebet",
    "SettledSidebet",
    "ShortOpen",
    "SidebetOpen",
    "average_cost",
    "buy_qty",
    "lamports_from_double",
    "liquidation_price",
    "lot_value",
    "pnl_percent",
    "sell_value",
    "sidebet_payout",
    "sidebet_wins",
    "split_lots",
    "to_lamports",
    "to_sol",
]


def sidebet_payout(amount: int) -> int:
    """Return what a won sidebet of *amount* lamports pays, the stake included (protocol 7)."""
    return amount * rules.SIDEBET_PAYOUT_X


def sidebet_wins(start_tick: int, rug_tick: int) -> bool:
    """Return whether a bet placed at *start_tick* wins when the game rugs at *rug_tick* (protocol 7)."""
    return rug_tick <= start_tick + rules.SIDEBET_WINDOW_TICKS


@frozen
class OpenSidebet:
    """A sidebet that is not decided yet; it wins for rug ticks ``start_tick + 1`` to ``end_tick``."""

    amount: int
    start_tick: int
    end_tick: int
    bonus: int = 0


@frozen
class SettledSidebet:
    """A decided sidebet: ``payout`` includes the stake, ``pnl`` is what the player gained or lost.

    ``bonus`` is the part of the payout that is bonus money.
    """

    amount: int
    won: bool
    payout: int
    pnl: int
    start_tick: int
    end_tick: int
    bonus: int = 0


@define
class Ledger:
    """One player's money in one coin and open positions in the current game; the owner of this state.

    Example:
        >>> ledger = Ledger(to_lamports(1))
        >>> ledger.buy(to_lamports("0.1"), 1.25, tick=3).qty
        80000000
        >>> ledger.sell(100, 1.5, tick=9).amount, to_sol(ledger.cash)
        (120000000, Decimal('1.020000000'))
    """

    cash: int = field()
    bonus: int = field(default=0, kw_only=True)
    max_win: int | None = field(default=None, kw_only=True)
    sidebet: OpenSidebet | None = field(default=None, init=False)
    short: OpenShort | None = field(default=None, init=False)
    sidebet_pnl: int = field(default=0, init=False)
    hit_max_win: bool = field(default=False, init=False)
    _lots: list[Lot] = field(factory=list, init=False)
    _qty: int = field(default=0, init=False)
    _cost: int = field(default=0, init=False)
    _leveraged: int = field(default=0, init=False)
    _short_realised: int = field(default=0, init=False)
    _realised: int = field(default=0, init=False)
    _net_in: int = field(default=0, init=False)
    _net_in_peak: int = field(default=0, init=False)
    _other_stakes: int = field(default=0, init=False)

    @property
    def lots(self) -> tuple[Lot, ...]:
        """The open lots, oldest first."""
        return tuple(self._lots)

    @property
    def leveraged(self) -> bool:
        """Whether a lot with leverage is open."""
        return self._leveraged > 0

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing but cash and lots without leverage: no stake, no bonus money."""
        if self._leveraged or self.bonus:
            return False
        return self.short is None and self.sidebet is None

    @property
    def position_qty(self) -> int:
        """Tokens held, in 1e-9 units."""
        return self._qty

    @property
    def cost(self) -> int:
        """Cost of the open lots in lamports."""
        return self._cost

    @property
    def avg_cost(self) -> int:
        """Mean entry price of the open lots, floored to 1e-9 SOL; 0 when flat (protocol 6)."""
        return average_cost(self._lots)

    @property
    def total_invested(self) -> int:
        """High-water mark of the net money put in, plus every sidebet and short stake (protocol 6)."""
        return self._net_in_peak + self._other_stakes

    @property
    def booked(self) -> int:
        """PnL of the game with the open lots counted as lost and no open short, lamports."""
        return self._realised - self._cost + self.settled_pnl

    @property
    def settled_pnl(self) -> int:
        """PnL of the game's settled sidebets and closed shorts, lamports."""
        return self.sidebet_pnl + self._short_realised

    @property
    def free(self) -> int:
        """Lamports that can be staked, bonus money included."""
        return self.cash + self.bonus

    def begin_game(self) -> None:
        """Start a game's books at zero; the cash is kept.

        Raises:
            GameOpen: a lot, a short or a sidebet of the last game is still open.
        """
        if self._lots or self.sidebet is not None or self.short is not None:
            raise GameOpen("the last game is not settled: sell the position and settle the stakes")
        self.sidebet_pnl = self._short_realised = 0
        self._realised = self._net_in = self._net_in_peak = self._other_stakes = 0
        self.hit_max_win = False

    def stake(self, what: str, amount: int) -> int:
        """Take *amount* lamports, bonus money first, and return how much of it was bonus money.

        Raises:
            BadAmount: the amount is not positive.
            InsufficientFunds: the money does not cover it.
        """
        if not 0 < amount <= self.cash + self.bonus:
            self._refuse_stake(what, amount)
        bonus = min(self.bonus, amount)
        self.bonus -= bonus
        self.cash -= amount - bonus
        return bonus

    def credit(self, amount: int, bonus: int) -> None:
        """Add *amount* lamports, *bonus* of them as bonus money."""
        self.bonus += bonus
        self.cash += amount - bonus

    def buy(self, amount: int, price: float, tick: int, leverage: int = 1) -> Fill:
        """Spend *amount* lamports at *price*; presale buys are at tick 0 and price 1.

        Raises:
            BadAmount: the amount is not positive, or buys nothing at this price.
            InsufficientFunds: the money does not cover it.
        """
        if not 0 < amount <= self.cash + self.bonus:
            self._refuse_stake("buy", amount)
        top, bottom = price_ratio(price)
        qty = amount * bottom // top
        if not qty:
            raise BadAmount(f"a buy of {to_sol(amount):f} SOL at {price!r} buys nothing: give more")
        if leverage != 1 and leverage not in rules.LIQUIDATION_FALL:
            raise BadAmount(
                f"leverage was {leverage!r}: give {rules.MIN_LEVERAGE} to {rules.MAX_LEVERAGE}"
            )
        bonus = 0
        if self.bonus:
            bonus = self.stake("buy", amount)
        else:
            self.cash -= amount
        self._lots.append(Lot(qty, amount, tick, price, leverage, bonus))
        self._qty += qty
        self._cost += amount
        if leverage > 1:
            self._leveraged += 1
        self._net_in += amount
        self._net_in_peak = max(self._net_in_peak, self._net_in)
        return Fill("buy", qty, amount, price, tick, amount, leverage, bonus)

    def sell(self, percentage: int, price: float, tick: int) -> Fill:
        """Sell *percentage* of the position: ``floor9(position * percentage / 100)`` tokens.

        Raises:
            BadAmount: the percentage is not a whole number from 1 to 100.
            NothingToSell: that share is less than a billionth of a token.
        """
        whole = type(percentage) is int and percentage == 100
        return self.sell_qty(self._qty if whole else self._share(percentage), price, tick)

    def sell_qty(self, qty: int, price: float, tick: int) -> Fill:
        """Sell *qty* billionths of a token, oldest lots first.

        Raises:
            NothingToSell: *qty* is not positive, or more than the position.
        """
        sold, left = self._take(qty)
        return self._sold("sell", sold, left, price, tick)

    def quote_sell(self, percentage: int, price: float) -> int:
        """Return the lamports that selling *percentage* at *price* would bring; nothing changes."""
        sold, _ = self._take(self._share(percentage))
        cost = sum(lot.cost for lot in sold)
        return self._payable(sum(lot_value(lot, price) for lot in sold), cost)

    def forced_sell(self, price: float, tick: int) -> Fill | None:
        """Sell the whole position at the rug price; None when flat (protocol 6)."""
        if not self._lots:
            return None
        return self._sold("forced_sell", self._lots, [], price, tick)

    def liquidate(self, price: float, tick: int) -> list[Fill]:
        """Sell every leveraged lot that *price* liquidates, each separately (protocol 9; unverified)."""
        if not self._leveraged:
            return []
        fills: list[Fill] = []
        for lot in [lot for lot in self._lots if is_liquidated(lot, price)]:
            left = [other for other in self._lots if other is not lot]
            fills.append(self._sold("liquidation", [lot], left, price, tick))
        return fills

    def open_short(self, amount: int, price: float, tick: int, terms: ShortTerms) -> Fill:
        """Stake *amount* lamports on a falling price (protocol 8; payoff unverified).

        Raises:
            ShortOpen: one is open already.
            BadAmount: the amount is not positive, or there is no price.
            InsufficientFunds: the money does not cover it.
        """
        if self.short is not None:
            raise ShortOpen(f"a short is open since tick {self.short.entry_tick}: close it first")
        price_ratio(price)
        bonus = self.stake("short", amount)
        self._other_stakes += amount
        basis = None if terms.waits_to_open else price
        self.short = OpenShort(amount, price, tick, bonus, basis)
        return Fill("short_open", 0, amount, price, tick, amount, 1, bonus)

    def close_short(self, price: float, tick: int, value: int, *, rugged: bool = False) -> Fill:
        """Close the short for *value* lamports, computed from its terms at *price*.

        A short held into the rug counts for experience, however short the time, like a long.

        Raises:
            NoShort: none is open.
        """
        short = self.short
        if short is None:
            raise NoShort("there is no short to close: open one first")
        paid = self._pay(value, short.amount)
        bonus = paid * short.bonus // short.amount
        self.credit(paid, bonus)
        self._short_realised += paid - short.amount
        self.short = None
        held = rugged or tick - short.entry_tick >= rules.VALID_BET_TICKS
        valid = short.amount if held else 0
        return Fill("short_close", 0, paid, price, tick, short.amount, 1, bonus, valid)

    def place_sidebet(self, amount: int, tick: int) -> OpenSidebet:
        """Bet *amount* lamports that the game rugs within the next 40 ticks (protocol 7).

        Raises:
            SidebetOpen: one is open already.
            BadAmount: the amount is not positive.
            InsufficientFunds: the money does not cover it.
        """
        if self.sidebet is not None:
            raise SidebetOpen(f"a sidebet is open until tick {self.sidebet.end_tick}: wait for it")
        bonus = self.stake("sidebet", amount)
        self._other_stakes += amount
        self.sidebet = OpenSidebet(amount, tick, tick + rules.SIDEBET_WINDOW_TICKS, bonus)
        return self.sidebet

    def settle_sidebet(self, rug_tick: int | None, tick: int) -> SettledSidebet | None:
        """Settle the open sidebet if it is decided; None if it is not, or none is open.

        Args:
            rug_tick: the tick that rugged, or None while the game lives.
            tick: the tick that just arrived; a bet is lost if the game is alive at its end tick.
        """
        bet = self.sidebet
        if bet is None or (rug_tick is None and tick < bet.end_tick):
            return None
        won = rug_tick is not None and sidebet_wins(bet.start_tick, rug_tick)
        payout = self._pay(sidebet_payout(bet.amount), bet.amount) if won else 0
        bonus = payout * bet.bonus // bet.amount
        pnl = payout - bet.amount
        self.credit(payout, bonus)
        self.sidebet_pnl += pnl
        self.sidebet = None
        return SettledSidebet(bet.amount, won, payout, pnl, bet.start_tick, bet.end_tick, bonus)

    def regular_pnl(self, price: float) -> int:
        """Return realised plus open PnL of the longs at *price*, truncated toward zero (protocol 6)."""
        booked = self._realised - self._cost
        if not self._lots:
            return booked
        top, bottom = price_ratio(price)
        if self._leveraged:
            exact = booked * bottom + sum(_value_top(self._lots, top, bottom))
        else:
            exact = booked * bottom + self._qty * top
        return exact // bottom if exact >= 0 else -(-exact // bottom)

    def short_pnl(self, price: float, terms: ShortTerms) -> int:
        """Return the PnL of the shorts at *price*, closed ones included (unverified)."""
        short = self.short
        return self._short_realised + (
            0 if short is None else short.value(price, terms) - short.amount
        )

    def cumulative_pnl(self, price: float, terms: ShortTerms | None = None) -> int:
        """Return the game's PnL at *price* in lamports: longs, settled sidebets, shorts (protocol 5.2)."""
        pnl = self.regular_pnl(price) + self.sidebet_pnl + self._short_realised
        if self.short is not None:
            pnl += self.short.value(price, terms or ShortTerms()) - self.short.amount
        return pnl

    def pnl_percent(self, price: float, terms: ShortTerms | None = None) -> float:
        """Return the PnL in percent of ``total_invested``, the venue's double (protocol 5.2).

        Returns 0 if nothing was invested.
        """
        return pnl_percent(self.cumulative_pnl(price, terms) / UNIT, self.total_invested / UNIT)

    def move_short(self, before: float, after: float) -> None:
        """Update the open short for a price move."""
        if self.short is not None:
            self.short = self.short.moved(before, after)

    def _refuse_stake(self, what: str, amount: int) -> NoReturn:
        if amount <= 0:
            raise BadAmount(f"{what} amount was {amount} lamports: give more than 0")
        raise InsufficientFunds(
            f"{what} of {to_sol(amount):f} SOL with {to_sol(self.free):f} SOL of free cash: give less"
        )

    def _share(self, percentage: int) -> int:
        if isinstance(percentage, bool) or not isinstance(percentage, int):
            raise BadAmount(f"percentage was {percentage!r}: give a whole number from 1 to 100")
        if not 1 <= percentage <= 100:
            raise BadAmount(f"percentage was {percentage}: give a whole number from 1 to 100")
        return self._qty * percentage // 100

    def _take(self, qty: int) -> tuple[list[Lot], list[Lot]]:
        """Split the lots into those that *qty* takes, oldest first, and the rest."""
        if not 0 < qty <= self._qty:
            raise NothingToSell(
                f"sell of {to_sol(qty)} tokens with {to_sol(self._qty)} held: buy first, or sell less"
            )
        return (self._lots, []) if qty == self._qty else split_lots(self._lots, qty)

    def _payable(self, amount: int, cost: int) -> int:
        """Return what may be paid of *amount* for a stake of *cost* without exceeding the game's cap."""
        if self.max_win is None:
            return amount
        won = self._realised + self.sidebet_pnl + self._short_realised
        return min(amount, self.max_win - won + cost)

    def _pay(self, amount: int, cost: int) -> int:
        """Return what is paid of *amount*, and record whether the cap reduced it."""
        paid = self._payable(amount, cost)
        if paid < amount:
            self.hit_max_win = True
        return paid

    def _sold(
        self, kind: FillKind, sold: list[Lot], left: list[Lot], price: float, tick: int
    ) -> Fill:
        qty = cost = value = stake_bonus = aged = held = 0
        top, bottom = price_ratio(price)
        for lot in sold:
            qty += lot.qty
            cost += lot.cost
            value += lot.qty * top // bottom if lot.leverage == 1 else lot_value(lot, price)
            stake_bonus += lot.bonus
            held += held_cost(lot, tick)
            if tick - lot.tick >= rules.VALID_BET_TICKS:
                aged += lot.cost
        amount = value if self.max_win is None else self._pay(value, cost)
        # Bonus money is paid back in its share of the cost.
        bonus = amount * stake_bonus // cost if stake_bonus else 0
        self._lots = left
        if self._leveraged:
            self._leveraged = sum(lot.leverage > 1 for lot in left)
        self._qty -= qty
        self._cost -= cost
        if bonus:
            self.credit(amount, bonus)
        else:
            self.cash += amount
        self._realised += amount - cost
        self._net_in -= amount
        valid = cost if kind == "forced_sell" else aged
        return Fill(kind, qty, amount, price, tick, cost, 1, bonus, valid, held)


def _value_top(lots: Iterable[Lot], top: int, bottom: int) -> Iterable[int]:
    """Yield the value of each lot at the price *top* / *bottom*, times *bottom*."""
    for lot in lots:
        if lot.leverage == 1:
            yield lot.qty * top
        else:
            yield max(0, leveraged_top(lot, top, bottom))
