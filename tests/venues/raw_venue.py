"""A venue of raw bytes: its websocket is written by hand, so that anything can be sent on it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
import struct
from typing import Self

from attrs import define, field

from tests.venues.hostile_corpus import Hostile, text, ws
from tests.venues.live_kit import CONFIRMED
from tests.venues.scripted import JOINED, OPEN, tick

_ACCEPTS = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PERIOD_S = 0.02
_CLOSE = 8


@define(eq=False)
class RawPeer:
    """One connection.

    Attributes:
        texts: the messages sent on it that are events, in order.
        open: whether it can be written to.
    """

    writer: asyncio.StreamWriter
    texts: list[str] = field(factory=list)
    open: bool = True

    def say(self, *raws: str) -> None:
        """Send messages."""
        for raw in raws:
            self.texts.append(raw)
            self.write(text(raw))

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self.open and not self.writer.is_closing():
            self.writer.write(data)


@define(eq=False)
class RawVenue:
    """Serves one client at a time: confirms its login, answers its pings, and sends a numbered tick often.

    Attributes:
        peers: its connections so far.
        number: number of the newest tick.
    """

    peers: list[RawPeer] = field(factory=list)
    number: int = 0
    port: int = 0
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for peer in self.peers:
            peer.open = False
            peer.writer.transport.abort()
        await asyncio.sleep(0.05)

    @property
    def url(self) -> str:
        """Return the address."""
        return f"http://127.0.0.1:{self.port}"

    def attack(self, entry: Hostile) -> None:
        """Send *entry* on the newest connection."""
        peer = self.peers[-1]
        peer.texts += [raw for raw in entry.texts if raw]
        peer.write(entry.data)
        if entry.reset:
            peer.open = False
            peer.writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ticking: asyncio.Task[None] | None = None
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
            if key is None:
                writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            else:
                accept = base64.b64encode(hashlib.sha1(key[1] + _ACCEPTS).digest())
                lines = (
                    b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade",
                    b"Sec-WebSocket-Accept: " + accept, b"", b"",
                )  # fmt: skip
                writer.write(b"\r\n".join(lines))
                peer = RawPeer(writer)
                peer.write(text(OPEN))
                ticking = asyncio.create_task(self._converse(peer, reader))
                await asyncio.wait([ticking])
        writer.close()

    async def _converse(self, peer: RawPeer, reader: asyncio.StreamReader) -> None:
        listening = asyncio.create_task(self._listen(peer, reader))
        while not listening.done():
            if peer in self.peers:
                self.number += 1
                peer.say(tick(self.number))
            await asyncio.wait([listening], timeout=_PERIOD_S)
        peer.open = False

    async def _listen(self, peer: RawPeer, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                first, size = await reader.readexactly(2)
                size &= 0x7F
                if size == 126:
                    (size,) = struct.unpack(">H", await reader.readexactly(2))
                elif size == 127:
                    (size,) = struct.unpack(">Q", await reader.readexactly(8))
                mask = await reader.readexactly(4)
                body = await reader.readexactly(size)
                body = bytes(byte ^ mask[place % 4] for place, byte in enumerate(body))
                if first & 0xF == _CLOSE:
                    peer.write(ws(_CLOSE, body[:2]))
                    return
                self._answer(peer, body.decode(errors="replace"))

    def _answer(self, peer: RawPeer, raw: str) -> None:
        ping = re.match(r'42(\d+)\["ping"', raw)
        if raw.startswith("40"):
            peer.say(JOINED)
            self.peers.append(peer)
        elif "authenticate" in raw:
            peer.say(CONFIRMED)
        elif ping:
            peer.say(f"43{ping[1]}[]")
