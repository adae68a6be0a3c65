"""Parameters: the annotated fields of a strategy or plugin that a user can set.

One mechanism serves keyword arguments in Python, ``--set key=value`` on the command line and TOML files:
a class that inherits :class:`Configurable` becomes an attrs class without a decorator, its annotated
fields become parameters, and :func:`param` gives a field its range. Every value passes the same
conversion and the same checks wherever it comes from. A secret parameter is used and never shown, see
:mod:`~vectra_bot.params.secret`.
"""

from __future__ import annotations

import copy
import difflib
import inspect
import logging
import traceback
import typing
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Self, TypeVar

import attrs

from vectra_bot.errors import ConfigError, StrategyError, VectraError, safe_error, safe_repr
from vectra_bot.params.declaration import CheckedConverter, Parameter, hints_of, type_name
from vectra_bot.params.secret import SecretReference, looks_secret, masked, secret_given
from vectra_bot.params.values import convert, is_scalar, unwrap

log = logging.getLogger(__name__)

_META = "vectra_param"
_NOTHING = object()
T = TypeVar("T", bound="Configurable")


def param(
    default: Any = attrs.NOTHING,
    *,
    low: Any = None,
    high: Any = None,
    choices: Sequence[Any] | None = None,
    log: bool = False,
    secret: bool = False,
    help: str = "",  # noqa: A002 - the word users look for
) -> Any:
    """Declare a parameter with its range.

    Args:
        default: value if none is given; text is converted to the annotated type.
        low: smallest allowed value.
        high: largest allowed value.
        choices: the only allowed values.
        log: a sweep spreads values evenly by ratio, 0.01 0.1 1, and not by difference.
        secret: the value is text that nothing shows or stores: journals, reports, logs and messages only
            say that it was set. It is given as ``env:NAME`` or ``file:PATH`` on the command line, as
            ``{ env = "NAME" }`` or ``{ file = "PATH" }`` in TOML, as itself in Python only.
        help: one line for ``--help``.

    Example:
        ``stake: Decimal = param("0.01", low="0.001", high="5")``
    """
    meta = {
        "low": low,
        "high": high,
        "choices": choices,
        "log": log,
        "secret": secret,
        "help": help,
    }
    return attrs.field(default=default, metadata={_META: meta})


def _transform(cls: type, fields: list[Any]) -> list[attrs.Attribute[Any]]:
    """Give every parameter its converter; copy mutable defaults for each instance.

    An inherited field to which *cls* assigns another value without a new annotation gets that value as its
    default and keeps its type and range.
    """
    result = []
    hints = hints_of(cls)
    for field in fields:
        if not field.init:
            result.append(field)
        elif field.inherited:
            value = _override(cls, field.name)
            result.append(field if value is _NOTHING else _with_default(cls, field, value))
        else:
            own = field.evolve(type=hints.get(field.name, field.type))
            result.append(_with_default(cls, own, own.default))
    return result


def _checked(owner: str, parameter: Parameter) -> CheckedConverter:
    return CheckedConverter(
        f"{owner} parameter {parameter.name!r}",
        parameter,
        partial(secret_given if parameter.secret else convert, kind=parameter.type),
        parameter.validator(owner),
    )


def _override(cls: type, name: str) -> Any:
    """Return the value *cls* or a mixin gives an inherited field, ``_NOTHING`` if there is none."""
    for base in cls.__mro__:
        if any(f.name == name and not f.inherited for f in vars(base).get("__attrs_attrs__", ())):
            break
        if name in vars(base):
            return vars(base)[name]
    return _NOTHING


def _with_default(cls: type, field: Any, default: Any) -> attrs.Attribute[Any]:
    """Return *field* redefined for *cls* with *default*, both checked."""
    if _META in field.metadata and not is_scalar(field.type):
        raise ConfigError(
            f"{cls.__name__} parameter {field.name!r} is of type {type_name(field.type)}: give it one of "
            "bool, int, float, Decimal, str, or one of these | None"
        )
    _check_secret(cls, field, default)
    own_converter = None if isinstance(field.converter, CheckedConverter) else field.converter
    converter = own_converter or _checked(cls.__name__, _describe(field, field.type))
    if is_scalar(field.type) and own_converter is None:
        made = isinstance(default, attrs.Factory)  # type: ignore[arg-type]
        if made and default.takes_self:
            raise ConfigError(
                f"{cls.__name__} parameter {field.name!r} has a default that depends on the instance: "
                "give it a value, and adapt it in __attrs_post_init__"
            )
        if not made and default is not attrs.NOTHING:
            default = converter(default)
    elif isinstance(default, list | dict | set):
        default = attrs.Factory(partial(copy.deepcopy, default))
    evolved: attrs.Attribute[Any] = field.evolve(
        default=default, converter=converter, inherited=False
    )
    return evolved


def _check_secret(cls: type, field: attrs.Attribute[Any], default: Any) -> None:
    """Refuse a secret that code or types would show; warn of one that is not declared as such."""
    meta = field.metadata.get(_META, {})
    where = f"{cls.__name__} parameter {field.name!r}"
    if not meta.get("secret"):
        if (
            unwrap(field.type)[1] is str
            and not field.name.startswith("_")
            and looks_secret(field.name)
        ):
            log.warning(
                "%s has the name of a secret, and its value is stored in journals: declare it with "
                "param(secret=True), or rename it",
                where,
            )
        return
    if unwrap(field.type)[1] is not str:
        raise ConfigError(f"{where} is secret: annotate it as str or str | None")
    if default is not attrs.NOTHING and default is not None and default != "":
        raise ConfigError(f"{where} is secret: its default must be None, '' or none at all")
    if any(meta.get(word) is not None for word in ("low", "high", "choices")):
        raise ConfigError(f"{where} is secret: remove its range or choices, which messages show")


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
        log=meta.get("log", False),
        help=meta.get("help", ""),
        secret=meta.get("secret", False),
    )


# Not param: checkers look for a default by keyword, and ours comes first.
@typing.dataclass_transform(kw_only_default=True, field_specifiers=(attrs.field,))
class Configurable:
    """Base of classes whose annotated fields are parameters."""

    __attrs_attrs__: ClassVar[tuple[attrs.Attribute[Any], ...]] = ()

    _custom_init: ClassVar[bool] = False

    def __new__(cls, *_args: Any, **_settings: Any) -> Self:
        """Return an instance with lists, dicts and sets that are its alone, and not its class's."""
        made = super().__new__(cls)
        own: dict[str, Any] = {}
        _set_dict(made, own)
        for base in reversed(cls.__mro__):
            for name, value in vars(base).items() if issubclass(base, Configurable) else ():
                if isinstance(value, _MUTABLE) and not name.startswith("__"):
                    own[name] = copy.deepcopy(value)
        return made

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _check_fields(cls)
        cls._custom_init = _has_custom_init(cls)
        attrs.define(
            cls,
            slots=False,
            kw_only=True,
            eq=False,
            repr=False,
            init=not cls._custom_init,
            auto_attribs=True,
            field_transformer=_transform,
        )
        lost = [f.name for f in cls.__attrs_attrs__ if _is_parameter(f) or _has_default(f)]
        if cls._custom_init and lost:
            raise ConfigError(
                f"{cls.__name__} has parameters ({', '.join(lost)}) and an __init__, which keeps them from "
                "being set: rename it to __attrs_post_init__(self), which runs when they are set"
            )


# An attribute is found in a dict of the instance twice as fast as in one with the class's keys,
# which CPython makes as soon as something reads __dict__.
_set_dict = vars(Configurable)["__dict__"].__set__
# What a class may have as a start value for each instance; a constant is a tuple or a mapping proxy.
_MUTABLE = (list, dict, set, bytearray, deque)
_Undeclared = type(attrs.field())


def _check_fields(cls: type) -> None:
    """Refuse fields that attrs would ignore, or that would hide a method."""
    annotated = inspect.get_annotations(cls)
    for name, value in vars(cls).items():
        if isinstance(value, _Undeclared) and (
            name not in annotated or _is_class_var(annotated[name])
        ):
            raise ConfigError(
                f"{cls.__name__} parameter {name!r} has no type: annotate it, "
                f"as in {name}: Decimal = param(...)"
            )
    for name, annotation in annotated.items():
        for base in cls.__mro__[1:]:
            hidden = vars(base).get(name)
            if not _is_class_var(annotation) and (
                inspect.isroutine(hidden) or isinstance(hidden, property)
            ):
                raise ConfigError(
                    f"{cls.__name__} field {name!r} hides {base.__name__}.{name}: rename it"
                )


def _is_class_var(annotation: Any) -> bool:
    return "ClassVar" in (annotation if isinstance(annotation, str) else repr(annotation))


def _has_custom_init(cls: type[Configurable]) -> bool:
    """Return whether the first ``__init__`` of *cls* was written by hand and not by attrs."""
    for base in cls.__mro__:
        if base is not cls and issubclass(base, Configurable):
            return bool(vars(base)["_custom_init"])
        if "__init__" in vars(base):
            return base is not object
    return False


def _has_default(field: attrs.Attribute[Any]) -> bool:
    return field.init and field.default is not attrs.NOTHING


def _is_parameter(field: attrs.Attribute[Any]) -> bool:
    return (
        field.init
        and not field.name.startswith("_")
        and (is_scalar(field.type) or _META in field.metadata)
    )


def parameters(cls: type[Configurable]) -> list[Parameter]:
    """Return the parameters of a strategy or plugin class, in order of definition.

    Args:
        cls: the class.
    """
    result = []
    for field in cls.__attrs_attrs__:
        if _is_parameter(field):
            described = _describe(field, field.type)
            default = described.default
            if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
                default = default.factory()
            result.append(attrs.evolve(described, default=default))
    return result


def configure(
    cls: type[T], settings: Mapping[str, Any], error: type[VectraError] = StrategyError
) -> T:
    """Return an instance of *cls* with *settings*.

    Args:
        cls: a strategy or plugin class.
        settings: values by parameter name.
        error: class of the error raised when the class's own code raises.

    Raises:
        ConfigError: a key is unknown, a value is out of range, or a required one is missing.
        StrategyError: the class's own code raised (or *error*).
    """
    try:
        known = {parameter.name: parameter for parameter in parameters(cls)}
        _check_settings(cls, settings, known)
        return cls(**settings)
    except VectraError:
        raise
    except BaseException as raised:
        raise error(
            f"{cls.__name__} cannot be created: {safe_error(raised)}{_place(cls, raised)}; correct it"
        ) from raised


def _check_settings(cls: type, settings: Mapping[str, Any], known: Mapping[str, Parameter]) -> None:
    for key, value in settings.items():
        if key in known and isinstance(value, SecretReference) and not known[key].secret:
            raise ConfigError(
                f"{cls.__name__} parameter {key!r} is not secret, so it is stored and shown: give its value "
                "and no reference, or declare it with param(secret=True)"
            )
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=2, cutoff=0.5)
            advice = f"did you mean {' or '.join(close)}?" if close else _listing(known)
            # Without the value: under its right name it may be a secret, as what is not a name may be.
            shown = safe_repr(key) if str(key).isidentifier() else "of the given name"
            raise ConfigError(f"{cls.__name__} has no parameter {shown}: {advice}")
    for name, parameter in known.items():
        if parameter.default is attrs.NOTHING and name not in settings:
            raise ConfigError(
                f"{cls.__name__} parameter {name!r} was not given: give {parameter.allowed}"
            )


def _place(cls: type, raised: BaseException) -> str:
    """Return the function and line in the module of *cls* where an exception was raised, as text."""
    for frame, line in reversed(list(traceback.walk_tb(raised.__traceback__))):
        if frame.f_globals.get("__name__") == cls.__module__:
            return f" (in {frame.f_code.co_name}, line {line})"
    return ""


def _listing(known: Mapping[str, Parameter]) -> str:
    return "its parameters are " + ", ".join(known) if known else "it has none"


def settings_of(instance: Configurable) -> dict[str, Any]:
    """Return the current parameters of *instance*, in order of definition; of a secret that it is set.

    Raises:
        StrategyError: the class's own code raised.
    """
    found = parameters(type(instance))
    try:
        return masked(found, {p.name: getattr(instance, p.name) for p in found})
    except BaseException as raised:
        raise StrategyError(
            f"the parameters of {type(instance).__name__} cannot be read: {safe_error(raised)}; correct it"
        ) from raised
