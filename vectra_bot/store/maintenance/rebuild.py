"""Rebuilding the files of a session from its journal, where some were lost or are corrupt.

The new folders are built in a staging folder and replace the old ones one by one
(:mod:`vectra_bot.store.parquet.swapping`). Imported parts cannot be rebuilt from the journal: they are
kept if they are whole.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import attrs

from vectra_bot.errors import StoreError
from vectra_bot.fsio import files
from vectra_bot.journal import Segment, list_segments, read_header
from vectra_bot.models import DocType
from vectra_bot.store.parquet.builder import (
    COMPACTED,
    begin_session,
    build_segment,
    closed_segments,
)
from vectra_bot.store.parquet.manifest import Part, part_folder, read_manifest
from vectra_bot.store.parquet.segment_record import SegmentRecord, write_segment_record
from vectra_bot.store.parquet.swapping import (
    STAGING,
    finish_swaps,
    staging_folder,
    swap_in,
    swapping_alone,
)
from vectra_bot.store.parquet.writer import list_part, open_part

_REBUILT: Final = "rebuilt"
_PART: Final = re.compile(r"part-(\d{6,})\.parquet")


def rebuild_session(
    journal_dir: Path, store: Path, doc_types: Collection[DocType] | None = None
) -> list[Part]:
    """Rebuild the files of a session's closed segments and return the files that are then in place.

    Compacted files become parts again. No other process may write the session meanwhile.

    Args:
        journal_dir: the session's journal.
        store: root of the store.
        doc_types: only the folders of these; all if None.

    Raises:
        JournalError: a segment is corrupt; nothing was changed.
        StoreError: a file cannot be written, another process swaps folders of the session, or an
            imported part is corrupt or was merged with others; nothing was changed in its folder.
    """
    wanted = tuple(DocType) if doc_types is None else tuple(doc_types)
    session_id = journal_dir.name
    with swapping_alone(store, session_id):
        finish_swaps(store, session_id)
        rebuild = _Rebuild(store, session_id, read_header(journal_dir), list_segments(journal_dir))
        files.make_directories(rebuild.aside)
        begin_session(rebuild.aside, session_id, wanted)
        records = [
            build_segment(rebuild.aside, rebuild.header, segment, wanted)
            for segment in closed_segments(rebuild.segments)
        ]
        for doc_type in wanted:
            rebuild.keep_imported(doc_type)
        found = [part for doc_type in wanted for part in rebuild.put(doc_type)]
        _write_records(journal_dir, store, records, wanted)
        finish_swaps(store, session_id)
    return found


@attrs.frozen
class _Rebuild:
    """The new folders of a session: their sources, and the staging store they are built in."""

    store: Path
    session_id: str
    header: dict[str, Any]
    segments: list[Segment]

    @property
    def aside(self) -> Path:
        return self.store / STAGING / self.session_id / _REBUILT

    def keep_imported(self, doc_type: DocType) -> None:
        """Copy the parts that are not from the journal into the new folder."""
        numbers = {segment.number for segment in self.segments} | {0}
        for part in self._listed(doc_type, numbers):
            if part.name == COMPACTED and "import" in self.header:
                raise StoreError(
                    f"{self.store / part.path} has imported rows that are not in the journal; "
                    f"drop session {self.session_id!r} and import it again"
                )
            match = _PART.fullmatch(part.name)
            if match is None or int(match[1]) in numbers:
                continue
            with open_part(self.store, part):
                files.make_directories((self.aside / part.path).parent)
                data = (self.store / part.path).read_bytes()
                files.write_durably(self.aside / part.path, data)
            list_part(self.aside, part)

    def _listed(self, doc_type: DocType, numbers: Collection[int]) -> list[Part]:
        """Return what the folder's manifest lists; nothing if it is corrupt and the journal has it all."""
        folder = part_folder(self.store, doc_type, self.session_id)
        try:
            return read_manifest(folder)
        except StoreError:
            names = [_PART.fullmatch(path.name) for path in folder.glob("*.parquet")]
            elsewhere = any(name is None or int(name[1]) not in numbers for name in names)
            if elsewhere and "import" in self.header:
                raise
            return []

    def put(self, doc_type: DocType) -> list[Part]:
        """Replace the folder by the new one and return its parts."""
        built = part_folder(self.aside, doc_type, self.session_id)
        place = part_folder(self.store, doc_type, self.session_id)
        # Without a new folder the journal has no such document: the existing files were imported.
        if built.is_dir():
            new = staging_folder(self.store, doc_type, self.session_id)
            with files.store_errors(f"cannot put {built} in its place"):
                files.rename(built, new)
                files.sync_directory(new.parent)
            swap_in(self.store, doc_type, self.session_id)
        return read_manifest(place)


def _write_records(
    journal_dir: Path, store: Path, records: list[SegmentRecord], wanted: Collection[DocType]
) -> None:
    """Record what was built from each segment, together with the unchanged parts of the other kinds."""
    others = [
        part
        for doc_type in DocType
        if doc_type not in wanted
        for part in read_manifest(part_folder(store, doc_type, journal_dir.name))
    ]
    for record in records:
        own = f"part-{record.segment:06d}.parquet"
        parts = [*record.parts, *(part for part in others if part.name == own)]
        write_segment_record(journal_dir, attrs.evolve(record, parts=parts))
