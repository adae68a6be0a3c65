"""Recordings as a feed: the frames of a capture file, in any of its formats (:mod:`.captures`)."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Final, Literal

from vectra_bot.errors import InputError
from vectra_bot.journal import list_segments
from vectra_bot.venues.base import FeedItem
from vectra_bot.venues.captures import FRAMES, RowClock, RowReader, RowRefused, TextFile, TextRow
from vectra_bot.venues.captures.kinds import kind_of, label_of
from vectra_bot.venues.captures.times import day_in, undated_warnings, written_time

# A segment of entries, or of lines of text as older versions wrote them.
_JOURNAL_LINE: Final = re.compile(rb"VJE2|[0-9a-fA-F]{8} \{")
_JOURNAL_NAME: Final = re.compile(r"\d{6}\.log")
_SHOWN: Final = 60
_HELP: Final = (
    "give a recording whose lines are events (event with args or data), frames (42[...]) or payloads, "
    "a journal folder, or a journal segment"
)
_CONTENTS: Final = {
    "game_rows": "the prices of one game",
    "seeded_games": "finished games",
    "recorded_prices": "prices of games",
    "leaderboard": "rows of a leaderboard",
    "trades": "trades",
}


def other_kind(kind: str) -> str:
    """Return why rows of *kind* cannot be read as frames, and what reads them."""
    if kind not in _CONTENTS:
        return "unknown keys"
    return f"the file has {_CONTENTS[kind]}, not frames: use vectra-bot verify or vectra-bot store import"


def _open(path: Path) -> TextFile:
    if path.is_dir():
        raise InputError(f"recording {path} cannot be read (it is a folder): {_HELP}")
    try:
        return TextFile(path)
    except InputError:
        reason = "cannot be read" if path.exists() else "does not exist"
        raise InputError(f"recording {path} {reason}: {_HELP}") from None


class CaptureFeed:
    """A feed over a capture file.

    Every row becomes one item: a frame rebuilt from the row's own bytes (numbers are never
    re-serialized), or a connection change for the recording client's own marker.

    Args:
        path: the file, plain or compressed, in any format of captured frames.
        venue: the name given to the recording's venue.
        utc_offset_s: offset from UTC of the times that have no zone, in seconds.

    Raises:
        InputError: when iterated, for a row that is not a frame; ``check`` finds a wrong file early.
    """

    def __init__(
        self, path: str | Path, venue: str = "recording", *, utc_offset_s: int = 0
    ) -> None:
        self.path = Path(path)
        self.warnings: list[str] = []
        self._venue = venue
        self._utc_offset_s = utc_offset_s

    @property
    def venue(self) -> str:
        """Return the name given to the recording's venue."""
        return self._venue

    def check(self) -> None:
        """Read the first row, so that a wrong file is refused before anything is written.

        Raises:
            InputError: the file does not exist, is empty, or its first row is not a frame.
        """
        next(self.items())

    def items(self) -> Iterator[FeedItem]:
        """Yield the recording's items in the order of its rows; blank lines and comments are skipped.

        ``warnings`` then has what a reader must know about the times, one line each.
        """
        return (item for _, _, item in self.placed())

    def placed(self) -> Iterator[tuple[TextRow, str, FeedItem]]:
        """Yield each row, the name of its capture (empty if it has none) and its item."""
        text = _open(self.path)
        if text.broken:
            raise self._corrupt(0, text.broken)
        reader: RowReader | None = None
        done = 0
        for row in text:
            if row.fault.startswith("truncated"):
                raise self._corrupt(done, row.fault)
            kind = kind_of(row)
            if kind != FRAMES:
                raise self._refused(row, row.fault or other_kind(kind), kind)
            if reader is None:
                reader = RowReader(self._clock(text, row))
            try:
                item = reader.item(row)
            except RowRefused as error:
                raise self._refused(row, f"{error.reason}, was {error.value!r}") from None
            done = row.number
            yield row, label_of(row), item
        if reader is None:
            raise InputError(f"recording {self.path} is empty: {_HELP}")
        self.warnings = [*reader.warnings, *undated_warnings(*reader.undated_rows)]

    def _clock(self, text: TextFile, first: TextRow) -> RowClock:
        """Return a clock for the file; times relative to a start get the day of the first game."""
        timed = bool(written_time(first))
        clock = RowClock(timed=timed, utc_offset_s=self._utc_offset_s)
        if not timed or RowClock().is_relative(first):
            clock.base_ns = next((day for row in text if (day := day_in(row.data))), 0)
        return clock

    def _corrupt(self, line: int, reason: str) -> InputError:
        return InputError(
            f"recording {self.path} is corrupt after line {line} ({reason}): download it again"
        )

    def _refused(self, row: TextRow, reason: str, kind: str = "") -> InputError:
        if kind:
            return InputError(f"{self.path}, line {row.number}: {reason}")
        shown = ascii(row.data[:_SHOWN].decode("latin-1"))
        return InputError(
            f"recording {self.path}, line {row.number} is not a captured event ({reason}); "
            f"it was {shown}: {_HELP}"
        )

    async def __aiter__(self) -> AsyncGenerator[FeedItem, None]:
        for item in self.items():
            yield item

    async def aclose(self) -> None:
        """Do nothing: the file is closed when its iterator is."""


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
    text = _open(path)
    # A compressed segment that is corrupt is reported as one.
    if _JOURNAL_LINE.match(text.head) or (text.broken and _JOURNAL_NAME.match(path.name)):
        return "journal"
    CaptureFeed(path).check()
    return "capture"
