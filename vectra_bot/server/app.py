"""The exchange served over real Socket.IO (protocol 2): any client of the venue can connect to it.

python-socketio on aiohttp does handshake, namespaces, heartbeats and polling; messages are sent as
described in :mod:`~vectra_bot.server.transport`. The public feed needs no login. One task drives the
exchange, and all code here runs on its event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import socketio
from aiohttp import web
from attrs import evolve

from vectra_bot.clock import Clock, WallClock
from vectra_bot.errors import InputError
from vectra_bot.exchange import Exchange, ExchangeConfig, RequestRecord
from vectra_bot.server.clients import Client
from vectra_bot.server.counts import Counts
from vectra_bot.server.driver import Driver
from vectra_bot.server.faults import Faults
from vectra_bot.server.limits import Bucket, MessageVerdict, ServerLimits
from vectra_bot.server.listener import SPARE, Listener, raise_file_limit
from vectra_bot.server.origin import Visitors
from vectra_bot.server.pace import Pace
from vectra_bot.server.reception import Reception
from vectra_bot.server.requests import environ_of, whole_requests
from vectra_bot.server.roster import Roster
from vectra_bot.server.tokens import Login, TokenTable
from vectra_bot.server.transport import Outbox, Socket

_PATH = "socket.io"
_CLIENT = "vectra.client"
_LINGER_S = 1.0  # for the rest of a body that was answered before it was complete

_log = logging.getLogger(__name__)
_library_log = logging.getLogger(f"{__name__}.library")
_library_log.addHandler(logging.NullHandler())
# Below this level the library logs what clients send, including tokens.
_library_log.setLevel(logging.ERROR)


class ExchangeServer:
    """The exchange as a server.

    Attributes:
        exchange: the served exchange; its books are authoritative for every account.
        faults: fault injection, for tests.
        counts: counters since the start.
        tokens: valid login tokens.
        connections: every connection since the start, by number from 1, if ``keep_sent``.

    Example::

        async with ExchangeServer(ExchangeConfig(seed=7), tokens={"t": Login(player_id="me")}) as server:
            print(server.url)
    """

    _listener: Listener | None = None

    def __init__(
        self,
        config: ExchangeConfig | None = None,
        *,
        tokens: TokenTable | Mapping[str, Login] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float | None = 1.0,
        games: int | None = None,
        paused: bool = False,
        keep_sent: bool = False,
        limits: ServerLimits | None = None,
        clock: Clock | None = None,
        on_request: Callable[[RequestRecord], None] | None = None,
        latency_ms: int | None = None,
    ) -> None:
        """Create the exchange; nothing listens before :meth:`start`.

        Args:
            config: the exchange's configuration.
            tokens: valid login tokens.
            host: the address to listen on.
            port: 0 for any free one.
            speed: venue seconds per real second, None for as fast as clients follow.
                Above 1 the exchange waits for clients that are behind, so that none loses messages.
            games: time stops when this number of games have rugged and the next one is announced.
            paused: time does not run until :meth:`resume`.
            keep_sent: keep what was written to every client; see :meth:`sent_log`.
            limits: resource limits for clients.
            clock: the clock for *speed* and rates.
            on_request: called with every action request and the exchange's verdict on it.
            latency_ms: venue milliseconds from the receipt of an action to its execution. None executes it on
                receipt and answers with the venue's delays; 0 also answers at once, at the last price shown.
        """
        self.exchange = Exchange(config, on_request)
        self.counts = Counts()
        self.tokens = tokens if isinstance(tokens, TokenTable) else TokenTable(tokens)
        self.connections: list[Client] = []
        self._host, self._port, self._keep_sent = host, port, keep_sent
        self._limits = _scaled(limits or ServerLimits(), speed)
        self._clock = clock or WallClock()
        self._roster = Roster(self.exchange, self.counts, self._close_polling)
        self.faults = Faults(self._roster.kick, self._roster.half_open, self._roster.forget_login)
        self._by_sid: dict[str, Client] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._runner: web.AppRunner | None = None
        self._driving: asyncio.Task[None] | None = None
        self._driver = self._make_driver(speed, games, running=not paused)
        self._reception = Reception(
            exchange=self.exchange,
            driver=self._driver,
            roster=self._roster,
            tokens=self.tokens,
            limits=self._limits,
            faults=self.faults,
            latency_ms=latency_ms,
        )
        self._sio = self._library()

    def _make_driver(self, speed: float | None, games: int | None, *, running: bool) -> Driver:
        return Driver(
            self.exchange,
            Pace(speed, self._clock, self.exchange.now_ns),
            roster=self._roster,
            patience_s=self._limits.patience_s,
            games=games,
            running=running,
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        """Return the port the server listens on."""
        return self._port

    @property
    def url(self) -> str:
        """Return the address for clients."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def clients(self) -> tuple[Client, ...]:
        """Return the clients in the namespace, in the order of their connections."""
        return self._roster.joined()

    def client(self, player_id: str) -> Client | None:
        """Return the connection of a player who is logged in, else None."""
        return self._roster.players.get(player_id)

    def sent_log(self, client: Client | int) -> tuple[str, ...]:
        """Return the texts written to a client, or to connection number N, in order; also after its end.

        Raises:
            InputError: the server was created without ``keep_sent``, or there is no such connection.
        """
        if isinstance(client, int):
            if not 1 <= client <= len(self.connections):
                raise InputError(
                    f"connection {client} is not known: {len(self.connections)} were kept"
                )
            client = self.connections[client - 1]
        if client.sent is None:
            raise InputError("nothing was kept: make the server with keep_sent=True")
        return tuple(client.sent)

    def pause(self) -> None:
        """Stop the venue's time; clients stay connected."""
        self._driver.pause()

    def resume(self) -> None:
        """Resume the venue's time."""
        self._driver.resume()

    async def start(self) -> None:
        """Listen, and start the venue's time.

        Raises:
            InputError: the server cannot listen on the address.
        """
        limits = self._limits
        app = web.Application(client_max_size=limits.frame_bytes)
        self._sio.attach(app, socketio_path=_PATH)
        runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=1.0,
            keepalive_timeout=limits.request_s,
            lingering_time=_LINGER_S,
        )
        app.middlewares.append(whole_requests(self._arrived, limits.frame_bytes, limits.request_s))
        app.middlewares.append(Visitors(self._host, self._turned_away).check)
        await runner.setup()
        assert runner.server is not None  # setup() makes it
        listener = Listener(
            runner.server,
            self._clock,
            most=raise_file_limit(limits.clients + SPARE),
            head_s=limits.request_s,
            on_refused=self._turned_away,
        )
        try:
            self._port = await listener.start(self._host, self._port)
        except OSError as error:
            await runner.cleanup()
            raise InputError(
                f"cannot listen on {self._host}:{self._port} ({error.strerror or error}): "
                "give another --port, or 0 for any free one"
            ) from None
        self._runner, self._listener = runner, listener
        self._driving = asyncio.create_task(self._driver.run())
        self._driving.add_done_callback(lambda _: self._roster.changed.set())

    async def stop(self) -> None:
        """End every connection and stop listening; harmless if called twice."""
        if self._driving is not None:
            self._driving.cancel()
            await asyncio.wait([self._driving])
        if self._listener is not None:
            await self._listener.stop()
            self._listener = None
        await self._roster.end_all("server stopped")
        if self._runner is not None:
            await self._sio.shutdown()
            await self._runner.cleanup()
            self._runner = None
        waiting = [task for task in self._tasks if task.cancel()]
        if waiting:
            await asyncio.wait(waiting)
        driving, self._driving = self._driving, None
        if driving is not None and not driving.cancelled():
            driving.result()

    async def wait_games(self, games: int) -> None:
        """Wait until *games* have rugged and the next game is announced."""
        await self._until(lambda: self.exchange.games_opened >= games)

    async def wait_over(self) -> None:
        """Wait until the number of games given at construction is over."""
        await self._until(self._driver.over.is_set)

    async def wait_clients(self, number: int) -> None:
        """Wait until at least *number* clients are in the namespace."""
        await self._until(lambda: len(self._roster.joined()) >= number)

    async def wait_players(self, number: int) -> None:
        """Wait until at least *number* players are logged in."""
        await self._until(lambda: len(self._roster.players) >= number)

    async def _until(self, reached: Callable[[], bool]) -> None:
        """Wait until *reached* is true; raise the error that ended the driving task, if any."""
        while not reached():
            if self._driving is None:
                raise InputError("the server is not running: start it first")
            if self._driving.done():
                self._driving.result()
                return
            self._roster.changed.clear()
            await self._roster.changed.wait()

    # -- the library's side

    def _library(self) -> Any:
        """Return the Socket.IO server with its queue, websocket and first handlers replaced."""
        sio = socketio.AsyncServer(
            async_mode="aiohttp",
            cors_allowed_origins="*",  # Visitors has already checked Host and Origin
            ping_interval=self._limits.ping_interval_s,
            ping_timeout=self._limits.ping_timeout_s,
            max_http_buffer_size=self._limits.frame_bytes,
            always_connect=True,  # the namespace's own answer is sent before the snapshot
            async_handlers=False,
            http_compression=False,
            logger=_library_log,
            engineio_logger=_library_log,
        )
        sio.on("connect", self._on_join)
        sio.on("disconnect", self._on_leave)
        engine = sio.eio
        engine.create_queue = self._make_outbox
        engine.start_background_task = self._start_task
        # The driver table is the only way to replace the library's websocket; we change a copy.
        table = {"websocket": Socket, "translate_request": environ_of}
        engine._async = {**engine._async, **table}  # noqa: SLF001
        self._engine_connect = engine.handlers["connect"]
        self._engine_message = engine.handlers["message"]
        self._engine_disconnect = engine.handlers["disconnect"]
        engine.on("connect", self._on_connect)
        engine.on("message", self._on_message)
        engine.on("disconnect", self._on_disconnect)
        return sio

    def _start_task(self, target: Callable[..., Any], *arguments: Any) -> asyncio.Task[Any]:
        """Start a task of the library; :meth:`stop` cancels heartbeats that outlive their connection."""
        task: asyncio.Task[Any] = asyncio.ensure_future(target(*arguments))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _make_outbox(self) -> Outbox:
        return Outbox(self._limits.unread_bytes, self._limits.unread_packets)

    def _arrived(self, transport: asyncio.BaseTransport | None) -> None:
        if self._listener is not None:
            self._listener.arrived(transport)

    def _turned_away(self) -> None:
        self.counts.turned_away += 1

    async def _on_connect(self, engine_sid: str, environ: dict[str, Any]) -> bool | None:
        if len(self._roster.clients) >= self._limits.clients:
            self._turned_away()
            return False
        limits = self._limits
        outbox: Outbox = self._sio.eio.sockets[engine_sid].queue
        self.counts.connections += 1
        client = Client(
            number=self.counts.connections,
            engine_sid=engine_sid,
            outbox=outbox,
            bucket=Bucket(
                limits.requests_per_s, limits.burst, limits.overdraft, self._clock.monotonic_ns()
            ),
            clock=self._clock,
            faults=self.faults,
            broadcasts=self._roster.broadcasts,
            sent=[] if self._keep_sent else None,
        )
        outbox.on_overflow = lambda: self._roster.give_up(client)
        outbox.on_input = lambda data: self._reception.admit(client, data)
        self._roster.clients[engine_sid] = client
        if self._keep_sent:
            self.connections.append(client)
        environ[_CLIENT] = client
        await self._engine_connect(engine_sid, environ)
        return None

    async def _on_message(self, engine_sid: str, data: str | bytes) -> None:
        client = self._roster.clients.get(engine_sid)
        if client is None or client.gone:
            return
        if client.outbox.transport is None:  # it polls: the message has not been checked yet
            whole = f"4{data}" if isinstance(data, str) else data
            if self._reception.admit(client, whole) is not MessageVerdict.TAKEN:
                return
        if not isinstance(data, str):
            self._roster.end(client, "binary frame")
        elif data.startswith("2"):
            self._read(client, f"4{data}")
        elif data[:1] in ("0", "1"):
            await self._join_or_leave(client, data)
        elif not data.startswith("3"):  # an answer to nothing we asked is ignored
            self._roster.end(client, "malformed frame")

    def _read(self, client: Client, text: str) -> None:
        """Read an event; a bug in our code is logged and ends this connection, not the others."""
        if not client.joined:
            self._roster.end(client, "malformed frame")
            return
        try:
            self._reception.read(client, text)
        except Exception:  # noqa: BLE001 - an error in one connection must not affect the others
            _log.exception("bug: a request of connection %d could not be served", client.number)
            self._roster.end(client, "defect")

    async def _join_or_leave(self, client: Client, data: str) -> None:
        """Let the library handle a packet that joins or leaves a namespace."""
        if data.startswith("0") and client.joined and data[1:2] != "/":
            self._roster.end(client, "joined twice")
            return
        try:
            await self._engine_message(client.engine_sid, data)
        except Exception:  # noqa: BLE001 - the library raises whatever its parser meets in a hostile packet
            self._roster.end(client, "malformed frame")

    async def _on_disconnect(self, engine_sid: str, reason: str) -> None:
        client = self._roster.clients.pop(engine_sid, None)
        await self._engine_disconnect(engine_sid, reason)
        if client is not None:
            self._roster.end(client, reason, flush=reason != "ping timeout")

    async def _on_join(self, sid: str, environ: dict[str, Any], _auth: object = None) -> None:
        client: Client = environ[_CLIENT]
        self._by_sid[sid] = client
        client.join(self._driver.snapshot())
        self._roster.note_change()

    async def _on_leave(self, sid: str, _reason: str) -> None:
        client = self._by_sid.pop(sid, None)
        if client is not None:
            self._roster.leave(client)

    async def _close_polling(self, client: Client) -> None:
        """Send a polling client the close packet, and let a pending poll end."""
        client.outbox.closed = True
        socket = self._sio.eio.sockets.get(client.engine_sid)
        if socket is not None:
            await socket.close(wait=False, reason=self._sio.eio.reason.SERVER_DISCONNECT)
        client.outbox.put_nowait(None)


def _scaled(limits: ServerLimits, speed: float | None) -> ServerLimits:
    """Return *limits* with rates for accelerated time: at a higher speed clients send more requests."""
    factor = 1_000.0 if speed is None else max(1.0, speed)
    return evolve(
        limits,
        requests_per_s=limits.requests_per_s * factor,
        burst=int(limits.burst * min(factor, 100)),
    )
