"""A TCP proxy on loopback that breaks a connection on purpose: latency, silence, resets, slices, corruption.

Everything can be changed while connections are open. Up is from the client to the server, down the way back.
Random choices follow from a seed; nothing listens beyond loopback, and the number of connections is limited.

Example::

    async with FaultProxy("127.0.0.1", port) as proxy:
        feed = LiveFeed(proxy.url)
        proxy.half_open(up=False)    # only the server receives anything, until the client reconnects
        proxy.reset()                # a reset of every connection
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from random import Random
from types import TracebackType
from typing import Self

from attrs import define, field

from vectra_bot.errors import InputError

MAX_CONNECTIONS = 1_000
_CHUNK = 64 * 1024
_POLL_S = 0.01
_HOSTS = ("127.0.0.1", "::1", "localhost")
# Closing with unsent data discarded: the peer gets a reset.
_RESET = struct.pack("ii", 1, 0)


@define
class Way:
    """What happens to the bytes of one direction; everything is off by default.

    Attributes:
        latency_ms: how long each piece is held back, in ms; order is kept.
        jitter_ms: up to so much more, in ms.
        silent: nothing arrives, and nothing is dropped either: it arrives when this is off again.
        discard: nothing arrives, ever.
        slice_bytes: pieces of at most so many bytes, each sent by itself; 0 for no limit.
        bytes_per_s: limit of the rate; 0 for none.
        corrupt: chance that a piece has one bit flipped, 0 to 1.
        passed: bytes that were delivered.
        passed_s: when the last of them were, seconds of the event loop's clock; 0 before the first.
    """

    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    silent: bool = False
    discard: bool = False
    slice_bytes: int = 0
    bytes_per_s: float = 0.0
    corrupt: float = 0.0
    passed: int = 0
    passed_s: float = 0.0

    def clear(self) -> None:
        """Turn everything off."""
        passed, passed_s = self.passed, self.passed_s
        self.__init__()  # type: ignore[misc]  # the declared defaults
        self.passed, self.passed_s = passed, passed_s


@define(eq=False)
class _Pair:
    """One client's connection and ours to the server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    lost: set[asyncio.StreamWriter] = field(factory=set)

    def close(self, *, reset: bool) -> None:
        for writer in (self.client, self.server):
            if reset:
                sock = writer.get_extra_info("socket")
                with contextlib.suppress(OSError, AttributeError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()
            else:
                writer.close()


@define(eq=False)
class FaultProxy:
    """A proxy in front of a server on loopback.

    Attributes:
        host: where the server listens: a loopback address.
        target_port: its port.
        seed: decides every random choice.
        up: faults from the client to the server.
        down: faults from the server to the client.
        refusing: whether new connections are closed at once.
        accepted: connections so far.
    """

    host: str
    target_port: int
    seed: int = 0
    up: Way = field(factory=Way)
    down: Way = field(factory=Way)
    refusing: bool = False
    accepted: int = 0
    _random: Random = field(init=False)
    _server: asyncio.Server | None = None
    _pairs: set[_Pair] = field(factory=set)
    _tasks: set[asyncio.Task[None]] = field(factory=set)

    def __attrs_post_init__(self) -> None:
        if self.host not in _HOSTS:
            raise InputError(
                f"host was {self.host!r}: the proxy serves loopback only, give 127.0.0.1"
            )
        self._random = Random(self.seed)

    @property
    def port(self) -> int:
        """Return the port on which the proxy listens.

        Raises:
            InputError: it does not listen.
        """
        if self._server is None:
            raise InputError("the proxy does not listen: enter it with `async with` first")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Return the address for a client."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        """Return the number of connections that are open."""
        return len(self._pairs)

    async def __aenter__(self) -> Self:
        """Listen on a free port of 127.0.0.1."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        for pair in list(self._pairs):
            pair.close(reset=True)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1)
        self._server = None

    def reset(self) -> int:
        """Reset every connection on both sides; return how many there were."""
        return self._end(reset=True)

    def close_connections(self) -> int:
        """Close every connection in order; return how many there were."""
        return self._end(reset=False)

    def half_open(self, *, up: bool = True, down: bool = True) -> int:
        """Deliver nothing more on the connections that are open now; return how many there are.

        Neither side is notified, and new connections pass.

        Args:
            up: whether what clients send is lost.
            down: whether what the server sends is lost.
        """
        for pair in self._pairs:
            if up:
                pair.lost.add(pair.server)
            if down:
                pair.lost.add(pair.client)
        return len(self._pairs)

    def _end(self, *, reset: bool) -> int:
        pairs = list(self._pairs)
        for pair in pairs:
            pair.close(reset=reset)
        self._pairs.clear()
        return len(pairs)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.refusing or len(self._pairs) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        try:
            from_server, to_server = await asyncio.open_connection(self.host, self.target_port)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair(writer, to_server)
        self._pairs.add(pair)
        ways = [
            asyncio.create_task(self._pump(reader, to_server, self.up, pair)),
            asyncio.create_task(self._pump(from_server, writer, self.down, pair)),
        ]
        self._tasks.update(ways)
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            self._tasks.difference_update(ways)
            pair.close(reset=False)
            self._pairs.discard(pair)
            with contextlib.suppress(OSError):
                await to_server.wait_closed()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way, pair: _Pair
    ) -> None:
        """Carry one direction: reading and writing are separate, so that latency does not limit the rate."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=1_000)

        async def read() -> None:
            while data := await reader.read(_CHUNK):
                late_s = (way.latency_ms + way.jitter_ms * self._random.random()) / 1000
                await pieces.put((loop.time() + late_s, data))
            await pieces.put((0.0, b""))

        reading = asyncio.create_task(read())
        try:
            with contextlib.suppress(OSError):
                while True:
                    due, data = await pieces.get()
                    if not data:
                        return
                    await asyncio.sleep(max(0.0, due - loop.time()))
                    await self._deliver(data, writer, way, pair)
        finally:
            reading.cancel()

    async def _deliver(
        self, data: bytes, writer: asyncio.StreamWriter, way: Way, pair: _Pair
    ) -> None:
        while data:
            while way.silent:  # noqa: ASYNC110 - set from outside at any time, also by threads
                await asyncio.sleep(_POLL_S)
            size = way.slice_bytes or len(data)
            piece, data = data[:size], data[size:]
            if way.discard or writer in pair.lost:
                continue
            if way.corrupt and self._random.random() < way.corrupt:
                piece = self._flipped(piece)
            writer.write(piece)
            await writer.drain()
            way.passed += len(piece)
            way.passed_s = asyncio.get_running_loop().time()
            if way.bytes_per_s:
                await asyncio.sleep(len(piece) / way.bytes_per_s)
            elif size < _CHUNK:
                await asyncio.sleep(0)

    def _flipped(self, piece: bytes) -> bytes:
        place = self._random.randrange(len(piece))
        changed = bytearray(piece)
        changed[place] ^= 1 << self._random.randrange(8)
        return bytes(changed)
