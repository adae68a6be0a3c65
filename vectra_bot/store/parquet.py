"""Parquet parts: one file per kind of document and closed segment, built from journal entries alone.

Layout::

    STORE/doc_type=game_tick/session_id=SESSION/part-000003.parquet

A part appears under its name only when it is whole and on the disk (temporary file, fsync, rename, fsync of
the directory), so that a ``**/*.parquet`` glob never meets an unfinished file. ``SEGMENT.parts.json`` in the
journal's directory lists the parts of a segment with rows, range of ``seq`` and SHA-256; it is written
last, so a segment without it is built again, to the same bytes.

A ``frame`` entry is its own ``ws_event`` document, with the game it names, if it names one; so is a
``SendResult`` that says what was sent. A login is never stored. Every session begins with an empty
``part-000000.parquet`` of the kinds the schema's own queries name, because SQL over a folder without files
is an error.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs

from vectra_bot.errors import JournalError, RecordError, StoreError
from vectra_bot.models import SCHEMA_VERSION, DocType, Envelope, Mode
from vectra_bot.serde import document_columns, document_packer
from vectra_bot.store import files
from vectra_bot.store.entry import Entry
from vectra_bot.store.journal import compress_segment
from vectra_bot.store.reader import Segment, list_segments, read_header, read_segment
from vectra_bot.store.schema import schema_of, writer_options

EMPTY_PART_TYPES: Final = (DocType.PLAYER_ACTION, DocType.OTHER_PLAYER_ACTION)
"""The kinds of documents that every session has a file of, be it empty."""

_EVENT = re.compile(r'4[23]\d*\["((?:[^"\\]|\\.)*)"')
_TRACE = re.compile(r'"traceparent":"[0-9a-f]{2}-([0-9a-f]{32})-')
# The trace object is the first argument: further in, the word belongs to a payload (protocol 2.2).
_TRACE_WITHIN = 160
_LOGIN_EVENT = "authenticate"


@attrs.frozen
class Part:
    """One Parquet file of a session.

    Attributes:
        path: the file, relative to the store.
        first_seq, last_seq: range of its rows, -1 in an empty part.
        sha256: of the file's bytes.
    """

    doc_type: DocType
    path: str
    rows: int
    first_seq: int
    last_seq: int
    bytes: int
    sha256: str
    schema_version: str = SCHEMA_VERSION


def part_path(store: Path, doc_type: DocType, session_id: str, segment: int) -> Path:
    """Return where the part of a segment stands."""
    folder = store / f"doc_type={doc_type.value}" / f"session_id={session_id}"
    return folder / f"part-{segment:06d}.parquet"


class SegmentBuilder:
    """Collects the rows of one segment and writes them as parts."""

    def __init__(self, store: Path, header: dict[str, Any], segment: int) -> None:
        self._store = store
        self._segment = segment
        self._session_id: str = header["session_id"]
        self._mode = Mode(header["mode"])
        self._venue: str = header["venue"]
        self._rows: dict[DocType, list[tuple[Any, ...]]] = {}

    def add(self, entry: Entry) -> None:
        """Take the row of an entry, if it has one."""
        if entry.kind == "doc":
            document = entry.document()
            envelope = Envelope(
                session_id=self._session_id,
                seq=entry.seq,
                doc_type=document.doc_type,
                mode=self._mode,
                venue=self._venue,
                source=document.source,
                ts_ns=entry.ts_ns,
                game_id=document.game_id,
                player_id=document.player_id,
            )
            row = document_packer(document.doc_type)(envelope, document.record)
            self._rows.setdefault(document.doc_type, []).append(row)
        elif entry.kind == "frame":
            game_id = entry.data.get("game")
            self._add_frame(entry, entry.data["dir"], entry.data["raw"], game_id)
        elif entry.kind == "input" and entry.data["input"].get("raw"):
            self._add_frame(entry, "out", entry.data["input"]["raw"], None)

    def _add_frame(self, entry: Entry, direction: str, raw: str, game_id: str | None) -> None:
        match = _EVENT.match(raw)
        name = match[1] if match is not None else None
        if direction == "out" and name == _LOGIN_EVENT:
            return
        trace = None
        if match is not None:
            trace = _TRACE.search(raw, match.end(), match.end() + _TRACE_WITHIN)
        head = (self._session_id, entry.seq, DocType.WS_EVENT.value, SCHEMA_VERSION)
        origin = (self._mode.value, self._venue, "wire", entry.ts_ns, game_id, None)
        row = (*head, *origin, direction, name, trace[1] if trace is not None else None, raw)
        self._rows.setdefault(DocType.WS_EVENT, []).append(row)

    def write(self) -> list[Part]:
        """Write the parts, in the order of :class:`DocType`, and forget the rows."""
        rows, self._rows = self._rows, {}
        return [
            write_part(self._store, doc_type, self._session_id, self._segment, rows[doc_type])
            for doc_type in DocType
            if doc_type in rows
        ]


def write_part(
    store: Path, doc_type: DocType, session_id: str, segment: int, rows: list[tuple[Any, ...]]
) -> Part:
    """Write *rows*, values in the order of :func:`document_columns`, as one part file.

    Raises:
        StoreError: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = schema_of(doc_type)
    values: Any = zip(*rows, strict=True) if rows else ([] for _ in schema)
    arrays = [pa.array(column, type=f.type) for column, f in zip(values, schema, strict=True)]
    table = pa.Table.from_arrays(arrays, schema=schema)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=max(len(rows), 1), **writer_options(doc_type))
    data = sink.getvalue().to_pybytes()
    path = part_path(store, doc_type, session_id, segment)
    files.make_directories(path.parent)
    files.write_durably(path, data)
    seq = next(i for i, c in enumerate(document_columns(doc_type)) if c.name == "seq")
    return Part(
        doc_type=doc_type,
        path=path.relative_to(store).as_posix(),
        rows=len(rows),
        first_seq=rows[0][seq] if rows else -1,
        last_seq=rows[-1][seq] if rows else -1,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def begin_session(store: str | Path, session_id: str) -> list[Part]:
    """Write the empty parts that let the schema's own SQL run before the first segment is closed."""
    root = Path(store)
    return [
        write_part(root, doc_type, session_id, 0, [])
        for doc_type in EMPTY_PART_TYPES
        if not part_path(root, doc_type, session_id, 0).exists()
    ]


def build_parts(journal_dir: str | Path, store: str | Path, *, compress: bool = True) -> list[Part]:
    """Build the parts of every closed segment that lacks them, and return the new ones.

    All segments but the last are closed; the last is, once it ends with a close entry. It may run in
    another thread while the journal is written. Building again what a crash interrupted gives the
    same files.

    Args:
        journal_dir: the session's journal.
        store: root of the store.
        compress: also compress segments that a crash left raw.

    Raises:
        JournalError: a closed segment is damaged, or a document in it does not fit its schema.
        StoreError: a file cannot be written.
    """
    directory, root = Path(journal_dir), Path(store)
    segments = list_segments(directory)
    if not segments:
        return []
    header = read_header(directory)
    parts = begin_session(root, header["session_id"])
    for segment in closed_segments(segments):
        if not manifest_path(directory, segment.number).exists():
            parts += _build_segment(directory, root, header, segment)
        if compress and segment.is_raw and segment.path.exists():
            compress_segment(segment.path)
    return parts


def _build_segment(
    directory: Path, store: Path, header: dict[str, Any], segment: Segment
) -> list[Part]:
    builder = SegmentBuilder(store, header, segment.number)
    for entry in read_segment(segment):
        try:
            builder.add(entry)
        except (RecordError, KeyError, ValueError) as error:
            raise JournalError(
                f"{segment.path}: entry {entry.seq} cannot become a row: {error}; "
                "correct its record or drop the entry"
            ) from error
    parts = builder.write()
    _write_manifest(directory, segment.number, parts)
    return parts


def closed_segments(segments: list[Segment]) -> list[Segment]:
    """Return the segments that nothing will be added to."""
    if not segments:
        return []
    last = segments[-1]
    if last.is_raw and not _ends_with_close(last):
        return segments[:-1]
    return segments


def _ends_with_close(segment: Segment) -> bool:
    """Return whether a raw segment's last line is a close entry, by its last bytes."""
    size = segment.path.stat().st_size
    with segment.path.open("rb") as file:
        file.seek(max(0, size - (1 << 16)))
        tail = file.read()
    if not tail.endswith(b"\n") or b'"close"' not in tail.splitlines()[-1]:
        return False
    reader = read_segment(segment)
    for _ in reader:
        pass
    return reader.clean


def manifest_path(journal_dir: Path, segment: int) -> Path:
    """Return where the list of a segment's parts stands."""
    return journal_dir / f"{segment:06d}.parts.json"


def _write_manifest(journal_dir: Path, segment: int, parts: list[Part]) -> None:
    listed = [{**attrs.asdict(part), "doc_type": part.doc_type.value} for part in parts]
    text = json.dumps({"segment": segment, "parts": listed}, indent=1)
    files.write_durably(manifest_path(journal_dir, segment), text.encode())


def read_manifests(journal_dir: str | Path) -> Iterator[Part]:
    """Yield the parts of a session's closed segments, as they were when written.

    Raises:
        StoreError: a list cannot be read.
    """
    for path in sorted(Path(journal_dir).glob("*.parts.json")):
        try:
            listed = json.loads(path.read_text())["parts"]
            for part in listed:
                yield Part(**{**part, "doc_type": DocType(part["doc_type"])})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{path} cannot be read: {error}; delete it, the parts are built again"
            ) from error
