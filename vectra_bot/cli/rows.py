"""Output of query rows: as a table for people, as JSON or CSV for programs."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vectra_bot.redaction import clean
from vectra_bot.store.query.results import distinct_names

if TYPE_CHECKING:
    from vectra_bot.store.query.catalog import Result

_GAP = "  "
_NARROWEST: Final = 8
# An id, a digest or a path: never shortened, as a shortened one cannot be copied.
_WHOLE: Final = re.compile(r"(?=\S*[0-9/])\S{16,160}")
# A spreadsheet interprets text that begins so as a formula, unless it is a number.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_NUMBER: Final = re.compile(r"[+-]?[0-9]*\.?[0-9]+([eE][+-]?[0-9]+)?")
_QUOTED: Final = re.compile(r'[",\r\n]|\A\Z')


def json_texts(columns: Sequence[str], batches: Iterable[list[tuple[Any, ...]]]) -> Iterator[str]:
    """Yield a JSON list of objects in pieces; amounts of SOL with all nine decimals, times in ISO 8601.

    The second column of a name is ``name_1``: no value is lost.
    """
    columns = distinct_names(columns)
    encoder = msgspec.json.Encoder(decimal_format="number")
    before = "[\n"
    for batch in batches:
        texts = []
        for row in batch:
            item = dict(zip(columns, map(_json_value, row), strict=True))
            text = msgspec.json.format(encoder.encode(item), indent=2).decode()
            texts.append("  " + text.replace("\n", "\n  "))
        yield before + ",\n".join(texts)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _json_value(value: Any) -> Any:
    """Return *value* in a form that msgspec can write without loss."""
    if isinstance(value, Decimal):
        # Plain digits: a number token keeps every decimal.
        return msgspec.Raw(format(value, "f").encode()) if value.is_finite() else None
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return msgspec.Raw(str(value).encode())
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in value.items()}
    return value


def csv_texts(
    columns: Sequence[str], batches: Iterable[list[tuple[Any, ...]]], *, exact: bool = False
) -> Iterator[str]:
    """Yield RFC 4180 text with a header line; nothing for null, ``""`` for empty text, decimals as stored.

    Text that a spreadsheet would run as a formula is prefixed with an apostrophe, unless *exact*. The second
    column of a name is ``name_1``.
    """
    for batch in chain([[distinct_names(columns)]], batches):
        lines = []
        for row in batch:
            line = ",".join([_csv_cell(value, exact) for value in row])
            lines.append((line or '""') + "\r\n")  # a line with one null would be a blank line
        yield "".join(lines)


def _csv_cell(value: Any, exact: bool) -> str:
    if value is None:
        return ""
    text = _csv_value(value)
    if not exact and text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def _csv_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if isinstance(value, list | tuple | dict):
        encoder = msgspec.json.Encoder(decimal_format="number")
        return encoder.encode(_json_value(value)).decode()
    return str(value)


def on_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def as_table(result: Result) -> str:
    """Return aligned text, numbers to the right; on a terminal at most as wide as it is.

    Texts that do not fit are shortened, ids and paths excepted, and if even that is too wide, each row is
    printed as a block of names and values.
    """
    width = shutil.get_terminal_size().columns if on_terminal() else None
    cells = [[_cell(value) for value in row] for row in result.rows]
    count = f"({len(cells)} row{'' if len(cells) == 1 else 's'}{', there are more' * result.more})"
    columns = [clean(name) for name in result.columns]
    widths = [max([len(name), *(len(row[i]) for row in cells)]) for i, name in enumerate(columns)]
    right = [all_numbers([row[i] for row in result.rows]) for i in range(len(columns))]
    least = [
        max([_NARROWEST, *(len(row[i]) for row in cells if _WHOLE.fullmatch(row[i]))])
        for i in range(len(columns))
    ]
    fitted = widths if width is None else _fitted(widths, least, right, width)
    if fitted is None:
        return "\n".join([*_blocks(columns, cells, width or 0), count])
    lines = [_line(columns, fitted, right), _line(["-" * size for size in fitted], fitted, right)]
    return "\n".join([*lines, *(_line(row, fitted, right) for row in cells), count])


def _fitted(widths: list[int], least: list[int], right: list[bool], width: int) -> list[int] | None:
    """Return widths of columns that fit, the widest texts shortened first; None if impossible."""
    fitted = list(widths)
    room = width - len(_GAP) * (len(widths) - 1)
    while sum(fitted) > room:
        widest = max(
            (i for i, number in enumerate(right) if not number and fitted[i] > least[i]),
            key=lambda i: fitted[i],
            default=None,
        )
        if widest is None:
            return None
        fitted[widest] -= 1
    return fitted


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        cut(cell, width).rjust(width) if number else cut(cell, width).ljust(width)
        for cell, width, number in zip(cells, widths, right, strict=True)
    )
    return _GAP.join(padded).rstrip()


def _blocks(columns: list[str], cells: list[list[str]], width: int) -> list[str]:
    """Return each row as lines of a name and a value."""
    longest = max(map(len, columns))
    lines = []
    for number, row in enumerate(cells, 1):
        lines.append(f"-- row {number} ".ljust(min(width, 40), "-"))
        for name, cell in zip(columns, row, strict=True):
            room = max(width - longest - len(_GAP), _NARROWEST)
            shown = cell if _WHOLE.fullmatch(cell) else cut(cell, room)
            lines.append(f"{name.ljust(longest)}{_GAP}{shown}")
    return lines


def cut(text: str, width: int) -> str:
    """Return *text* in at most *width* characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def all_numbers(values: list[Any]) -> bool:
    """Return whether *values* are numbers or missing, and not all of them missing."""
    return any(map(is_number, values)) and all(v is None or is_number(v) for v in values)


def is_number(value: Any) -> bool:
    """Return whether *value* is a number other than true and false."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return format(value, "f") if isinstance(value, Decimal) else clean(value)
