"""A page of the venue on this machine, and a hand that presses its buttons.

Its Socket.IO client is the stock one if `VECTRA_SOCKET_IO_JS` names the file (`socket.io.min.js` of the
package socket.io-client), else the small one of the page's folder.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import WSMsgType, web

PAGE = Path(__file__).parent / "page"


class PageSite:
    """Serves the page, which connects to *backend*.

    Attributes:
        visits: how often the page was loaded.
    """

    def __init__(self, backend: str, port: int = 0) -> None:
        self.visits = 0
        self._backend = backend
        self._port = port
        self._runner: web.AppRunner | None = None
        self._hand: web.WebSocketResponse | None = None
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.ready = asyncio.Event()

    @property
    def url(self) -> str:
        """Return the page's address."""
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/", self._index)
        app.router.add_get("/hand", self._take_hand)
        app.router.add_get("/elsewhere", self._elsewhere)
        app.router.add_get("/{name}", self._file)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._hand is not None:
            await self._hand.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def ask(self, what: str, value: str = "", limit_s: float = 15.0) -> dict[str, Any]:
        """Let the hand do something; return the page's counts after it."""
        async with asyncio.timeout(limit_s):
            await self.ready.wait()
            while not self._answers.empty():
                self._answers.get_nowait()
            assert self._hand is not None
            await self._hand.send_str(json.dumps([what, value]))
            return await self._answers.get()

    async def _index(self, _: web.Request) -> web.Response:
        self.visits += 1
        text = (PAGE / "index.html").read_text("utf-8")
        given = f"<script>window.BACKEND={json.dumps(self._backend)}</script>"
        return web.Response(
            text=text.replace("<script src", f"{given}\n<script src", 1), content_type="text/html"
        )

    async def _elsewhere(self, _: web.Request) -> web.Response:
        return web.Response(text="<title>Elsewhere</title>", content_type="text/html")

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        stock = os.environ.get("VECTRA_SOCKET_IO_JS", "")
        path = Path(stock) if stock and name == "client.js" else PAGE / name
        if path.suffix != ".js" or not path.is_file():
            raise web.HTTPNotFound
        return web.Response(text=path.read_text("utf-8"), content_type="text/javascript")

    async def _take_hand(self, request: web.Request) -> web.WebSocketResponse:
        hand = self._hand = web.WebSocketResponse()
        await hand.prepare(request)
        self.ready.set()
        async for message in hand:
            if message.type is WSMsgType.TEXT:
                self._answers.put_nowait(json.loads(message.data))
        if self._hand is hand:
            self.ready.clear()
        return hand
