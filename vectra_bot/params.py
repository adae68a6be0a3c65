"""Parameters: the annotated fields of a strategy or plugin that a user can set.

One mechanism serves keyword arguments in Python, ``--set key=value`` on the command line and TOML files:
a class that inherits :class:`Configurable` becomes an attrs class without a decorator, its annotated
fields become parameters, and :func:`param` gives a field its range. Every value passes the same
conversion and the same checks wherever it comes from.
"""

from __future__ import annotations

import copy
import difflib
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any, ClassVar, TypeVar

import attrs

from vectra_bot.errors import ConfigError

_META = "vectra_param"
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_KNOWN_TYPES: dict[str, type] = {
    "Decimal": Decimal,
    "bool": bool,
    "float": float,
    "int": int,
    "str": str,
}

_WORDS: dict[Any, str] = {
    Decimal: "a number",
    bool: "true or false",
    float: "a number",
    int: "a whole number",
    str: "text",
}

T = TypeVar("T", bound="Configurable")


@attrs.frozen(kw_only=True)
class Parameter:
    """A parameter as help texts, errors and sweeps see it."""

    name: str
    type: Any
    default: Any
    low: Any = None
    high: Any = None
    choices: tuple[Any, ...] | None = None
    help: str = ""

    @property
    def allowed(self) -> str:
        """Return the allowed values in words."""
        if self.choices is not None:
            return "one of " + ", ".join(str(choice) for choice in self.choices)
        name = _WORDS.get(_unwrap(self.type)[1], getattr(self.type, "__name__", str(self.type)))
        if self.low is not None and self.high is not None:
            return f"{name} from {self.low} to {self.high}"
        if self.low is not None:
            return f"{name} of at least {self.low}"
        if self.high is not None:
            return f"{name} of at most {self.high}"
        return name


def param(
    default: Any = attrs.NOTHING,
    *,
    low: Any = None,
    high: Any = None,
    choices: Sequence[Any] | None = None,
    help: str = "",  # noqa: A002 - the word users look for
) -> Any:
    """Declare a parameter with its range.

    Args:
        default: value if none is given; text is converted to the annotated type.
        low: smallest allowed value.
        high: largest allowed value.
        choices: the only allowed values.
        help: one line for ``--help``.

    Example:
        ``stake: Decimal = param("0.01", low="0.001", high="5")``
    """
    meta = {"low": low, "high": high, "choices": choices, "help": help}
    return attrs.field(default=default, metadata={_META: meta})


def convert(value: Any, kind: Any) -> Any:
    """Return *value* as *kind* (bool, int, float, Decimal, str, or one of these or None).

    Raises:
        ValueError: the value does not fit the type.
    """
    optional, kind = _unwrap(kind)
    if optional and (value is None or value in ("", "none", "None")):
        return None
    if kind is bool:
        return _to_bool(value)
    if kind is int:
        return _to_int(value)
    if kind is float:
        return _to_float(value)
    if kind is Decimal:
        return _to_decimal(value)
    if kind is str and not isinstance(value, str):
        raise ValueError
    return value


def _unwrap(kind: Any) -> tuple[bool, Any]:
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        inner = [arg for arg in typing.get_args(kind) if arg is not type(None)]
        optional = len(inner) < len(typing.get_args(kind))
        return optional, inner[0] if len(inner) == 1 else Any
    return False, kind


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise ValueError


def _to_int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError
    return int(value)


def _to_float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _to_decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise ValueError from None
    if not number.is_finite():
        raise ValueError
    return number


def _checked(owner: str, parameter: Parameter) -> Callable[[Any], Any]:
    """Return the converter of one parameter: type first, then range or choices."""
    low = None if parameter.low is None else convert(parameter.low, parameter.type)
    high = None if parameter.high is None else convert(parameter.high, parameter.type)
    choices = parameter.choices

    def check(value: Any) -> Any:
        try:
            converted = convert(value, parameter.type)
        except (ValueError, OverflowError):
            converted = _BAD
        if converted is not _BAD and (
            converted is None
            or (
                (low is None or converted >= low)
                and (high is None or converted <= high)
                and (choices is None or converted in choices)
            )
        ):
            return converted
        raise ConfigError(
            f"{owner} parameter {parameter.name!r} was {value!r}: give {parameter.allowed}"
        )

    return check


_BAD = object()


def _transform(cls: type, fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    """Give every parameter its converter; copy mutable defaults for each instance."""
    result = []
    hints = _hints(cls)
    for field in fields:
        if field.name not in hints or not field.init:
            result.append(field)
            continue
        kind = hints.get(field.name, field.type)
        default = field.default
        if isinstance(default, list | dict | set):
            default = attrs.Factory(partial(copy.deepcopy, default))
        parameter = _describe(field, kind)
        converter = field.converter or _checked(cls.__name__, parameter)
        result.append(field.evolve(type=kind, default=default, converter=converter))
    return result


def _hints(cls: type) -> dict[str, Any]:
    """Return the types of the fields *cls* itself annotates.

    Each is resolved by itself, so that one name which only type checkers import costs its own field the
    type and no other.
    """
    result: dict[str, Any] = {}
    for name, annotation in inspect.get_annotations(cls).items():
        alone = type(cls.__name__, (), {"__module__": cls.__module__})
        alone.__annotations__ = {name: annotation}
        try:
            result[name] = typing.get_type_hints(alone)[name]
        except (NameError, TypeError, AttributeError):
            result[name] = _KNOWN_TYPES.get(annotation, Any)
    return result


def _describe(field: attrs.Attribute[Any], kind: Any) -> Parameter:
    meta: Mapping[str, Any] = field.metadata.get(_META, {})
    choices = meta.get("choices")
    return Parameter(
        name=field.name,
        type=kind,
        default=field.default,
        low=meta.get("low"),
        high=meta.get("high"),
        choices=None if choices is None else tuple(choices),
        help=meta.get("help", ""),
    )


@typing.dataclass_transform(kw_only_default=True, field_specifiers=(param, attrs.field))
class Configurable:
    """Base of classes whose annotated fields are parameters."""

    __attrs_attrs__: ClassVar[tuple[attrs.Attribute[Any], ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        attrs.define(
            cls, slots=False, kw_only=True, eq=False, repr=False, field_transformer=_transform
        )


def parameters(cls: type[Configurable]) -> list[Parameter]:
    """Return the parameters of a strategy or plugin class, in order of definition."""
    result = []
    for field in cls.__attrs_attrs__:
        scalar = _unwrap(field.type)[1] in _WORDS
        if field.init and not field.name.startswith("_") and (scalar or _META in field.metadata):
            described = _describe(field, field.type)
            default = described.default
            if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
                default = default.factory()
            elif default is not attrs.NOTHING and field.converter is not None:
                default = field.converter(default)  # type: ignore[operator]
            result.append(attrs.evolve(described, default=default))
    return result


def configure(cls: type[T], settings: Mapping[str, Any]) -> T:
    """Return an instance of *cls* with *settings*.

    Raises:
        ConfigError: a key is unknown, a value is out of range, or a required one is missing.
    """
    known = {parameter.name: parameter for parameter in parameters(cls)}
    for key, value in settings.items():
        if key not in known:
            close = difflib.get_close_matches(key, known, n=2, cutoff=0.5)
            advice = f"did you mean {' or '.join(close)}?" if close else _listing(known)
            raise ConfigError(
                f"{cls.__name__} has no parameter {key!r} (value was {value!r}): {advice}"
            )
    for name, parameter in known.items():
        if parameter.default is attrs.NOTHING and name not in settings:
            raise ConfigError(
                f"{cls.__name__} parameter {name!r} was not given: give {parameter.allowed}"
            )
    return cls(**settings)


def _listing(known: Mapping[str, Parameter]) -> str:
    return "it takes " + ", ".join(known) if known else "it takes none"


def settings_of(instance: Configurable) -> dict[str, Any]:
    """Return the parameters of *instance* as they stand, in order of definition."""
    return {p.name: getattr(instance, p.name) for p in parameters(type(instance))}
