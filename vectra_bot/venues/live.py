"""The live feed: a venue's public frames over Socket.IO, exactly as received.

Theory of operation. python-socketio does Engine.IO and the Socket.IO handshake, and nothing else. Our packet
class intercepts every message as text before the library acts on it: events and acknowledgements become one
internal event whose one synchronous handler stamps the time and appends the raw text to the bounded queue.
So the order is the wire's, nothing is dispatched by a name the venue chose, and nothing is answered. Messages
that violate the protocol are queued raw as well: the wire's decoder refuses and counts them in order.

One supervisor task owns the connection. Each connection uses a new client object; it ends when the venue
closes it (``41``, ``44``), with the transport, when the queue is full, or by the watchdog, which counts game
frames and not bytes: a connection that sends only heartbeats counts as dead. Then the supervisor waits, with
jitter and exponential backoff up to a cap, and reconnects, without limit by default; every wait is bounded.

Nothing is sent except what Socket.IO needs. There is no login and no gateway here.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import socket
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any, Final

import aiohttp
import engineio
import msgspec
import socketio
from attrs import define, field
from socketio.packet import Packet

from vectra_bot.clock import Clock, WallClock
from vectra_bot.errors import InputError, safe_error, safe_text
from vectra_bot.fsio import forks
from vectra_bot.models import ConnectionChanged, Frame, Link
from vectra_bot.venues.base import FeedItem
from vectra_bot.venues.endpoint import Endpoint
from vectra_bot.venues.inbox import Inbox
from vectra_bot.venues.patience import LiveCounts, LiveSettings
from vectra_bot.venues.redirects import RedirectError, check_redirect

log = logging.getLogger(__name__)

_GAME_FRAME: Final = '42["gameStateUpdate",'
# After the rug the venue takes up to 2.3 s to settle (protocol 3.1); a pause has no limit.
_QUIET: Final = ('"rugged":true', '"cooldownPaused":true')
_YIELD_EVERY: Final = 8  # items between two yields to the event loop, so that reading continues
_FRAME: Final = "frame"  # the only event that is dispatched
# Socket.IO's packet types except those that begin or end a connection: binary and unknown ones are frames
# too, for the wire's decoder to refuse in order.
_FRAMES: Final = ("42", "43", "45", "46", "47", "48", "49")
_READ_AT_ONCE: Final = 8  # frames
_NEVER_S: Final = 1e6
_RECEIVE_BYTES: Final = 256 * 1024
_GOODBYE_S: Final = (
    0.25  # for the peer to answer our close; a dead peer must not delay the next connection
)
_REFUSED: Final = (401, 403)  # HTTP statuses of a venue that refuses us


@define(eq=False)
class _Connection:
    """One connection: how its messages are queued, and how it ended."""

    inbox: Inbox
    clock: Clock
    counts: LiveCounts
    beats: int = 0
    quiet: bool = True
    lost: int = 0
    opened: bool = False
    reason: str = ""
    ended: asyncio.Event = field(factory=asyncio.Event)

    def open(self) -> None:
        """Record that the venue accepted the connection."""
        self.opened = True
        self.counts.connections += 1
        self.inbox.mark(ConnectionChanged(recv_ns=self.clock.now_ns(), link=Link.CONNECTED))

    def end(self, reason: str) -> None:
        """Record that the connection is over; the first reason is kept."""
        if not self.ended.is_set():
            self.reason = reason
            self.ended.set()

    def on_frame(self, raw: str) -> None:
        """Stamp and queue one message; a full queue is counted and ends the connection."""
        frame = Frame(self.clock.now_ns(), raw)
        if raw.startswith(_GAME_FRAME):
            self.beats += 1
            self.quiet = any(mark in raw for mark in _QUIET)
        if not self.lost and self.inbox.put(frame):
            self.counts.frames += 1
            return
        self.lost += 1
        self.counts.lost_frames += 1
        self.end("the queue was full")


class _StrictPacket(Packet):  # type: ignore[misc]  # socketio has no type information
    """A Socket.IO packet that passes inbound messages on as text, out of the library's reach."""

    uses_binary_events = False

    def __init__(self, connection: _Connection, *args: Any, **kwargs: Any) -> None:
        encoded = kwargs.pop("encoded_packet", None)
        super().__init__(*args, **kwargs)
        if encoded is not None:
            self._receive(connection, encoded)

    def _receive(self, connection: _Connection, encoded: object) -> None:
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
            connection.end(f"the venue refused the connection: {encoded[1:200]}")
            self.packet_type, self.data = socketio.packet.CONNECT_ERROR, []
        elif encoded.startswith("4"):
            connection.end("the venue refused to continue")
        elif encoded.startswith("0"):
            connection.counts.refused += 1
        else:
            self.data = [_FRAME, f"4{encoded}"]


@define(eq=False)
class _Socket:
    """The websocket of an open connection: frames go directly to the queue.

    The library makes a timer, a task and two packet objects per message, which costs more than all later
    processing of a frame. It still gets the messages it must act on. Frames are not reordered: what arrives
    before the connection is open is dispatched before the next message is read.
    """

    socket: Any
    connection: _Connection

    def __attrs_post_init__(self) -> None:
        forks.left_by_children(self)

    def leave(self) -> None:
        """Close a forked child's copy, which would keep the connection of a dead parent open."""
        opened = self.socket.get_extra_info("socket")
        if opened is not None and opened.fileno() >= 0:
            forks.close_copy(opened.fileno())

    async def receive(self) -> Any:
        """Return the next message that is not a frame."""
        connection, receive = self.connection, self.socket.receive
        for number in itertools.count(1):
            if number % _READ_AT_ONCE == 0:
                # Messages already received come without waiting: yield to other tasks.
                await asyncio.sleep(0)
            message = await receive()
            text = message.data
            if type(text) is not str or text[:2] not in _FRAMES or not connection.opened:
                return message
            connection.on_frame(text)
        raise AssertionError("the loop ends by returning")

    def __getattr__(self, name: str) -> Any:
        """Delegate everything else to the socket."""
        return getattr(self.socket, name)


class _Transport(engineio.AsyncClient):  # type: ignore[misc]
    """Engine.IO without its own timeout: our watchdog counts game frames.

    The library closes a connection whose heartbeat we read late because much was queued before it.
    """

    connection: _Connection | None = None
    _socket: Any = None

    @property
    def ws(self) -> Any:
        return self._socket

    @ws.setter
    def ws(self, socket: Any) -> None:
        """Read frames without the library."""
        connection = self.connection
        self._socket = (
            socket if socket is None or connection is None else _Socket(socket, connection)
        )

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


def _jitter() -> float:
    """Return a number in [0, 1): many recorders must not reconnect at the same moment.

    No event or document depends on it, so it comes from the system and not from a seed.
    """
    return int.from_bytes(os.urandom(4)) / 2**32


class LiveFeed:
    """The inbound half of a live venue.

    Attributes:
        counts: what happened on the link.

    Example:
        ``async for item in LiveFeed("https://backend.rugs.fun"): ...``
    """

    def __init__(
        self,
        url: str,
        *,
        settings: LiveSettings | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] = _jitter,
    ) -> None:
        """Prepare the feed; it connects when the first item is requested.

        Args:
            url: the venue's address, see :meth:`Endpoint.parse`.
            settings: timeouts, retries and queue limits.
            clock: stamps received frames.
            jitter: gives numbers in [0, 1) that spread the waits.

        Raises:
            ConfigError: *url* is not a valid address.
        """
        self.endpoint = Endpoint.parse(url)
        self.settings = settings or LiveSettings()
        self.counts = LiveCounts()
        self._clock = clock or WallClock()
        self._jitter = jitter
        self._inbox = Inbox(self.settings.queue_frames, self.settings.queue_chars)
        self._supervisor: asyncio.Task[None] | None = None
        self._connection: _Connection | None = None
        self._taken = 0
        self._closed = False

    @property
    def venue(self) -> str:
        """Return the host."""
        return self.endpoint.host

    async def __aiter__(self) -> AsyncGenerator[FeedItem, None]:
        """Yield frames and connection changes until the feed is closed."""
        while not self._closed:
            item = await self.next_item(1.0)
            if item is not None:
                yield item

    async def next_item(self, timeout_s: float) -> FeedItem | None:
        """Return the next item, None if there was none within *timeout_s*.

        Raises:
            InputError: the venue was not reached in as many attempts as the settings allow.
        """
        if self._supervisor is None and not self._closed:
            self._supervisor = asyncio.create_task(self._supervise())
            self._supervisor.add_done_callback(lambda _: self._inbox.ready.set())
        self._taken += 1
        if self._taken % _YIELD_EVERY == 0:
            await asyncio.sleep(0)
        item = self._inbox.take()
        if item is None:
            self._raise_if_over()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._inbox.ready.wait()
            item = self._inbox.take()
        return item

    def rest(self) -> FeedItem | None:
        """Return the next item received before the feed was closed, None if there are no more."""
        return self._inbox.take()

    def _raise_if_over(self) -> None:
        over = self._supervisor
        if over is not None and over.done() and not over.cancelled():
            over.result()

    async def aclose(self) -> None:
        """Close the connection; may be called twice."""
        self._closed = True
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
        connection, self._connection = self._connection, None
        if connection is not None and connection.opened:
            self._mark(Link.DISCONNECTED, "closed by us", connection.lost)

    # The supervisor.

    def _is_closed(self) -> bool:
        return self._closed

    async def _supervise(self) -> None:
        failures = 0
        self._mark(Link.CONNECTING, f"to {self.endpoint.host}")
        # The library swallows cancellation in places, so closing the feed also sets this flag.
        while not self._is_closed():
            await self._inbox.drained.wait()
            connection = _Connection(self._inbox, self._clock, self.counts)
            self._connection = connection
            started = self._clock.monotonic_ns()
            wait_s = await self._serve(connection)
            if self._is_closed():
                return
            self._connection = None
            lived_s = (self._clock.monotonic_ns() - started) / 1e9
            if connection.opened:
                reason = connection.reason
                log.info("venue=%s link=lost reason=%s", self.venue, reason)
                self._mark(Link.DISCONNECTED, reason, connection.lost)
                self._mark(Link.CONNECTING, f"to {self.endpoint.host}")
            if connection.beats and lived_s >= self.settings.settled_s:
                failures = 0
            else:
                failures += 1
            if not connection.opened:
                self._failed(connection.reason, failures)
            await asyncio.sleep(max(wait_s, self._backoff(failures)))

    def _mark(self, link: Link, reason: str, lost: int = 0) -> None:
        now_ns = self._clock.now_ns()
        self._inbox.mark(
            ConnectionChanged(recv_ns=now_ns, link=link, reason=reason, lost_frames=lost)
        )

    def _failed(self, reason: str, failures: int) -> None:
        self.counts.failures += 1
        limit = self.settings.attempts
        log.warning("venue=%s attempt=%d cannot connect: %s", self.venue, failures, reason)
        if limit is not None and failures >= limit:
            raise InputError(
                f"{self.endpoint.host} could not be reached in {failures} "
                f"attempt{'s' * (failures != 1)} ({reason}): "
                "check the address and that the venue is up"
            )

    def _backoff(self, failures: int) -> float:
        settings = self.settings
        doublings = min(max(failures - 1, 0), 16)
        longest: float = min(settings.backoff_cap_s, settings.backoff_s * 2.0**doublings)
        return longest * (0.5 + self._jitter() / 2)

    async def _serve(self, connection: _Connection) -> float:
        """Serve one connection until it ends; return how long the venue asks us to stay away."""
        settings = self.settings
        wait_s = 0.0
        redirects = aiohttp.TraceConfig()
        redirects.on_request_redirect.append(check_redirect)
        session = aiohttp.ClientSession(trace_configs=[redirects])
        client = _Client(
            reconnection=False,
            handle_sigint=False,
            serializer=partial(_StrictPacket, connection),
            http_session=session,
            ssl_verify=True,
            request_timeout=_GOODBYE_S,
            websocket_extra_options={"max_msg_size": settings.frame_bytes},
        )
        client.eio.connection = connection
        client.on("connect", connection.open)
        client.on(_FRAME, connection.on_frame)
        try:
            try:
                async with asyncio.timeout(settings.connect_s):
                    await client.connect(
                        self.endpoint.url,
                        transports=["websocket"],
                        socketio_path=self.endpoint.path,
                        wait_timeout=settings.connect_s,
                    )
            except TimeoutError:
                connection.end(f"no connection within {settings.connect_s:g} s")
            except Exception as error:  # noqa: BLE001 - whatever the handshake raised, it failed
                why, wait_s = _refusal(error, settings.refused_s)
                connection.end(why)
            else:
                await self._hold(client, connection)
        finally:
            await _close(client, session)
        return wait_s

    async def _hold(self, client: socketio.AsyncClient, connection: _Connection) -> None:
        """Wait for the end of a connection while watching for silence."""
        reading = client.eio.read_loop_task
        if reading is None or not connection.opened:
            connection.end("the transport was closed")
            return
        reading.add_done_callback(lambda _: connection.end("the transport was closed"))
        _keep_near(client)
        settings = self.settings
        period = min(settings.stale_s, settings.quiet_s) / 12
        seen, silent = connection.beats, 0.0
        while not (connection.ended.is_set() or self._is_closed()):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(period):
                    await connection.ended.wait()
            # Counted in loop iterations and not by the clock: while we were busy ourselves, frames from the
            # venue may be waiting to be read.
            silent = silent + period if connection.beats == seen else 0.0
            seen = connection.beats
            if silent >= (settings.quiet_s if connection.quiet else settings.stale_s):
                connection.end(f"no game frame for {silent:.1f} s")


def _keep_near(client: _Client) -> None:
    """Keep the system's receive buffer small: a reset loses its content, and it hides that we are late."""
    connected = client.eio.ws.get_extra_info("socket")
    if connected is not None:
        with contextlib.suppress(OSError):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)


async def _close(client: socketio.AsyncClient, session: aiohttp.ClientSession) -> None:
    """Close a client in whatever state it is; a peer that does not answer is not waited for."""
    eio = client.eio
    with contextlib.suppress(Exception):
        async with asyncio.timeout(2 * _GOODBYE_S):
            await eio.disconnect(abort=True)
            if eio.ws is not None:  # the library drops it after a message it could not read
                await eio.ws.close()
    tasks = [task for task in (eio.read_loop_task, eio.write_loop_task) if task is not None]
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=1)
    await session.close()
    with contextlib.suppress(ValueError):
        engineio.base_client.connected_clients.remove(eio)


def _refusal(error: BaseException, longest_s: float) -> tuple[str, float]:
    """Return why a connection failed, and how long to stay away, in seconds."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RedirectError):
            return str(cause), longest_s
        if isinstance(cause, aiohttp.WSServerHandshakeError):
            text = safe_text(f"the venue answered {cause.status} {cause.message}")
            if cause.status in _REFUSED:
                return text, longest_s
            after = "" if cause.headers is None else cause.headers.get("Retry-After", "")
            seconds = after.isascii() and after.isdigit()  # "\u00b2" is a digit but not a number
            return text, min(float(after), longest_s) if seconds else 0.0
        if isinstance(cause, aiohttp.ClientConnectorError):
            return safe_error(cause), 0.0
        cause = cause.__cause__ or cause.__context__
    return safe_error(error), 0.0
