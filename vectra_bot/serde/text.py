"""Records, inputs and commands as JSON objects, by one cattrs converter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final, TypeVar

import cattrs
from cattrs.fns import identity

from vectra_bot.errors import RecordError
from vectra_bot.models import (
    AlertType,
    ClockAdvanced,
    Command,
    ConnectionChanged,
    Event,
    OperatorCommand,
    PlayerRequest,
    SendResult,
    SessionEnding,
)
from vectra_bot.serde.values import BAD_VALUE, alert_type, unreadable

R = TypeVar("R")

JSON_INPUTS: Final[tuple[type[Event], ...]] = (
    ClockAdvanced,
    ConnectionChanged,
    PlayerRequest,
    SendResult,
    OperatorCommand,
    SessionEnding,
)
"""The engine's inputs that are not frames: they come from the session's shell."""

_INPUT_TYPES = {kind.__name__: kind for kind in JSON_INPUTS}


def _strict(wanted: type) -> Callable[[Any, Any], Any]:
    def structure(value: Any, kind: Any) -> Any:
        # cattrs calls this for subclasses too: our text enums.
        if kind is not wanted:
            return kind(value)
        if type(value) is not wanted:
            raise TypeError(f"{value!r} is not {wanted.__name__}")
        return value

    return structure


def _structure_float(value: Any, _: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _structure_decimal(value: Any, _: Any) -> Decimal:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a decimal number as text")
    return Decimal(value)


def _make_converter(*, detailed: bool) -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=detailed)
    for wanted in (str, int, bool):
        converter.register_structure_hook(wanted, _strict(wanted))
    converter.register_structure_hook(float, _structure_float)
    converter.register_structure_hook(Decimal, _structure_decimal)
    converter.register_unstructure_hook(Decimal, str)
    for plain in (str, int, float, bool):
        # Else each value passes through two functions that do nothing.
        converter.register_unstructure_hook(plain | None, identity)
    converter.register_structure_hook(datetime, lambda value, _: datetime.fromisoformat(value))
    converter.register_unstructure_hook(datetime, datetime.isoformat)
    converter.register_structure_hook(AlertType | str, lambda value, _: alert_type(value))
    return converter


_converter = _make_converter(detailed=False)
# Slower, but reports which field is wrong; used only after the other one failed.
_explainer = _make_converter(detailed=True)


def _explained(record_type: type, data: Any, error: Exception) -> RecordError:
    try:
        _explainer.structure(data, record_type)
    except cattrs.ClassValidationError as detailed:
        places = "; ".join(cattrs.transform_error(detailed, format_exception=_in_words))
        return RecordError(f"no {record_type.__name__} can be read from this JSON: {places}")
    except BAD_VALUE:  # it is not an object at all
        pass
    return unreadable(record_type, "JSON", error)


def _in_words(error: BaseException, _: type | None) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing"
    return str(error) or type(error).__name__


def record_to_json(record: Any) -> dict[str, Any]:
    """Return *record* as a JSON object: Decimals as text, times as ISO 8601, enums by value.

    Args:
        record: a record of :mod:`vectra_bot.models`.
    """
    record_type: Any = type(record)
    result: dict[str, Any] = _unstructurer(record_type)(record)
    return result


@cache
def _unstructurer(record_type: type) -> Callable[[Any], Any]:
    return _converter.get_unstructure_hook(record_type)


def record_from_json(record_type: type[R], data: Mapping[str, Any]) -> R:
    """Return the record in a JSON object; unknown keys are ignored.

    Args:
        record_type: class of the record.
        data: what :func:`record_to_json` returned.

    Raises:
        RecordError: a key is missing or holds a value the record forbids.
    """
    try:
        return _converter.structure(data, record_type)
    except BAD_VALUE as error:
        raise _explained(record_type, data, error) from error


def input_to_json(event: Event) -> dict[str, Any]:
    """Return an input that is not a frame as a JSON object, its class under ``type``."""
    if type(event).__name__ not in _INPUT_TYPES:
        raise RecordError(
            f"input was a {type(event).__name__}: give one of {', '.join(_INPUT_TYPES)}"
        )
    return {"type": type(event).__name__, **_converter.unstructure(event)}


def input_from_json(data: Mapping[str, Any]) -> Event:
    """Return the input in a JSON object.

    Raises:
        RecordError: its ``type`` is unknown, or a field is missing or of a wrong type.
    """
    kind = _INPUT_TYPES.get(data.get("type", ""))
    if kind is None:
        raise RecordError(
            f"input type was {data.get('type')!r}: give one of {', '.join(_INPUT_TYPES)}"
        )
    return record_from_json(kind, data)


# Keys of a command that are in its JSON only if set: the digests of commands journaled before side games
# existed must not change.
_SIDE_GAME_KEYS = ("choice", "round_id")


def command_to_json(command: Command) -> dict[str, Any]:
    """Return *command* as a JSON object, keys in the order of its fields.

    ``choice`` and ``round_id`` are omitted where the command has none.
    """
    result = record_to_json(command)
    for key in _SIDE_GAME_KEYS:
        if result[key] is None:
            del result[key]
    return result


def command_from_json(data: Mapping[str, Any]) -> Command:
    """Return the command in a JSON object.

    Raises:
        RecordError: a key is missing or holds a value of a wrong type.
    """
    return record_from_json(Command, data)
