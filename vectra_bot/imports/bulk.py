"""Sessions that are filled with whole tables: migrated from another schema, or imported from Parquet.

The journal of such a session describes the origin of its rows (``header["import"]``) and has nothing
else: header and close entry. Its parts are numbered from 2; part 1 is the journal's own. The close entry
is written last, after the parts are listed and synced, so that a session without it is known to be
incomplete: a repeated import drops it first.
"""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from vectra_bot.errors import InputError, StoreError, VectraError
from vectra_bot.journal import (
    JOURNAL_VERSION,
    Journal,
    dropped_directory,
    journal_directory,
    list_segments,
    never_began,
    read_header,
    read_segment,
)
from vectra_bot.models import SCHEMA_VERSION, DocType, Mode
from vectra_bot.store.maintenance.sessions import drop_session, is_running
from vectra_bot.store.parquet.builder import begin_session, build_parts
from vectra_bot.store.parquet.manifest import part_folder
from vectra_bot.store.parquet.schema import schema_of
from vectra_bot.store.parquet.writer import PartWriter, list_part, part_path

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

IMPORTED: Final = "imported"
"""Reason of the close entry of a completely imported session."""
FIRST_SEQ: Final = 3
"""Number of the first row where the import numbers them; the journal's entries precede it."""
FIRST_PART: Final = 2
SESSIONS_AT_ONCE: Final = 32
"""Sessions that are filled in parallel, each with a few open files."""
ROWS_PER_PART: Final = 1 << 21
ROWS_HELD: Final = 1 << 16
BYTES_HELD: Final = 8 << 20
_JOURNAL_BYTES: Final = 1 << 20


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the file") from error


def digest_line(path: Path, root: Path) -> bytes:
    """Return a file's line in the digest of several files: its own digest, and its name below *root*.

    Raises:
        InputError: it cannot be read.
    """
    name = path.relative_to(root).as_posix()
    return f"{digest_of(path)} {name}\n".encode("utf-8", "backslashreplace")


def is_session_id(name: object) -> bool:
    """Return whether *name* is a valid session id."""
    try:
        return isinstance(name, str) and bool(journal_directory("", name))
    except InputError:
        return False


def session_of(*facts: str) -> str:
    """Return the session id derived from *facts*, the digest of the imported content first."""
    digest = hashlib.sha256("\n".join(facts).encode("utf-8", "backslashreplace")).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def plain_header(session_id: str, venue: str, about: dict[str, Any]) -> dict[str, Any]:
    """Return the journal header of a session without a strategy; *about* describes its origin."""
    return {
        "journal_version": JOURNAL_VERSION,
        "schema_version": SCHEMA_VERSION,
        "session_id": session_id,
        "mode": Mode.REPLAY.value,
        "venue": venue,
        "wire_format": None,
        "seed": None,
        "start_ns": 0,
        "strategy": {"spec": "watch", "name": "watch", "source_sha256": "", "settings": {}},
        "plugins": [],
        "exchange": None,
        "import": about,
    }


def make_room(store: Path, session_id: str, sha256: str) -> bool:
    """Return whether the content with digest *sha256* must be imported as *session_id*.

    Remains of an interrupted import are dropped.

    Raises:
        StoreError: the session has other content, or is being written now.
        InputError: the session id is invalid.
    """
    directory = journal_directory(store, session_id)
    if not directory.is_dir():
        # A killed process may have dropped it partly.
        if not dropped_directory(directory).is_dir():
            if any(part_folder(store, d, session_id).is_dir() for d in DocType):
                raise StoreError(
                    f"session {session_id!r} has rows in {store} but no journal: "
                    "give another --session-id, or drop it"
                )
            return True
    elif is_running(directory):
        raise StoreError(
            f"session {session_id!r} is being written by another process: wait for it to end"
        )
    elif not never_began(directory):
        about = read_header(directory).get("import")
        if not isinstance(about, dict) or about.get("sha256") != sha256:
            raise StoreError(
                f"session {session_id!r} exists in {store} and has other content: "
                "give another --session-id, or drop it"
            )
        if _close_reason(directory) == IMPORTED:
            build_parts(directory, store)
            return False
    drop_session(store, session_id)
    return True


def _close_reason(directory: Path) -> str | None:
    """Return the reason of the journal's close entry, None if it has none or cannot be read."""
    reason = None
    with contextlib.suppress(VectraError):
        for entry in read_segment(list_segments(directory)[-1]):
            reason = str(entry.data.get("reason", "")) if entry.kind == "close" else None
    return reason


@attrs.define
class _Filling:
    """Rows of one kind being written to parts: many small tables make one row group.

    Attributes:
        rows: number of all rows added.
        held: buffered tables, to be written together.
        number: of the open part, or of the last one.
        writer: of the open part, None if there is none.
        last_seq: last number in the open part.
    """

    rows: int = 0
    held: list[pa.Table] = attrs.field(factory=list)
    held_rows: int = 0
    held_bytes: int = 0
    number: int = FIRST_PART - 1
    writer: PartWriter | None = None
    written: int = 0
    last_seq: int = -1

    def hold(self, table: pa.Table) -> bool:
        """Add rows to the buffer; return whether it must be written."""
        self.held.append(table)
        self.rows += table.num_rows
        self.held_rows += table.num_rows
        self.held_bytes += table.nbytes
        return self.held_rows >= ROWS_HELD or self.held_bytes >= BYTES_HELD

    def take(self) -> pa.Table:
        """Return the buffered rows and empty the buffer."""
        import pyarrow as pa

        whole = pa.concat_tables(self.held, promote_options="none").unify_dictionaries()
        self.held, self.held_rows, self.held_bytes = [], 0, 0
        return whole


class BulkSession:
    """A session that is being filled with tables; use it as a context manager.

    If left by an exception, it stays incomplete and unclosed.
    """

    def __init__(self, store: Path, header: dict[str, Any]) -> None:
        """Start the session of *header*.

        Raises:
            StoreError: the session exists, or a write fails.
        """
        self.store = store
        self.session_id: str = header["session_id"]
        self.next_seq = FIRST_SEQ
        self._kinds: dict[DocType, _Filling] = {}
        directory = journal_directory(store, self.session_id)
        self._journal = Journal.create(directory, header, segment_bytes=_JOURNAL_BYTES)
        try:
            begin_session(store, self.session_id)
        except BaseException:
            self._journal.abandon()
            raise

    def write(
        self, doc_type: DocType, table: pa.Table, seq: np.ndarray[Any, Any] | None = None
    ) -> None:
        """Add documents: the columns of their record and envelope except those set by the session.

        Args:
            doc_type: kind of the documents.
            table: the rows.
            seq: their numbers; the session's own running number if None.

        Raises:
            StoreError: a write fails.
        """
        import numpy as np

        count = table.num_rows
        if not count:
            return
        if seq is None:
            seq = np.arange(self.next_seq, self.next_seq + count, dtype=np.int64)
        self.next_seq = max(self.next_seq, int(seq.max()) + 1)
        kind = self._kinds.setdefault(doc_type, _Filling())
        if kind.hold(self._enveloped(doc_type, table, seq)):
            self._flush(doc_type, kind)

    @property
    def rows(self) -> int:
        """Number of documents added."""
        return sum(kind.rows for kind in self._kinds.values())

    def _flush(self, doc_type: DocType, kind: _Filling) -> None:
        """Write the buffer of one kind, in the order of its numbers."""
        import numpy as np

        if not kind.held:
            return
        whole = kind.take()
        seq = whole.column("seq").to_numpy()
        if np.any(np.diff(seq) < 0):
            whole = whole.sort_by("seq")
            seq = whole.column("seq").to_numpy()
        if kind.written >= ROWS_PER_PART or kind.last_seq >= int(seq[0]):
            self._finish(doc_type, kind)
        if kind.writer is None:
            kind.number += 1
            kind.writer, kind.written = PartWriter(self._path(doc_type, kind), doc_type), 0
        kind.writer.write(whole)
        kind.written += len(seq)
        kind.last_seq = int(seq[-1])

    def _enveloped(self, doc_type: DocType, table: pa.Table, seq: np.ndarray[Any, Any]) -> pa.Table:
        import numpy as np
        import pyarrow as pa

        schema = schema_of(doc_type)
        zeros = pa.array(np.zeros(len(seq), dtype=np.int32))
        own = {
            "session_id": pa.DictionaryArray.from_arrays(zeros, pa.array([self.session_id])),
            "doc_type": pa.DictionaryArray.from_arrays(zeros, pa.array([doc_type.value])),
            "schema_version": pa.repeat(pa.scalar(SCHEMA_VERSION), len(seq)),
            "seq": pa.array(seq),
        }
        columns = [own[n] if n in own else table.column(n) for n in schema.names]
        return pa.Table.from_arrays(columns, schema=schema)

    def _path(self, doc_type: DocType, kind: _Filling) -> Path:
        return part_path(self.store, doc_type, self.session_id, kind.number)

    def _finish(self, doc_type: DocType, kind: _Filling) -> None:
        writer, kind.writer = kind.writer, None
        if writer is not None:
            name = self._path(doc_type, kind).relative_to(self.store).as_posix()
            list_part(self.store, writer.finish(name))

    def pause(self) -> None:
        """Write the buffer and close the open parts; later rows go into new ones."""
        for doc_type, kind in self._kinds.items():
            self._flush(doc_type, kind)
        for doc_type, kind in self._kinds.items():
            self._finish(doc_type, kind)

    def close(self) -> None:
        """End the session: all its rows are synced.

        Raises:
            StoreError: a write fails.
        """
        self.pause()
        with self._journal.closing(IMPORTED, ts_ns=0):
            build_parts(self._journal.directory, self.store)

    def abandon(self) -> None:
        """Leave the session incomplete; harmless after :meth:`close`."""
        for kind in self._kinds.values():
            if kind.writer is not None:
                kind.writer.abandon()
        self._kinds.clear()
        self._journal.abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()


class OpenSessions(contextlib.ExitStack):
    """Sessions that are filled in parallel; those not closed at the end stay incomplete."""

    def __init__(self, store: Path) -> None:
        super().__init__()
        self.store = store
        self.by_id: dict[str, BulkSession] = {}

    def open(self, session_id: str, venue: str, about: dict[str, Any]) -> BulkSession:
        """Return the session, started with the header of :func:`plain_header` on first use.

        Raises:
            StoreError: the session exists, or a write fails.
        """
        if session_id not in self.by_id:
            bulk = BulkSession(self.store, plain_header(session_id, venue, about))
            self.by_id[session_id] = self.enter_context(bulk)
        return self.by_id[session_id]
