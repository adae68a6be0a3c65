"""The arithmetic of one account in one game, to the lamport (protocol 6 and 7).

Theory of operation. Everything is an int of 1e-9 units: SOL in lamports, tokens in billionths. A price is
an IEEE double, taken as the exact binary fraction it is, so that every floor is exact and no float error
can create or destroy a lamport.

* A buy takes ``amount`` and adds one lot of ``floor(amount / price)`` tokens.
* A sell takes the oldest lots first and pays, for each lot it touches, ``floor(part * price)``: that is
  why the venue pays up to a few lamports less than the floor of the whole.
* The cost of a lot sold in part is split so that the parts add up: the sold share is rounded down and
  the rest stays with the lot.
* ``total_invested`` is a high-water mark of the net money put in, plus every sidebet stake.
* A sidebet counts in the PnL only when it is settled.
* ``avg_cost`` is the mean entry price of the open lots, weighted by their tokens and floored. That is
  what real rows show, of one lot (56 of 56) and of two; cost by tokens, which protocol 6 names, is up
  to a few 1e-9 higher, because a buy's tokens are floored.

A refused request raises before anything changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import isfinite
from typing import ClassVar, Literal

from attrs import define, field, frozen

from vectra_bot.errors import VectraError
from vectra_bot.game import rules

_UNIT = rules.LAMPORTS_PER_SOL
_MAX_EXPONENT = 20  # nobody owns 10**20 SOL; refuse "1e999999" before it becomes an int


class LedgerError(VectraError):
    """A request cannot be booked; the ledger is unchanged.

    Attributes:
        reason: short machine-readable reason, e.g. ``"insufficient_funds"``.
    """

    reason: ClassVar[str] = "impossible"


class BadAmount(LedgerError, ValueError):
    """An amount, price or percentage is not one that can be booked."""

    reason = "bad_amount"


class InsufficientFunds(LedgerError):
    """The free cash does not cover the request."""

    reason = "insufficient_funds"


class NothingToSell(LedgerError):
    """The position is empty, or too small for the share asked."""

    reason = "nothing_to_sell"


class SidebetOpen(LedgerError):
    """A sidebet is open already; the venue allows one at a time."""

    reason = "sidebet_open"


class GameOpen(LedgerError):
    """A new game cannot begin while something of the last one is open."""

    reason = "game_open"


def to_lamports(amount: Decimal | str | float) -> int:
    """Return an amount of SOL as lamports, exactly.

    A float counts as its shortest decimal, as JSON writes it.

    Raises:
        BadAmount: not a finite number, or finer than a lamport.

    Example:
        >>> to_lamports("0.1")
        100000000
    """
    if isinstance(amount, bool) or not isinstance(amount, (Decimal, int, str, float)):
        raise BadAmount(f"amount was {amount!r}: give SOL as Decimal, int, str or float")
    if isinstance(amount, int):
        return amount * _UNIT
    try:
        exact = Decimal(repr(amount) if isinstance(amount, float) else amount)
    except ArithmeticError:
        raise BadAmount(f"amount was {amount!r}: give a number of SOL") from None
    if not exact.is_finite() or (exact and exact.adjusted() > _MAX_EXPONENT):
        raise BadAmount(f"amount was {amount!r}: give a finite number of SOL")
    if exact and exact.adjusted() < -rules.SOL_PLACES:
        raise BadAmount(f"amount was {amount!r}: one lamport is {rules.LAMPORT:f} SOL")
    top, bottom = exact.as_integer_ratio()
    lamports, rest = divmod(top * _UNIT, bottom)
    if rest:
        raise BadAmount(f"amount was {amount!r}: give at most {rules.SOL_PLACES} places")
    return lamports


def to_sol(lamports: int) -> Decimal:
    """Return lamports as SOL with nine places, exactly, whatever the decimal context."""
    digits = tuple(map(int, str(abs(lamports))))
    return Decimal((int(lamports < 0), digits, -rules.SOL_PLACES))


def lamports_from_double(value: float) -> int:
    """Return the lamports that a JSON number of SOL stands for, its float noise rounded away."""
    if not isfinite(value):
        raise BadAmount(f"amount was {value!r}: give a finite number of SOL")
    return round(value * _UNIT)


def _ratio(price: float) -> tuple[int, int]:
    if not isfinite(price) or price <= 0:
        raise BadAmount(f"price was {price!r}: give a finite price above 0")
    return price.as_integer_ratio()


def buy_qty(amount: int, price: float) -> int:
    """Return the tokens that *amount* lamports buy: ``floor9(amount / price)`` (protocol 6)."""
    top, bottom = _ratio(price)
    return amount * bottom // top


def sell_value(qty: int, price: float) -> int:
    """Return the lamports that one lot part of *qty* sells for: ``floor9(qty * price)`` (protocol 6)."""
    top, bottom = _ratio(price)
    return qty * top // bottom


def sidebet_payout(amount: int) -> int:
    """Return what a won sidebet of *amount* lamports pays, the stake included (protocol 7)."""
    return amount * rules.SIDEBET_PAYOUT_X


def sidebet_wins(start_tick: int, rug_tick: int) -> bool:
    """Return whether a bet placed at *start_tick* wins when the game rugs at *rug_tick* (protocol 7)."""
    return rug_tick <= start_tick + rules.SIDEBET_WINDOW_TICKS


@frozen
class Lot:
    """What one buy still holds: tokens and lamports of cost, in 1e-9 units, its tick and entry price."""

    qty: int
    cost: int
    tick: int
    price: float


@frozen
class Fill:
    """One executed trade.

    ``qty`` and ``amount`` are in 1e-9 units. ``cost`` is what the tokens had cost: the amount itself for
    a buy, the oldest lots' share for a sell, so that ``amount - cost`` is the realised PnL.
    """

    kind: Literal["buy", "sell", "forced_sell"]
    qty: int
    amount: int
    price: float
    tick: int
    cost: int


@frozen
class OpenSidebet:
    """A sidebet that is not decided yet; it wins for rug ticks ``start_tick + 1`` to ``end_tick``."""

    amount: int
    start_tick: int
    end_tick: int


@frozen
class SettledSidebet:
    """A decided sidebet: ``payout`` includes the stake, ``pnl`` is what the player gained or lost."""

    amount: int
    won: bool
    payout: int
    pnl: int
    start_tick: int
    end_tick: int


@define
class Ledger:
    """One player's money and what is open in the current game; the owner of its state.

    Example:
        >>> ledger = Ledger(to_lamports(1))
        >>> ledger.buy(to_lamports("0.1"), 1.25, tick=3).qty
        80000000
        >>> ledger.sell(100, 1.5, tick=9).amount, to_sol(ledger.cash)
        (120000000, Decimal('1.020000000'))
    """

    cash: int = field()
    sidebet: OpenSidebet | None = field(default=None, init=False)
    sidebet_pnl: int = field(default=0, init=False)
    _lots: list[Lot] = field(factory=list, init=False)
    _realised: int = field(default=0, init=False)
    _net_in: int = field(default=0, init=False)
    _net_in_peak: int = field(default=0, init=False)
    _sidebet_stakes: int = field(default=0, init=False)

    @property
    def lots(self) -> tuple[Lot, ...]:
        """The open lots, oldest first."""
        return tuple(self._lots)

    @property
    def position_qty(self) -> int:
        """Tokens held, in 1e-9 units."""
        return sum(lot.qty for lot in self._lots)

    @property
    def cost(self) -> int:
        """Lamports the open lots cost."""
        return sum(lot.cost for lot in self._lots)

    @property
    def avg_cost(self) -> int:
        """Mean entry price of the open lots, floored to 1e-9 SOL; 0 when flat (protocol 6)."""
        return average_cost(self._lots)

    @property
    def total_invested(self) -> int:
        """High-water mark of the net money put in, plus every sidebet stake (protocol 6)."""
        return self._net_in_peak + self._sidebet_stakes

    def begin_game(self) -> None:
        """Start a game's books at zero; the cash stays.

        Raises:
            GameOpen: a lot or a sidebet of the last game is still open.
        """
        if self._lots or self.sidebet is not None:
            raise GameOpen("the last game is not settled: sell the position and settle the sidebet")
        self.sidebet_pnl = 0
        self._realised = self._net_in = self._net_in_peak = self._sidebet_stakes = 0

    def buy(self, amount: int, price: float, tick: int) -> Fill:
        """Spend *amount* lamports at *price*; presale buys are at tick 0 and price 1.

        Raises:
            BadAmount: the amount is not positive, or buys nothing at this price.
            InsufficientFunds: the cash does not cover it.
        """
        self._check_stake("buy", amount)
        qty = buy_qty(amount, price)
        if not qty:
            raise BadAmount(f"a buy of {to_sol(amount):f} SOL at {price!r} buys nothing: give more")
        self.cash -= amount
        self._lots.append(Lot(qty, amount, tick, price))
        self._net_in += amount
        self._net_in_peak = max(self._net_in_peak, self._net_in)
        return Fill("buy", qty, amount, price, tick, amount)

    def sell(self, percentage: int, price: float, tick: int) -> Fill:
        """Sell *percentage* of the position: ``floor9(position * percentage / 100)`` tokens.

        Raises:
            BadAmount: the percentage is not a whole number from 1 to 100.
            NothingToSell: that share is less than a billionth of a token.
        """
        return self.sell_qty(self._share(percentage), price, tick)

    def sell_qty(self, qty: int, price: float, tick: int) -> Fill:
        """Sell *qty* billionths of a token, oldest lots first.

        Raises:
            NothingToSell: *qty* is not positive, or more than the position.
        """
        return self._sell("sell", qty, price, tick)

    def quote_sell(self, percentage: int, price: float) -> int:
        """Return the lamports that selling *percentage* at *price* would bring; nothing changes."""
        sold, _ = self._take(self._share(percentage))
        return _proceeds(sold, price)

    def forced_sell(self, price: float, tick: int) -> Fill | None:
        """Sell the whole position at the rug price; None when flat (protocol 6)."""
        if not self._lots:
            return None
        return self._sell("forced_sell", self.position_qty, price, tick)

    def place_sidebet(self, amount: int, tick: int) -> OpenSidebet:
        """Stake *amount* lamports that the game rugs within the next 40 ticks (protocol 7).

        Raises:
            SidebetOpen: one is open already.
            BadAmount: the amount is not positive.
            InsufficientFunds: the cash does not cover it.
        """
        if self.sidebet is not None:
            raise SidebetOpen(f"a sidebet is open until tick {self.sidebet.end_tick}: wait for it")
        self._check_stake("sidebet", amount)
        self.cash -= amount
        self._sidebet_stakes += amount
        self.sidebet = OpenSidebet(amount, tick, tick + rules.SIDEBET_WINDOW_TICKS)
        return self.sidebet

    def settle_sidebet(self, rug_tick: int | None, tick: int) -> SettledSidebet | None:
        """Decide the open sidebet if it can be decided; None when it cannot, or none is open.

        Args:
            rug_tick: the tick that rugged, or None while the game lives.
            tick: the tick that just arrived; a bet is lost when its end arrives alive.
        """
        bet = self.sidebet
        if bet is None or (rug_tick is None and tick < bet.end_tick):
            return None
        won = rug_tick is not None and sidebet_wins(bet.start_tick, rug_tick)
        payout = sidebet_payout(bet.amount) if won else 0
        pnl = payout - bet.amount
        self.cash += payout
        self.sidebet_pnl += pnl
        self.sidebet = None
        return SettledSidebet(bet.amount, won, payout, pnl, bet.start_tick, bet.end_tick)

    def regular_pnl(self, price: float) -> int:
        """Return realised plus open PnL of the longs at *price*, truncated toward zero (protocol 6)."""
        booked = self._realised - self.cost
        if not self._lots:
            return booked
        top, bottom = _ratio(price)
        exact = booked * bottom + self.position_qty * top
        return exact // bottom if exact >= 0 else -(-exact // bottom)

    def cumulative_pnl(self, price: float) -> int:
        """Return the game's PnL at *price*, longs and settled sidebets, in lamports (protocol 5.2)."""
        return self.regular_pnl(price) + self.sidebet_pnl

    def pnl_percent(self, price: float) -> float:
        """Return the PnL in percent of ``total_invested``, the venue's double (protocol 5.2).

        Returns 0 if nothing was invested.
        """
        return pnl_percent(self.cumulative_pnl(price) / _UNIT, self.total_invested / _UNIT)

    def _check_stake(self, what: str, amount: int) -> None:
        if amount <= 0:
            raise BadAmount(f"{what} amount was {amount} lamports: give more than 0")
        if amount > self.cash:
            raise InsufficientFunds(
                f"{what} of {to_sol(amount):f} SOL with {to_sol(self.cash):f} SOL of free cash: give less"
            )

    def _share(self, percentage: int) -> int:
        if isinstance(percentage, bool) or not isinstance(percentage, int):
            raise BadAmount(f"percentage was {percentage!r}: give a whole number from 1 to 100")
        if not 1 <= percentage <= 100:
            raise BadAmount(f"percentage was {percentage}: give a whole number from 1 to 100")
        return self.position_qty * percentage // 100

    def _take(self, qty: int) -> tuple[list[Lot], list[Lot]]:
        """Split the lots into what *qty* takes, oldest first, and what is left."""
        if not 0 < qty <= self.position_qty:
            raise NothingToSell(
                f"sell of {to_sol(qty)} tokens with {to_sol(self.position_qty)} held: buy first, or sell less"
            )
        return split_lots(self._lots, qty)

    def _sell(
        self, kind: Literal["sell", "forced_sell"], qty: int, price: float, tick: int
    ) -> Fill:
        sold, left = self._take(qty)
        amount = _proceeds(sold, price)
        cost = sum(lot.cost for lot in sold)
        self._lots = left
        self.cash += amount
        self._realised += amount - cost
        self._net_in -= amount
        return Fill(kind, qty, amount, price, tick, cost)


def split_lots(lots: Sequence[Lot], qty: int) -> tuple[list[Lot], list[Lot]]:
    """Return the lots that a sale of *qty* takes, oldest first, and those that are left.

    A part of a lot takes its share of the cost, rounded down; more than is held takes everything.
    """
    sold: list[Lot] = []
    for index, lot in enumerate(lots):
        if not qty:
            return sold, list(lots[index:])
        if qty < lot.qty:
            cost = lot.cost * qty // lot.qty
            sold.append(Lot(qty, cost, lot.tick, lot.price))
            rest = Lot(lot.qty - qty, lot.cost - cost, lot.tick, lot.price)
            return sold, [rest, *lots[index + 1 :]]
        sold.append(lot)
        qty -= lot.qty
    return sold, []


def average_cost(lots: Sequence[Lot]) -> int:
    """Return the mean entry price of *lots* weighted by tokens, floored, in 1e-9 SOL; 0 for none."""
    if not lots:
        return 0
    ratios = [(lot.qty, *_ratio(lot.price)) for lot in lots]
    common = max(
        bottom for _, _, bottom in ratios
    )  # powers of two: the largest is a multiple of all
    top = sum(qty * top * (common // bottom) for qty, top, bottom in ratios)
    return top * _UNIT // (common * sum(qty for qty, _, _ in ratios))


def pnl_percent(pnl: float, total_invested: float) -> float:
    """Return ``pnl / total_invested * 100`` as the venue's double, 0 if nothing was invested."""
    return pnl / total_invested * 100 if total_invested else 0.0


def _proceeds(sold: list[Lot], price: float) -> int:
    return sum(sell_value(lot.qty, price) for lot in sold)
