"""One connection to a live venue over Socket.IO: queues what comes in as text, writes what goes out.

python-socketio does Engine.IO and the Socket.IO handshake, and nothing else. Our packet class intercepts
every message as text before the library acts on it: events and acknowledgements become one internal event
whose one synchronous handler stamps the time and appends the raw text to the bounded queue. So the order is
the wire's, nothing is dispatched by a name the venue chose, and nothing is answered. Messages that violate
the protocol are queued raw as well: the wire's decoder refuses and counts them in order.

What we send is written to the websocket itself, not through the library's queue: a frame is masked and handed
to the system in one step without waiting, so the library's own pongs can neither overtake nor divide it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import aiohttp
import engineio
import msgspec
import socketio
from attrs import define, field
from socketio.packet import Packet

from vectra_bot.clock import Clock
from vectra_bot.errors import safe_text
from vectra_bot.fsio import forks
from vectra_bot.models import ConnectionChanged, Frame, Link
from vectra_bot.venues.acks import AckKind, AckTable
from vectra_bot.venues.base import Wire
from vectra_bot.venues.inbox import Inbox
from vectra_bot.venues.patience import LiveCounts
from vectra_bot.venues.redirects import check_redirect
from vectra_bot.wire.packet import shown

_GAME_FRAME: Final = '42["gameStateUpdate",'
_PRIVATE: Final = ('42["usernameStatus"', '42["playerUpdate"')
_RUGGED: Final = '"rugged":true'
# After the rug the venue takes up to 2.3 s to settle (protocol 3.1); a pause has no limit.
_PAUSED: Final = '"cooldownPaused":true'
_ACTIVE: Final = '"active":true'
_HISTORY: Final = '"gameHistory":'
_TICK: Final = '"tickCount":'
_FRAME: Final = "frame"  # the only event that is dispatched
# Socket.IO's packet types except those that begin or end a connection: binary and unknown ones are frames
# too, for the wire's decoder to refuse in order.
FRAMES: Final = ("42", "43", "45", "46", "47", "48", "49")
"""What a message that is a frame begins with."""
# What the library acts on once it is connected: a close, a ping, other messages, nothing to do.
_PACKETS: Final = ("1", "2", "4", "6")
_READ_AT_ONCE: Final = 8  # frames
_NEVER_S: Final = 1e6
_RECEIVE_BYTES: Final = 256 * 1024
# For the peer to answer our close; a dead peer must not delay the next connection.
_GOODBYE_S: Final = 0.25
# Closing discards what was not sent yet: nothing of it may arrive later.
_DISCARD: Final = struct.pack("ii", 1, 0)
QUEUE_FULL: Final = "the queue was full"
CLOSED: Final = "the transport was closed"
CUT: Final = "cut by a stop"


@define(eq=False)
class Connection:
    """One connection: how its messages are queued, what they say about the game, and how it ended.

    Attributes:
        epoch: its number in the session, from 1; 0 before it is open.
        opened_ns: when the venue accepted it, by the session's clock.
        beats: game frames received.
        beat_ns: monotonic time of the newest one.
        active, rugged, quiet, tick: what that one said; *quiet* means that silence may follow.
        acks: finds the answers to what we sent; None on a connection that sends nothing.
        on_private: called with each frame about our account; its result is ignored.
        socket: its websocket.
        dead: whether it ended because nothing came from its peer any more.
    """

    inbox: Inbox
    clock: Clock
    counts: LiveCounts
    acks: AckTable | None = None
    on_private: Callable[[Frame], None] | None = None
    epoch: int = 0
    opened_ns: int = 0
    beats: int = 0
    beat_ns: int = 0
    active: bool = False
    rugged: bool = False
    quiet: bool = True
    tick: int = -1
    lost: int = 0
    opened: bool = False
    reason: str = ""
    dead: bool = False
    ended: asyncio.Event = field(factory=asyncio.Event)
    socket: Wire | None = None

    def open(self) -> None:
        """Record that the venue accepted the connection, unless it is over already."""
        if self.ended.is_set():
            return
        self.opened = True
        self.counts.connections += 1
        self.epoch = self.counts.connections
        self.opened_ns = self.clock.now_ns()
        self.inbox.mark(ConnectionChanged(recv_ns=self.opened_ns, link=Link.CONNECTED))

    def end(self, reason: str, *, dead: bool = False) -> None:
        """Record that the connection is over; the first reason is kept.

        The session learns it at once, except where it is behind anyway: how much was lost is known only when
        nothing more can come.

        Args:
            reason: why, for people.
            dead: whether the peer is not to be waited for: nothing that is still to be sent may arrive later.
        """
        if self.ended.is_set():
            return
        self.reason, self.dead = reason, dead
        self.ended.set()
        if self.opened and reason != QUEUE_FULL:
            self._mark_end()
        if dead and self.socket is not None:
            self.socket.abort()

    def finish(self) -> None:
        """Report the end of a connection that ended because the queue was full."""
        if self.opened and self.reason == QUEUE_FULL:
            self._mark_end()

    def _mark_end(self) -> None:
        change = ConnectionChanged(
            recv_ns=self.clock.now_ns(),
            link=Link.DISCONNECTED,
            reason=self.reason,
            lost_frames=self.lost,
        )
        self.inbox.mark(change)

    def on_frame(self, raw: str) -> None:
        """Stamp and queue one message; a full queue is counted and ends the connection."""
        if self.ended.is_set() and not self.lost:
            self.counts.refused += 1
            return
        frame = Frame(self.clock.now_ns(), raw)
        if raw.startswith(_GAME_FRAME):
            self._on_beat(raw)
        elif self.acks is not None and not self._is_ours(frame):
            return
        if not self.lost and self.inbox.put(frame):
            self.counts.frames += 1
            return
        self.lost += 1
        self.counts.lost_frames += 1
        self.end(QUEUE_FULL)

    def _on_beat(self, raw: str) -> None:
        self.beats += 1
        self.beat_ns = self.clock.monotonic_ns()
        marked, active = _RUGGED in raw, _ACTIVE in raw
        self.quiet = marked or _PAUSED in raw
        # Finished games are marked as rugged too: a frame that has some says nothing new of a running game.
        if _HISTORY not in raw:
            self.rugged = marked
        elif not active:
            self.rugged = False
        self.active = active and not self.rugged
        if self.active and self.acks is not None:
            start = raw.find(_TICK) + len(_TICK)
            digits = raw[start : start + 5].split(",", 1)[0].rstrip("}]")
            self.tick = int(digits) if digits.isascii() and digits.isdigit() else -1
        else:
            self.tick = -1

    def _is_ours(self, frame: Frame) -> bool:
        """Return whether *frame* is for the session; answers to pings and of older connections are not."""
        raw = frame.raw
        if raw.startswith("43") and self.acks is not None:
            kind = self.acks.answered(raw, self.epoch)
            if kind is AckKind.STRAY:
                self.counts.stray_acks += 1
            return kind not in (AckKind.STRAY, AckKind.PING)
        if raw.startswith(_PRIVATE) and self.on_private is not None:
            self.on_private(frame)
        return True


class _StrictPacket(Packet):  # type: ignore[misc]  # socketio has no type information
    """A Socket.IO packet that passes inbound messages on as text, out of the library's reach."""

    uses_binary_events = False

    def __init__(self, connection: Connection, *args: Any, **kwargs: Any) -> None:
        encoded = kwargs.pop("encoded_packet", None)
        super().__init__(*args, **kwargs)
        if encoded is not None:
            self._receive(connection, encoded)

    def _receive(self, connection: Connection, encoded: object) -> None:
        self.data: Any = [""]  # an event without a handler
        if not isinstance(encoded, str):
            connection.counts.refused += (
                1  # binary, or bare JSON: a venue's messages begin with a digit
            )
        elif encoded.startswith("0") and not connection.opened and "/" not in encoded[:2]:
            self.packet_type, self.data = socketio.packet.CONNECT, _object(encoded[1:])
        elif encoded.startswith("1"):
            connection.end("the venue ended the connection")
        elif encoded.startswith("4") and not connection.opened:
            connection.end(f"the venue refused the connection: {shown(encoded[1:])}")
            self.packet_type, self.data = socketio.packet.CONNECT_ERROR, []
        elif encoded.startswith("4"):
            connection.end("the venue refused to continue")
        elif encoded.startswith("0"):
            connection.counts.refused += 1
        else:
            self.data = [_FRAME, f"4{encoded}"]


@define(eq=False)
class LinkSocket:
    """The websocket of a connection: frames go directly to the queue, and ours directly to the system.

    Attributes:
        is_shut: whether :meth:`shut_down` was called.

    The library makes a timer, a task and two packet objects per message, which costs more than all later
    processing of a frame. It still gets the messages it must act on. Frames are not reordered: what arrives
    before the connection is open is dispatched before the next message is read.
    """

    websocket: Any
    connection: Connection
    is_shut: bool = False
    _handle: socket.socket | None = field(init=False, default=None)
    _guard: threading.Lock = field(init=False, factory=threading.Lock)

    def __attrs_post_init__(self) -> None:
        # A separate handle: a thread that shuts the connection down must not meet a number that the event
        # loop has just closed and the system has given to another file.
        opened = self.websocket.get_extra_info("socket")
        if opened is not None and opened.fileno() >= 0:
            self._handle = opened.dup()
        forks.left_by_children(self)

    def leave(self) -> None:
        """Close a forked child's copies, which would keep the connection of a dead parent open."""
        opened = self.websocket.get_extra_info("socket")
        for copy in (opened, self._handle):
            if copy is not None and copy.fileno() >= 0:
                forks.close_copy(copy.fileno())

    @property
    def is_open(self) -> bool:
        """Return whether something can be written."""
        return not (self.websocket.closed or self._transport().is_closing())

    @property
    def waiting(self) -> int:
        """Return the bytes that the system has not accepted yet."""
        transport = self._transport()
        size: int = transport.get_write_buffer_size()
        # Under TLS the encrypted bytes are in another buffer, of the transport below.
        below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
        return size if below is None else size + int(below.get_write_buffer_size())

    def _transport(self) -> Any:
        return self.websocket._writer.transport  # noqa: SLF001 - aiohttp shows it nowhere

    async def write(self, text: str) -> None:
        """Write one frame; it is with the system before anything else runs, unless bytes were waiting."""
        await self.websocket.send_str(text)

    def shut_down(self) -> None:
        """Let nothing more pass in either direction, at once; any thread may call it, at any time."""
        self.is_shut = True
        with self._guard:
            if self._handle is not None:
                with contextlib.suppress(OSError):
                    self._handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)
                with contextlib.suppress(OSError):
                    self._handle.shutdown(socket.SHUT_RDWR)

    def abort(self) -> None:
        """Reset the connection and discard what was not sent yet."""
        with self._guard:
            if self._handle is not None:
                with contextlib.suppress(OSError):
                    self._handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)
        self.release()
        self._transport().abort()

    def finish(self) -> None:
        """Release the websocket that we have closed; discard what waits if the venue did not answer."""
        if self.websocket.close_code in (None, aiohttp.WSCloseCode.ABNORMAL_CLOSURE):
            self.abort()
        self.release()

    def release(self) -> None:
        """Close the separate handle; the connection closes when the event loop closes its own."""
        with self._guard:
            handle, self._handle = self._handle, None
            if handle is not None:
                handle.close()

    async def receive(self) -> Any:
        """Return the next message that is not a frame."""
        connection, receive = self.connection, self.websocket.receive
        for number in itertools.count(1):
            if number % _READ_AT_ONCE == 0:
                # Messages already received come without waiting: yield to other tasks.
                await asyncio.sleep(0)
            message = await receive()
            text = message.data
            if type(text) is not str or not connection.opened:
                if type(text) is not str:
                    await self._end(message)
                return message
            if text[:2] in FRAMES:
                connection.on_frame(text)
            elif text[:1] in _PACKETS:
                return message
            else:
                connection.counts.refused += 1
        raise AssertionError("the loop ends by returning")

    async def _end(self, message: Any) -> None:
        """End the connection if *message* says that the websocket is closed or has failed."""
        if not self.connection.opened:
            # What the library was given before, the opening of the connection above all, comes first.
            await asyncio.sleep(0)
        if message.type is aiohttp.WSMsgType.ERROR:
            self.connection.end(f"the transport failed: {safe_text(message.data, 200)}")
        elif message.type in _ENDS:
            self.connection.end(CUT if self.is_shut else CLOSED)

    def __getattr__(self, name: str) -> Any:
        """Delegate everything else to the websocket."""
        return getattr(self.websocket, name)


_ENDS: Final = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)


class _Transport(engineio.AsyncClient):  # type: ignore[misc]
    """Engine.IO without its own timeout: our watchdog counts game frames.

    The library closes a connection whose heartbeat we read late because much was queued before it.
    """

    connection: Connection | None = None
    _socket: Any = None

    @property
    def ws(self) -> Any:
        return self._socket

    @ws.setter
    def ws(self, websocket: Any) -> None:
        """Read frames without the library."""
        connection = self.connection
        if websocket is None or connection is None:
            self._socket = websocket
        else:
            self._socket = connection.socket = LinkSocket(websocket, connection)

    @property
    def ping_timeout(self) -> float:
        return _NEVER_S

    @ping_timeout.setter
    def ping_timeout(self, seconds: float) -> None:
        """Ignore the venue's value."""


class _Client(socketio.AsyncClient):  # type: ignore[misc]
    """A Socket.IO client with that transport."""

    def _engineio_client_class(self) -> type[_Transport]:
        return _Transport


def _object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return {}


@define(eq=False)
class Dialing:
    """The library's client for one connection; each connection uses a new one."""

    connection: Connection
    _client: Any = field(init=False)
    _session: aiohttp.ClientSession = field(init=False)
    _frame_bytes: int = 16 << 20

    def __attrs_post_init__(self) -> None:
        redirects = aiohttp.TraceConfig()
        redirects.on_request_redirect.append(check_redirect)
        self._session = aiohttp.ClientSession(trace_configs=[redirects])
        self._client = _Client(
            reconnection=False,
            handle_sigint=False,
            serializer=partial(_StrictPacket, self.connection),
            http_session=self._session,
            ssl_verify=True,
            request_timeout=_GOODBYE_S,
            websocket_extra_options={"max_msg_size": self._frame_bytes},
        )
        self._client.eio.connection = self.connection
        self._client.on("connect", self.connection.open)
        self._client.on(_FRAME, self.connection.on_frame)

    async def connect(self, url: str, path: str, limit_s: float) -> None:
        """Connect within *limit_s* seconds; raises whatever the handshake raised.

        The library does not notice that a connection ends before it is open; we do.
        """
        connecting = asyncio.ensure_future(
            self._client.connect(
                url, transports=["websocket"], socketio_path=path, wait_timeout=limit_s
            )
        )
        ended = asyncio.ensure_future(self.connection.ended.wait())
        try:
            await asyncio.wait(
                [connecting, ended], timeout=limit_s, return_when=asyncio.FIRST_COMPLETED
            )
            if connecting.done():
                connecting.result()
            elif ended.done():
                raise ConnectionError(self.connection.reason)
            else:
                raise TimeoutError
        finally:
            ended.cancel()
            connecting.cancel()
            await asyncio.wait([connecting], timeout=2 * _GOODBYE_S)
            if connecting.done() and not connecting.cancelled():
                connecting.exception()  # seen above, or of no interest any more

    def hold(self) -> bool:
        """Watch the end of the transport; return False if the connection has ended already."""
        connection = self.connection
        reading = self._client.eio.read_loop_task
        if reading is None or not connection.opened:
            connection.end(CLOSED)
            return False
        reading.add_done_callback(lambda _: connection.end(CLOSED))
        self._keep_near()
        return True

    def _keep_near(self) -> None:
        """Keep the system's receive buffer small: a reset loses it, and it hides that we are late."""
        connected = self._client.eio.ws.get_extra_info("socket")
        if connected is not None:
            with contextlib.suppress(OSError):
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)

    async def close(self) -> None:
        """Close in whatever state it is; a peer that does not answer is not waited for.

        What such a peer has not received by then is discarded: no order arrives minutes later.
        """
        eio, wire = self._client.eio, self.connection.socket
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2 * _GOODBYE_S):
                await eio.disconnect(abort=True)
                if eio.ws is not None:  # the library drops it after a message it could not read
                    await eio.ws.close()
        if isinstance(wire, LinkSocket):
            wire.finish()
        tasks = [task for task in (eio.read_loop_task, eio.write_loop_task) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)
        await self._session.close()
        with contextlib.suppress(ValueError):
            engineio.base_client.connected_clients.remove(eio)


__all__ = ["CLOSED", "CUT", "FRAMES", "QUEUE_FULL", "Connection", "Dialing", "LinkSocket"]
