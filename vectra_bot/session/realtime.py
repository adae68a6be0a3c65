"""The loop of a session on a live feed: takes what arrives, flushes in time, and ends when it must."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from attrs import define, field

from vectra_bot.clock import Clock, SessionClock
from vectra_bot.models import ClockAdvanced, Document, OperatorCommand, SystemEvent
from vectra_bot.models.times import NS_PER_MS, NS_PER_S
from vectra_bot.session.config import FLUSH_SECONDS
from vectra_bot.session.flags import FlushFlag
from vectra_bot.session.shell import Shell
from vectra_bot.venues.base import FeedItem

log = logging.getLogger(__name__)

# Longest sleep of the loop between checks of the stop flag, in seconds.
POLL_S = 0.2
# In silence the engine gets the time this often, in seconds: its limits on time hold without a frame.
TIME_S = 0.1
_DRAIN_S = 3.0


@define
class SegmentCloser:
    """Closes old segments of one session and reports when a requested flush is complete.

    Attributes:
        every_s: age at which a segment is closed; None for never.
        on_flushed: called with the number of the last entry whose document is in a part, once for each
            request.
    """

    shell: Shell
    clock: Clock
    flag: FlushFlag
    every_s: float | None = FLUSH_SECONDS
    on_flushed: Callable[[int], None] | None = None
    _rolled_ns: int = field(init=False)
    _awaited: tuple[int, int] | None = None  # last entry and segment of the request
    _warned: str = ""

    def __attrs_post_init__(self) -> None:
        self._rolled_ns = self.clock.monotonic_ns()

    def look(self) -> None:
        """Close a segment if requested or old, and report a completed flush; called between inputs."""
        now_ns = self.clock.monotonic_ns()
        asked, self.flag.asked = self.flag.asked, False
        old = self.every_s is not None and now_ns - self._rolled_ns >= self.every_s * NS_PER_S
        if asked:
            self._awaited = (self.shell.journal.last_seq, self.shell.journal.segment)
        if asked or old:
            self._rolled_ns = now_ns
            self.shell.roll()
        self._notify()

    def _notify(self) -> None:
        parts = self.shell.parts
        if parts.failed and parts.failed != self._warned:
            self._warned = parts.failed
            log.warning("store=%s parts are not built: %s", self.shell.store, parts.failed)
        if self._awaited is None:
            return
        last, segment = self._awaited
        # A request right after a roll waits for the segment before the open one.
        if parts.built >= min(segment, self.shell.journal.segment - 1):
            self._awaited = None
            if self.on_flushed is not None:
                self.on_flushed(last)


class LiveSource(Protocol):
    """A feed whose next item can be waited for with a limit, and drained when it is closed."""

    async def next_item(self, timeout_s: float) -> FeedItem | None:
        """Return the next item, None if there was none within *timeout_s* seconds."""

    def rest(self) -> FeedItem | None:
        """Return the next item received before the feed was closed, None if there are no more."""

    async def aclose(self) -> None:
        """Close the connection; may be called twice."""


class Operator(Protocol):
    """Where the commands of an operator come from."""

    def take(self, now_ns: int) -> list[OperatorCommand]:
        """Return the commands that wait, as inputs at *now_ns*."""

    def processed(self) -> None:
        """Record that the engine has processed them."""

    def link_closed(self) -> None:
        """Record that the session's link is closed."""


async def drive_live(
    shell: Shell,
    feed: LiveSource,
    clock: Clock,
    flusher: SegmentCloser,
    ended: Callable[[], str | None],
    *,
    after: Callable[[], None] = lambda: None,
    operator: Operator | None = None,
) -> str:
    """Process the items of *feed* until *ended* gives a reason to end; end the session and return the reason.

    Args:
        shell: processes the items.
        feed: the live feed; closed at the end, and what it has received by then is processed.
        clock: the session's clock; steps of the machine's wall clock are recorded.
        flusher: closes segments in time.
        ended: returns why the session must end now, None if it continues.
        after: called between items.
        operator: commands of an operator, for a session that acts; its engine gets the time in silence.
    """
    wait_s = POLL_S if operator is None else TIME_S
    with short_collections():
        while (reason := ended()) is None:
            item = await feed.next_item(wait_s)
            if item is not None:
                await shell.take(item)
            elif operator is not None:
                await shell.take(ClockAdvanced(recv_ns=clock.now_ns()))
            if operator is not None:
                await obey(shell, operator, clock.now_ns())
            note_step(shell, clock)
            flusher.look()
            after()
    shell.stats.standing = shell.engine.standing  # before the link is closed
    # What was received belongs to the session, but draining it must not delay the stop.
    await feed.aclose()
    if operator is not None:
        operator.link_closed()
        await obey(shell, operator, clock.now_ns())
    last_ns = clock.monotonic_ns() + int(_DRAIN_S * NS_PER_S)
    while (item := feed.rest()) is not None and clock.monotonic_ns() < last_ns:
        await shell.take(item)
    await shell.end(reason)
    return reason


@contextmanager
def short_collections() -> Iterator[None]:
    """Exclude what exists now, modules above all, from garbage collection while the block runs.

    A full collection of it takes up to 50 ms, and an order may be waiting. Reference counts work as always;
    cycles among those objects are freed after the block. A program that has excluded objects itself keeps
    its own arrangement.
    """
    ours = gc.get_freeze_count() == 0
    if ours:
        gc.freeze()
    try:
        yield
    finally:
        if ours:
            gc.unfreeze()


async def obey(shell: Shell, operator: Operator, now_ns: int) -> None:
    """Process the commands of *operator* that wait, as inputs at *now_ns*."""
    commands = operator.take(now_ns)
    for command in commands:
        await shell.take(command)
    if commands:
        operator.processed()


@define(eq=False)
class Closer:
    """Closes a feed in the event loop while its session still waits for an item."""

    aclose: Callable[[], Any]
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to close the feed, once."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self.aclose())


def note_step(shell: Shell, clock: Clock) -> None:
    """Record a step of the machine's wall clock; the session's time does not follow it."""
    step_ns = clock.step_ns() if isinstance(clock, SessionClock) else None
    if step_ns is None:
        return
    step_ms = step_ns // NS_PER_MS
    event = SystemEvent.of(
        "clock.stepped",
        "warning",
        f"the machine's clock was moved by {step_ms} ms; the session's time was not",
        step_ms=step_ms,
    )
    shell.note(Document.of_session(event, shell.engine.now_ns))


__all__ = ["Closer", "LiveSource", "Operator", "SegmentCloser", "drive_live", "note_step", "obey"]
