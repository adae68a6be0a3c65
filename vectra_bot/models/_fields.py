"""Fields of records: the column type, and the checks that run when a record is made.

A field's metadata gives its column type: ``{"column": "sol"}`` for an amount in SOL, a quantity or an
average cost (nine decimals), ``{"column": "price"}`` for a price (an IEEE double written as its shortest
decimal), ``{"column": "json"}`` for a JSON object. ``{"added": True}`` says that rows of an earlier version
lack the column. Everything else follows from the annotation.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs

from vectra_bot.errors import RecordError

_LAMPORT_EXPONENT = -9
# Sums and differences of two such amounts with nine places fit the 28 digits of the default context.
_MAX_SOL = Decimal(10) ** 18


def _fail(instance: object, attribute: "attrs.Attribute[Any]", value: object, want: str) -> None:
    raise RecordError(f"{type(instance).__name__}.{attribute.name} was {value!r}: {want}")


def check_sol(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """Require a finite Decimal with at most nine places."""
    if not isinstance(value, Decimal):
        _fail(instance, attribute, value, "give a Decimal of SOL")
    if not value.is_finite() or abs(value) >= _MAX_SOL:
        _fail(instance, attribute, value, "give a finite amount")
    _, digits, exponent = value.as_tuple()
    if isinstance(exponent, int) and exponent < _LAMPORT_EXPONENT:
        if not any(digits[exponent - _LAMPORT_EXPONENT :]):
            return
        _fail(
            instance,
            attribute,
            value,
            "give at most nine decimal places, one lamport is 0.000000001",
        )


def check_price(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """Require a finite Decimal that is the shortest decimal of an IEEE double."""
    if not isinstance(value, Decimal):
        _fail(instance, attribute, value, "give a Decimal price")
    if not value.is_finite() or Decimal(repr(float(value))) != value:
        _fail(instance, attribute, value, "give the shortest decimal of a finite double")


def check_text(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """Require text that UTF-8 can encode."""
    if not isinstance(value, str):
        _fail(instance, attribute, value, "give text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            _fail(instance, attribute, value, "lone surrogates cannot be stored")


def check_int(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """Require a 64-bit integer that is not a bool."""
    if type(value) is not int or not -(2**63) <= value < 2**63:
        _fail(instance, attribute, value, "give a 64-bit integer")


def check_bool(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """Require True or False."""
    if type(value) is not bool:
        _fail(instance, attribute, value, "give True or False")


def check_double(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """Require a finite float."""
    if type(value) is not float or value != value or value in (float("inf"), float("-inf")):
        _fail(instance, attribute, value, "give a finite float")


def check_utc(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """Require an aware datetime in UTC."""
    if type(value) is datetime and value.tzinfo is UTC:  # nearly all, in a quarter of the time
        return
    offset = getattr(value, "utcoffset", lambda: None)()
    if offset is None or offset.total_seconds() != 0:
        _fail(instance, attribute, value, "give an aware UTC datetime")


def check_later(_: type, fields: list["attrs.Attribute[Any]"]) -> list["attrs.Attribute[Any]"]:
    """Move the checks of *fields* out of the constructor; the record calls :func:`check_fields` itself."""
    return [
        attribute.evolve(
            validator=None, metadata={**attribute.metadata, "check": attribute.validator}
        )
        for attribute in fields
    ]


def check_fields(record: Any) -> None:
    """Check every field of a record made with :func:`check_later`."""
    for attribute in attrs.fields(type(record)):
        attribute.metadata["check"](record, attribute, getattr(record, attribute.name))


def _make(check: Any, column: str, default: Any, optional: bool) -> Any:
    validator = attrs.validators.optional(check) if optional else check
    return attrs.field(default=default, validator=validator, metadata={"column": column})


def sol(default: Any = attrs.NOTHING) -> Any:
    """Return a field for an amount of SOL, a quantity or an average cost."""
    return _make(check_sol, "sol", default, optional=False)


def opt_sol(default: Any = attrs.NOTHING) -> Any:
    """Return a field for an amount of SOL or None."""
    return _make(check_sol, "sol", default, optional=True)


def price(default: Any = attrs.NOTHING) -> Any:
    """Return a field for a price as a Decimal."""
    return _make(check_price, "price", default, optional=False)


def opt_price(default: Any = attrs.NOTHING) -> Any:
    """Return a field for a price as a Decimal, or None."""
    return _make(check_price, "price", default, optional=True)


def double(default: Any = attrs.NOTHING) -> Any:
    """Return a field for a finite float."""
    return _make(check_double, "double", default, optional=False)


def opt_double(default: Any = attrs.NOTHING) -> Any:
    """Return a field for a finite float or None."""
    return _make(check_double, "double", default, optional=True)


def text(default: Any = attrs.NOTHING) -> Any:
    """Return a field for text."""
    return _make(check_text, "text", default, optional=False)


def opt_text(default: Any = attrs.NOTHING) -> Any:
    """Return a field for text or None."""
    return _make(check_text, "text", default, optional=True)


def integer(default: Any = attrs.NOTHING) -> Any:
    """Return a field for a 64-bit integer."""
    return _make(check_int, "int", default, optional=False)


def opt_integer(default: Any = attrs.NOTHING) -> Any:
    """Return a field for a 64-bit integer or None."""
    return _make(check_int, "int", default, optional=True)


def boolean(default: Any = attrs.NOTHING) -> Any:
    """Return a field for a bool."""
    return _make(check_bool, "bool", default, optional=False)


def opt_boolean(default: Any = attrs.NOTHING) -> Any:
    """Return a field for a bool or None."""
    return _make(check_bool, "bool", default, optional=True)


def utc(default: Any = attrs.NOTHING) -> Any:
    """Return a field for an aware UTC datetime."""
    return _make(check_utc, "utc", default, optional=False)


def opt_utc(default: Any = attrs.NOTHING) -> Any:
    """Return a field for an aware UTC datetime or None."""
    return _make(check_utc, "utc", default, optional=True)


def kind(enum_type: type, default: Any = attrs.NOTHING) -> Any:
    """Return a field for a member of *enum_type*."""
    return _make(attrs.validators.instance_of(enum_type), "enum", default, optional=False)


def opt_kind(enum_type: type, default: Any = attrs.NOTHING) -> Any:
    """Return a field for a member of *enum_type* or None."""
    return _make(attrs.validators.instance_of(enum_type), "enum", default, optional=True)


def added_kind(enum_type: type) -> Any:
    """Return a field for a member of *enum_type* or None, whose column the rows of earlier versions lack."""
    check = attrs.validators.optional(attrs.validators.instance_of(enum_type))
    return attrs.field(default=None, validator=check, metadata={"column": "enum", "added": True})


def choice(*values: str, default: Any = attrs.NOTHING) -> Any:
    """Return a field for one of a few texts."""
    return _make(attrs.validators.in_(values), "text", default, optional=False)


def nested(record: type, default: Any = attrs.NOTHING) -> Any:
    """Return a field for another record, stored as columns with this field's name as prefix."""
    return _make(attrs.validators.instance_of(record), "record", default, optional=False)


def opt_nested(record: type, default: Any = attrs.NOTHING) -> Any:
    """Return a field for another record or None."""
    return _make(attrs.validators.instance_of(record), "record", default, optional=True)
