"""What must be done to the journal of a killed session before it can go on."""

from __future__ import annotations

import logging
from pathlib import Path

from vectra_bot.errors import InputError, StoreError
from vectra_bot.fsio import files
from vectra_bot.journal.corruption import is_safe
from vectra_bot.journal.open_segment import cut_segment
from vectra_bot.journal.reader import JournalReader
from vectra_bot.journal.segments import Segment, list_segments

log = logging.getLogger(__name__)


def cut_tail(directory: Path) -> tuple[int, int]:
    """Cut what a crash left unfinished; return the number of the segment to go on in, and of the last entry.

    The caller holds the session's lock.

    Raises:
        InputError: nothing was ever written.
        StoreError: the session was closed, or the disk refuses.
        JournalError: the journal is damaged before its tail.
    """
    segments = list_segments(directory)
    start, reader = _read_end(directory, segments)
    if reader.last_seq < 0:
        raise InputError(f"the journal {directory} is empty: its session never started")
    if reader.clean:
        raise StoreError(f"the session in {directory} was closed: nothing can be added")
    index, size = start + reader.end[0], reader.end[1]
    if reader.torn:
        log.warning(
            "session=%s cut %d bytes with %d entries after entry %d: they were never finished",
            directory.name, reader.torn_bytes, reader.torn_entries, reader.last_seq,
        )  # fmt: skip
    # The last first: whenever this is broken off, what is left is a torn journal without a gap.
    while len(segments) > index + 1 and not is_safe(segments[-1]):
        with files.store_errors(f"cannot remove {segments[-1].path}"):
            files.unlink(segments.pop().path)
            files.sync_directory(directory)
    if segments[index].is_raw:
        cut_segment(segments[index].path, size)
    return segments[-1].number + 1, reader.last_seq


def _read_end(directory: Path, segments: list[Segment]) -> tuple[int, JournalReader]:
    """Return an exhausted reader of all that may not be on the disk yet, and the place of its first segment.

    The last segment that is packed or has its parts is read as well: numbers go on from there.
    """
    start = len(segments) - 1
    while start > 0 and not is_safe(segments[start]):
        start -= 1
    while True:
        reader = JournalReader(directory, segments[start:], ours=True)
        for _ in reader:
            pass
        if reader.last_seq >= 0 or start == 0:
            return start, reader
        start -= 1
