"""A toy venue: frames are lines of text over TCP. docs/venues.md explains it."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

from vectra_bot.clock import SessionClock
from vectra_bot.errors import VectraError
from vectra_bot.models import Command, ConnectionChanged, Frame, Link, SendResult
from vectra_bot.venues.base import FeedItem
from vectra_bot.venues.link import LinkStage
from vectra_bot.wire.encode import encode_request

QUEUE = 50


class ToyLink:
    """The connection under both halves; it logs in, and never shows the token."""

    def __init__(self, port: int, token: str, clock: SessionClock) -> None:
        self.port, self.clock = port, clock
        self.epoch, self.opened_ns, self.was_cut = 0, 0, False
        self.writer: asyncio.StreamWriter | None = None
        self._login = f"login {token}\n".encode  # in no representation

    @property
    def state(self) -> LinkStage:
        """Return how far the link has come."""
        return LinkStage.DOWN if self.writer is None else LinkStage.FRESH

    async def connect(self) -> asyncio.StreamReader:
        """Connect and log in."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(self._login())
        self.epoch, self.opened_ns = self.epoch + 1, self.clock.now_ns()
        self.writer = writer
        return reader

    def cut(self) -> None:
        """Let nothing more out, at once; any thread may call it."""
        self.was_cut, writer = True, self.writer
        if writer is not None:
            with suppress(OSError):
                writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


class ToyFeed:
    """The inbound half: one task reads into one bounded queue, and connects again."""

    venue = "toy"

    def __init__(self, link: ToyLink) -> None:
        self._link, self._closed = link, False
        self._items: deque[FeedItem] = deque()
        self._ready, self._drained = asyncio.Event(), asyncio.Event()
        self._drained.set()
        self._running: asyncio.Task[None] | None = None

    async def __aiter__(self) -> AsyncGenerator[FeedItem, None]:
        """Yield items until the feed is closed."""
        while not self._closed:
            item = await self.next_item(1.0)
            if item is not None:
                yield item

    async def next_item(self, timeout_s: float) -> FeedItem | None:
        """Return the next item, None if there was none in time."""
        if self._running is None and not self._closed:
            self._running = asyncio.create_task(self._run())
        if not self._items:
            self._ready.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._ready.wait()
        return self.rest()

    def rest(self) -> FeedItem | None:
        """Return the next item received before the feed was closed."""
        item = self._items.popleft() if self._items else None
        if len(self._items) <= QUEUE // 2:
            self._drained.set()
        return item

    async def aclose(self) -> None:
        """Close the connection; may be called twice."""
        self._closed = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    def _put(self, item: FeedItem) -> None:
        self._items.append(item)
        self._ready.set()
        if len(self._items) > QUEUE // 2:
            self._drained.clear()

    async def _run(self) -> None:
        while not self._link.was_cut:
            with suppress(OSError):
                await self._serve(await self._link.connect())
            await asyncio.sleep(0.02)
            await self._drained.wait()  # the session must catch up first

    async def _serve(self, reader: asyncio.StreamReader) -> None:
        link, lost, reason = self._link, 0, "the venue closed the connection"
        self._put(ConnectionChanged(recv_ns=link.opened_ns, link=Link.CONNECTED))
        try:
            async for line in reader:
                if len(self._items) >= QUEUE:
                    lost, reason = lost + 1, "the queue was full"
                    break
                self._put(Frame(link.clock.now_ns(), line.decode(errors="replace").rstrip("\n")))
        except asyncio.CancelledError:
            reason = "closed by us"
            raise
        finally:
            writer, link.writer = link.writer, None
            self._put(ConnectionChanged(recv_ns=link.clock.now_ns(), link=Link.DISCONNECTED,
                                        reason=reason, lost_frames=lost))  # fmt: skip
            if writer is not None:
                writer.transport.abort()  # what was not sent yet must not arrive later


class ToyGateway:
    """The outbound half: a command is written once, after a last look, or not at all."""

    def __init__(self, link: ToyLink, stopped: Callable[[], str | None]) -> None:
        self._link, self._stopped, self._closed, self._ack_id = link, stopped, False, 0

    async def send(self, command: Command) -> SendResult:
        """Write *command* if what it was decided on still holds."""
        writer, reason, raw = self._link.writer, self._objection(command), ""
        try:
            raw = encode_request(command, self._ack_id + 1)
        except VectraError as error:
            reason = reason or str(error)
        now_ns, action_id = self._link.clock.now_ns(), command.action_id
        if reason is not None or writer is None:
            return SendResult(recv_ns=now_ns, action_id=action_id, sent=False, reason=reason)
        self._ack_id += 1
        writer.write(raw.encode() + b"\n")  # nothing waits between the last look and this
        waits = writer.transport.get_write_buffer_size()
        doubt = "not proven: the system has not accepted all of it" if waits else None
        return SendResult(recv_ns=now_ns, action_id=action_id, sent=True, ack_id=self._ack_id,
                          raw=raw, reason=doubt)  # fmt: skip

    def _objection(self, command: Command) -> str | None:
        link, stopped = self._link, self._stopped()
        if self._closed or stopped or link.was_cut:
            return f"stopped: {stopped or 'the session is over'}"
        if link.writer is None or link.writer.is_closing():
            return "link: there is no connection"
        if command.created_ns < link.opened_ns:
            return "epoch: it was decided before this connection was made"
        return None

    async def aclose(self) -> None:
        """Send nothing any more."""
        self._closed = True
