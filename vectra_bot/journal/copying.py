"""Journals in other files: a copy in one file, and closed segments in compressed form."""

from __future__ import annotations

import contextlib
import gzip
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from vectra_bot.errors import JournalError
from vectra_bot.fsio import files
from vectra_bot.journal.entry import Entry
from vectra_bot.journal.format import SKIP, encode_entry, mark_bytes, range_bytes
from vectra_bot.journal.segments import end_of_close

# Recorded frames, 10 MB: level 1 1,500 MB/s to 1/13, level 3 1,290 MB/s to 1/17, level 6 410 MB/s to
# 1/21, level 9 290 MB/s to 1/25. At the fastest feed's 90 MB/s level 3 takes 7 % of a core and level 9
# 31 %, which building the parts needs.
ZSTD_LEVEL: Final = 3


def compress_segment(path: Path) -> Path:
    """Replace a closed raw segment by its compressed form; after a crash one of them or both exist.

    The raw file is synced first: what is compressed, or is in parts, must not be lost later.

    Raises:
        StoreError: a write fails.
    """
    import pyarrow as pa

    packed = path.with_name(path.name + ".zst")
    with files.store_errors(f"cannot compress {path}"):
        files.sync_path(path)
        # After a power loss, half of a last mark may follow the close entry.
        content = path.read_bytes()[: end_of_close(path)]
        codec = pa.Codec("zstd", compression_level=ZSTD_LEVEL)
        files.write_durably(packed, codec.compress(content, asbytes=True))
        files.unlink(path)
        files.sync_directory(path.parent)
    return packed


@contextlib.contextmanager
def _packing(path: Path, suffix: str) -> Iterator[Any]:
    """Open *path* for writing bytes, compressed as *suffix* says."""
    with os.fdopen(files.create(path), "wb") as file:
        if suffix == ".zst":
            import pyarrow as pa

            with pa.CompressedOutputStream(pa.PythonFile(file, "w"), "zstd") as stream:
                yield stream
        elif suffix == ".gz":
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as stream:
                yield stream
        else:
            yield file


def write_journal(path: str | Path, entries: Iterable[Entry]) -> None:
    """Write a copy of a journal as one file, compressed if its name ends in ``.zst`` or ``.gz``.

    Entries other than the header may be omitted: the copy lists the missing numbers.

    Args:
        path: the new file.
        entries: entries in ascending order, the header first.

    Raises:
        JournalError: the first entry is not a header, or a ``seq`` does not increase.
        StoreError: the file cannot be written.
    """
    target = Path(path)
    with files.replacing(target) as temporary, _packing(temporary, target.suffix) as out:
        written = 0
        for data in _copied(entries):
            out.write(data)
            written += len(data)
        # From here on all of it is synced before the file gets its name.
        out.write(mark_bytes(0, 0, 0, written))


def _copied(entries: Iterable[Entry]) -> Iterator[bytes]:
    last = -1
    for entry in entries:
        if last < 0 and entry.kind != "header":
            raise JournalError(
                f"the first entry was {entry.kind!r}: a journal begins with its header"
            )
        if entry.seq <= last:
            raise JournalError(f"entry {entry.seq} would follow entry {last}: seq must increase")
        if last >= 0 and entry.seq > last + 1:
            yield range_bytes(SKIP, entry.ts_ns, last + 1, entry.seq - 1)
        last = entry.seq
        yield encode_entry(entry)
