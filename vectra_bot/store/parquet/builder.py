"""Parquet parts: one file per kind of document and closed segment, built from journal entries alone.

Layout::

    STORE/doc_type=game_tick/session_id=SESSION/part-000003.parquet
    STORE/doc_type=game_tick/session_id=SESSION/_manifest.jsonl
    STORE/journals/SESSION/000003.parts.json

A part is written whole (:mod:`vectra_bot.store.parquet.writer`), then listed in the manifest of its
folder (:mod:`vectra_bot.store.parquet.manifest`); the record of the segment
(:mod:`vectra_bot.store.parquet.segment_record`) is written after all its parts. Parts interrupted by a
crash are rebuilt to the same bytes.

A ``frame`` entry is also a ``ws_event`` document, with the game it names, if it names one; so is a
``SendResult`` with the sent text. A login is never stored. Every session begins with an empty
``part-000000.parquet`` of the kinds used in the schema's queries, because SQL over a folder without
files is an error.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

from vectra_bot.errors import JournalError, RecordError
from vectra_bot.fsio import files
from vectra_bot.journal import (
    Entry,
    Segment,
    compress_segment,
    ends_with_close,
    list_segments,
    read_header,
    read_segment,
)
from vectra_bot.models import SCHEMA_VERSION, DocType, Mode
from vectra_bot.serde.typed import RowMaker, document_kind
from vectra_bot.store.parquet.manifest import Part, part_folder, read_manifest
from vectra_bot.store.parquet.segment_record import (
    SegmentRecord,
    has_record,
    manifest_path,
    read_manifests,
    read_segment_record,
    write_segment_record,
)
from vectra_bot.store.parquet.writer import (
    ROWS_PER_GROUP,
    PartWriter,
    abandoning,
    column_index,
    list_part,
    part_path,
    rows_to_table,
    write_part,
    write_table,
)

EMPTY_PART_TYPES: Final = (DocType.PLAYER_ACTION, DocType.OTHER_PLAYER_ACTION)
"""The kinds of documents of which every session has a file, even an empty one."""

COMPACTED: Final = "data.parquet"
"""The only file of a compacted folder."""

_EVENT = re.compile(rb'4[23]\d*\["((?:[^"\\]|\\.)*)"')
_TRACE = re.compile(rb'"traceparent":"[0-9a-f]{2}-([0-9a-f]{32})-')
# The trace object is the first argument: deeper inside, the word belongs to a payload (protocol 2.2).
_TRACE_WITHIN = 160
_LOGIN_EVENT = b"authenticate"
# How much of a segment is kept in memory before it goes to its file.
_TEXT_PER_GROUP = 32 << 20


class _Command(msgspec.Struct):
    action_id: str


class _Intent(msgspec.Struct):
    command: _Command


class _Input(msgspec.Struct):
    raw: str | None = None


class _InputEntry(msgspec.Struct):
    input: _Input


_meant = msgspec.json.Decoder(_Intent).decode
_sent = msgspec.json.Decoder(_InputEntry).decode


def doc_type_of(entry: Entry) -> DocType | None:
    """Return the kind of document that an entry becomes in a part, None if none."""
    if entry.kind == "doc":
        return document_kind(entry.payload)
    frame = _frame(entry)
    return None if frame is None or _is_login(*frame[:2]) else DocType.WS_EVENT


def _frame(entry: Entry) -> tuple[str, bytes, str | None] | None:
    """Return direction, text and game of an entry's frame, None if it has none."""
    if entry.kind == "frame":
        return entry.direction, entry.raw_bytes, entry.game or None
    if entry.kind == "input":
        sent = _sent(entry.payload).input.raw
        if sent:
            return "out", sent.encode(), None
    return None


def _is_login(direction: str, raw: bytes) -> bool:
    if direction != "out":
        return False
    match = _EVENT.match(raw)
    return match is not None and match[1] == _LOGIN_EVENT


class SegmentBuilder:
    """Collects the rows of one segment and writes them as parts, with a bounded share in memory."""

    def __init__(
        self,
        store: Path,
        header: dict[str, Any],
        segment: int,
        doc_types: Collection[DocType] = tuple(DocType),
    ) -> None:
        """Start a segment's parts.

        Args:
            store: root of the store.
            header: header of the journal.
            segment: its number.
            doc_types: only rows of these are kept. Rows in a compacted file are skipped.
        """
        self._store = store
        self._segment = segment
        self._maker = RowMaker(header["session_id"], Mode(header["mode"]), header["venue"])
        session_id = header["session_id"]
        self._kept = {
            doc_type
            for doc_type in doc_types
            if not (part_folder(store, doc_type, session_id) / COMPACTED).exists()
        }
        self._rows: dict[DocType, list[tuple[Any, ...]]] = {}
        self._text = 0
        self._writers: dict[DocType, PartWriter] = {}
        self._action_id = column_index(DocType.PLAYER_ACTION, "action_id")
        self._first_seq = self._last_seq = -1
        self._entries = 0
        self._intents: dict[str, int] = {}
        self._decided: set[str] = set()

    def add(self, entry: Entry) -> None:
        """Add the row of an entry, if it has one.

        Raises:
            RecordError: its document does not fit its schema.
            StoreError: a write fails.
        """
        if not self._entries:
            self._first_seq = entry.seq
        self._last_seq = entry.seq
        self._entries += 1
        if entry.kind == "doc":
            doc_type, row = self._maker.row(entry.payload, entry.seq, entry.ts_ns)
            self._keep(doc_type, row)
            if doc_type is DocType.PLAYER_ACTION:
                self._decided.add(row[self._action_id])
        elif entry.kind == "intent":
            self._intents[_meant(entry.payload).command.action_id] = entry.seq
        else:
            self._add_frame(entry)

    def _add_frame(self, entry: Entry) -> None:
        frame = _frame(entry)
        if frame is None or DocType.WS_EVENT not in self._kept:
            return
        direction, raw, game_id = frame
        match = _EVENT.match(raw)
        name = match[1] if match is not None else None
        if direction == "out" and name == _LOGIN_EVENT:
            return
        trace = None
        if match is not None:
            trace = _TRACE.search(raw, match.end(), match.end() + _TRACE_WITHIN)
        maker = self._maker
        head = (maker.session_id, entry.seq, DocType.WS_EVENT.value, SCHEMA_VERSION)
        origin = (maker.mode.value, maker.venue, "wire", entry.ts_ns, game_id, None)
        row = (*head, *origin, direction, name, trace[1] if trace is not None else None, raw)
        self._keep(DocType.WS_EVENT, row)
        self._text += len(raw)
        if self._text >= _TEXT_PER_GROUP:
            self._put(DocType.WS_EVENT)

    def _keep(self, doc_type: DocType, row: tuple[Any, ...]) -> None:
        if doc_type not in self._kept:
            return
        rows = self._rows.setdefault(doc_type, [])
        rows.append(row)
        if len(rows) == ROWS_PER_GROUP:
            self._put(doc_type)

    def _put(self, doc_type: DocType) -> None:
        """Write the rows of a kind to its file."""
        rows, self._rows[doc_type] = self._rows[doc_type], []
        if doc_type is DocType.WS_EVENT:
            self._text = 0
        table = rows_to_table(doc_type, rows)
        if doc_type not in self._writers:
            path = part_path(self._store, doc_type, self._maker.session_id, self._segment)
            self._writers[doc_type] = PartWriter(path, doc_type)
        self._writers[doc_type].write(table)

    def write(self) -> SegmentRecord:
        """Finish the parts, in the order of :class:`DocType`, list them, and return their record.

        Raises:
            StoreError: a file cannot be written.
        """
        parts = []
        for doc_type in DocType:
            if self._rows.get(doc_type):
                self._put(doc_type)
            if doc_type in self._writers:
                path = part_path(self._store, doc_type, self._maker.session_id, self._segment)
                part = self._writers[doc_type].finish(path.relative_to(self._store).as_posix())
                parts.append(list_part(self._store, part))
        return SegmentRecord(
            segment=self._segment,
            first_seq=self._first_seq,
            last_seq=self._last_seq,
            entries=self._entries,
            intents=self._intents,
            decided=self._decided,
            parts=parts,
        )

    def abandon(self) -> None:
        """Remove unfinished files; harmless after :meth:`write`."""
        with abandoning(list(self._writers.values())):
            self._rows.clear()


def begin_session(
    store: str | Path, session_id: str, doc_types: Collection[DocType] = EMPTY_PART_TYPES
) -> list[Part]:
    """Write the empty parts that make the schema's SQL run before the first segment is closed.

    Args:
        store: root of the store.
        session_id: the session.
        doc_types: only these of :data:`EMPTY_PART_TYPES`.

    Raises:
        StoreError: a file cannot be written.
    """
    root = Path(store)
    return [
        write_part(root, doc_type, session_id, 0, [])
        for doc_type in EMPTY_PART_TYPES
        if doc_type in doc_types and not read_manifest(part_folder(root, doc_type, session_id))
    ]


def build_parts(journal_dir: str | Path, store: str | Path, *, compress: bool = True) -> list[Part]:
    """Build the parts of every closed segment that lacks them, and return the new ones.

    All segments but the last are closed; the last one is closed by a close entry. May run in another
    thread or process while the journal is written. Rebuilding after a crash gives the same files.

    Args:
        journal_dir: the session's journal.
        store: root of the store.
        compress: also compress closed segments that are still raw.

    Raises:
        JournalError: a closed segment is corrupt, or a document in it does not fit its schema.
        StoreError: a file cannot be written.
    """
    directory, root = Path(journal_dir), Path(store)
    segments = list_segments(directory)
    if not segments:
        return []
    header = read_header(directory)
    parts = begin_session(root, header["session_id"])
    for position, segment in enumerate(closed_segments(segments)):
        if not has_record(directory, segment.number):
            if segment.is_raw:
                # No row may outlive the entry it was made from.
                with files.store_errors(f"cannot sync {segment.path}"):
                    files.sync_path(segment.path)
            record = build_segment(root, header, segment)
            if segment.is_raw:
                _check_followed(directory, record, segments[position + 1 :])
            write_segment_record(directory, record)
            parts += record.parts
        if compress and segment.is_raw and segment.path.exists():
            compress_segment(segment.path)
    return parts


def _check_followed(directory: Path, record: SegmentRecord, following: Sequence[Segment]) -> None:
    """Refuse a segment whose end was lost: the next one must continue its numbers.

    Raises:
        JournalError: entries are missing between the segment and the one that follows.
    """
    last = record.last_seq
    if last < 0 and record.segment > 1:
        before = read_segment_record(directory, record.segment - 1)
        last = -1 if before is None else before.last_seq
    if following and last >= 0:
        with closing(read_segment(following[0], after_seq=last)) as entries:
            next(entries, None)


def build_segment(
    store: Path,
    header: dict[str, Any],
    segment: Segment,
    doc_types: Collection[DocType] = tuple(DocType),
) -> SegmentRecord:
    """Build the parts of one segment and list them; its record is returned, not written.

    Raises:
        JournalError: the segment is corrupt, or a document in it does not fit its schema.
        StoreError: a file cannot be written.
    """
    import pyarrow as pa

    builder = SegmentBuilder(store, header, segment.number, doc_types)
    seq = -1
    try:
        for entry in read_segment(segment):
            seq = entry.seq
            builder.add(entry)
        return builder.write()
    except (RecordError, KeyError, ValueError, pa.ArrowException) as error:
        raise JournalError(
            f"{segment.path}: entry {seq} cannot become a row: {error}; "
            "correct its record or drop the entry"
        ) from error
    finally:
        builder.abandon()


def closed_segments(segments: list[Segment]) -> list[Segment]:
    """Return the segments that nothing will be added to."""
    if not segments:
        return []
    last = segments[-1]
    if last.is_raw and not ends_with_close(last):
        return segments[:-1]
    return segments


__all__ = [
    "COMPACTED",
    "EMPTY_PART_TYPES",
    "Part",
    "SegmentBuilder",
    "SegmentRecord",
    "begin_session",
    "build_parts",
    "build_segment",
    "closed_segments",
    "doc_type_of",
    "manifest_path",
    "part_path",
    "read_manifests",
    "read_segment_record",
    "write_part",
    "write_table",
]
