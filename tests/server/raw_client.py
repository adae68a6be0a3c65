"""A bare websocket client that sends any bytes, for tests of the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Self

import aiohttp

TRACE_ID = "c" * 32


def trace(trace_id: str = TRACE_ID) -> str:
    """Return a trace argument as a client sends it."""
    return f'{{"__trace":true,"traceparent":"00-{trace_id}-{"b" * 16}-01"}}'


def name_of(text: str) -> str:
    """Return the event's name, ``ack`` for an acknowledgement, else the packet's type."""
    if text.startswith("43"):
        return "ack"
    return str(json.loads(text[2:])[0]) if text.startswith("42[") else text[:2]


class RawClient:
    """One websocket; ``texts`` has every Socket.IO text received, ``closed`` says that it has ended."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self._url = url
        self._headers = headers
        self.texts: list[str] = []
        self.closed = asyncio.Event()
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.session = aiohttp.ClientSession(headers=self._headers)
        try:
            self.socket = await self.session.ws_connect(
                f"{self._url}/socket.io/?EIO=4&transport=websocket", max_msg_size=0
            )
        except aiohttp.ClientError:
            await self.session.close()
            raise
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        await self._task

    async def _listen(self) -> None:
        try:
            async for message in self.socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                if message.data == "2":
                    await self.socket.send_str("3")
                elif message.data.startswith("4"):
                    self.texts.append(message.data)
                    self._news.set()
        except (aiohttp.ClientError, ConnectionError):
            pass
        finally:
            self.closed.set()
            self._news.set()

    async def join(self) -> Self:
        """Enter the namespace and wait for the snapshot."""
        await self.socket.send_str("40")
        await self.until(lambda: len(self.texts) >= 2)
        return self

    async def send(self, text: str | bytes) -> None:
        """Send a message; if the connection has ended meanwhile, it is silently dropped."""
        try:
            if isinstance(text, bytes):
                await self.socket.send_bytes(text)
            else:
                await self.socket.send_str(text)
        except (aiohttp.ClientError, ConnectionError):
            self.closed.set()

    async def log_in(self, token: str) -> Self:
        """Send ``authenticate`` and wait for the account and the name."""
        await self.send(f'42["authenticate",{trace("a" * 32)},{{"token":"{token}"}}]')
        await self.wait_for("gameStatePlayerUpdate")
        await self.wait_for("usernameStatus")
        return self

    async def until(self, reached: Callable[[], bool], seconds: float = 20) -> None:
        """Wait until *reached* is true, or the connection has ended."""
        async with asyncio.timeout(seconds):
            while not reached() and not self.closed.is_set():
                self._news.clear()
                await self._news.wait()
        assert reached(), f"the connection ended before; last: {self.texts[-3:]}"

    async def wait_for(self, name: str, seconds: float = 20) -> str:
        """Wait for an event (or ``ack``), already received or not; return its first text."""
        await self.until(lambda: name in map(name_of, self.texts), seconds)
        return next(text for text in self.texts if name_of(text) == name)

    async def ack(self, number: int, seconds: float = 20) -> list[Any]:
        """Wait for the acknowledgement with an id and return its arguments."""
        head = f"43{number}["
        await self.until(lambda: any(text.startswith(head) for text in self.texts), seconds)
        text = next(text for text in self.texts if text.startswith(head))
        arguments: list[Any] = json.loads(text[len(head) - 1 :])
        return arguments

    def names(self) -> list[str]:
        """Return the names of received messages, in order."""
        return [name_of(text) for text in self.texts]

    def states(self) -> list[dict[str, Any]]:
        """Return the payloads of every ``gameStateUpdate``, the snapshot included."""
        head = '42["gameStateUpdate"'
        return [json.loads(text[2:])[1] for text in self.texts if text.startswith(head)]


def broadcasts(client: RawClient) -> list[str]:
    """Return the public state frames that a client got after its snapshot, in order."""
    return [text for text in client.texts[2:] if text.startswith('42["gameStateUpdate"')]
