"""Letting documents reach the store's parts in time, without keeping the feed waiting.

Parts are built from closed segments. A session in real time may take hours to fill one, so a segment is also
closed when it is old, and whenever somebody asks for it (``SIGUSR1`` on the command line).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from attrs import define, field

from vectra_bot.clock import Clock
from vectra_bot.models.times import NS_PER_S
from vectra_bot.session.config import FLUSH_SECONDS, FlushFlag
from vectra_bot.session.shell import Shell

log = logging.getLogger(__name__)


@define
class SegmentCloser:
    """Closes old segments of one session and says when what was asked for stands in the store.

    Attributes:
        every_s: age at which a segment is closed; None for never.
        told: called with the number of the last entry whose document stands in a part, once for each
            request.
    """

    shell: Shell
    clock: Clock
    flag: FlushFlag
    every_s: float | None = FLUSH_SECONDS
    told: Callable[[int], None] | None = None
    _rolled_ns: int = field(init=False)
    _awaited: tuple[int, int] | None = None  # last entry and segment of the request
    _warned: str = ""

    def __attrs_post_init__(self) -> None:
        self._rolled_ns = self.clock.monotonic_ns()

    def look(self) -> None:
        """Do what is due; called between two inputs, never waits."""
        now_ns = self.clock.monotonic_ns()
        asked, self.flag.asked = self.flag.asked, False
        old = self.every_s is not None and now_ns - self._rolled_ns >= self.every_s * NS_PER_S
        if asked:
            self._awaited = (self.shell.journal.last_seq, self.shell.journal.segment)
        if asked or old:
            self._rolled_ns = now_ns
            self.shell.roll()
        self._tell()

    def _tell(self) -> None:
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
            if self.told is not None:
                self.told(last)
