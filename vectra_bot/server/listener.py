"""Accepting connections within a limit, also when the process may open no more files.

asyncio reports every failed accept with a traceback, in a loop over the whole backlog: at the limit of open
files that is gigabytes an hour. Here a connection beyond the limit is accepted, answered with 503 and closed,
and one line a second at most says how many. One descriptor is kept in reserve, so that this works without a
free one.

A connection that does not send a whole request head in time is closed. It counts like any other from the
moment it is accepted.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from vectra_bot.clock import Clock
from vectra_bot.models.times import NS_PER_S

if TYPE_CHECKING:
    from aiohttp import web

log = logging.getLogger(__name__)

BACKLOG: Final = 1024
SPARE: Final = 256
"""Connections beyond those of clients: polls, and clients that have not sent a request yet."""
RESERVED: Final = 48
"""Descriptors for everything but connections: the interpreter, the event loop, logs, files being read."""

_FULL: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_PAUSE_S: Final = 0.05


def raise_file_limit(connections: int) -> int:
    """Raise the soft limit of open files to what *connections* need; return how many it allows.

    The hard limit is never exceeded, and a limit that is high enough is not changed.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return connections
    wanted = connections + RESERVED
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return max(1, min(connections, soft - RESERVED))


class Listener:
    """Accepts connections for an aiohttp server.

    Attributes:
        refused: connections refused because there were too many.
    """

    def __init__(
        self,
        server: web.Server,
        clock: Clock,
        *,
        most: int,
        head_s: float,
        on_refused: Callable[[], None],
    ) -> None:
        """Prepare to listen.

        Args:
            server: handles the connections, and knows which are open.
            clock: spaces log lines.
            most: connections at a time.
            head_s: seconds within which a connection must have sent the head of its first request.
            on_refused: called for every connection that is refused.
        """
        self.refused = 0
        self._server = server
        self._clock = clock
        self._most = most
        self._head_s = head_s
        self._on_refused = on_refused
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._silent: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}
        self._reserve = -1
        self._unsaid = 0
        self._said_ns: int | None = None
        self._saying: asyncio.TimerHandle | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen on every address of *host*; return the port.

        Raises:
            OSError: the address cannot be used.
        """
        loop = asyncio.get_running_loop()
        # The event loop resolves and binds; accepting is ours.
        bound = await loop.create_server(self._server, host, port, start_serving=False)
        try:
            self._sockets = [one.dup() for one in bound.sockets]
        finally:
            bound.close()
        for one in self._sockets:
            one.setblocking(False)
            one.listen(BACKLOG)
        self._reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._accepting = [loop.create_task(self._accept(one)) for one in self._sockets]
        return int(self._sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening; open connections are not closed."""
        for task in self._accepting:
            task.cancel()
        if self._accepting:
            await asyncio.wait(self._accepting)
        for one in self._sockets:
            one.close()
        if self._reserve >= 0:
            os.close(self._reserve)
        for timer in self._silent.values():
            timer.cancel()
        if self._saying is not None:
            self._saying.cancel()
        self._accepting, self._sockets, self._reserve = [], [], -1
        self._silent.clear()

    def arrived(self, transport: asyncio.BaseTransport | None) -> None:
        """Record that a whole request head came over *transport*."""
        timer = None if transport is None else self._silent.pop(transport, None)
        if timer is not None:
            timer.cancel()

    # -- accepting

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listening)
            except OSError as error:
                if error.errno in _FULL:
                    self._refuse_by_reserve(listening)
                    await asyncio.sleep(_PAUSE_S)  # others may close theirs meanwhile
                continue  # the client was gone before it was accepted
            if len(self._server.connections) >= self._most:
                self._refuse(accepted)
                await asyncio.sleep(0)
            else:
                await self._open(accepted)

    async def _open(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.connect_accepted_socket(self._server, accepted)
        except OSError:
            accepted.close()
            return
        self._silent[transport] = loop.call_later(self._head_s, self._time_out, transport)

    def _time_out(self, transport: asyncio.Transport) -> None:
        if self._silent.pop(transport, None) is not None and not transport.is_closing():
            transport.abort()

    # -- refusing

    def _refuse_by_reserve(self, listening: socket.socket) -> None:
        """Refuse one connection with the descriptor kept for this."""
        if self._reserve >= 0:
            os.close(self._reserve)
            self._reserve = -1
        try:
            self._refuse(listening.accept()[0])
        except OSError:
            return  # another part of the process was faster
        finally:
            try:
                self._reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                self._reserve = -1

    def _refuse(self, accepted: socket.socket) -> None:
        with accepted:
            accepted.setblocking(False)
            with suppress(OSError):  # it is closed in any case
                accepted.send(_BUSY)
        self.refused += 1
        self._unsaid += 1
        self._on_refused()
        self._say()

    def _say(self) -> None:
        """Log how many were refused, once a second at most."""
        now_ns = self._clock.monotonic_ns()
        if self._said_ns is None or now_ns - self._said_ns >= NS_PER_S:
            self._said_ns = now_ns
            log.warning(
                "refused %d connections: %d are open, the limit is %d (of clients, and of open files)",
                self._unsaid, len(self._server.connections), self._most,
            )  # fmt: skip
            self._unsaid = 0
        elif self._saying is None:
            self._saying = asyncio.get_running_loop().call_later(1.0, self._say_rest)

    def _say_rest(self) -> None:
        self._saying = None
        if self._unsaid:
            self._say()


__all__ = ["BACKLOG", "RESERVED", "SPARE", "Listener", "raise_file_limit"]
