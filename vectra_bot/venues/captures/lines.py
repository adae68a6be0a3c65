"""Rows of any text file: JSON lines or one JSON array, plain or compressed, with any content.

No content is fatal: a line that is too long, invalid UTF-8 or invalid JSON is reported as a bad row, and
so is the place where a compressed file ends early. UTF-16 and UTF-32, as shells of Windows write files,
are read as UTF-8: by their byte order mark, or by the zero bytes beside a first ``{``, ``[`` or ``4``.
Blank lines and comments (beginning with ``#`` or ``//``) are not rows. At most one line is in memory; an
array must fit ``MAX_ARRAY`` bytes.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, cast

import attrs
import msgspec

from vectra_bot.errors import InputError

MAX_LINE: Final = 16 << 20
"""Longest accepted line; the venue's largest frames have half a megabyte."""
MAX_ARRAY: Final = 256 << 20
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_PACKED_ERRORS: Final = (OSError, EOFError, zlib.error, ValueError)
COMMENTS: Final = (b"#", b"//")
BOM: Final = b"\xef\xbb\xbf"
_ENCODINGS: Final = (
    (re.compile(rb"\xff\xfe\0\0|\0\0\xfe\xff"), "utf-32"),
    (re.compile(rb"\xff\xfe|\xfe\xff"), "utf-16"),
    (re.compile(rb"[{\[4]\0\0\0"), "utf-32-le"),
    (re.compile(rb"\0\0\0[{\[4]"), "utf-32-be"),
    (re.compile(rb"[{\[4]\0"), "utf-16-le"),
    (re.compile(rb"\0[{\[4]"), "utf-16-be"),
)
_RECODED: Final = 1 << 16
_HEAD: Final = 4096
_FRAME: Final = re.compile(rb"4[23]\d{0,16}(?=\[)")
_CONTROL: Final = frozenset(range(32)) - {9, 10, 12, 13, 27}

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class RowRefused(Exception):
    """A row cannot be used.

    Attributes:
        reason: what is wrong, with the same words for the same fault.
        value: the invalid value.
    """

    def __init__(self, reason: str, value: object = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.value = value


@attrs.frozen
class TextRow:
    """One row: an object whose values keep their bytes, or the reason why it is bad.

    Attributes:
        number: of its line, or its position in an array, from 1.
        data: the row's bytes.
        fields: its keys with the bytes of their values; empty if it is bad. A line that is a frame
            (``42[...]``), or an array that begins with an event's name, has the one key ``raw``.
        fault: why it is bad; empty if it is not.
        read: bytes of the file read so far.
    """

    number: int
    data: bytes
    fields: dict[str, msgspec.Raw]
    fault: str = ""
    read: int = 0


@contextlib.contextmanager
def unpacked(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Open a file, decompressed and in UTF-8; yield it and the file itself (its position: progress)."""
    with path.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic.startswith(_GZIP):
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield _in_utf8(unpacked), raw
        elif magic == _ZSTD:
            import pyarrow as pa

            with pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd") as stream:
                yield _in_utf8(io.BufferedReader(cast("io.RawIOBase", stream))), raw
        else:
            yield _in_utf8(raw), raw


def _in_utf8(file: io.BufferedReader | gzip.GzipFile) -> IO[bytes]:
    """Return *file*, at its beginning, as UTF-8."""
    start = file.peek(4)
    for found, encoding in _ENCODINGS:
        if found.match(start):
            return io.BufferedReader(_Recoded(file, encoding))
    return cast("IO[bytes]", file)


class _Recoded(io.RawIOBase):
    """Text of another encoding as UTF-8; half surrogate pairs become invalid UTF-8, as they are."""

    def __init__(self, file: io.BufferedReader | gzip.GzipFile, encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
        self._left = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left and not self._ended:
            data = self._file.read(_RECODED)
            self._ended = not data
            text = self._decoder.decode(data, final=self._ended)
            self._left = text.encode("utf-8", "surrogatepass")
        part, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


class TextFile:
    """A text file of rows; iterate it as often as needed."""

    def __init__(self, path: Path) -> None:
        """Inspect the file's beginning.

        Raises:
            InputError: it cannot be read.
        """
        self.path = path
        try:
            self.size = path.stat().st_size
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}): check the path") from error
        self.broken = ""
        self.head = self._look()

    def _look(self) -> bytes:
        head = b""
        try:
            with unpacked(self.path) as (lines, _):
                while len(head) < _HEAD and (part := cast("io.BufferedReader", lines).read1(_HEAD)):
                    head += part
        except _PACKED_ERRORS as error:
            if not head:
                self.broken = str(error)
        return head[:_HEAD]

    @property
    def is_binary(self) -> bool:
        """Whether the file is not text; one that begins like text may have corrupt lines."""
        start = self.head.removeprefix(BOM).lstrip()[:1]
        return bool(_CONTROL & frozenset(self.head)) and start not in (b"{", b"[", b"4", b"#", b"/")

    @property
    def is_array(self) -> bool:
        """Whether the file is one JSON value over several lines, not one row per line."""
        start = self.head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if not start.startswith((b"[", b"{")):
            return False
        first = start.split(b"\n", 1)[0]
        return start.startswith(b"[") or (b"\n" in start and first.strip() == b"{")

    def __iter__(self) -> Iterator[TextRow]:
        if self.broken:
            yield TextRow(1, b"", {}, f"the compressed file is corrupt ({self.broken})")
            return
        rows = self._array() if self.is_array else self._lines()
        yield from rows

    def _lines(self) -> Iterator[TextRow]:
        with unpacked(self.path) as (lines, raw):
            number = 0
            while True:
                number += 1
                try:
                    line, whole = _read_line(lines)
                except _PACKED_ERRORS as error:
                    fault = f"truncated: the file ends early ({_first(error)})"
                    yield TextRow(number, b"", {}, fault, self.size)
                    return
                if not line and whole:
                    return
                read = raw.tell()
                if not whole:
                    fault = f"the line is longer than {MAX_LINE} bytes"
                    yield TextRow(number, line[:100], {}, fault, read)
                    continue
                text = line.strip().removeprefix(BOM)  # also where files were joined
                if text and not text.startswith(COMMENTS):
                    yield _row(number, text, read)

    def _array(self) -> Iterator[TextRow]:
        """Yield the items of the file's array; another value, or none, is one row."""
        try:
            with unpacked(self.path) as (lines, _):
                data = lines.read(MAX_ARRAY + 1)
        except _PACKED_ERRORS as error:
            yield TextRow(
                1, b"", {}, f"truncated: the file ends early ({_first(error)})", self.size
            )
            return
        data = data.removeprefix(BOM)
        if len(data) > MAX_ARRAY:
            yield TextRow(1, data[:100], {}, f"a JSON value longer than {MAX_ARRAY} bytes")
            return
        try:
            items = _decode_array(data)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            # One object over several lines, or single rows that begin with "[".
            if data.count(b"\n") and _json_fault(data) is not None:
                yield from self._lines()
            else:
                yield _row(1, data.strip(), self.size)
            return
        if items and bytes(items[0])[:1] == b'"':
            yield _row(1, data.strip(), self.size)
            return
        for number, item in enumerate(items, 1):
            yield _row(number, bytes(item), self.size * number // len(items))


def _read_line(lines: IO[bytes]) -> tuple[bytes, bool]:
    """Return a line, and whether it is complete; the rest of a too long line is skipped."""
    line = lines.readline(MAX_LINE + 1)
    if len(line) <= MAX_LINE:
        return line, True
    rest = line
    while rest and not rest.endswith(b"\n"):
        rest = lines.readline(MAX_LINE)
    return line, False


def _row(number: int, text: bytes, read: int) -> TextRow:
    try:
        text.decode()
        fields = {"raw": _frame(text)} if text[:1] in b"4[" else _decode(text)
        return TextRow(number, text, fields, "", read)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        fault = _json_fault(text)
        return TextRow(number, text[:100], {}, fault or "not a recording: not a JSON object", read)


def _frame(text: bytes) -> msgspec.Raw:
    """Return the text of a frame as JSON text.

    Raises:
        msgspec.MsgspecError: it is not a frame, or not an array that begins with a name.
    """
    head = _FRAME.match(text)
    items = _decode_array(text[head.end() :] if head else text)
    if head is None:
        if not items or bytes(items[0])[:1] != b'"':
            raise msgspec.DecodeError("not a frame")
        text = b"42" + text
    return msgspec.Raw(_encode(text.decode()))


def _json_fault(text: bytes) -> str | None:
    """Return why a text is not JSON that can be stored, None if it is."""
    if b"\0" in text:
        return "zero bytes: UTF-16 within a UTF-8 file, or a file that a crash left unwritten"
    try:
        text.decode()
    except UnicodeDecodeError:
        return "invalid UTF-8"
    if b"\r" in text:
        return "lines that end in a carriage return alone: convert the line ends"
    try:
        _decode_any(text)
    except RecursionError:
        return "JSON nested too deeply"
    except msgspec.MsgspecError:
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return "invalid JSON"
        return "JSON with NaN, Infinity, half a surrogate pair or a number out of range"
    return None


def _first(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def value_of(raw: msgspec.Raw | None) -> Any:
    """Return the value of a row's key, None if missing.

    Raises:
        ValueError: it cannot be encoded as JSON or UTF-8.
    """
    return None if raw is None else _decode_any(raw)
