"""Captured events in order, from a capture file or a journal: the input of the frame check.

A capture is a file of any format that :mod:`vectra_bot.venues.captures` reads; a journal holds the frames as
they were received. Both become :class:`Seen`, so our own recordings are checked by the same rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from attrs import evolve, frozen

from vectra_bot.conformance.frames.capture_rows import shown
from vectra_bot.errors import InputError, WireError
from vectra_bot.journal import list_segments, read_journal
from vectra_bot.models import ConnectionChanged, Direction, Frame, Link
from vectra_bot.venues.replay import CaptureFeed, detect_recording
from vectra_bot.wire.packet import read_packet

ACK = "(acknowledgement)"
"""The event name we give to a ``43<id>[...]`` frame, which has none."""
CONNECTED = "(connected)"
"""The event name of a recorder's marker for a new connection."""

_decode = msgspec.json.Decoder().decode
_SECONDS_PER_NS = 1e-9
_NOTHING: tuple[Any, ...] = ()


@frozen
class Seen:
    """One event of a capture.

    Attributes:
        place: the line of a file, or the number of a journal's entry.
        capture: the recording it belongs to; order is judged within one recording.
        at_s: receive time, seconds since the epoch.
        outbound: whether the client sent it.
        event: its name.
        args: its arguments, the trace object included.
        packet_id: the id of a request for an acknowledgement, or of the acknowledgement.
        truncated: the capture kept the trace argument only.
        excerpt: a single sample without its context.
    """

    place: int
    capture: str
    at_s: float
    outbound: bool
    event: str
    args: tuple[Any, ...] = _NOTHING
    packet_id: int | None = None
    truncated: bool = False
    excerpt: bool = False

    @property
    def traced(self) -> bool:
        """Return whether the first argument is a trace object (protocol 2.2)."""
        return bool(self.args) and isinstance(self.args[0], dict) and "__trace" in self.args[0]

    @property
    def bodies(self) -> tuple[Any, ...]:
        """Return the arguments without the trace objects in front."""
        args = self.args
        while args and isinstance(args[0], dict) and "__trace" in args[0]:
            args = args[1:]
        return args

    @property
    def body(self) -> Any:
        """Return the payload: the last argument, None if there is none."""
        bodies = self.bodies
        return bodies[-1] if bodies else None


def read_capture(path: str | Path) -> Iterator[Seen]:
    """Yield the events of a capture file, a journal directory or a journal segment, in order.

    Raises:
        InputError: the path is something else, or a line is not a captured event.
    """
    path = Path(path)
    if path.is_dir():
        if not list_segments(path):
            raise InputError(
                f"{shown(path)} has no journal segments: give a capture file or a journal directory"
            )
        return _of_journal(path)
    if path.is_file() and detect_recording(path) == "journal":
        return _of_journal(path)
    return _of_file(path)


def _of_file(path: Path) -> Iterator[Seen]:
    for row, capture, item in CaptureFeed(path).placed():
        at_s = item.recv_ns * _SECONDS_PER_NS
        if isinstance(item, Frame):
            seen = of_text(
                item.raw,
                place=row.number,
                capture=capture,
                at_s=at_s,
                outbound=item.direction is Direction.OUT,
            )
            if seen is None:
                raise InputError(
                    f"{shown(path)}, line {row.number}: the frame is not an event of JSON: "
                    "restore the line from the capture"
                )
            excerpt = bytes(row.fields.get("excerpt", b"")) == b"true"
            yield evolve(seen, truncated=item.truncated, excerpt=excerpt)
        elif _is_connect(item):
            yield Seen(row.number, capture, at_s, outbound=False, event=CONNECTED)


def _of_journal(path: Path) -> Iterator[Seen]:
    name = path.name
    with closing(read_journal(path)) as journal:
        for entry in journal:
            at_s = entry.ts_ns * _SECONDS_PER_NS
            if entry.kind == "frame":
                seen = of_text(
                    entry.data["raw"],
                    place=entry.seq,
                    capture=name,
                    at_s=at_s,
                    outbound=entry.data["dir"] == "out",
                )
                if seen is not None:
                    yield seen
            elif entry.kind == "input" and _is_connect(entry.input()):
                yield Seen(entry.seq, name, at_s, outbound=False, event=CONNECTED)


def _is_connect(event: object) -> bool:
    return isinstance(event, ConnectionChanged) and event.link is Link.CONNECTED


def of_text(text: str, *, place: int, capture: str, at_s: float, outbound: bool) -> Seen | None:
    """Return the event of a frame's *text*; None if it is neither an event nor an acknowledgement."""
    try:
        packet = read_packet(text)
        args = tuple(_decode(argument) for argument in packet.arguments)
    except (WireError, msgspec.MsgspecError, RecursionError):
        return None
    return Seen(
        place=place,
        capture=capture,
        at_s=at_s,
        outbound=outbound,
        event=ACK if packet.ack else packet.name,
        args=args,
        packet_id=packet.packet_id,
    )
