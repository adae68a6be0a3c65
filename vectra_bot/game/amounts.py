"""Amounts of money: SOL outside, int lamports inside, and the errors of booking them (protocol 6)."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Any, ClassVar

from vectra_bot.errors import VectraError, safe_repr
from vectra_bot.game import rules
from vectra_bot.params import plain_number

UNIT = rules.LAMPORTS_PER_SOL
_MAX_EXPONENT = 20  # nobody owns 10**20 SOL; reject "1e999999" before it becomes an int


class LedgerError(VectraError):
    """A request cannot be booked; the ledger is unchanged.

    Attributes:
        reason: short machine-readable reason, e.g. ``"insufficient_funds"``.
    """

    reason: ClassVar[str] = "impossible"


class BadAmount(LedgerError, ValueError):
    """An amount, price or percentage is invalid."""

    reason = "bad_amount"


class InsufficientFunds(LedgerError):
    """The free cash does not cover the request."""

    reason = "insufficient_funds"


class NothingToSell(LedgerError):
    """The position is empty, or too small for the requested share."""

    reason = "nothing_to_sell"


class SidebetOpen(LedgerError):
    """A sidebet is already open; the venue allows one at a time."""

    reason = "sidebet_open"


class ShortOpen(LedgerError):
    """A short is already open; one at a time (unverified)."""

    reason = "short_open"


class NoShort(LedgerError):
    """There is no short to close."""

    reason = "no_short"


class GameOpen(LedgerError):
    """A new game cannot begin while a position, short or sidebet of the last one is open."""

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
    if type(amount) is int:
        return amount * UNIT
    exact = amount if type(amount) is Decimal else _exact(amount)
    if not exact.is_finite() or (exact and exact.adjusted() > _MAX_EXPONENT):
        raise BadAmount(f"amount was {amount!r}: give a finite number of SOL")
    if exact and exact.adjusted() < -rules.SOL_PLACES:
        raise BadAmount(f"amount was {amount!r}: one lamport is {rules.LAMPORT:f} SOL")
    top, bottom = exact.as_integer_ratio()
    lamports, rest = divmod(top * UNIT, bottom)
    if rest:
        raise BadAmount(f"amount was {amount!r}: give at most {rules.SOL_PLACES} places")
    return lamports


def _exact(amount: Any) -> Decimal:
    """Return an amount as an exact Decimal, whatever its class says about it.

    Raises:
        BadAmount: it is of no type that an amount can have, or text that is not a number.
    """
    kind = type(amount)
    if issubclass(kind, int) and kind is not bool:
        return Decimal(int.__pos__(amount))
    if issubclass(kind, Decimal):
        return Decimal(amount)
    if issubclass(kind, float):
        return Decimal(float.__repr__(amount))
    if not issubclass(kind, str):
        raise BadAmount(f"amount was {safe_repr(amount)}: give SOL as Decimal, int, str or float")
    try:
        return Decimal(plain_number(amount))
    except (ArithmeticError, ValueError):
        raise BadAmount(f"amount was {safe_repr(amount)}: give a number of SOL") from None


def to_sol(lamports: int) -> Decimal:
    """Return lamports as SOL with nine places, exactly, whatever the decimal context."""
    digits = tuple(map(int, str(abs(lamports))))
    return Decimal((int(lamports < 0), digits, -rules.SOL_PLACES))


def lamports_from_double(value: float) -> int:
    """Return a JSON number of SOL in lamports, with its float noise rounded away."""
    if not isfinite(value):
        raise BadAmount(f"amount was {value!r}: give a finite number of SOL")
    return round(value * UNIT)


def price_ratio(price: float) -> tuple[int, int]:
    """Return a price as an exact fraction (numerator, denominator).

    Raises:
        BadAmount: *price* is not finite, or not above 0.
    """
    if not isfinite(price) or price <= 0:
        raise BadAmount(f"price was {price!r}: give a finite price above 0")
    return price.as_integer_ratio()


def pnl_percent(pnl: float, total_invested: float) -> float:
    """Return ``pnl / total_invested * 100`` as the venue's double, 0 if nothing was invested."""
    return pnl / total_invested * 100 if total_invested else 0.0
