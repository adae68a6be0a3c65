"""Reading journals: a directory of segments, or a copy in one file, compressed or not."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import attrs

from vectra_bot.errors import InputError, JournalError
from vectra_bot.store.entry import JOURNAL_VERSION, Entry, decode_line

_SEGMENT = re.compile(r"(\d{6,})\.log(\.zst|\.gz)?")
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 18


@attrs.frozen
class Segment:
    """One file of a journal directory.

    Attributes:
        number: its place, from 1; 0 for a journal in one plain file.
        path: the raw file if there is one, else the compressed one.
    """

    number: int
    path: Path

    @property
    def is_raw(self) -> bool:
        return self.path.suffix not in (".zst", ".gz")


def list_segments(directory: Path) -> list[Segment]:
    """Return the segments of a journal directory in order; where raw and compressed stand, the raw.

    Raises:
        JournalError: a segment in the middle is missing.
    """
    found: dict[int, Path] = {}
    for path in sorted(directory.iterdir()):
        match = _SEGMENT.fullmatch(path.name)
        if match is not None:
            # Sorted order puts NAME.log before NAME.log.zst: the raw one wins.
            found.setdefault(int(match[1]), path)
    numbers = sorted(found)
    for before, after in pairwise(numbers):
        if after != before + 1:
            raise JournalError(
                f"{directory}: segment {before + 1:06d} is missing between {before:06d} and "
                f"{after:06d}; bring it back, or copy the segments before it to a new directory"
            )
    return [Segment(number, found[number]) for number in numbers]


class JournalReader:
    """Iterates over the entries of a journal; see :func:`read_journal`.

    After the last entry was read:

    Attributes:
        path: what was opened.
        torn: whether bytes after the last whole entry were cut off, as a crash leaves them.
        torn_bytes: how many.
        clean: whether the last entry is a close.
        last_seq: number of the last entry, -1 if there was none.
    """

    def __init__(self, path: Path, segments: list[Segment]) -> None:
        self.path = path
        self.torn = False
        self.torn_bytes = 0
        self.clean = False
        self.last_seq = -1
        self.end_offset = 0
        self._segments = segments
        self._entries = self._read()

    def __iter__(self) -> Iterator[Entry]:
        return self._entries

    def __next__(self) -> Entry:
        return next(self._entries)

    def _read(self) -> Iterator[Entry]:
        for position, segment in enumerate(self._segments):
            last = position == len(self._segments) - 1
            yield from self._read_segment(segment, cut_allowed=last)

    def _read_segment(self, segment: Segment, *, cut_allowed: bool) -> Iterator[Entry]:
        offset = 0
        with _open_segment(segment.path) as (lines, compressed):
            for line in _guarded_lines(lines, segment.path, self.last_seq):
                entry = decode_line(line)
                if entry is None:
                    self._refuse_damage(segment, offset, line)
                    rest = _guarded_lines(lines, segment.path, self.last_seq)
                    if compressed or not cut_allowed or _any_entry(rest):
                        raise JournalError(
                            f"{segment.path}: the entry at byte {offset}, after entry "
                            f"{self.last_seq}, is damaged; copy the entries before it with "
                            "write_journal, or restore the file"
                        )
                    self.torn = True
                    self.torn_bytes = segment.path.stat().st_size - offset
                    break
                self._check_order(segment, offset, entry)
                offset += len(line)
                self.end_offset = offset
                yield entry
            else:
                self.end_offset = offset

    def _refuse_damage(self, segment: Segment, offset: int, line: bytes) -> None:
        """Tell a file that never was a journal from a damaged one."""
        if offset == 0 and self.last_seq < 0 and line.endswith(b"\n"):
            shaped = re.match(rb"[0-9a-fA-F]{8} \{", line)
            if shaped is None:
                raise InputError(
                    f"{segment.path} is not a journal: its first line begins with "
                    f"{line[:24]!r}; give a journal directory or a copy made of its entries"
                )

    def _check_order(self, segment: Segment, offset: int, entry: Entry) -> None:
        if entry.seq <= self.last_seq:
            raise JournalError(
                f"{segment.path}: entry {entry.seq} at byte {offset} follows entry "
                f"{self.last_seq}; the order is broken, restore the file or sort its copy"
            )
        if self.last_seq < 0:
            check_header(segment.path, entry)
        self.last_seq = entry.seq
        self.clean = entry.kind == "close"


def check_header(path: Path, entry: Entry) -> Any:
    """Return the header of a journal's first entry.

    Raises:
        JournalError: the entry is not a header, or of a version this program does not know.
    """
    header = entry.data.get("header")
    if entry.kind != "header" or not isinstance(header, dict):
        raise JournalError(
            f"{path}: the first entry is {entry.kind!r}; a journal begins with its header, "
            "keep that line when copying"
        )
    version = header.get("journal_version", JOURNAL_VERSION)
    if version != JOURNAL_VERSION:
        raise JournalError(
            f"{path}: journal version was {version!r}, this program reads {JOURNAL_VERSION}; "
            "use the release that wrote it or a newer one"
        )
    return header


@contextmanager
def _open_segment(path: Path) -> Iterator[tuple[BinaryIO, bool]]:
    """Open a file of entries for reading by line; the flag says whether it was compressed."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except FileNotFoundError:
        # A writer may have compressed the segment since the directory was listed.
        packed = path.with_name(path.name + ".zst")
        if not packed.exists():
            raise
        with _open_segment(packed) as opened:
            yield opened
        return
    if magic == _ZSTD_MAGIC:
        import pyarrow as pa

        with (
            pa.OSFile(str(path)) as packed_file,
            pa.input_stream(packed_file, compression="zstd") as stream,
            io.BufferedReader(stream, _CHUNK_BYTES) as lines,
        ):
            yield lines, True
    elif magic[:2] == _GZIP_MAGIC:
        with gzip.open(path, "rb") as unzipped, io.BufferedReader(unzipped, _CHUNK_BYTES) as lines:
            yield lines, True
    else:
        if path.suffix in (".zst", ".gz"):
            raise JournalError(
                f"{path}: not a {path.suffix[1:]} file, it begins with {magic!r}; restore it"
            )
        with path.open("rb", buffering=_CHUNK_BYTES) as lines:
            yield lines, False


def _guarded_lines(lines: BinaryIO, path: Path, last_seq: int) -> Iterator[bytes]:
    try:
        yield from lines
    except (OSError, EOFError, zlib.error) as error:
        raise JournalError(
            f"{path}: cannot be read on after entry {last_seq}: {error}; restore the file"
        ) from error


def _any_entry(lines: Iterator[bytes]) -> bool:
    """Return whether a whole entry follows: then the damage before it is no torn tail."""
    return any(decode_line(line) is not None for line in lines)


def read_journal(path: str | Path) -> JournalReader:
    """Open a journal: its directory, one of its segments, or a single file of entries.

    Entries come in order and one at a time; memory stays flat. An unfinished tail is cut and
    reported by the reader's ``torn``.

    Raises:
        InputError: there is no journal at *path*.
        JournalError: while reading, an entry before the tail is damaged or out of order.
    """
    source = Path(path)
    if source.is_dir():
        segments = list_segments(source)
        if not segments:
            raise InputError(
                f"no journal in {source}: it holds no segment such as 000001.log; "
                "give STORE/journals/SESSION"
            )
        return JournalReader(source, segments)
    if not source.exists():
        raise InputError(f"no journal at {source}: give STORE/journals/SESSION or a copy in a file")
    return JournalReader(source, [Segment(0, source)])


def read_segment(segment: Segment, *, after_seq: int = -1) -> JournalReader:
    """Return a reader of one segment of a directory, whose first entry need not be a header."""
    reader = JournalReader(segment.path, [segment])
    if segment.number > 1:
        reader.last_seq = max(after_seq, 0)
    return reader


def read_header(path: str | Path) -> dict[str, Any]:
    """Return the header of a journal.

    Raises:
        InputError: there is no journal, or nothing was written to it.
        JournalError: its first entry is damaged or no header.
    """
    reader = read_journal(path)
    first = next(reader, None)
    if first is None:
        raise InputError(f"the journal {path} is empty: its session never started")
    header: dict[str, Any] = first.data["header"]
    return header


def never_began(directory: Path) -> bool:
    """Return whether a session died before its first entry was whole: then it holds nothing to lose.

    Anything else that cannot be read is damage: entries may follow it.

    Raises:
        JournalError: a segment is missing, or cannot be unpacked.
    """
    segments = list_segments(directory)
    if len(segments) != 1:
        return not segments
    with _open_segment(segments[0].path) as (lines, _):
        first = next(_guarded_lines(lines, segments[0].path, -1), b"")
    return not first.endswith(b"\n") and decode_line(first) is None


@attrs.frozen
class JournalSummary:
    """What a journal holds, and in which state it was left."""

    path: Path
    header: dict[str, Any] | None
    entries: int
    by_kind: dict[str, int]
    first_seq: int
    last_seq: int
    last_ts_ns: int
    torn: bool
    torn_bytes: int
    clean: bool
    close_reason: str | None


def journal_summary(path: str | Path) -> JournalSummary:
    """Read a whole journal and say what is in it.

    Raises:
        InputError: there is no journal at *path*.
        JournalError: it is damaged before its tail.
    """
    reader = read_journal(path)
    by_kind: dict[str, int] = {}
    header: dict[str, Any] | None = None
    first_seq, entry = -1, None
    for entry in reader:
        by_kind[entry.kind] = by_kind.get(entry.kind, 0) + 1
        if header is None:
            header, first_seq = entry.data["header"], entry.seq
    return JournalSummary(
        path=reader.path,
        header=header,
        entries=sum(by_kind.values()),
        by_kind=by_kind,
        first_seq=first_seq,
        last_seq=reader.last_seq,
        last_ts_ns=0 if entry is None else entry.ts_ns,
        torn=reader.torn,
        torn_bytes=reader.torn_bytes,
        clean=reader.clean,
        close_reason=entry.data.get("reason") if entry is not None and reader.clean else None,
    )
