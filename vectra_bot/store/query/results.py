"""What a query over a store returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from vectra_bot.store.sources import Damaged


class DamagedRows(UserWarning):
    """A query leaves rows out because their file is damaged."""


@attrs.frozen
class Result:
    """What a query returned: column names and rows. Amounts of SOL are exact Decimals.

    Attributes:
        damaged: files that the query left out, with the rows they held.
        more: whether there are more rows than were asked for.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    damaged: tuple[Damaged, ...] = ()
    more: bool = False

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class Stream:
    """What a query returns, batch by batch; good until the next query of its catalog.

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
            StoreError: a compaction took a file away that was not read yet.
        """
        while rows := self._fetch():
            yield rows
