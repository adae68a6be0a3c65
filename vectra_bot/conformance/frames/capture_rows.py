"""Rows of a capture file: one JSON object per line, plain or compressed, read strictly.

Any error becomes one :class:`~vectra_bot.errors.InputError` that names file, line and remedy.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

from attrs import frozen

from vectra_bot.errors import InputError
from vectra_bot.venues.captures.lines import BOM, COMMENTS, unpacked

_REMEDY = "restore the line from the capture"
_CAPTURE = "give a capture with one JSON object per line"


def shown(path: Path | str) -> str:
    """Return a path as text that any terminal can print."""
    return str(path).encode(errors="backslashreplace").decode()


@frozen
class Row:
    """One JSON object of a file, with checked access to its fields.

    ``place`` is its position ("FILE, line 3") and ``line`` counts from 1.
    """

    fields: dict[str, Any]
    place: str
    line: int

    def fail(self, key: str, want: str) -> NoReturn:
        """Raise InputError for the field *key*."""
        if key not in self.fields:
            raise InputError(f"{self.place}: {key} is missing: {want}, {_REMEDY}")
        value = _brief(self.fields[key])
        raise InputError(f"{self.place}: {key} was {value}: {want}, {_REMEDY}")

    def text(self, key: str) -> str:
        """Return a text."""
        value = self.fields.get(key)
        if not isinstance(value, str):
            self.fail(key, "it must be a text")
        return value

    def flag(self, key: str) -> bool:
        """Return true or false."""
        value = self.fields.get(key)
        if not isinstance(value, bool):
            self.fail(key, "it must be true or false")
        return value

    def integer(self, key: str) -> int:
        """Return a whole number."""
        value = self.fields.get(key)
        if type(value) is not int:
            self.fail(key, "it must be a whole number")
        return value

    def number(self, key: str) -> float:
        """Return a finite number; JSON's ``1`` and ``1.0`` are the same."""
        value: Any = self.fields.get(key)
        if not _is_number(value):
            self.fail(key, "it must be a finite number")
        return float(value)

    def positive(self, key: str) -> float:
        """Return a finite number above 0."""
        value = self.number(key)
        if value <= 0:
            self.fail(key, "it must be above 0")
        return value

    def optional_numbers(self, key: str) -> list[float] | None:
        """Return a list of finite numbers, or None where the capture has null."""
        return None if key in self.fields and self.fields[key] is None else self.numbers(key)

    def numbers(self, key: str) -> list[float]:
        """Return a list of finite numbers."""
        values = self.holed_numbers(key)
        if any(value is None for value in values):
            self.fail(key, "it must be a list of finite numbers")
        return [value for value in values if value is not None]

    def holed_numbers(self, key: str) -> list[float | None]:
        """Return a list of finite numbers with None where one was missed."""
        values = self.fields.get(key)
        if not isinstance(values, list) or not values:
            self.fail(key, "it must be a list of numbers")
        for index, value in enumerate(values):
            if value is not None and not _is_number(value):
                where = f"{key}[{index}] was {_brief(value)}"
                raise InputError(f"{self.place}: {where}: it must be a finite number, {_REMEDY}")
        return [None if value is None else float(value) for value in values]

    def row(self, key: str) -> Row:
        """Return an object inside this one."""
        value = self.fields.get(key)
        if not isinstance(value, dict):
            self.fail(key, "it must be an object")
        return Row(value, f"{self.place}: {key}", self.line)

    def rows(self, key: str) -> list[Row]:
        """Return a list of objects inside this one."""
        values = self.fields.get(key)
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            self.fail(key, "it must be a list of objects")
        return [
            Row(value, f"{self.place}: {key}[{index}]", self.line)
            for index, value in enumerate(values)
        ]


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file; empty lines are skipped.

    Raises:
        InputError: the file is missing, unreadable or empty, or a line is not a JSON object.
    """
    name = shown(path)
    empty = True
    line = 0
    try:
        with unpacked(path) as (lines, _):
            for line, raw in enumerate(lines, start=1):
                text = raw.removeprefix(BOM)
                if text.strip() and not text.lstrip().startswith(COMMENTS):
                    remedy = _CAPTURE if empty else _REMEDY
                    empty = False
                    yield _parse(text, f"{name}, line {line}", line, remedy)
    except FileNotFoundError:
        raise InputError(f"{name} does not exist: check the path") from None
    except IsADirectoryError:
        raise InputError(f"{name} is a directory: give a file") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{name}, line {line + 1}: the gzip data is corrupt ({error}): download the file again"
        ) from None
    except UnicodeError as error:
        raise InputError(
            f"{name}, line {line + 1}: the text is truncated ({error}): download the file again"
        ) from None
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{name} cannot be read ({reason}): check the file") from None
    if empty:
        raise InputError(f"{name} is empty: {_CAPTURE}")


def read_prices(path: Path) -> list[float]:
    """Return the prices of a file: one JSON list, or one number per line.

    Raises:
        InputError: the file cannot be read, or has anything other than finite numbers.
    """
    name = shown(path)
    try:
        with unpacked(path) as (lines, _):
            text = lines.read().removeprefix(BOM).decode()
    except FileNotFoundError:
        raise InputError(f"{name} does not exist: check the path") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{name} cannot be read ({error}): give a text file of prices") from None
    if text.lstrip().startswith("["):
        place = [(name, _loads(text, name, "give one JSON list of numbers"))]
        if isinstance(place[0][1], list):
            place = [(f"{name}, price {k}", value) for k, value in enumerate(place[0][1])]
    else:
        place = [
            (where, _loads(raw, where, "give one number per line"))
            for where, raw in ((f"{name}, line {k}", r) for k, r in enumerate(text.split("\n"), 1))
            if raw.strip()
        ]
    if not place:
        raise InputError(f"{name} has no prices: give a JSON list or one number per line")
    for where, value in place:
        if not _is_number(value):
            raise InputError(f"{where}: was {_brief(value)}: give a finite number")
    return [float(value) for _, value in place]


def _parse(raw: bytes, place: str, line: int, remedy: str) -> Row:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise InputError(f"{place}: not UTF-8 text: {remedy}") from None
    value = _loads(text, place, remedy)
    if not isinstance(value, dict):
        raise InputError(f"{place}: was {_brief(value)}, not an object: {remedy}")
    return Row(value, place, line)


def _loads(text: str, place: str, remedy: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "too deep or too long"
        raise InputError(f"{place}: not JSON ({reason}): {remedy}") from None


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return isfinite(value)
    except OverflowError:
        return False


def _brief(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
