"""Writing to sockets: frames encoded once, written in order, and never into a full buffer.

python-socketio gives every client a queue and a task that empties it. For a thousand clients and ten frames
a second that is nearly the whole cost of a server, so websocket clients are written to directly: a
    broadcast is one
encoded websocket frame, the same bytes for everybody. The library still does handshake,
namespaces, heartbeats and the upgrade from polling.

An :class:`Outbox` replaces the library's queue. While a client polls it *is* that queue; once its
websocket is up, queued messages are written and later ones go directly to the transport. Both
keep the order of the calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web
from engineio import packet as eio_packet

from vectra_bot.server.limits import MessageVerdict

_TEXT, _CLOSE = 0x81, 0x88
_POLICY_VIOLATION = 1008
_LINGER_S = 3.0


def websocket_frame(text: str) -> bytes:
    """Return *text* as one unmasked websocket frame, as a server writes it (RFC 6455, 5.2)."""
    payload = text.encode("utf-8", "replace")
    size = len(payload)
    if size < 126:
        head = bytes((_TEXT, size))
    elif size < 65_536:
        head = bytes((_TEXT, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_TEXT, 127)) + size.to_bytes(8, "big")
    return head + payload


def _abort(transport: asyncio.Transport) -> None:
    """Reset an open connection; a closed one has no protocol any more."""
    if transport.get_protocol() is not None:
        transport.abort()


class Prepared:
    """One message, encoded when first needed and then shared by all recipients.

    ``not_to`` is the player that does not get it, who already has the same fact.
    """

    __slots__ = ("_data", "_packet", "not_to", "text")

    def __init__(self, text: str, not_to: str | None = None) -> None:
        self.text = text
        self.not_to = not_to
        self._data: bytes | None = None
        self._packet: Any = None

    @property
    def data(self) -> bytes:
        """Return the websocket frame."""
        if self._data is None:
            self._data = websocket_frame(self.text)
        return self._data

    @property
    def packet(self) -> Any:
        """Return the Engine.IO packet, for a client that polls."""
        if self._packet is None:
            self._packet = eio_packet.Packet(eio_packet.MESSAGE, data=self.text[1:])
        return self._packet


class Outbox(asyncio.Queue[Any]):
    """Outgoing messages of one client; replaces the library's queue.

    ``on_overflow`` is called once, when the client has left more than *most_bytes* (or *most_packets*, if it
    polls) unread. While ``muted``, nothing leaves and nothing is kept.
    """

    def __init__(self, most_bytes: int, most_packets: int) -> None:
        super().__init__()
        self.transport: asyncio.Transport | None = None
        self.muted = False
        self.closed = False
        self.on_overflow: Callable[[], None] | None = None
        self.on_input: Callable[[str | bytes], MessageVerdict] | None = None
        self._most_bytes = most_bytes
        self._most_packets = most_packets

    @property
    def waiting_bytes(self) -> int:
        """Return the bytes passed to the socket and not yet accepted by the client's machine."""
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    def attach(self, transport: asyncio.Transport) -> None:
        """Write the queued messages, and write later ones directly."""
        self.transport = transport
        while not self.empty():
            packet = self.get_nowait()
            self.task_done()
            if packet is None:  # the library's end marker: its writer task needs it
                self.put_nowait(packet)
                return
            self._write(websocket_frame(packet.encode()))

    async def put(self, item: Any) -> None:
        """Accept a packet of the library; its end marker and pings wake its writer task, as it expects."""
        if item is None:
            self.put_nowait(item)
        elif self.muted:
            return
        elif self.transport is None or item.packet_type == eio_packet.PING:
            self.put_nowait(item)
        else:
            self._write(websocket_frame(item.encode()))

    def send(self, messages: list[Prepared]) -> None:
        """Send *messages* in order, as one write."""
        if self.muted or self.closed:
            return
        if self.transport is None:
            for message in messages:
                self.put_nowait(message.packet)
            if self.qsize() > self._most_packets:
                self._overflow()
        elif len(messages) == 1:
            self._write(messages[0].data)
        else:
            self._write(b"".join([message.data for message in messages]))

    def hang_up(self, *, flush: bool = True) -> None:
        """Close the connection; with *flush*, buffered messages are still sent to a client that reads."""
        self.closed = True
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if not flush:
            transport.abort()
            return
        if not self.muted:
            transport.write(bytes((_CLOSE, 2)) + _POLICY_VIOLATION.to_bytes(2, "big"))
        transport.close()
        asyncio.get_running_loop().call_later(_LINGER_S, _abort, transport)

    def _write(self, data: bytes) -> None:
        transport = self.transport
        if transport is None or self.closed or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > self._most_bytes:
            self._overflow()

    def _overflow(self) -> None:
        if not self.closed and self.on_overflow is not None:
            self.on_overflow()


class Socket:
    """A websocket like that of python-engineio's aiohttp driver, with its outbox attached.

    Every message of the client is passed to the outbox's ``on_input`` before the library gets it.
    """

    def __init__(self, handler: Any, server: Any) -> None:
        self._handler = handler
        self._engine_socket = handler.__self__
        self._outbox: Outbox = self._engine_socket.queue
        self._response = web.WebSocketResponse(
            max_msg_size=server.max_http_buffer_size, compress=False, timeout=_LINGER_S
        )

    async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        """Accept the websocket and serve it until it ends."""
        request: web.Request = environ["aiohttp.request"]
        await self._response.prepare(request)
        self._transport = request.transport
        await self._handler(self)
        return self._response

    async def close(self) -> None:
        """Close the websocket."""
        await self._response.close()

    async def send(self, message: str | bytes) -> None:
        """Write a message of the library: the probe of an upgrade, or a heartbeat."""
        if not self._outbox.muted and not self._response.closed:
            await self._response.send_str(str(message))

    async def wait(self) -> str | bytes:
        """Return the next message of the client.

        Raises:
            OSError: the connection has ended, or the message was rejected.
        """
        if (
            self._outbox.transport is None
            and self._engine_socket.upgraded
            and self._transport is not None
        ):
            self._outbox.attach(self._transport)
        while True:
            message = await self._response.receive()
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                raise OSError("the websocket has ended")
            if self._outbox.muted:
                continue
            data: str | bytes = message.data
            verdict = MessageVerdict.TAKEN
            if self._outbox.on_input is not None:
                verdict = self._outbox.on_input(data)
            if verdict is MessageVerdict.TAKEN:
                return data
            if verdict is MessageVerdict.LAST:
                raise OSError("the message ended the connection")
