"""Outcome of every row that was read: imported, duplicate, or reported as bad.

The three numbers always add up to the rows that were read. Bad rows are listed with their place and
reason, up to a limit; the number for each reason is exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

import attrs

from vectra_bot.audit.findings import FINISHED_KIND
from vectra_bot.models import Document, SystemEvent
from vectra_bot.venues.captures.times import undated_warnings

MAX_LISTED: Final = 1000
"""Limit of bad rows of one file that are listed individually; the others are counted by reason."""
MAX_REASONS: Final = 200
OTHER_REASON: Final = "(other reasons)"
_SHOWN: Final = 80
WRONG: Final = ("bad", "quarantined", "unknown", "failed")

Progress = Callable[[str, int, int], None]
"""Called as ``progress(what, done, total)`` at intervals; both numbers are bytes of *what*."""


def no_progress(what: str, done: int, total: int) -> None:
    """Report nothing."""


def shown(value: object) -> str:
    """Return a value as short text that any terminal and any JSON can display."""
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(ascii(text)[1:-1].split()) if not text.isascii() else " ".join(text.split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


@attrs.frozen
class BadRow:
    """A row that was not imported.

    Attributes:
        row: its number in the file, from 1; of a text file the number of its line.
        reason: what is wrong, with the same words for the same fault.
        value: the invalid value, shortened; empty if there is none.
        file: the file, if the report covers several.
    """

    row: int
    reason: str
    value: str = ""
    file: str = ""


@attrs.define
class FileReport:
    """Outcome of one file's rows.

    Attributes:
        file: its path as given or found.
        kind: the detected kind, e.g. ``capture``, ``trades``, ``parquet:game_tick``.
        rows: rows in it, read or not, always ``imported + bad + duplicates``.
        quarantined: imported frames that are stored unchanged because they could not be decoded.
        unknown: imported frames of events that neither the protocol nor a profile of its time knows.
        failed: games that differ from the law or from their own summary.
        documents: documents of the store made from the imported rows, by kind.
        reasons: number of bad rows by reason.
        bad_rows: the first of them.
        sessions: ids of the sessions with the rows.
        filled: columns that the rows lack and that were filled with zeros.
        unused: columns or keys of the file that nothing was made of.
        dated_by_game: rows without a time, or with a relative one, that have the day of their game.
        undated: rows without a date; their times are only an order after 1970.
        warnings: what else a user must know about the rows, one line each.
        already: the content of this file was in the store already; nothing was done.
        seconds: duration.
    """

    file: str
    kind: str = ""
    rows: int = 0
    imported: int = 0
    duplicates: int = 0
    bad: int = 0
    quarantined: int = 0
    unknown: int = 0
    failed: int = 0
    dated_by_game: int = 0
    undated: int = 0
    documents: Counter[str] = attrs.field(factory=Counter)
    reasons: Counter[str] = attrs.field(factory=Counter)
    bad_rows: list[BadRow] = attrs.field(factory=list)
    sessions: list[str] = attrs.field(factory=list)
    filled: list[str] = attrs.field(factory=list)
    unused: list[str] = attrs.field(factory=list)
    warnings: list[str] = attrs.field(factory=list)
    already: bool = False
    seconds: float = 0.0

    @property
    def adds_up(self) -> bool:
        """Whether every row is accounted for."""
        return self.imported + self.bad + self.duplicates == self.rows

    @property
    def all_warnings(self) -> list[str]:
        """What a user must know about the rows, those without a date included."""
        return [*self.warnings, *undated_warnings(self.dated_by_game, self.undated)]

    def refuse(
        self, row: int, reason: str, value: object = "", *, file: str = "", count: int = 1
    ) -> None:
        """Count a row of the file, or *count* rows starting with it, as bad."""
        self.rows += count
        self.bad += count
        if reason not in self.reasons and len(self.reasons) >= MAX_REASONS:
            reason = OTHER_REASON
        self.reasons[reason] += count
        if len(self.bad_rows) < MAX_LISTED:
            self.bad_rows.append(BadRow(row, reason, "" if value == "" else shown(value), file))

    def repeat(self, count: int = 1) -> None:
        """Count rows of the file as duplicates of rows read before."""
        self.rows += count
        self.duplicates += count

    def accept(self, count: int = 1) -> None:
        """Count rows of the file as imported."""
        self.rows += count
        self.imported += count

    def count(self, document: Document) -> None:
        """Count a document that was made; one about a game that failed is counted as such too."""
        self.documents[document.doc_type.value] += 1
        record = document.record
        if isinstance(record, SystemEvent) and record.kind == FINISHED_KIND:
            self.failed += record.severity == "error"

    def take_notes(self, unused: Iterable[str], warnings: Iterable[str]) -> None:
        """Add keys that were not used, and warnings, each once."""
        self.unused = sorted({*self.unused, *unused})
        self.warnings += [line for line in warnings if line not in self.warnings]

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready data."""
        data = attrs.asdict(self, recurse=False)
        data["documents"] = dict(sorted(self.documents.items()))
        data["reasons"] = dict(self.reasons.most_common())
        data["bad_rows"] = [attrs.asdict(bad) for bad in self.bad_rows]
        data["sessions"] = list(self.sessions)
        data["warnings"] = self.all_warnings
        data["bad_listed"] = len(self.bad_rows)
        data["adds_up"] = self.adds_up
        return data


def all_good(reports: Iterable[FileReport]) -> bool:
    """Return whether every row is accounted for and none is bad, quarantined, unknown or failed."""
    return all(
        report.adds_up and not any(getattr(report, name) for name in WRONG) for report in reports
    )


def totals(reports: Iterable[FileReport]) -> dict[str, int]:
    """Return the sums over *reports*."""
    names = ("rows", "imported", "duplicates", *WRONG)
    found = dict.fromkeys(("files", *names), 0)
    for report in reports:
        found["files"] += 1
        for name in names:
            found[name] += getattr(report, name)
    return found
