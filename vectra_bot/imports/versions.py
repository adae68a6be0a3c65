"""Which schemas a store holds, and whether this program may touch it.

Three layouts were released: 1.0.0 (``doc_type=KIND/date=YYYY-MM-DD/*.parquet``, columns of text), 2.0.0
without manifests, and 2.0.0 as it is written now. One store may hold all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs

from vectra_bot.errors import JournalError, StoreError, VectraError
from vectra_bot.imports.schema_v1 import kinds
from vectra_bot.journal import read_header
from vectra_bot.models import SCHEMA_VERSION, DocType
from vectra_bot.store.parquet.manifest import MANIFEST, read_manifest
from vectra_bot.store.parquet.schema import check_version

_KEY = b"vectra.schema_version"


@attrs.frozen
class Layout:
    """What stands in a store.

    Attributes:
        old: files of schema 1.0.0, by kind of row, each list sorted.
        unknown: folders of the old layout whose kind no release wrote, with their files.
        bare: session folders of schema 2.0.0 that lack a manifest.
        sessions: ids of all sessions of schema 2.0.0.
    """

    old: dict[str, list[Path]]
    unknown: dict[str, list[Path]]
    bare: list[Path]
    sessions: list[str]

    @property
    def old_files(self) -> list[Path]:
        """All files of the old layout."""
        return [path for files in (*self.old.values(), *self.unknown.values()) for path in files]


def layout_of(store: Path) -> Layout:
    """Return what stands in *store*.

    Raises:
        StoreError: something in it is of a newer schema than this program writes.
    """
    old: dict[str, list[Path]] = {}
    unknown: dict[str, list[Path]] = {}
    for folder in sorted(store.glob("doc_type=*")):
        files = sorted(folder.glob("date=*/**/*.parquet"))
        if files:
            kind = folder.name.removeprefix("doc_type=")
            (old if kind in kinds() else unknown)[kind] = files
    sessions = set()
    bare = []
    for folder in _session_folders(store):
        sessions.add(folder.name.removeprefix("session_id="))
        if (folder / MANIFEST).exists():
            _check_manifest(store, folder)
        elif any(folder.glob("*.parquet")):
            bare.append(folder)
            _check_files(folder)
    for journal in _journals(store):
        sessions.add(journal.name)
        _check_journal(journal)
    return Layout(old, unknown, bare, sorted(sessions))


def _session_folders(store: Path) -> Iterator[Path]:
    for doc_type in DocType:
        yield from sorted((store / f"doc_type={doc_type.value}").glob("session_id=*"))


def _journals(store: Path) -> Iterator[Path]:
    journals = store / "journals"
    if journals.is_dir():
        yield from sorted(
            p for p in journals.iterdir() if p.is_dir() and not p.name.startswith(".")
        )


def _check_manifest(store: Path, folder: Path) -> None:
    for part in read_manifest(folder):
        check_version(part.schema_version, str(store / part.path))


def _check_files(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in sorted(folder.glob("*.parquet")):
        try:
            said = pq.read_schema(path).metadata or {}
        except (pa.ArrowException, OSError):
            continue  # damage is told by whoever reads the rows
        if _KEY in said:
            check_version(said[_KEY].decode(errors="replace"), str(path))


def _check_journal(journal: Path) -> None:
    try:
        version = read_header(journal).get("schema_version")
    except JournalError as error:
        if "release that wrote it" in str(error):
            raise
        return
    except VectraError:
        return  # one that never began, or is damaged: store check names it
    if isinstance(version, str):
        check_version(version, str(journal))


def check_wanted(version: str) -> None:
    """Refuse any schema to migrate to but the present one.

    Raises:
        StoreError: it is an older or an unknown one.
    """
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"a store cannot be made one of schema {version}: this program writes {SCHEMA_VERSION} and "
            "never makes a store older; keep a copy of the old store for the old program"
        )


__all__ = ["Layout", "check_wanted", "layout_of"]
