"""Numbers as the venue writes them (``JSON.stringify``), and as we hold them: lamports, nine places."""

from __future__ import annotations

import math
from decimal import Context, Decimal

from vectra_bot.errors import WireError
from vectra_bot.game.rules import LAMPORT, LAMPORTS_PER_SOL, SOL_PLACES

# A separate context: a caller's decimal precision must not change how a frame is read.
_CONTEXT = Context(prec=60)
# Up to here neighbouring lamports are still distinct doubles after the multiplication by 1e9.
EXACT_SOL = 4_000_000.0
_EXACT_INT = 2.0**53
_EXACT_LAMPORTS = 2**52
_JS_FIXED_MIN = 1e-6
_JS_FIXED_MAX = 1e21


def number(value: float) -> float:
    """Return *value* so that it encodes as ``JSON.stringify`` writes it: ``1``, not ``1.0`` (protocol 5.1).

    The static type stays float because payload fields are floats for their readers.

    Raises:
        WireError: *value* is not finite; JSON cannot carry it.
    """
    if -_EXACT_INT < value < _EXACT_INT:
        whole = int(value)
        return whole if whole == value else value
    if not math.isfinite(value):
        raise _not_finite(value)
    return value


def _not_finite(value: float) -> WireError:
    return WireError("encode:number", f"a number was {value!r}: JSON carries finite numbers only")


def js_text(value: float) -> str:
    """Return a double as ``JSON.stringify`` writes it: shortest digits, no ``.0``, ``1e+21``."""
    if not math.isfinite(value):
        raise WireError(
            "encode:number", f"a number was {value!r}: JSON carries finite numbers only"
        )
    if value == 0:
        return "0"
    size = abs(value)
    if _JS_FIXED_MIN <= size < _JS_FIXED_MAX:
        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, _, exponent = repr(value).partition("e")
    power = int(exponent)
    return f"{mantissa.removesuffix('.0')}e{'+' if power > 0 else '-'}{abs(power)}"


def sol_number(lamports: int) -> float:
    """Return lamports as the JSON number of SOL the venue would send."""
    if not lamports % LAMPORTS_PER_SOL:
        return lamports // LAMPORTS_PER_SOL
    if -_EXACT_LAMPORTS < lamports < _EXACT_LAMPORTS:
        # The double is too small to be a whole number by rounding.
        return lamports / LAMPORTS_PER_SOL
    return number(lamports / LAMPORTS_PER_SOL)


def lamports(value: float) -> int:
    """Return a JSON number of SOL in lamports, rounded to the nearest: the venue's doubles carry noise."""
    if -EXACT_SOL < value < EXACT_SOL:
        return round(value * LAMPORTS_PER_SOL)
    exact = _CONTEXT.quantize(Decimal(repr(value)), LAMPORT)
    return int(_CONTEXT.scaleb(exact, SOL_PLACES))


def sol(value: float) -> Decimal:
    """Return a JSON number of SOL as a Decimal of nine places (0.06890460799999999 -> 0.068904608)."""
    return _CONTEXT.scaleb(Decimal(lamports(value)), -SOL_PLACES)
