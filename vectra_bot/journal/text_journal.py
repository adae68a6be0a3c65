r"""Journals of text, as versions before 2.0 wrote them; they are read and never written.

A segment is a file of lines, each one entry: ``<crc32> <json>\n``, where ``<crc32>`` is ``zlib.crc32`` of
the bytes of ``<json>`` as eight hexadecimal digits. The JSON object has ``seq`` (increasing, gaps allowed),
``kind``, ``ts`` (nanoseconds) and what :attr:`vectra_bot.journal.entry.Entry.data` says for its kind.
"""

from __future__ import annotations

import re
import zlib
from typing import Any, Final

import msgspec

from vectra_bot.errors import JournalError
from vectra_bot.journal.entry import KINDS, Entry

TEXT_VERSION: Final = 1

_LINE = re.compile(rb"[0-9a-fA-F]{8} \{")
_LINE_WITHIN = re.compile(rb"(?:\A|\n)[0-9a-fA-F]{8} \{")
_BEGINNING = re.compile(rb"[0-9a-fA-F]{1,8}|[0-9a-fA-F]{8} ")

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def begins_as_text(head: bytes) -> bool:
    """Return whether a file that begins with *head* begins with a line of text, whole or torn."""
    return _LINE.match(head) is not None or _BEGINNING.fullmatch(head) is not None


def holds_text(head: bytes) -> bool:
    """Return whether a line of text begins anywhere in *head*."""
    return _LINE_WITHIN.search(head) is not None


def decode_line(line: bytes) -> Entry | None:
    """Return the entry of one line (with or without its line feed), None if it is damaged."""
    body = line[9:].rstrip(b"\r\n")
    if line[8:9] != b" " or line[:8].lower() != b"%08x" % zlib.crc32(body):
        return None
    try:
        data = _decode(body)
        seq, kind, ts_ns = data.pop("seq"), data.pop("kind"), data.pop("ts")
    except (msgspec.DecodeError, KeyError, UnicodeDecodeError, RecursionError):
        return None
    if type(seq) is not int or type(ts_ns) is not int or kind not in KINDS:
        return None
    if kind == "doc" and "doc_type" in data:
        data = {"doc_type": data.pop("doc_type"), **data}  # first, as documents are written now
    try:
        return Entry.of(seq, kind, ts_ns, data)
    except JournalError:
        return None
