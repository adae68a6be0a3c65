"""Files of captured events and games, in every format that recorders wrote: one reader for all commands.

A row's kind follows from its keys. Rows with frames become the original frames, whatever the recorder's
layout was; rows of games, trades and leaderboards are passed on to who can use them.
"""

from vectra_bot.venues.captures.kinds import FRAMES, KIND_HELP, kind_of, label_of
from vectra_bot.venues.captures.lines import RowRefused, TextFile, TextRow, value_of
from vectra_bot.venues.captures.rows import RowReader, frame_text, row_frame
from vectra_bot.venues.captures.times import (
    RowClock,
    day_of_game,
    epoch_ns,
    has_zone,
    moment_of,
    offset_text,
    parse_offset,
)

__all__ = [
    "FRAMES",
    "KIND_HELP",
    "RowClock",
    "RowReader",
    "RowRefused",
    "TextFile",
    "TextRow",
    "day_of_game",
    "epoch_ns",
    "frame_text",
    "has_zone",
    "kind_of",
    "label_of",
    "moment_of",
    "offset_text",
    "parse_offset",
    "row_frame",
    "value_of",
]
