"""The schemas in a store, and whether this program may change it.

Two layouts exist: 1.0.0 (``doc_type=KIND/date=YYYY-MM-DD/*.parquet``, text columns), and 2.0.0, which is
written now. One store may have both at once.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from vectra_bot.errors import JournalError, StoreError, VectraError
from vectra_bot.imports.schema_v1 import kinds
from vectra_bot.journal import read_header
from vectra_bot.models import SCHEMA_VERSION, DocType
from vectra_bot.store.maintenance.sessions import list_sessions
from vectra_bot.store.parquet.manifest import MANIFEST, read_manifest
from vectra_bot.store.parquet.schema import check_version


@attrs.frozen
class Layout:
    """The layout of a store.

    Attributes:
        old: files of schema 1.0.0, by kind of row, each list sorted.
        unknown: folders of the old layout with a kind that no release wrote, with their files.
        sessions: ids of all sessions of schema 2.0.0.
    """

    old: dict[str, list[Path]]
    unknown: dict[str, list[Path]]
    sessions: list[str]

    @property
    def old_files(self) -> list[Path]:
        """All files of the old layout."""
        return [path for files in (*self.old.values(), *self.unknown.values()) for path in files]


def layout_of(store: Path) -> Layout:
    """Return the layout of *store*.

    Raises:
        StoreError: it has something of a newer schema than this program writes.
    """
    old: dict[str, list[Path]] = {}
    unknown: dict[str, list[Path]] = {}
    for folder in sorted(store.glob("doc_type=*")):
        files = sorted(folder.glob("date=*/**/*.parquet"))
        if files:
            kind = folder.name.removeprefix("doc_type=")
            (old if kind in kinds() else unknown)[kind] = files
    journals = list_sessions(store)
    sessions = set(journals)
    for doc_type in DocType:
        for folder in (store / f"doc_type={doc_type.value}").glob("session_id=*"):
            sessions.add(folder.name.removeprefix("session_id="))
            for part in read_manifest(folder) if (folder / MANIFEST).exists() else ():
                check_version(part.schema_version, str(store / part.path))
    for session_id in journals:
        _check_journal(store / "journals" / session_id)
    return Layout(old, unknown, sorted(sessions))


def _check_journal(journal: Path) -> None:
    try:
        version = read_header(journal).get("schema_version")
    except JournalError as error:
        if "release that wrote it" in str(error):
            raise
        return
    except VectraError:
        return  # one that never began, or is corrupt: store check reports it
    if isinstance(version, str):
        check_version(version, str(journal))


def check_wanted(version: str) -> None:
    """Refuse any target schema except the current one.

    Raises:
        StoreError: it is an older or an unknown schema.
    """
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"a store cannot be migrated to schema {version}: this program writes {SCHEMA_VERSION} and "
            "does not downgrade; keep a copy of the old store for the old program"
        )
