"""Recordings as a feed: the line format of captured sessions.

A capture is JSON lines, plain or gzipped, one event a line::

    {"capture":"2025-12-06","t":1765069030.42,"dir":"in","event":"gameStateUpdate","args":[{...}]}

``t`` is the receive time in seconds UTC. ``args_truncated`` marks a line that kept only the trace argument,
``local`` one that the recording client wrote itself when it connected.
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import AsyncGenerator, Generator, Iterator
from pathlib import Path
from typing import IO, Literal, cast

import msgspec
from attrs import frozen
from msgspec import Raw, Struct

from vectra_bot.errors import InputError
from vectra_bot.journal import list_segments
from vectra_bot.models import ConnectionChanged, Direction, Frame, Link
from vectra_bot.venues.base import FeedItem

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# A segment of entries, or of lines of text as older versions wrote them.
_JOURNAL_LINE = re.compile(rb"VJE2|[0-9a-fA-F]{8} \{")
_JOURNAL_HEAD = 10
_NS_PER_US = 1000
# The largest time that fits int64 nanoseconds: the year 2262.
_MAX_SECONDS = 9_223_372_036
_SHOWN = 60
_HELP = (
    'give a recording whose lines are {"capture", "t", "dir", "event", "args"}, a journal folder, '
    "or a journal segment"
)


class _Line(Struct, frozen=True, gc=False):
    """One line of a capture; event and arguments keep their own bytes."""

    t: float
    dir: Literal["in", "out"]
    event: str
    args: list[Raw]
    capture: str | None = None
    args_truncated: bool | None = None
    excerpt: bool | None = None
    local: bool | None = None


_decode_line = msgspec.json.Decoder(_Line).decode
_encode_name = msgspec.json.Encoder().encode


@frozen
class _Opened:
    """A recording, opened and decompressed; both file objects are closed together."""

    magic: bytes
    file: IO[bytes]
    lines: IO[bytes]

    def close(self) -> None:
        self.lines.close()
        self.file.close()


def _open(path: Path) -> _Opened:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise InputError(f"there is no recording {path}: {_HELP}") from None
    except OSError as error:
        raise InputError(f"recording {path} cannot be read ({error.strerror}): {_HELP}") from None
    try:
        magic = file.read(len(_ZSTD_MAGIC))
        file.seek(0)
    except OSError as error:
        file.close()
        raise _broken(path, 0, error) from None
    if magic.startswith(_GZIP_MAGIC):
        return _Opened(magic, file, cast(IO[bytes], gzip.GzipFile(fileobj=file)))
    return _Opened(magic, file, file)


def _broken(path: Path, line: int, error: Exception) -> InputError:
    return InputError(f"recording {path} is corrupt after line {line} ({error}): download it again")


def _lines(path: Path) -> Generator[tuple[int, bytes], None, None]:
    """Yield line numbers from 1 and lines without their end; a corrupt archive is an InputError."""
    opened = _open(path)
    number = 0
    try:
        for line in opened.lines:
            number += 1
            yield number, line.rstrip(b"\r\n")
    except (OSError, EOFError, zlib.error) as error:
        raise _broken(path, number, error) from None
    finally:
        opened.close()


def _parse(path: Path, number: int, line: bytes) -> _Line:
    try:
        parsed = _decode_line(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        shown = ascii(line[:_SHOWN].decode("latin-1"))
        raise InputError(
            f"recording {path}, line {number} is not a captured event ({error}); it was {shown}: {_HELP}"
        ) from None
    if not math.isfinite(parsed.t) or not 0 <= parsed.t < _MAX_SECONDS:
        raise InputError(
            f"recording {path}, line {number}: t was {parsed.t!r}: give seconds since 1970, UTC"
        )
    return parsed


class CaptureFeed:
    """A feed over a capture file.

    Every line becomes one item: a frame rebuilt from the line's own bytes (numbers are never
    re-serialized), or a connection change for the recording client's own marker.

    Raises:
        InputError: when iterated, for a line that is not in the format; ``check`` finds a wrong file early.
    """

    def __init__(self, path: str | Path, venue: str = "recording") -> None:
        self.path = Path(path)
        self._venue = venue

    @property
    def venue(self) -> str:
        """Return the name given to the recording's venue."""
        return self._venue

    def check(self) -> None:
        """Read the first line, so that a wrong file is refused before anything is written.

        Raises:
            InputError: the file does not exist, is empty, or its first line is not a captured event.
        """
        lines = _lines(self.path)
        try:
            first = next(lines, None)
            if first is None:
                raise InputError(f"recording {self.path} is empty: {_HELP}")
            _parse(self.path, *first)
        finally:
            lines.close()

    def items(self) -> Iterator[FeedItem]:
        """Yield the recording's items in the order of its lines; empty lines are skipped."""
        for number, text in _lines(self.path):
            if not text.strip():
                continue
            line = _parse(self.path, number, text)
            recv_ns = round(line.t * 1e6) * _NS_PER_US
            if line.local:
                yield ConnectionChanged(
                    recv_ns=recv_ns, link=Link.CONNECTED, reason=f"recorded: {line.event}"
                )
                continue
            truncated = line.args_truncated is True
            yield Frame(recv_ns, _frame_text(line), Direction(line.dir), truncated)

    async def __aiter__(self) -> AsyncGenerator[FeedItem, None]:
        for item in self.items():
            yield item

    async def aclose(self) -> None:
        """Do nothing: the file is closed when its iterator is."""


def _frame_text(line: _Line) -> str:
    parts = [_encode_name(line.event), *map(bytes, line.args)]
    return "42[" + b",".join(parts).decode() + "]"


def detect_recording(path: str | Path) -> Literal["capture", "journal"]:
    """Return what kind of recording *path* is.

    Returns:
        ``"journal"`` for a journal's folder or segment, ``"capture"`` for a capture file.

    Raises:
        InputError: it is neither.
    """
    path = Path(path)
    if path.is_dir():
        if list_segments(path):
            return "journal"
        raise InputError(f"folder {path} contains no journal segment: {_HELP}")
    opened = _open(path)
    try:
        if opened.magic == _ZSTD_MAGIC or _is_journal(path, opened.lines):
            return "journal"
    finally:
        opened.close()
    CaptureFeed(path).check()
    return "capture"


def _is_journal(path: Path, lines: IO[bytes]) -> bool:
    try:
        return _JOURNAL_LINE.match(lines.read(_JOURNAL_HEAD)) is not None
    except (OSError, EOFError, zlib.error) as error:
        raise _broken(path, 0, error) from None
