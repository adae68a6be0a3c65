"""Parameters and reports of an import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import attrs

from vectra_bot.errors import ConfigError
from vectra_bot.imports.known import KnownLines
from vectra_bot.imports.report import WRONG, FileReport, Progress, all_good, no_progress, totals
from vectra_bot.models import DocType, Document, SystemEvent

SOURCE: Final = "import"
"""Column ``source`` of the documents made by the import itself."""
FINISHED_KIND: Final = "import.finished"
"""Kind of the system event with the origin of an imported session and the number of rows not imported."""
UNKNOWN_VENUE: Final = "recording"


@attrs.frozen(kw_only=True)
class ImportConfig:
    """Target and names of an import.

    Attributes:
        store: root of the store.
        session_id: name of the session; from the digest of the file's content if None. Several captures in
            one file, or several files, cannot share it.
        venue: column ``venue`` of the documents, if the recording does not name it.
        utc_offset_s: offset of times without a zone, in seconds east of UTC.
        progress: called with the progress.
    """

    store: Path
    session_id: str | None = None
    venue: str | None = None
    utc_offset_s: int = 0
    progress: Progress = no_progress
    known: KnownLines = attrs.field(init=False)

    @known.default
    def _known(self) -> KnownLines:
        return KnownLines(self.store)

    @property
    def venue_name(self) -> str:
        """Name of the venue if none is given."""
        return self.venue or UNKNOWN_VENUE

    def own_id(self) -> None:
        """Refuse a session id that several sessions would share.

        Raises:
            ConfigError: one was given.
        """
        if self.session_id is not None:
            raise ConfigError(
                f"session id was {self.session_id!r}, but the import makes several sessions: "
                "omit it, or import one file with one capture"
            )


@attrs.frozen
class ImportReport:
    """Outcome of all rows of all files.

    Attributes:
        store: root of the store.
        files: one report per file, in order.
    """

    store: str
    files: list[FileReport]

    @property
    def ok(self) -> bool:
        """Whether every row is accounted for and none is bad, quarantined, unknown or failed."""
        return all_good(self.files)

    @property
    def sessions(self) -> list[str]:
        """Ids of all sessions with the rows, in order, each once."""
        return list(dict.fromkeys(name for report in self.files for name in report.sessions))

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready data: ``store, ok, totals, sessions, files``."""
        return {
            "store": self.store,
            "ok": self.ok,
            "totals": totals(self.files),
            "sessions": self.sessions,
            "files": [report.to_json() for report in self.files],
        }


def finished_event(about: dict[str, Any]) -> SystemEvent:
    """Return the event at the end of an import; *about* is JSON-ready."""
    wrong = [f"{about[name]} {name}" for name in WRONG if about.get(name)]
    return SystemEvent(
        kind=FINISHED_KIND,
        severity="warning" if wrong else "info",
        message=f"imported {about.get('imported', 0)} rows of {about.get('kind', 'a file')}"
        + (f"; {', '.join(wrong)}" if wrong else ""),
        detail_json=json.dumps(about, sort_keys=True),
    )


def finished_document(about: dict[str, Any], ts_ns: int) -> Document:
    """Return :func:`finished_event` as a document."""
    return Document(
        doc_type=DocType.SYSTEM_EVENT, record=finished_event(about), ts_ns=ts_ns, source=SOURCE
    )


def told(report: FileReport) -> dict[str, Any]:
    """Return the data of :func:`finished_event` for a file; bad rows are counted, not listed."""
    return {
        "kind": report.kind,
        "rows": report.rows,
        "imported": report.imported,
        **{name: getattr(report, name) for name in WRONG},
        "duplicates": report.duplicates,
        "reasons": dict(report.reasons.most_common()),
        "filled": report.filled,
        "unused": report.unused,
        "warnings": report.all_warnings,
    }
