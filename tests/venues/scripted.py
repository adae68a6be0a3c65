"""A server that sends over a websocket exactly what a test gives it, well formed or not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Self

from aiohttp import WSMsgType, web
from attrs import define, field

OPEN = '0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
JOINED = '40{"sid":"s"}'


def tick(number: int, game_id: str = "20260101-00000000000000aa") -> str:
    """Return a live tick's frame, short but complete, with spaces that a decoder would not restore."""
    return (
        f'42["gameStateUpdate",{{"gameId":"{game_id}", "active":true,"rugged":false,"price":1,'
        f'"tickCount":{number},"cooldownTimer":0,"tradeCount":0,"leaderboard":[]}}]'
    )


@define(eq=False)
class Peer:
    """One connection as the server sees it."""

    socket: web.WebSocketResponse
    heard: list[str] = field(factory=list)
    left: asyncio.Event = field(factory=asyncio.Event)

    async def say(self, *messages: str | bytes) -> None:
        """Send messages unchanged."""
        for message in messages:
            if isinstance(message, bytes):
                await self.socket.send_bytes(message)
            else:
                await self.socket.send_str(message)

    async def listen(self) -> None:
        """Record what the client sends until it disconnects."""
        async for message in self.socket:
            if message.type is WSMsgType.TEXT:
                self.heard.append(message.data)
        self.left.set()


Script = Callable[[Peer], Awaitable[None]]


class ScriptedServer:
    """Speaks Engine.IO's opening, then runs the next script for each connection; the last one repeats."""

    def __init__(
        self,
        *scripts: Script,
        status: int = 0,
        headers: dict[str, str] | None = None,
        opening: str = OPEN,
        moved: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._scripts = list(scripts)
        self._status = status
        self._headers = headers
        self._opening = opening
        self._moved = moved
        self._tls = tls
        self.peers: list[Peer] = []
        self.queries: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        kind = "http" if self._tls is None else "https"
        self.url = f"{kind}://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        self.paths.append(request.path)
        if self._moved and request.path != self._moved:
            raise web.HTTPTemporaryRedirect(self._moved)
        if self._status:
            return web.Response(status=self._status, headers=self._headers)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        peer = Peer(socket)
        self.peers.append(peer)
        script = self._scripts[min(len(self.peers), len(self._scripts)) - 1]
        await peer.say(self._opening)
        peer.heard.append(await socket.receive_str())
        listening = asyncio.create_task(peer.listen())
        try:
            await script(peer)
            await listening
        except ConnectionError:  # the client was faster
            pass
        finally:
            listening.cancel()
        return socket
