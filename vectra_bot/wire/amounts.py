"""Numbers as the venue writes them: JSON.stringify's text outside, lamports and nine places inside."""

from __future__ import annotations

import math
from decimal import Context, Decimal

import msgspec

from vectra_bot.errors import WireError
from vectra_bot.game.rules import LAMPORT, LAMPORTS_PER_SOL, SOL_PLACES

# Own context: a caller's decimal precision must not change what a frame says.
_CONTEXT = Context(prec=60)
# Up to here a double still tells neighbouring lamports apart after the multiplication by 1e9.
_EXACT_SOL = 4_000_000.0
_EXACT_INT = 2.0**53
_JS_FIXED_MIN = 1e-6
_JS_FIXED_MAX = 1e21
# From here up msgspec writes small doubles as JSON.stringify does.
_SAME_FORM_MIN = 1e-5


def number(value: float) -> float:
    """Return *value* in a form that encodes as ``JSON.stringify`` writes it (protocol 14.17).

    Integral doubles become ints (``1``, not ``1.0``); the few magnitudes where the encoder's own form
    differs (``1e-6``, ``1e21``) become raw text. The static type stays float because payload fields are
    floats for whoever reads them.

    Raises:
        WireError: *value* is not finite; JSON cannot carry it.
    """
    size = -value if value < 0 else value
    if size < _EXACT_INT and value == (whole := int(value)):
        return whole
    if _SAME_FORM_MIN <= size < _EXACT_INT or size < _JS_FIXED_MIN:
        return value
    return msgspec.Raw(js_text(value).encode())  # type: ignore[return-value]


def js_text(value: float) -> str:
    """Return the text ``JSON.stringify`` gives for a double: shortest digits, no ``.0``, ``1e+21``."""
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
    whole, rest = divmod(lamports, LAMPORTS_PER_SOL)
    if not rest:
        return whole
    return number(lamports / LAMPORTS_PER_SOL)


def lamports(value: float) -> int:
    """Return a JSON number of SOL in lamports, rounded to the nearest: the venue's doubles carry noise."""
    if -_EXACT_SOL < value < _EXACT_SOL:
        return round(value * LAMPORTS_PER_SOL)
    exact = _CONTEXT.quantize(Decimal(repr(value)), LAMPORT)
    return int(_CONTEXT.scaleb(exact, SOL_PLACES))


def sol(value: float) -> Decimal:
    """Return a JSON number of SOL as a Decimal of nine places (0.06890460799999999 -> 0.068904608)."""
    return _CONTEXT.scaleb(Decimal(lamports(value)), -SOL_PLACES)
