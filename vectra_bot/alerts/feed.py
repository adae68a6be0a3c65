"""AlertFeed: a sink that a program in the same event loop iterates, as a dashboard does."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import ClassVar

from attrs import define, field

from vectra_bot.alerts.sink import AlertNotice, AlertSink
from vectra_bot.params import param


@define(eq=False)
class _Subscriber:
    """One reader: its loop, and what it has not read yet."""

    loop: asyncio.AbstractEventLoop
    ready: asyncio.Event
    notices: deque[AlertNotice]
    missed: int = field(default=0)

    def put(self, notice: AlertNotice) -> None:
        """Queue *notice*; the oldest one makes room."""
        self.missed += len(self.notices) == self.notices.maxlen
        self.notices.append(notice)
        with suppress(RuntimeError):  # its loop is closed: nobody reads any more
            self.loop.call_soon_threadsafe(self.ready.set)


class AlertFeed(AlertSink):
    """Give every alert to each reader that iterates :meth:`follow`, in any event loop.

    A reader gets what comes after it began; one that is slow loses the oldest alerts and sees how many in
    ``missed``. Nothing is shown to a person, so alerts that are silent or repeated come too.

    Example::

        feed = AlertFeed()
        async for notice in feed.follow():
            print(notice.line)
    """

    name: ClassVar[str] = "feed"
    interrupts: ClassVar[bool] = False
    in_process: ClassVar[bool] = True

    limit: int = param(1_000, low=1, high=100_000, help="alerts kept for a reader that is slow")

    def __attrs_post_init__(self) -> None:
        self._readers: list[_Subscriber] = []
        self._lock = threading.Lock()
        self.missed = 0

    def deliver(self, notice: AlertNotice) -> None:
        """Give *notice* to every reader."""
        with self._lock:
            for reader in self._readers:
                missed = reader.missed
                reader.put(notice)
                self.missed += reader.missed - missed

    async def follow(self) -> AsyncIterator[AlertNotice]:
        """Yield alerts as they come, without end; stop iterating to leave."""
        reader = _Subscriber(asyncio.get_running_loop(), asyncio.Event(), deque(maxlen=self.limit))
        with self._lock:
            self._readers.append(reader)
        try:
            while True:
                while reader.notices:
                    yield reader.notices.popleft()
                reader.ready.clear()
                if not reader.notices:
                    await reader.ready.wait()
        finally:
            with self._lock:
                self._readers.remove(reader)


__all__ = ["AlertFeed"]
