"""Results of a query over a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import attrs

from vectra_bot.models import DocType


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
