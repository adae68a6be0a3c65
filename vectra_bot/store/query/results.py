"""Results of a query over a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import attrs

from vectra_bot.errors import UsageError
from vectra_bot.models import DocType
from vectra_bot.redaction import clean

if TYPE_CHECKING:
    import polars  # noqa: ICN001 - a method is named pl

_SHOWN_ROWS: Final = 100


@attrs.frozen
class CorruptFile:
    """A file whose rows a query skips, or a session whose last documents are in no file.

    Attributes:
        doc_type: of the rows, None if all kinds of a session are concerned.
        path: the file, the folder whose manifest is corrupt, or the journal, relative to the store.
        first_seq, last_seq: range of the rows, -1 if unknown.
        rows: how many, -1 if unknown.
        reason: what is wrong.
    """

    doc_type: DocType | None
    session_id: str
    path: str
    reason: str
    first_seq: int = -1
    last_seq: int = -1
    rows: int = -1

    def __str__(self) -> str:
        held = "number of rows unknown"
        if self.rows >= 0:
            held = f"{self.rows} rows"
        if self.first_seq >= 0:
            held += f", seq {self.first_seq} to {self.last_seq}"
        return f"{self.path}: {self.reason} ({held})"


class CorruptRowsWarning(UserWarning):
    """A query skips rows: their file is corrupt, or their session was killed and not recovered."""


def distinct_names(columns: Iterable[str]) -> tuple[str, ...]:
    """Return names of columns with the repeated ones renamed as in DuckDB's frames: ``price``, ``price_1``.

    As names in SQL, they are compared without regard to case.
    """
    counts: dict[str, int] = {}
    names = []
    for name in columns:
        key = name.lower()
        if key in counts:
            while (other := f"{key}_{counts[key]}") in counts:
                counts[key] += 1
            name += f"_{counts[key]}"  # noqa: PLW2901 - the new name
            counts[other] = 1
        counts[key] = counts.get(key, 0) + 1
        names.append(name)
    return tuple(names)


@attrs.frozen
class Result:
    """Result of a query: column names and rows. Amounts of SOL are exact Decimals.

    Attributes:
        corrupt: what the query skipped, with the range of its rows.
        more: whether there are more rows than *max_rows*.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    corrupt: tuple[CorruptFile, ...] = ()
    more: bool = False

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries; the second column of a name is ``name_1``."""
        names = distinct_names(self.columns)
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def df(self) -> Any:
        """Return the rows as a pandas frame; needs the extra ``vectra-bot[frames]``.

        Amounts of SOL stay exact Decimals: ``frame["cash"].astype(float)`` for arithmetic with numpy.
        """
        return imported("pandas").DataFrame(self.rows, columns=list(distinct_names(self.columns)))

    def pl(self) -> polars.DataFrame:
        """Return the rows as a polars frame; needs the extra ``vectra-bot[frames]``.

        Amounts of SOL stay exact decimals.
        """
        frame: polars.DataFrame = imported("polars").DataFrame(
            self.rows, schema=list(distinct_names(self.columns)), orient="row",
            infer_schema_length=None,
        )  # fmt: skip
        return frame

    def _repr_html_(self) -> str:
        """Return the first 100 rows as a notebook shows them."""
        head = "".join(f"<th>{_text(name)}</th>" for name in self.columns)
        lines = "".join(
            f"<tr>{''.join(f'<td>{_text(value)}</td>' for value in row)}</tr>"
            for row in self.rows[:_SHOWN_ROWS]
        )
        shown = min(len(self.rows), _SHOWN_ROWS)
        notes = [f"{shown} of {len(self.rows)} rows{', there are more' * self.more}"]
        notes += [f"rows may be missing: {skipped}" for skipped in self.corrupt]
        below = "".join(f"<p>{_text(note)}</p>" for note in notes)
        return (
            f"<div><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>{below}</div>"
        )


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return escape(format(value, "f") if isinstance(value, Decimal) else clean(value))


def imported(package: str) -> Any:
    try:
        return import_module(package)
    except ImportError as error:
        raise UsageError(f"{package} is not installed: pip install 'vectra-bot[frames]'") from error


class Stream:
    """Result of a query, batch by batch; valid until the next query of its catalog.

    Attributes:
        columns: names of the columns.
    """

    def __init__(
        self, columns: tuple[str, ...], fetch: Callable[[], list[tuple[Any, ...]]]
    ) -> None:
        self.columns = columns
        self._fetch = fetch

    def __iter__(self) -> Iterator[list[tuple[Any, ...]]]:
        """Yield lists of rows.

        Raises:
            InputError: a row cannot be computed.
            StoreError: a compaction removed a file that was not read yet.
        """
        while rows := self._fetch():
            yield rows
