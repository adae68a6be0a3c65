"""One foreign value as a value of schema 2.0.0, by the kind of its column; what does not fit raises."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Final

LAMPORT: Final = Decimal("1e-9")
LONGEST_NUMBER: Final = 400
MAX_SOL: Final = Decimal(10) ** 18
_EXACT_INT: Final = 2.0**53
_CONTEXT: Final = Context(prec=60)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_TRUTH: Final = {"true": True, "false": False, "1": True, "0": False}
REFUSED: Final = (ValueError, TypeError, InvalidOperation, OverflowError, UnicodeError)
"""What reading a value that does not fit raises."""


def _one_sol(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise TypeError("no amount")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("not finite")
        amount = _CONTEXT.quantize(Decimal(repr(value)), LAMPORT)
    else:
        amount = Decimal(_number_text(value)) if isinstance(value, str) else Decimal(value)
        exact = _CONTEXT.quantize(amount, LAMPORT)
        if exact != amount:
            raise ValueError("more than nine places")
        amount = exact
    if abs(amount) >= MAX_SOL:
        raise ValueError("too large")
    return amount


def _number_text(value: str) -> str:
    text = value.strip()
    if len(text) > LONGEST_NUMBER or _NUMBER.fullmatch(text) is None:
        raise ValueError("no number")
    return text


def _one_double(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise TypeError("no number")
    number = float(_number_text(value) if isinstance(value, str) else value)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _one_int(value: Any) -> int:
    if isinstance(value, str):
        if _WHOLE.fullmatch(value.strip()) is None:
            raise ValueError("no whole number")
        number = int(value)
    elif isinstance(value, float):
        if not -_EXACT_INT <= value <= _EXACT_INT or value != int(value):
            raise ValueError("no whole number")
        number = int(value)
    elif isinstance(value, Decimal) and value == value.to_integral_value():
        number = int(value)
    elif type(value) is int:
        number = value
    else:
        raise TypeError("no whole number")
    if not -(2**63) <= number < 2**63:
        raise ValueError("more than 64 bits")
    return number


def moment_of(text: str) -> datetime:
    """Return the time that ISO 8601 *text* says; without a zone it is UTC.

    Raises:
        ValueError: it says none.
    """
    moment = datetime.fromisoformat(text.strip())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def nanoseconds_of(moment: datetime) -> int:
    """Return nanoseconds since 1970 of a zoned time, exactly."""
    passed = moment - _EPOCH
    return ((passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds) * 1000


def _one_moment(per_ns: int) -> Callable[[Any], int]:
    def one(value: Any) -> int:
        if isinstance(value, datetime):
            zoned = value.replace(tzinfo=UTC) if value.tzinfo is None else value
            return _one_int(nanoseconds_of(zoned) // per_ns)
        if isinstance(value, str) and _WHOLE.fullmatch(value.strip()) is None:
            return _one_int(nanoseconds_of(moment_of(value)) // per_ns)
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
    raise TypeError("no text")


def _one_utc(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, str):
        return moment_of(value)
    raise TypeError("no time")


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
    "ms": _one_moment(1_000_000),
    "bool": _one_bool,
    "text": _one_text,
    "enum": _one_text,
    "alert_type": _one_text,
    "utc": _one_utc,
    "json": _one_json,
}

__all__ = [
    "LAMPORT",
    "LONGEST_NUMBER",
    "MAX_SOL",
    "READERS",
    "REFUSED",
    "moment_of",
    "nanoseconds_of",
]
