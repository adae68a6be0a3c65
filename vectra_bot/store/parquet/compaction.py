"""Compaction: the many small parts of a closed session are merged into one ``data.parquet`` per kind.

A part with few rows is mostly footer; a session of a thousand games has hundreds of them. The new folder
is built in a staging folder, compared with the old one row by row, and replaces it atomically
(:mod:`vectra_bot.store.parquet.swapping`). Rows, their order and their values do not change.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from vectra_bot.errors import StoreError, VectraError
from vectra_bot.journal import list_segments, never_began
from vectra_bot.models import DocType
from vectra_bot.store.links import links_in, refuse_links
from vectra_bot.store.parquet.builder import COMPACTED
from vectra_bot.store.parquet.manifest import (
    Part,
    part_folder,
    read_manifest,
    unlisted_files,
    write_manifest,
)
from vectra_bot.store.parquet.schema import check_version, completed, schema_of
from vectra_bot.store.parquet.segment_record import SUFFIX, has_record, recorded_parts
from vectra_bot.store.parquet.swapping import (
    STAGING,
    finish_swaps,
    staging_folder,
    swap_in,
    swapping_alone,
)
from vectra_bot.store.parquet.writer import (
    ROWS_PER_GROUP,
    PartWriter,
    abandoning,
    list_part,
    open_part,
    part_of,
)

if TYPE_CHECKING:
    import pyarrow as pa

MIN_PARTS: Final = 16
"""At the end of a session, a kind with fewer parts than this is left unchanged."""

Progress = Callable[[str, int, int], None]
"""Callback for progress: what is compacted now, how many folders are done, and the total."""

# Limit of a row group of raw frames: it is in memory while it is written.
_BYTES_PER_GROUP: Final = 32 << 20


@attrs.frozen
class CompactedFolder:
    """Result for the files of one kind and session.

    Attributes:
        rows: of all files, before and after.
        bytes_before, bytes_after: of all files.
    """

    session_id: str
    doc_type: DocType
    rows: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int


@attrs.frozen
class CompactionReport:
    """Result of compacting a store.

    Attributes:
        folders: the compacted folders.
        skipped: sessions that were skipped, with the reason.
        failed: folders that could not be compacted and are unchanged, one line each.
    """

    folders: tuple[CompactedFolder, ...]
    skipped: tuple[tuple[str, str], ...]
    failed: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object, with sums."""
        sums = ("rows", "files_before", "files_after", "bytes_before", "bytes_after")
        return {
            **{name: sum(getattr(folder, name) for folder in self.folders) for name in sums},
            "folders": [
                {**attrs.asdict(folder), "doc_type": folder.doc_type.value}
                for folder in self.folders
            ],
            "skipped": [{"session_id": name, "why": why} for name, why in self.skipped],
            "failed": list(self.failed),
        }


def compact_session(journal_dir: Path, store: Path) -> list[Path]:
    """Merge the kinds with many parts of a closed session and return the new files; raw frames are skipped.

    Raises:
        StoreError: a file is corrupt or cannot be read or written, or another process compacts the
            session; parts and rows are unchanged.
    """
    session_id = journal_dir.name
    with swapping_alone(store, session_id):
        finish_swaps(store, session_id)
        merged = []
        for doc_type in DocType:
            folder = part_folder(store, doc_type, session_id)
            if doc_type is not DocType.WS_EVENT and len(read_manifest(folder)) >= MIN_PARTS:
                _compact_folder(store, doc_type, session_id)
                merged.append(folder / COMPACTED)
        return merged


def compact_all(
    store: str | Path, sessions: Iterable[str] | None = None, *, progress: Progress | None = None
) -> CompactionReport:
    """Compact every folder of the closed sessions of *store* that is not one file yet.

    Args:
        store: root of the store.
        sessions: only these; all sessions of the store if None.
        progress: called with the progress.

    Raises:
        StoreError: the store cannot be read, or a folder of it is elsewhere.
    """
    root = Path(store)
    refuse_links(root)
    skipped: list[tuple[str, str]] = []
    failed: list[str] = []
    work: list[tuple[str, DocType]] = []
    for session_id in sorted(_session_ids(root) if sessions is None else set(sessions)):
        why = _why_not(root, session_id)
        if why:
            skipped.append((session_id, why))
            continue
        if elsewhere := links_in(root, session_id):
            failed.append(str(elsewhere[0].error(root)))
            continue
        work += [
            (session_id, doc_type) for doc_type in DocType if _has_files(root, doc_type, session_id)
        ]
    folders: list[CompactedFolder] = []
    for done, (session_id, doc_type) in enumerate(work):
        if progress is not None:
            progress(f"{session_id} {doc_type.value}", done, len(work))
        try:
            with swapping_alone(root, session_id):
                finish_swaps(root, session_id)
                if _is_worth_it(read_manifest(part_folder(root, doc_type, session_id))):
                    folders.append(_compact_folder(root, doc_type, session_id))
        except (VectraError, OSError) as error:
            failed.append(" ".join(f"{session_id} {doc_type.value}: {error}".split()))
    if progress is not None:
        progress("", len(work), len(work))
    return CompactionReport(tuple(folders), tuple(skipped), tuple(failed))


def _session_ids(store: Path) -> set[str]:
    folders = store.glob("doc_type=*/session_id=*")
    return {folder.name.removeprefix("session_id=") for folder in folders}


def _has_files(store: Path, doc_type: DocType, session_id: str) -> bool:
    return any(part_folder(store, doc_type, session_id).glob("[!.]*.parquet"))


def _why_not(store: Path, session_id: str) -> str:
    """Return why the session's files are not final, "" if they are."""
    journal_dir = store / "journals" / session_id
    try:
        if not journal_dir.is_dir() or never_began(journal_dir):
            return "" if session_id in _session_ids(store) else "the store has no such session"
        segments = list_segments(journal_dir)
    except OSError as error:
        return f"its journal cannot be read: {error.strerror or error}"
    # The record of the last segment is written only after the journal was closed.
    if all(has_record(journal_dir, segment.number) for segment in segments):
        return ""
    return "it is not closed: it is running, or was killed and must be recovered first"


def _is_worth_it(parts: list[Part]) -> bool:
    return any(part.rows for part in parts) and [part.name for part in parts] != [COMPACTED]


def _compact_folder(store: Path, doc_type: DocType, session_id: str) -> CompactedFolder:
    """Build the folder with one file in staging, compare it with the old one, and swap them."""
    folder = part_folder(store, doc_type, session_id)
    parts = _ordered(folder, read_manifest(folder))
    target = staging_folder(store, doc_type, session_id) / COMPACTED
    final = (folder / COMPACTED).relative_to(store).as_posix()
    writer = PartWriter(target, doc_type, compacted=True)
    with abandoning([writer]):
        for table in _groups(store, doc_type, parts):
            writer.write(table)
        made = writer.finish(final)
    _check_same(store, doc_type, parts, target, made)
    write_manifest(store, target.parent, [made])
    swap_in(store, doc_type, session_id)
    return CompactedFolder(
        session_id=session_id,
        doc_type=doc_type,
        rows=made.rows,
        files_before=len(parts),
        files_after=1,
        bytes_before=sum(part.bytes for part in parts),
        bytes_after=made.bytes,
    )


def _ordered(folder: Path, parts: list[Part]) -> list[Part]:
    """Return the parts in the order of their rows.

    Raises:
        StoreError: the manifest lacks a file, or two parts have the same range of rows.
    """
    lost = unlisted_files(folder)
    if lost:
        raise StoreError(
            f"{lost[0]} is not in the manifest of its folder; run `vectra-bot store recover` first"
        )
    ordered = sorted(parts, key=lambda part: (part.first_seq, part.last_seq))
    last = -1
    for part in ordered:
        check_version(part.schema_version, part.path)
        if part.rows and part.first_seq <= last:
            raise StoreError(
                f"{part.path} begins with row {part.first_seq}, another part has rows up to {last}; "
                "drop the session, or import it again"
            )
        last = max(last, part.last_seq)
    return ordered


def _tables(store: Path, doc_type: DocType, parts: Iterable[Part]) -> Iterator[pa.Table]:
    """Yield the row groups of *parts*; each file is compared with its manifest line before it is read.

    Raises:
        StoreError: a file differs from its line.
    """
    schema = schema_of(doc_type)
    for part in parts:
        with open_part(store, part) as file:
            for group in range(file.num_row_groups):
                yield completed(file.read_row_group(group), schema)


def _groups(store: Path, doc_type: DocType, parts: Iterable[Part]) -> Iterator[pa.Table]:
    """Yield the rows of *parts* as the row groups of one file."""
    import pyarrow as pa

    held: list[pa.Table] = []
    rows = size = 0
    for table in _tables(store, doc_type, parts):
        while table.num_rows:
            taken = table.slice(0, ROWS_PER_GROUP - rows)
            table = table.slice(taken.num_rows)  # noqa: PLW2901 - the rest of it
            held.append(taken)
            rows += taken.num_rows
            size += taken.nbytes
            if rows == ROWS_PER_GROUP or size >= _BYTES_PER_GROUP:
                yield pa.concat_tables(held).unify_dictionaries()
                held, rows, size = [], 0, 0
    if held:
        yield pa.concat_tables(held).unify_dictionaries()


def _check_same(store: Path, doc_type: DocType, parts: list[Part], path: Path, made: Part) -> None:
    """Read the new file as a reader does and compare all its rows and values with the old ones."""
    import pyarrow.parquet as pq

    compared = 0
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for group, table in enumerate(_groups(store, doc_type, parts)):
            if group >= file.num_row_groups:
                break
            if not _plain(table).equals(_plain(file.read_row_group(group))):
                break
            compared += table.num_rows
    expected = sum(part.rows for part in parts)
    if not compared == made.rows == expected:
        raise StoreError(
            f"{path} does not have the {expected} rows of the parts it was made of; nothing was "
            "replaced, check the disk and the memory"
        )


def _plain(table: pa.Table) -> pa.Table:
    """Return *table* without dictionaries, so that equal values are equal columns."""
    import pyarrow as pa

    fields = [
        field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def finish_compaction(journal_dir: Path, store: Path) -> list[str]:
    """Finish or undo an interrupted compaction; return the names of what was removed.

    Also restores manifest lines lost with power.

    Raises:
        StoreError: a file or a manifest cannot be read or written.
    """
    session_id = journal_dir.name
    with swapping_alone(store, session_id):
        removed = finish_swaps(store, session_id)
        _list_recorded(journal_dir, store)
    return removed


def _list_recorded(journal_dir: Path, store: Path) -> None:
    """Restore to the manifests the parts that are in a segment's record and not listed.

    A file that differs from the record stays unlisted.

    Raises:
        StoreError: a manifest cannot be read or written.
    """
    listed: dict[Path, set[str]] = {}
    for path in sorted(journal_dir.glob(f"*{SUFFIX}")):
        with contextlib.suppress(StoreError):  # a corrupt record: the parts are rebuilt
            for part in recorded_parts(path):
                folder = (store / part.path).parent
                if folder not in listed:
                    listed[folder] = {known.name for known in read_manifest(folder)}
                lost = part.name not in listed[folder] and (store / part.path).exists()
                if lost and part_of(store, store / part.path) == part:
                    list_part(store, part)


__all__ = [
    "COMPACTED",
    "MIN_PARTS",
    "STAGING",
    "CompactedFolder",
    "CompactionReport",
    "compact_all",
    "compact_session",
    "finish_compaction",
]
