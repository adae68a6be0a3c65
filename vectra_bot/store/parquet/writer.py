"""Writing one Parquet file of documents: a stream of tables in, a file with its checksums out.

A file gets its name only when it is complete and synced (temporary file, fsync, rename, fsync of the
directory), so that a ``**/*.parquet`` glob never finds an incomplete one. Its checksums are computed
from the bytes as they are written.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vectra_bot.errors import StoreError
from vectra_bot.fsio import files
from vectra_bot.models import SCHEMA_VERSION, DocType
from vectra_bot.serde import document_columns
from vectra_bot.store.parquet.manifest import MANIFEST, Part, add_part, part_folder, read_manifest
from vectra_bot.store.parquet.pages import FrameDigests, frame_digests
from vectra_bot.store.parquet.schema import check_version, completed, schema_of, writer_options
from vectra_bot.store.parquet.sketch import latency_sketches, merged_sketches

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROWS_PER_GROUP: Final = 1 << 17
"""Maximum number of rows in a row group."""


def part_path(store: Path, doc_type: DocType, session_id: str, segment: int) -> Path:
    """Return the path of the part of a segment."""
    return part_folder(store, doc_type, session_id) / f"part-{segment:06d}.parquet"


class _Sink:
    """File object for pyarrow: counts and hashes the bytes before they reach the disk."""

    def __init__(self, path: Path) -> None:
        self.size = 0
        self.crc32 = 0
        self.sha256 = hashlib.sha256()
        self.closed = False
        self._fd = files.open_file(path, fresh=True)

    def write(self, data: Any) -> int:
        # A writer that is discarded after an error still tries to write its footer.
        if not self.closed:
            view = bytes(data)
            files.write_all(self._fd, view)
            self.crc32 = zlib.crc32(view, self.crc32)
            self.sha256.update(view)
            self.size += len(view)
        return len(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        """Do nothing: bytes are not buffered."""

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            os.close(self._fd)


class PartWriter:
    """Writes one file; :meth:`finish` gives it its name, :meth:`abandon` removes it."""

    def __init__(self, target: Path, doc_type: DocType, *, compacted: bool = False) -> None:
        """Start the file that will be *target*.

        Args:
            target: the file's path; its folder is created if missing.
            doc_type: kind of its rows.
            compacted: whether to spend time on a small file.

        Raises:
            StoreError: the file cannot be written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._doc_type = doc_type
        self._rows = 0
        self._first_seq = self._last_seq = -1
        self._sketches: list[dict[str, Any]] = []
        files.make_directories(target.parent)
        self._replacing = contextlib.ExitStack()
        self._temporary = self._replacing.enter_context(files.replacing(target))
        try:
            self._sink = _Sink(self._temporary)
            self._replacing.callback(self._sink.close)
            self._writer = pq.ParquetWriter(
                pa.PythonFile(self._sink, mode="w"),
                schema_of(doc_type),
                **writer_options(doc_type, compacted=compacted),
            )
        except BaseException as error:
            self._undo(error)
            raise

    def write(self, table: pa.Table) -> None:
        """Add the rows of *table*, in the file's schema and in the order of ``seq``, as row groups.

        Raises:
            StoreError: a write fails.
        """
        if not table.num_rows:
            return
        try:
            self._writer.write_table(table, row_group_size=ROWS_PER_GROUP)
        except BaseException as error:
            self._undo(error)
            raise
        numbers = table.column("seq")
        if not self._rows:
            self._first_seq = numbers[0].as_py()
        self._last_seq = numbers[-1].as_py()
        self._rows += table.num_rows
        if self._doc_type is DocType.PLAYER_ACTION:
            self._sketches.append(latency_sketches(table))

    def finish(self, path: str) -> Part:
        """Complete the file, give it its name and return its description; it is then synced.

        Args:
            path: its path in a manifest, relative to the store.

        Raises:
            StoreError: a write fails; there is no file then.
        """
        try:
            self._writer.close()
            self._sink.close()
            frame = _frame_of(self._temporary, self._sink.size)
        except BaseException as error:
            self._undo(error)
            raise
        self._replacing.close()
        return Part(
            doc_type=self._doc_type,
            path=path,
            rows=self._rows,
            first_seq=self._first_seq,
            last_seq=self._last_seq,
            bytes=self._sink.size,
            sha256=self._sink.sha256.hexdigest(),
            crc32=self._sink.crc32,
            schema_version=SCHEMA_VERSION,
            sketches=_merged(self._sketches),
            footer_crc32=frame.footer,
            headers_crc32=frame.headers,
        )

    def abandon(self) -> None:
        """Remove what was written; harmless after :meth:`finish`."""
        with contextlib.suppress(_Abandoned):
            self._undo(_Abandoned())

    def _undo(self, error: BaseException) -> None:
        """Exit the replacement as *error* would; raises it, or the StoreError it becomes."""
        self._replacing.__exit__(type(error), error, error.__traceback__)


def _frame_of(path: Path, size: int) -> FrameDigests:
    """Return the checksums of a file's footer and page headers.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a Parquet file.
    """
    with path.open("rb") as file:
        return frame_digests(lambda place, count: os.pread(file.fileno(), count, place), size)


class _Abandoned(Exception):
    """Makes a replacement end without a new file."""


def _merged(stored: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the merged sketches of several row groups."""
    if len(stored) < 2:
        return stored[0] if stored else {}
    return {
        column: {action: sketch.to_json() for action, sketch in by_type.items()}
        for column, by_type in merged_sketches(stored).items()
    }


def rows_to_table(doc_type: DocType, rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    """Return *rows*, values in the order of :func:`document_columns`, as a table in their schema.

    Raises:
        ValueError: a value does not fit its column.
    """
    import pyarrow as pa

    schema = schema_of(doc_type)
    if not rows:
        # Not empty_table(): it makes arrays of Python values, for which pyarrow imports pandas if
        # installed.
        return pa.Table.from_batches([], schema)
    arrays = []
    for values, field in zip(zip(*rows, strict=True), schema, strict=True):
        if pa.types.is_dictionary(field.type):
            arrays.append(pa.array(values, pa.string()).dictionary_encode())
        else:
            arrays.append(pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def write_table(
    store: Path, doc_type: DocType, session_id: str, number: int, table: pa.Table
) -> Part:
    """Write *table* as the part *number* of a session and list it in the manifest of its folder.

    Args:
        store: root of the store.
        doc_type: kind of its rows.
        session_id: session of all its rows.
        number: the part's number; a file of that number is replaced.
        table: rows in the schema of *doc_type* and in the order of ``seq``.

    Raises:
        StoreError: the file cannot be written; there is no new file then.
    """
    target = part_path(store, doc_type, session_id, number)
    writer = PartWriter(target, doc_type)
    with abandoning([writer]):
        writer.write(table)
        return list_part(store, writer.finish(target.relative_to(store).as_posix()))


def list_part(store: Path, part: Part) -> Part:
    """Add *part* to the manifest of its folder, unless it is listed unchanged; return it.

    Raises:
        StoreError: the manifest cannot be read or written.
    """
    folder = (store / part.path).parent
    if part in read_manifest(folder):
        # The process that wrote the line may have been killed before it was synced.
        with files.store_errors(f"cannot sync {folder / MANIFEST}"):
            files.sync_path(folder / MANIFEST)
            files.sync_directory(folder)
    else:
        add_part(store, part)
    return part


@contextlib.contextmanager
def open_part(store: Path, part: Part) -> Iterator[pq.ParquetFile]:
    """Open the file of *part* after comparing its size and CRC-32; page checksums are verified as well.

    Raises:
        StoreError: the file is missing, cannot be read or differs from *part*.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = store / part.path
    advice = "run `vectra-bot store recover`"
    try:
        size, crc32, _ = _digests(path)
        if (size, crc32) != (part.bytes, part.crc32):
            raise StoreError(
                f"{path} is corrupt: it has {size} bytes and CRC-32 {crc32:08x}, expected "
                f"{part.bytes} and {part.crc32:08x}; {advice}"
            )
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{path} cannot be read: {error}; {advice}") from error


def _digests(path: Path) -> tuple[int, int, str]:
    """Return size, CRC-32 and SHA-256 of a file."""
    crc32, size, sha256 = 0, 0, hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            crc32, size = zlib.crc32(chunk, crc32), size + len(chunk)
            sha256.update(chunk)
    return size, crc32, sha256.hexdigest()


def part_of(store: Path, path: Path) -> Part:
    """Return the description of a file without a manifest line, after reading all of it.

    Args:
        store: root of the store.
        path: the file, in its folder.

    Raises:
        StoreError: it cannot be read, was not written by this package, or has a newer schema.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = path.relative_to(store).as_posix()
    sketches: list[dict[str, Any]] = []
    numbers: list[int] = []
    rows = 0
    try:
        size, crc32, sha256 = _digests(path)
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            doc_type, version = _said_by(file, path)
            for group in range(file.num_row_groups):
                table = completed(file.read_row_group(group), schema_of(doc_type))
                rows += table.num_rows
                numbers += [table.column("seq")[0].as_py(), table.column("seq")[-1].as_py()]
                if doc_type is DocType.PLAYER_ACTION:
                    sketches.append(latency_sketches(table))
        frame = _frame_of(path, size)
    except (OSError, pa.ArrowException, ValueError, IndexError) as error:
        raise StoreError(
            f"{path} cannot be read: {error}; run `vectra-bot store recover`"
        ) from error
    first, last = (numbers[0], numbers[-1]) if numbers else (-1, -1)
    return Part(
        doc_type, name, rows, first, last, size, sha256, crc32, version, _merged(sketches), *frame
    )


def _said_by(file: pq.ParquetFile, path: Path) -> tuple[DocType, str]:
    """Return kind and schema version from a file's metadata."""
    said = file.schema_arrow.metadata or {}
    version = said.get(b"vectra.schema_version", b"").decode()
    check_version(version, str(path))
    return DocType(said.get(b"vectra.doc_type", b"").decode()), version


@contextlib.contextmanager
def abandoning(writers: Sequence[PartWriter]) -> Iterator[None]:
    """Leave no incomplete file of *writers* behind, whatever happens."""
    try:
        yield
    finally:
        for writer in writers:
            writer.abandon()


def write_part(
    store: Path, doc_type: DocType, session_id: str, segment: int, rows: list[tuple[Any, ...]]
) -> Part:
    """Write *rows*, values in the order of :func:`document_columns`, as one listed part.

    Raises:
        StoreError: the file cannot be written, or a value does not fit its column.
    """
    import pyarrow as pa

    try:
        table = rows_to_table(doc_type, rows)
    except (pa.ArrowException, OverflowError, TypeError) as error:
        raise StoreError(
            f"rows of {doc_type.value} do not fit their columns: {error}; correct the values"
        ) from error
    return write_table(store, doc_type, session_id, segment, table)


def column_index(doc_type: DocType, name: str) -> int:
    """Return the place of a column in a row."""
    return [column.name for column in document_columns(doc_type)].index(name)
