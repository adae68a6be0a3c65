"""Conversion of values to a declared type: one cattrs converter for Python values, one for text.

What a person types (on the command line, in a file) may be text for any type; a keyword argument of a
config must be of its type. An amount (Decimal) takes numbers and text either way.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable
from decimal import ROUND_DOWN, Context, Decimal
from enum import Enum
from functools import partial
from numbers import Integral, Rational, Real
from typing import Any

import cattrs

_DOWN = Context(prec=28, rounding=ROUND_DOWN)
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_NONE = frozenset({"", "none", "None"})

WORDS: dict[Any, str] = {
    Decimal: "a number",
    bool: "true or false",
    float: "a number",
    int: "a whole number",
    str: "text",
}
"""The types a parameter can have, as messages name them."""


def convert(value: Any, kind: Any, *, text: bool = True) -> Any:
    """Return *value* as *kind*: bool, int, float, Decimal, str, an enum, or one of these or None.

    Args:
        value: what was given.
        kind: the declared type; a value of any other type is returned as it is.
        text: whether text is accepted for numbers, true and false, and None.

    Raises:
        ValueError: the value does not fit the type.
    """
    if is_enum(kind):
        optional, members = unwrap(kind)
        return None if optional and value is None else members(value)
    if not is_scalar(kind):
        return value
    return (_FROM_TEXT if text else _FROM_PYTHON).structure(value, kind)


def plain_number(text: str) -> str:
    """Return the text of a number as it is, if it is written in ASCII without underscores.

    Python reads ``"1_0"`` as 10 and digits of other scripts as numbers, which hides a typing error.

    Raises:
        ValueError: it contains another character.
    """
    plain = str.__str__(text)  # a subclass of str may lie about everything else
    if "_" in plain or not plain.isascii():
        raise ValueError
    return plain


def shortest(number: float) -> str:
    """Return *number* in the fewest digits that convert back to it, without a needless ``.0``."""
    return str(int(number)) if number.is_integer() else str(number)


def unwrap(kind: Any) -> tuple[bool, Any]:
    """Return whether *kind* allows None, and its other type."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        inner = [arg for arg in typing.get_args(kind) if arg is not type(None)]
        optional = len(inner) < len(typing.get_args(kind))
        return optional, inner[0] if len(inner) == 1 else Any
    return False, kind


def is_scalar(kind: Any) -> bool:
    """Return whether a parameter can be of type *kind*."""
    return unwrap(kind)[1] in WORDS


def is_enum(kind: Any) -> bool:
    """Return whether *kind* is an enum, or one or None."""
    inner = unwrap(kind)[1]
    return isinstance(inner, type) and issubclass(inner, Enum)


def _to_bool(value: Any, text: bool) -> bool:
    if isinstance(value, bool):
        return value
    if getattr(getattr(value, "dtype", None), "kind", "") == "b" and value.shape == ():  # of numpy
        return bool(value)
    if text and isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise ValueError


def _plain(value: Any) -> Any:
    return plain_number(value) if isinstance(value, str) else value


def _to_int(value: Any, text: bool) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral | str if text else Integral):
        raise ValueError
    return int(_plain(value))


def _to_float(value: Any, text: bool) -> float:
    allowed = Real | Decimal
    if isinstance(value, bool) or not isinstance(value, allowed | str if text else allowed):
        raise ValueError
    try:
        number = float(str(value) if _is_narrow(value) else _plain(value))
    except OverflowError:
        raise ValueError from None
    if not math.isfinite(number):
        raise ValueError
    return number


def _to_decimal(value: Any, _text: bool) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Real | str | Decimal):
        raise ValueError
    try:
        number = _decimal(value)
    except ArithmeticError:
        raise ValueError from None
    if not number.is_finite():
        raise ValueError
    return number


def _decimal(value: Any) -> Decimal:
    """Return a number as a Decimal: of a float its shortest digits, of a fraction 28, rounded down."""
    if isinstance(value, float):
        return Decimal(repr(float(value)))
    if isinstance(value, Integral):
        return Decimal(int(value))
    if isinstance(value, Rational):
        return _DOWN.divide(Decimal(int(value.numerator)), Decimal(int(value.denominator)))
    return Decimal(str(value) if _is_narrow(value) else _plain(value))


def _is_narrow(value: Any) -> bool:
    """Return whether *value* is a float of another width than Python's, such as numpy's ``float32``."""
    return isinstance(value, Real) and not isinstance(value, float | Rational)


def _to_str(value: Any, _text: bool) -> str:
    """Return text that a journal can store: a lone surrogate raises UnicodeEncodeError, a ValueError."""
    if not isinstance(value, str):
        raise ValueError
    text = str.__str__(value)
    text.encode()
    return text


_CONVERSIONS: dict[type, Callable[[Any, bool], Any]] = {
    Decimal: _to_decimal,
    bool: _to_bool,
    float: _to_float,
    int: _to_int,
    str: _to_str,
}


def _structured(to_kind: Callable[[Any, bool], Any], text: bool, value: Any, _kind: Any) -> Any:
    return to_kind(value, text)


def _make_converter(*, text: bool) -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=False)
    for kind, to_kind in _CONVERSIONS.items():
        converter.register_structure_hook(kind, partial(_structured, to_kind, text))

    def optional(value: Any, kind: Any) -> Any:
        if value is None or (text and isinstance(value, str) and value in _NONE):
            return None
        return converter.structure(value, unwrap(kind)[1])

    converter.register_structure_hook_func(lambda kind: unwrap(kind)[0], optional)
    return converter


_FROM_TEXT = _make_converter(text=True)
_FROM_PYTHON = _make_converter(text=False)
