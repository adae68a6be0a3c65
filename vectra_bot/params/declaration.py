"""Declarations: the type, range and help of a field, written once and checked for every source of values.

:func:`~vectra_bot.params.param` declares a parameter of a strategy or plugin, :func:`option` an option of a
config. From the declaration come the conversion and check of Python values, the flag of the command line,
the key of a TOML file, their help and their errors.
"""

from __future__ import annotations

import contextlib
import difflib
import inspect
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Any

import attrs

from vectra_bot.errors import ConfigError, safe_repr
from vectra_bot.params.values import WORDS, convert, is_enum, shortest, unwrap

_OPTION = "vectra_option"
_KNOWN_TYPES: dict[str, type] = {
    "Decimal": Decimal,
    "bool": bool,
    "float": float,
    "int": int,
    "str": str,
}


class Heading(StrEnum):
    """Where help lists an option; in this order, the most needed first."""

    MAIN = "Options"
    LOGINS = "Logins"
    LINK = "Link"
    PAPER = "Paper"
    LIMITS = "Limits"
    PLUGINS = "Plugins"
    EXCHANGE = "Exchange"
    SIDE_GAMES = "Side games and shorts"


class Refused(ValueError):
    """A value that a declaration does not accept.

    Args:
        advice: what to give, where the declaration's generic text does not fit.
        message: a whole message in place of ``was VALUE: give ADVICE``.
    """

    def __init__(self, advice: str = "", *, message: str = "") -> None:
        super().__init__(message or advice)
        self.advice = advice
        self.message = message


@attrs.frozen(kw_only=True)
class Parameter:
    """A parameter as used by help texts, errors and sweeps."""

    name: str
    type: Any
    default: Any
    low: Any = None
    high: Any = None
    choices: tuple[Any, ...] | None = None
    log: bool = False
    help: str = ""
    secret: bool = False

    @property
    def allowed(self) -> str:
        """Return the allowed values as text."""
        if self.secret:
            return (
                f"{self.name}=env:NAME or {self.name}=file:PATH on the command line, "
                f'{{ env = "NAME" }} or {{ file = "PATH" }} in TOML, or text in Python: it is secret'
            )
        if self.choices is not None:
            return "one of " + ", ".join(str(choice) for choice in self.choices)
        name = kind_in_words(self.type)
        if self.low is not None and self.high is not None:
            return f"{name} from {self.low} to {self.high}"
        if self.low is not None:
            return f"{name} of at least {self.low}"
        if self.high is not None:
            return f"{name} of at most {self.high}"
        return name

    def validator(self, owner: str) -> Callable[[Any, Any, Any], Any]:
        """Return the attrs validator of range and choices.

        Raises:
            ConfigError: a bound or a choice is not of the parameter's type.
        """

        def bound(word: str, value: Any) -> Any:
            try:
                return convert(value, self.type)
            except ValueError:
                raise ConfigError(
                    f"{owner} parameter {self.name!r}: {word} was {safe_repr(value)}: "
                    f"give {kind_in_words(self.type)}"
                ) from None

        checks: list[Callable[[Any, Any, Any], Any]] = []
        if self.low is not None:
            checks.append(attrs.validators.ge(bound("low", self.low)))
        if self.high is not None:
            checks.append(attrs.validators.le(bound("high", self.high)))
        if self.choices is not None:
            choices = tuple(bound("a choice", choice) for choice in self.choices)
            checks.append(attrs.validators.in_(choices))
        return attrs.validators.optional(attrs.validators.and_(*checks))


@attrs.frozen(kw_only=True)
class Option(Parameter):
    """An option of a config: a parameter with its place on the command line and in a file.

    Attributes:
        above: the value must be greater than this.
        key: its name in a TOML file; None if it has none.
        flag: its flag; None if it can be given in Python only.
        metavar: placeholder of the flag's value in help.
        heading: the section of help that lists it.
        shown: the default as text, where it is None.
        repeatable: whether the flag may be given several times.
        words: the allowed values as text, where type and range do not say it.
        secret: its value may hold secrets: messages and ``repr`` do not show it.
        take: turns what Python gives into the value; replaces the conversion to the type.
        read: turns text from a command line or file into what Python would give.
    """

    above: Any = None
    key: str | None = None
    flag: str | None = None
    metavar: str = ""
    heading: Heading = Heading.MAIN
    shown: str = ""
    repeatable: bool = False
    words: str = ""
    take: Callable[[Any], Any] | None = None
    read: Callable[[Any], Any] | None = None

    @property
    def allowed(self) -> str:
        """Return the allowed values as text."""
        if self.words:
            return self.words
        if self.above is None:
            return super().allowed
        name = kind_in_words(self.type)
        return f"{name} above {self.above}" + (f" and up to {self.high}" if self.high else "")

    @property
    def is_switch(self) -> bool:
        """Whether it is on or off, or by default neither."""
        return unwrap(self.type)[1] is bool

    @property
    def default_shown(self) -> str:
        """The default as help shows it, "" if there is none to show."""
        if self.default is None:
            return self.shown
        if self.repeatable or self.default is attrs.NOTHING or _is_made(self.default):
            return ""
        if self.is_switch:
            return "on" if self.default else ""
        return shortest(self.default) if isinstance(self.default, float) else str(self.default)

    def validator(self, owner: str) -> Callable[[Any, Any, Any], Any]:
        """Return the attrs validator of range and choices."""
        inner = super().validator(owner)
        if self.above is None:
            return inner
        return attrs.validators.and_(
            inner, attrs.validators.optional(attrs.validators.gt(self.above))
        )

    def from_python(self, value: Any) -> Any:
        """Return a keyword's value converted for the option, range not yet checked."""
        if self.take is not None:
            return self.take(value)
        return convert(value, self.type, text=False)

    def from_text(self, value: Any) -> Any:
        """Return typed text converted for the option, range not yet checked."""
        typed = convert(value, self.type) if self.read is None else self.read(value)
        return self.from_python(typed)

    def parse(self, value: Any, where: str) -> Any:
        """Return the value from a flag, file or variable; *where* names it in the message.

        Raises:
            ConfigError: the option does not accept it.
        """
        return CheckedConverter(where, self, self.from_text, self.validator(where))(value)

    def check(self, value: Any, where: str) -> Any:
        """Return the value from Python code; *where* names it in the message.

        Raises:
            ConfigError: the option does not accept it.
        """
        return CheckedConverter(where, self, self.from_python, self.validator(where))(value)


@attrs.frozen
class CheckedConverter:
    """The converter of a declared field: its type first, then range or choices."""

    where: str
    parameter: Parameter
    take: Callable[[Any], Any]
    validate: Callable[[Any, Any, Any], Any]

    def __call__(self, value: Any) -> Any:
        try:
            taken = self.take(value)
            self.validate(None, self.parameter, taken)
        except Refused as refused:
            if refused.message:
                raise ConfigError(f"{self.where}: {refused.message}") from None
            raise self._wrong(value, refused.advice) from None
        except ValueError:
            raise self._wrong(value) from None
        return taken

    def _wrong(self, value: Any, advice: str = "") -> ConfigError:
        was = safe_repr(value)
        if self.parameter.secret:
            was = "plain text" if isinstance(value, str) else f"of type {type(value).__name__}"
        return ConfigError(f"{self.where} was {was}: give {advice or self.parameter.allowed}")


def option(
    default: Any = attrs.NOTHING,
    *,
    factory: Callable[[], Any] | None = None,
    key: str | None = "",
    flag: str | None = "",
    choices: Sequence[Any] | None = None,
    help: str = "",  # noqa: A002 - the word users look for
    **about: Any,
) -> Any:
    """Declare an option of a config made by :func:`declared`.

    Args:
        default: value if none is given.
        factory: makes a new default for every config.
        key: name in a TOML file, by default the field's.
        flag: flag on the command line, by default ``--KEY``; None for an option only in Python, or with a
            *key* only in a file.
        choices: the only allowed values.
        help: one line for ``--help``.
        about: see :class:`Option`.

    Example:
        ``crowd: int = option(300, low=0, high=3_000, help="Other players.", heading="Exchange")``
    """
    if factory is not None:
        default = attrs.Factory(factory)
    about = {**about, "key": key, "flag": flag, "choices": choices, "help": help}
    return attrs.field(default=default, metadata={_OPTION: about})


def like(owner: type, name: str, **changes: Any) -> Any:
    """Declare an option that *owner* has under this *name*, with other defaults or words if given."""
    field = attrs.fields_dict(owner)[name]
    about = {**field.metadata[_OPTION], **changes}
    default = about.pop("default", field.default)
    return attrs.field(default=default, metadata={_OPTION: about})


def declared(cls: type, fields: list[Any], where: str = "option {}") -> list[attrs.Attribute[Any]]:
    """Give every declared field of a config its type and check: a field transformer of attrs.

    Args:
        cls: the config's class.
        fields: its fields.
        where: how a message names a field.
    """
    hints = hints_of(cls)
    result = []
    for field in fields:
        if field.inherited or _OPTION not in field.metadata:
            result.append(field)
            continue
        typed = field.evolve(type=hints[field.name])
        found = _described(typed)
        check = partial(found.check, where=where.format(field.name))
        result.append(typed.evolve(converter=check, repr=not found.secret))
    return result


def options_of(cls: type) -> tuple[Option, ...]:
    """Return the declared options of a config, in order of definition, inherited ones first."""
    return tuple(_described(field) for field in attrs.fields(cls) if _OPTION in field.metadata)


def option_of(cls: type, name: str) -> Option:
    """Return the declaration of the field *name* of a config."""
    return _described(attrs.fields_dict(cls)[name])


def parse_options(
    options: Iterable[Option], values: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """Return the *values* of a file by the names of their fields, converted for their class.

    Args:
        options: declarations of what may be set.
        values: values by key, as a person wrote them.
        where: the text before the key in messages.

    Raises:
        ConfigError: an unknown key, or a value that its option does not accept.
    """
    known = {option.key: option for option in options if option.key is not None}
    parsed = {}
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"{where}{key} {advice(key, known)}")
        parsed[known[key].name] = known[key].parse(value, f"{where}{key}")
    return parsed


def advice(name: str, known: Collection[str]) -> str:
    """Return what a message says after an unknown *name*: similar names, or all that are known."""
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    if close:
        return f"is unknown: did you mean {' or '.join(close)}?"
    return f"is unknown: give one of {', '.join(known)}"


def _described(field: attrs.Attribute[Any]) -> Option:
    about: dict[str, Any] = dict(field.metadata[_OPTION])
    choices = about.pop("choices")
    if choices is None and is_enum(field.type):
        choices = [member.value for member in unwrap(field.type)[1]]
    key = about.pop("key")
    flag = about.pop("flag")
    in_files = flag is not None or bool(key)
    key = field.name if key == "" else key
    if flag == "":
        flag = f"--{(key or field.name).replace('_', '-')}"
    return Option(
        name=field.name,
        type=field.type,
        default=field.default,
        choices=None if choices is None else tuple(choices),
        key=key if in_files and not about.get("repeatable") else None,
        flag=flag,
        **about,
    )


def hints_of(cls: type) -> dict[str, Any]:
    """Return the types of the fields that *cls* itself annotates.

    Each is resolved separately, so that a name which only type checkers import affects its own field
    only.
    """
    result: dict[str, Any] = {}
    for name, annotation in inspect.get_annotations(cls).items():
        alone = type(cls.__name__, (), {"__module__": cls.__module__})
        alone.__annotations__ = {name: annotation}
        result[name] = Any
        for names in (None, _KNOWN_TYPES):
            # Evaluates foreign text, so anything may be raised.
            with contextlib.suppress(Exception):
                result[name] = typing.get_type_hints(alone, localns=names)[name]
                break
    return result


def _is_made(default: Any) -> bool:
    return isinstance(default, attrs.Factory)  # type: ignore[arg-type]


def kind_in_words(kind: Any) -> str:
    """Return a type as messages name it."""
    return WORDS.get(unwrap(kind)[1]) or type_name(kind)


def type_name(kind: Any) -> str:
    """Return the name of a type that no parameter can have."""
    if kind is Any:
        return "Any (or one that only type checkers import)"
    return kind.__name__ if isinstance(kind, type) else safe_repr(kind)
