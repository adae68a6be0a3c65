"""How the browser is reached: two named pipes of our browser, or a websocket on this machine.

Both write at once or not at all, so that nothing we send waits anywhere and leaves later: when a stop cuts
the transport, nothing follows.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import aiohttp

from vectra_bot.errors import safe_error
from vectra_bot.fsio import forks
from vectra_bot.venues.browser.cdp import MOST_BYTES, CdpError, Framing

READ_BYTES: Final = 1 << 18
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class NotWritten(Exception):
    """Nothing of a message was written, and nothing of it will be."""


class CdpTransport(Protocol):
    """Carries messages to and from the browser."""

    def start(self, take: Callable[[bytes | str], None], ended: Callable[[str], None]) -> None:
        """Begin to read: *take* gets each message, *ended* the reason of the end, once."""

    async def write(self, message: bytes) -> None:
        """Write a message.

        Raises:
            NotWritten: it was not written, and will not be.
        """

    def cut(self) -> None:
        """Let nothing more out, at once and permanently; any thread may call it, at any time."""

    async def aclose(self) -> None:
        """Close it; may be called twice."""


class PipeTransport:
    """The two named pipes of a browser that was started with ``--remote-debugging-pipe``."""

    def __init__(self, inward: int, outward: int) -> None:
        """Take over two descriptors, neither of which blocks: *inward* is written, *outward* is read."""
        self._inward, self._outward = inward, outward
        self._cut = False
        self._guard = threading.Lock()
        self._framing = Framing()
        self._take: Callable[[bytes | str], None] = lambda _: None
        self._ended: Callable[[str], None] | None = None
        forks.left_by_children(self)

    @classmethod
    def open(cls, inward: Path, outward: Path) -> PipeTransport:
        """Open the named pipes of a running browser.

        Raises:
            OSError: they do not exist, or nobody has their other ends.
        """
        flags = os.O_NONBLOCK | os.O_CLOEXEC
        read = os.open(outward, os.O_RDONLY | flags)
        try:
            write = os.open(inward, os.O_WRONLY | flags)
        except BaseException:
            os.close(read)
            raise
        return cls(write, read)

    def leave(self) -> None:
        """Close a forked child's copies."""
        for fd in (self._inward, self._outward):
            if fd >= 0:
                forks.close_copy(fd)

    def start(self, take: Callable[[bytes | str], None], ended: Callable[[str], None]) -> None:
        """Begin to read."""
        self._take, self._ended = take, ended
        asyncio.get_running_loop().add_reader(self._outward, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._outward, READ_BYTES)
            messages = self._framing.feed(data)
        except BlockingIOError:
            return
        except (OSError, CdpError) as error:
            self._end(safe_error(error))
            return
        if not data:
            self._end("the browser was closed")
            return
        for message in messages:
            self._take(message)

    def _end(self, reason: str) -> None:
        ended, self._ended = self._ended, None
        if self._outward >= 0:
            asyncio.get_running_loop().remove_reader(self._outward)
        if ended is not None:
            ended(reason)

    async def write(self, message: bytes) -> None:
        """Write a message in one piece: the system takes all of it or nothing.

        Raises:
            NotWritten: it was not written.
        """
        data = message + b"\0"
        with self._guard:
            if self._cut or self._inward < 0:
                raise NotWritten("the connection to the browser is closed")
            try:
                written = os.write(self._inward, data)
            except BlockingIOError:
                raise NotWritten("the browser does not read") from None
            except OSError as error:
                raise NotWritten(error.strerror or "the browser was closed") from None
        if written != len(data):
            # The rest must not follow: the next message would continue half of this one.
            self.cut()
            raise NotWritten("the browser reads too slowly")

    def cut(self) -> None:
        """Close our end of the pipe at once."""
        self._cut = True
        with self._guard:
            fd, self._inward = self._inward, -1
            if fd >= 0:
                os.close(fd)

    async def aclose(self) -> None:
        """Close both ends that are ours."""
        self.cut()
        if self._outward >= 0:
            asyncio.get_running_loop().remove_reader(self._outward)
            fd, self._outward = self._outward, -1
            os.close(fd)


class PortTransport:
    """The debugging port of a browser on this machine."""

    def __init__(self, websocket: Any, session: aiohttp.ClientSession) -> None:
        self._websocket = websocket
        self._session = session
        self._cut = False
        opened = websocket.get_extra_info("socket")
        self._handle = None if opened is None else opened.dup()
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, port: int, limit_s: float) -> PortTransport:
        """Connect to the debugging port of a browser on this machine.

        Raises:
            OSError, aiohttp.ClientError, TimeoutError, CdpError: no browser answers there.
        """
        session = aiohttp.ClientSession()
        try:
            async with asyncio.timeout(limit_s):
                async with session.get(f"http://127.0.0.1:{port}/json/version") as answer:
                    about = await answer.json(content_type=None)
                address = str(about["webSocketDebuggerUrl"])
                host = urlsplit(address).hostname
                if host not in _LOOPBACK:
                    raise CdpError(f"the browser's address is on {host!r}, not on this machine")
                websocket = await session.ws_connect(address, max_msg_size=MOST_BYTES)
        except (KeyError, TypeError, ValueError):
            await session.close()
            raise CdpError(f"port {port} is not a browser's debugging port") from None
        except BaseException:
            await session.close()
            raise
        return cls(websocket, session)

    def start(self, take: Callable[[bytes | str], None], ended: Callable[[str], None]) -> None:
        """Begin to read."""
        self._reading = asyncio.get_running_loop().create_task(self._read(take, ended))

    async def _read(
        self, take: Callable[[bytes | str], None], ended: Callable[[str], None]
    ) -> None:
        reason = "the browser was closed"
        try:
            async for message in self._websocket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    take(message.data)
        except Exception as error:  # noqa: BLE001 - whatever was raised, it is the end
            reason = safe_error(error)
        ended(reason)

    async def write(self, message: bytes) -> None:
        """Write a message.

        Raises:
            NotWritten: the connection was closed before.
        """
        if self._cut or self._websocket.closed:
            raise NotWritten("the connection to the browser is closed")
        await self._websocket.send_str(message.decode())

    def cut(self) -> None:
        """Shut the connection down at once."""
        self._cut = True
        handle = self._handle
        if handle is not None:
            with contextlib.suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)

    async def aclose(self) -> None:
        """Close the connection."""
        self._cut = True
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        with contextlib.suppress(Exception):
            async with asyncio.timeout(1):
                await self._websocket.close()
        await self._session.close()
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()


__all__ = ["CdpTransport", "NotWritten", "PipeTransport", "PortTransport"]
