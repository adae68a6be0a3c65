"""Integrity of a file that a manifest lists; each is checked once while it is unchanged."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import attrs

from vectra_bot.clock import Clock, WallClock
from vectra_bot.models import DocType
from vectra_bot.store.parquet.manifest import Part
from vectra_bot.store.parquet.pages import columns_text, frame_digests
from vectra_bot.store.query.arrow_scan import guarded_fragment
from vectra_bot.store.query.results import CorruptFile
from vectra_bot.store.query.unlisted import Contents
from vectra_bot.store.tree import FileState, Tree

if TYPE_CHECKING:
    import pyarrow as pa

_CHUNK: Final = 1 << 20


class CorruptFileError(Exception):
    """A file differs from its manifest."""


@attrs.frozen
class StoreFile:
    """A Parquet file that a query may read.

    Attributes:
        path: the file, relative to the store.
        session_id: of its folder, empty if the folder names none.
        part: its line in the manifest, None if no manifest lists it.
        contents: its content in that case.
    """

    path: str
    session_id: str
    state: FileState
    part: Part | None = None
    contents: Contents | None = None

    @property
    def key(self) -> tuple[str, FileState]:
        """Identifies the bytes: it changes with them."""
        return self.path, self.state

    @property
    def doc_type(self) -> DocType:
        """The kind of document of its folder."""
        return DocType(self.path.partition("/")[0].removeprefix("doc_type="))

    @property
    def rows(self) -> int:
        """Number of rows."""
        found = self.part or self.contents
        return found.rows if found is not None else -1

    @property
    def seq_range(self) -> tuple[int, int]:
        """The numbers of its first and last row, -1 if unknown."""
        found = self.part or self.contents
        return (found.first_seq, found.last_seq) if found is not None else (-1, -1)

    @property
    def odd(self) -> tuple[tuple[str, str], ...]:
        """Columns that differ from the current schema."""
        return () if self.contents is None else self.contents.odd

    def guarded(self, source: str | pa.Buffer, filesystem: Any, coded: tuple[str, ...]) -> Any:
        """Return the fragment for Arrow, from its path or its bytes, with conditions true of all its rows."""
        opened_by = filesystem if isinstance(source, str) else None
        return guarded_fragment(source, opened_by, self.session_id, self.seq_range, coded)

    def corrupt(self, doc_type: DocType, reason: str) -> CorruptFile:
        """Return the report of a query that skips the file."""
        return CorruptFile(doc_type, self.session_id, self.path, reason, *self.seq_range, self.rows)


class FileChecks:
    """Checks files, and remembers the results.

    Attributes:
        corrupt: why files cannot be read.
        whole: files of which every byte was compared, and when in monotonic nanoseconds.
    """

    def __init__(self, tree: Tree, clock: Clock | None = None) -> None:
        self._tree = tree
        self._clock = clock or WallClock()
        self._framed: set[tuple[str, FileState]] = set()
        self._columns: dict[tuple[str, FileState], bytes] = {}
        self._buffer = bytearray()
        self.corrupt: dict[tuple[str, FileState], str] = {}
        self.whole: dict[tuple[str, FileState], int] = {}

    def read_whole(self, file: StoreFile) -> Any:
        """Return the bytes of a listed file, checked, in Arrow's own memory.

        Raises:
            CorruptFileError: it differs from its manifest.
        """
        with self._tree.open(file.path) as stream, self._tree.asking(file.path):
            data = stream.read_buffer()
        _compare(file, data.size, zlib.crc32(data))
        return data

    def check_frame(self, file: StoreFile) -> None:
        """Check footer and page headers of a listed file, once; without their checksums the whole file.

        Raises:
            CorruptFileError: it differs from its manifest.
        """
        part = file.part
        if part is None or file.key in self._framed or file.key in self.whole:
            return  # every page of an unlisted file was read before
        if part.footer_crc32 is None:
            self.check_whole(file)
            return
        with self._tree.open(file.path) as stream, self._tree.asking(file.path):
            try:
                found = frame_digests(
                    lambda place, count: bytes(stream.read_at(count, place)), file.state.size
                )
            except ValueError as error:
                raise CorruptFileError(f"it is not a complete Parquet file: {error}") from error
        if found.footer != part.footer_crc32:
            raise CorruptFileError("wrong CRC32 of the footer")
        if found.headers != part.headers_crc32:
            raise CorruptFileError("wrong CRC32 of the page headers")
        self._framed.add(file.key)

    def check_whole(self, file: StoreFile) -> None:
        """Compare every byte of a listed file with its manifest.

        Raises:
            CorruptFileError: it differs from its manifest.
        """
        size = crc = 0
        if not self._buffer:
            self._buffer = bytearray(_CHUNK)
        view = memoryview(self._buffer)
        now = self._clock.monotonic_ns()
        with self._tree.open_bytes(file.path) as stream, self._tree.asking(file.path):
            while count := stream.readinto(view):
                size, crc = size + count, zlib.crc32(view[:count], crc)
        _compare(file, size, crc)
        self.whole[file.key] = now

    def due(self, files: Iterable[StoreFile], trust_s: float) -> list[StoreFile]:
        """Return those of *files* of which not every byte was compared in the last *trust_s* seconds."""
        since = self._clock.monotonic_ns() - round(trust_s * 1e9)
        return [file for file in files if self.whole.get(file.key, -1) < since]

    def are_alike(self, files: Iterable[StoreFile]) -> bool:
        """Return whether Parquet files on a disk, verified whole, have the same columns in the same order."""
        first = b""
        for file in files:
            text = self._columns.get(file.key)
            if text is None:
                with self._tree.open_bytes(file.path) as stream:
                    text = columns_text(stream, file.state.size, first)
                self._columns[file.key] = text
            first = first or text
            if text != first:
                return False
        return True


def _compare(file: StoreFile, size: int, crc32: int) -> None:
    part = file.part
    if part is not None and size != part.bytes:
        raise CorruptFileError(f"it has {size} bytes instead of {part.bytes}")
    if part is not None and crc32 != part.crc32:
        raise CorruptFileError("wrong CRC32")
