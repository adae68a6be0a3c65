"""What a sweep tries: ranges of parameters, and the sets of values drawn from them.

Ranges come from the strategy's own declarations (bounds, choices, ``log``), or are given as text. Values
spread over a range of numbers are rounded to six digits, so that they can be typed again.
Imports errors, loading and params; numpy for seeded draws.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from attrs import NOTHING, frozen

from vectra_bot.errors import ConfigError, UsageError
from vectra_bot.params import Configurable, Parameter, advice, convert, parameters, shortest
from vectra_bot.params.values import unwrap

MAX_SETS: Final = 10_000
"""Most sets of one sweep."""

MAX_POINTS: Final = 1_000
"""Most values of one parameter in a grid."""

_DIGITS: Final = 6
_TRIES: Final = 50  # draws for each set of a small space before it counts as exhausted

Values = Mapping[str, Any]


@frozen
class Range:
    """The values that a sweep tries for one parameter.

    Attributes:
        parameter: what it is a range of.
        low, high: bounds of numbers, both included; None if *listed*.
        listed: the only values to try.
        log: whether values are spread by ratio.
    """

    parameter: Parameter
    low: Any = None
    high: Any = None
    listed: tuple[Any, ...] | None = None
    log: bool = False

    def __attrs_post_init__(self) -> None:
        name = self.parameter.name
        if self.listed is None and not self.low < self.high:
            raise ConfigError(
                f"the range of {name!r} was {self.low} to {self.high}: give the lower bound first"
            )
        if self.log and self.listed is None and self.low <= 0:
            raise ConfigError(
                f"the range of {name!r} begins at {self.low} and is logarithmic: begin above 0"
            )

    @property
    def name(self) -> str:
        """The parameter's name."""
        return self.parameter.name

    @property
    def is_whole(self) -> bool:
        """Whether it is a range of whole numbers."""
        return self.listed is None and unwrap(self.parameter.type)[1] is int

    def points(self, count: int) -> tuple[Any, ...]:
        """Return *count* values spread over the range, fewer if it has fewer; all that are listed."""
        if self.listed is not None:
            return self.listed
        spread = (self.at(number / max(count - 1, 1)) for number in range(count))
        return tuple(dict.fromkeys(spread))

    def at(self, share: float) -> Any:
        """Return the value at *share*, 0 to 1, of the way through the range."""
        if self.listed is not None:
            return self.listed[min(int(share * len(self.listed)), len(self.listed) - 1)]
        low, high = float(self.low), float(self.high)
        value = low * (high / low) ** share if self.log else low + share * (high - low)
        return self.rounded(value)

    def rounded(self, value: float) -> Any:
        """Return *value* within the bounds, in the parameter's type and with six digits."""
        if self.is_whole:
            return min(max(round(value), self.low), self.high)
        typed = convert(f"{value:.{_DIGITS}g}", self.parameter.type)
        return min(max(typed, self.low), self.high)

    def to_json(self) -> dict[str, Any]:
        """Return the range as JSON."""
        if self.listed is not None:
            return {"values": [written(value) for value in self.listed]}
        return {"low": written(self.low), "high": written(self.high), "log": self.log}


@frozen
class Space:
    """The parameters that a sweep varies; every other one keeps its given or default value."""

    ranges: tuple[Range, ...]

    def grid(self, points: int) -> Iterator[dict[str, Any]]:
        """Yield every combination of *points* values of each range.

        Raises:
            UsageError: there are more than :data:`MAX_SETS`.
        """
        columns = [one.points(points) for one in self.ranges]
        count = math.prod(map(len, columns))
        if count > MAX_SETS:
            raise UsageError(
                f"the grid has {count:,} sets: give fewer --points or --range, at most {MAX_SETS:,} sets, or "
                "--random N"
            )
        for values in itertools.product(*columns):
            yield dict(zip(self.names, values, strict=True))

    def drawn(self, count: int, seed: int) -> Iterator[dict[str, Any]]:
        """Yield *count* different sets drawn by *seed*, fewer if the space has fewer."""
        dice = np.random.default_rng(seed)
        seen: set[tuple[Any, ...]] = set()
        for _ in range(count * _TRIES):
            values = tuple(one.at(float(dice.random())) for one in self.ranges)
            if values not in seen:
                seen.add(values)
                yield dict(zip(self.names, values, strict=True))
            if len(seen) == count:
                return

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the varied parameters."""
        return tuple(one.name for one in self.ranges)


def space_of(
    cls: type[Configurable], given: Sequence[str], fixed: Values = MappingProxyType({})
) -> Space:
    """Return the ranges *given* as text, or without one those of all parameters with a declared range.

    Args:
        cls: the strategy's class.
        given: ``KEY`` for the declared range, ``KEY=LOW:HIGH``, ``KEY=LOW:HIGH:log``, ``KEY=LOW:HIGH:STEP``
            or ``KEY=VALUE,VALUE``.
        fixed: parameters with one value.

    Raises:
        UsageError: a text has another form, or nothing can be varied.
        ConfigError: a parameter is unknown, or a value does not fit it.
    """
    known = {one.name: one for one in parameters(cls)}
    if given:
        ranges = [_given(text, known, cls.__name__) for text in given]
    else:
        free = (one for name, one in known.items() if name not in fixed)
        ranges = [found for one in free if (found := declared_range(one)) is not None]
    if not ranges:
        raise UsageError(
            f"{cls.__name__} declares no range to vary: give --range KEY=LOW:HIGH, or low and high in param()"
        )
    names = [one.name for one in ranges]
    for name in names:
        if names.count(name) > 1 or name in fixed:
            raise UsageError(f"parameter {name!r} was given twice: give it one range or value")
    return Space(tuple(ranges))


def _given(text: str, known: Mapping[str, Parameter], owner: str) -> Range:
    name, equals, values = (part.strip() for part in text.partition("="))
    if name not in known:
        raise ConfigError(f"--range: parameter {name!r} of {owner} {advice(name, known)}")
    parameter = known[name]
    if parameter.secret:
        raise UsageError(f"--range was given for {name!r}, which is secret: give it with --set")
    if equals:
        return _range_of(parameter, values)
    found = declared_range(parameter)
    if found is None:
        raise UsageError(
            f"--range was {name!r}, which declares no two bounds and no choices: "
            f"give {name}=LOW:HIGH or {name}=VALUE,VALUE"
        )
    return found


def declared_range(parameter: Parameter) -> Range | None:
    """Return the range that a parameter declares, None if it has no two bounds and no choices."""
    kind = unwrap(parameter.type)[1]
    if parameter.secret:
        return None
    if parameter.choices is not None:
        return Range(parameter, listed=_typed(parameter, parameter.choices))
    if kind is bool:
        return Range(parameter, listed=(False, True))
    if parameter.low is None or parameter.high is None or kind not in (int, float, Decimal):
        return None
    low, high = _typed(parameter, (parameter.low, parameter.high))
    return Range(parameter, low, high, log=parameter.log)


def _range_of(parameter: Parameter, text: str) -> Range:
    if ":" not in text:
        return Range(parameter, listed=_checked(parameter, text.split(",")))
    low_text, high_text, *rest = (part.strip() for part in text.split(":"))
    low, high = _checked(parameter, (low_text, high_text))
    if unwrap(parameter.type)[1] not in (int, float, Decimal) or len(rest) > 1:
        raise UsageError(
            f"--range {parameter.name} was {text!r}: give LOW:HIGH, LOW:HIGH:log, LOW:HIGH:STEP or "
            "VALUE,VALUE"
        )
    if rest and rest[0] != "log":
        return Range(parameter, listed=_stepped(parameter, low, high, rest[0]))
    return Range(parameter, low, high, log=bool(rest) or parameter.log)


def _stepped(parameter: Parameter, low: Any, high: Any, text: str) -> tuple[Any, ...]:
    start, end = Decimal(str(low)), Decimal(str(high))
    try:
        step = convert(text, Decimal)
    except ValueError:
        step = Decimal(0)
    if step <= 0 or start > end or (end - start) / step >= MAX_POINTS:
        raise UsageError(
            f"--range {parameter.name} has the step {text!r}: give log, or a step above 0 that makes at most "
            f"{MAX_POINTS:,} values"
        )
    count = int((end - start) / step) + 1
    return _checked(parameter, [str(start + number * step) for number in range(count)])


def _checked(parameter: Parameter, texts: Iterable[str]) -> tuple[Any, ...]:
    """Return typed values within the parameter's own range, without duplicates."""
    validate = parameter.validator(parameter.name)
    found = []
    for text in texts:
        try:
            value = convert(text.strip(), parameter.type)
            validate(None, parameter, value)
        except ValueError:
            raise ConfigError(
                f"--range {parameter.name} has the value {text.strip()!r}: give {parameter.allowed}"
            ) from None
        found.append(value)
    return tuple(dict.fromkeys(found))


def _typed(parameter: Parameter, values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(convert(value, parameter.type) for value in values)


def written(value: Any) -> Any:
    """Return the value of a parameter as JSON: amounts as text, everything else as it is."""
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Decimal) else value


def shown(values: Values) -> str:
    """Return a set of values as text: ``target=1.5 stake=0.01``."""
    return " ".join(f"{name}={shown_value(value)}" for name, value in values.items())


def shown_value(value: Any) -> str:
    """Return a value as text, as it can be typed."""
    return shortest(value) if isinstance(value, float) else str(written(value))


def defaults_of(cls: type[Configurable], but: Iterable[str]) -> dict[str, Any]:
    """Return the defaults of the parameters of *cls*, as JSON, without those named in *but* and secrets."""
    others = set(but)
    return {
        one.name: None if one.default is NOTHING else written(one.default)
        for one in parameters(cls)
        if one.name not in others and not one.secret
    }


__all__ = [
    "MAX_POINTS",
    "MAX_SETS",
    "Range",
    "Space",
    "declared_range",
    "defaults_of",
    "shown",
    "shown_value",
    "space_of",
    "written",
]
