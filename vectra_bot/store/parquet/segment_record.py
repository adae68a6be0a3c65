"""The record of what was built from a closed journal segment: ``SEGMENT.parts.json`` beside it.

It is written last, after all parts of the segment, so a segment without it is rebuilt, to the same
bytes. It also lists the intents and decisions of the segment, so that recovery of a killed session finds
its open actions without reading the journal again.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from vectra_bot.errors import StoreError
from vectra_bot.fsio import files
from vectra_bot.models import DocType
from vectra_bot.store.parquet.manifest import Part, part_from_json, part_to_json

SUFFIX: Final = ".parts.json"
"""Suffix of the record's file name, after the segment's number."""

_EARLIER_KEYS: Final = frozenset({"segment", "parts"})
_KEYS: Final = frozenset(
    {"segment", "first_seq", "last_seq", "entries", "intents", "decided", "parts", "crc32"}
)


@attrs.frozen
class SegmentRecord:
    """Content of a closed segment, and what was built from it.

    Attributes:
        segment: its number, from 1.
        first_seq, last_seq: of its entries, -1 if it has none.
        entries: how many it has.
        intents: actions with an intent in it, with the ``seq`` of the intent.
        decided: actions whose ``player_action`` document is in it.
        parts: the files built from it at that time; a compaction replaces them.
    """

    segment: int
    first_seq: int
    last_seq: int
    entries: int
    intents: Mapping[str, int]
    decided: Collection[str]
    parts: Sequence[Part]


def manifest_path(journal_dir: Path, segment: int) -> Path:
    """Return the path of the record of a segment."""
    return journal_dir / f"{segment:06d}{SUFFIX}"


def write_segment_record(journal_dir: str | Path, record: SegmentRecord) -> None:
    """Write the record of a segment, atomically and synced.

    Raises:
        StoreError: it cannot be written.
    """
    body = {
        "segment": record.segment,
        "first_seq": record.first_seq,
        "last_seq": record.last_seq,
        "entries": record.entries,
        "intents": dict(record.intents),
        "decided": sorted(record.decided),
        "parts": [part_to_json(part) for part in record.parts],
    }
    text = msgspec.json.encode({**body, "crc32": _digest(body)})
    path = manifest_path(Path(journal_dir), record.segment)
    files.write_durably(path, msgspec.json.format(text, indent=1) + b"\n")


def _digest(body: Mapping[str, Any]) -> int:
    return zlib.crc32(msgspec.json.encode(body, order="sorted"))


def read_segment_record(journal_dir: str | Path, segment: int) -> SegmentRecord | None:
    """Return the record of a segment; None if there is none, or one without its entries.

    Raises:
        StoreError: it cannot be read or is corrupt.
    """
    path = manifest_path(Path(journal_dir), segment)
    if not path.exists():
        return None
    found = _load(path)
    return None if set(found) == _EARLIER_KEYS else _record(path, found)


def _load(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict):
            raise ValueError("it is not an object")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    return found


def _record(path: Path, found: dict[str, Any]) -> SegmentRecord:
    try:
        if set(found) != _KEYS:
            raise ValueError(f"its keys are {sorted(found)}")
        crc32 = found.pop("crc32")
        if crc32 != _digest(found):
            raise ValueError("wrong checksum")
        parts = tuple(part_from_json(part) for part in found["parts"])
    except (ValueError, TypeError) as error:
        raise _unreadable(path, error) from error
    return SegmentRecord(**{**found, "parts": parts, "decided": frozenset(found["decided"])})


def _unreadable(path: Path, error: Exception) -> StoreError:
    return StoreError(f"{path} cannot be read: {error}; delete it, the parts are then rebuilt")


def has_record(journal_dir: Path, segment: int) -> bool:
    """Return whether all parts of a segment were built: its record exists and is valid."""
    path = manifest_path(journal_dir, segment)
    if not path.exists():
        return False
    try:
        found = _load(path)
        if set(found) != _EARLIER_KEYS:
            _record(path, found)
    except StoreError:
        return False  # rebuilding the parts restores its content
    return True


def read_manifests(journal_dir: str | Path) -> Iterator[Part]:
    """Yield the parts of a session's closed segments, as they were when written.

    Raises:
        StoreError: a record cannot be read.
    """
    for path in sorted(Path(journal_dir).glob(f"*{SUFFIX}")):
        yield from recorded_parts(path)


def recorded_parts(path: Path) -> tuple[Part, ...]:
    """Return the parts in the record of a segment, in a file of this or an earlier form.

    Raises:
        StoreError: it cannot be read or is corrupt.
    """
    found = _load(path)
    if set(found) == _EARLIER_KEYS:
        return tuple(_earlier_parts(path, found))
    return tuple(_record(path, found).parts)


def _earlier_parts(path: Path, found: dict[str, Any]) -> Iterator[Part]:
    """Yield the parts of a record from before files had a CRC-32; theirs is -1."""
    try:
        for part in found["parts"]:
            yield Part(**{**part, "doc_type": DocType(part["doc_type"]), "crc32": -1})
    except (KeyError, ValueError, TypeError) as error:
        raise _unreadable(path, error) from error
