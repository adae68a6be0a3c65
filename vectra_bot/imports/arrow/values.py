"""Conversion of one foreign value to schema 2.0.0, by the kind of its column; invalid values raise."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Final

from vectra_bot.game.rules import LAMPORT
from vectra_bot.models.times import NS_PER_MS, ns_from_utc
from vectra_bot.venues.captures import moment_of
from vectra_bot.wire.amounts import sol

LONGEST_NUMBER: Final = 400
MAX_SOL: Final = Decimal(10) ** 18
_CONTEXT: Final = Context(prec=60)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_TRUTH: Final = {"true": True, "false": False, "1": True, "0": False}
REFUSED: Final = (ValueError, TypeError, InvalidOperation, OverflowError, UnicodeError)
"""The exceptions raised for an invalid value."""


def _number(value: Any) -> Decimal | int | float:
    """Return a finite number; text becomes a Decimal."""
    if isinstance(value, str):
        text = value.strip()
        if len(text) > LONGEST_NUMBER or _NUMBER.fullmatch(text) is None:
            raise ValueError("not a number")
        return Decimal(text)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError("not a number")
    if not math.isfinite(value):
        raise ValueError("not finite")
    return value


def _one_sol(value: Any) -> Decimal:
    number = _number(value)
    if isinstance(number, float):
        amount = sol(number)
    else:
        amount = _CONTEXT.quantize(Decimal(number), LAMPORT)
        if amount != number:
            raise ValueError("more than nine places")
    if abs(amount) >= MAX_SOL:
        raise ValueError("too large")
    return amount


def _one_double(value: Any) -> float:
    number = float(_number(value))
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _one_int(value: Any) -> int:
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()) is None:
        raise ValueError("not a whole number")
    number = _number(value)
    if number != int(number):
        raise ValueError("not a whole number")
    if not -(2**63) <= number < 2**63:
        raise ValueError("more than 64 bits")
    return int(number)


def _zoned(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _one_moment(ns_per_unit: int) -> Callable[[Any], int]:
    def one(value: Any) -> int:
        if isinstance(value, datetime):
            return _one_int(ns_from_utc(_zoned(value)) // ns_per_unit)
        if isinstance(value, str) and _WHOLE.fullmatch(value.strip()) is None:
            return _one_int(ns_from_utc(moment_of(value)) // ns_per_unit)
        return _one_int(value)

    return one


def _one_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in _TRUTH:
        return _TRUTH[value.strip().lower()]
    raise ValueError("neither true nor false")


def _one_text(value: Any) -> str:
    if isinstance(value, str):
        value.encode()
        return value
    if type(value) is int:
        return str(value)
    raise TypeError("not text")


def _one_utc(value: Any) -> datetime:
    if isinstance(value, datetime):
        return _zoned(value)
    if isinstance(value, str):
        return moment_of(value)
    raise TypeError("not a time")


def _one_json(value: Any) -> str:
    import msgspec

    text = _one_text(value)
    msgspec.json.decode(text, type=dict[str, Any])
    return text


READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "sol": _one_sol,
    "price": _one_double,
    "double": _one_double,
    "int": _one_int,
    "ns": _one_moment(1),
    "ms": _one_moment(NS_PER_MS),
    "bool": _one_bool,
    "text": _one_text,
    "enum": _one_text,
    "alert_type": _one_text,
    "utc": _one_utc,
    "json": _one_json,
}
