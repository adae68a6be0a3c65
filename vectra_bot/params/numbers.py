"""Numbers as a computation gives them: Python's, numpy's, fractions, and numbers written as text.

A float counts as its shortest decimal, as JSON writes it: ``0.1`` is a tenth. That holds for every float type
of numpy as well, which is recognised without importing it.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation
from fractions import Fraction
from numbers import Integral, Real
from operator import index
from typing import Any

from vectra_bot.params.values import plain_number

_MAX_EXPONENT = 20  # nobody owns 10**20 SOL; 1e999999 must not become an int
_WIDE = Context(prec=60, traps=[InvalidOperation])
_ONE = Decimal(1)


def exact(value: Any) -> Decimal | Fraction:
    """Return *value* as an exact number, whatever its class says about itself.

    Raises:
        ValueError: it is not a number (a bool is not), not finite, or not below 10**21 in size.
    """
    kind = type(value)
    number: Decimal | Fraction
    if kind is bool:
        raise ValueError
    if issubclass(kind, int):
        number = Decimal(_sized(int.__pos__(value)))
    elif issubclass(kind, float):
        number = Decimal(float.__repr__(value))
    elif issubclass(kind, Decimal):
        number = Decimal(value)
    elif issubclass(kind, str):
        number = _written(plain_number(value))
    elif issubclass(kind, Integral):
        number = Decimal(_sized(index(value)))
    elif issubclass(kind, Fraction):
        number = Fraction(int(value.numerator), int(value.denominator))
    elif issubclass(kind, Real):
        number = _written(str(value))
    else:
        raise ValueError
    if isinstance(number, Decimal) and not number.is_finite():
        raise ValueError
    if number and _is_too_large(number):
        raise ValueError
    return number


def floor_to(value: Any, places: int) -> int:
    """Return *value* in units of ``10**-places``, cut to a whole number of them; -1 if it is negative.

    Raises:
        ValueError: as of :func:`exact`.
    """
    number = exact(value)
    if number < 0:
        return -1
    if isinstance(number, Fraction):
        return int(number.numerator * 10**places // number.denominator)
    cut = number.quantize(_ONE.scaleb(-places), rounding=ROUND_DOWN, context=_WIDE)
    return int(cut.scaleb(places, context=_WIDE))


def _written(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        raise ValueError from None


def _sized(number: int) -> int:
    """Return a whole number that is not too large to be one of the game's.

    Raises:
        ValueError: it is.
    """
    if number.bit_length() > 80:
        raise ValueError
    return number


def _is_too_large(number: Decimal | Fraction) -> bool:
    if isinstance(number, Decimal):
        return number.adjusted() > _MAX_EXPONENT
    return bool(abs(number) >= 10 ** (_MAX_EXPONENT + 1))


__all__ = ["exact", "floor_to"]
