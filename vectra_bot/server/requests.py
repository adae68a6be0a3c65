"""Bodies of requests, read whole before the library sees them.

python-engineio reads as much of a POST as has arrived and parses that. Here the body is read to its end
first, within a time and a size, and the library gets all of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web
from engineio.async_drivers import aiohttp as driver

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

_BODY = web.RequestKey("vectra.body", bytes)


class _Whole:
    """A body in memory, read as the library reads a stream."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self, size: int) -> bytes:
        """Return the first *size* bytes."""
        return self._data[:size]


def environ_of(request: web.Request) -> dict[str, Any]:
    """Return what the library reads of a request."""
    environ: dict[str, Any] = driver.translate_request(request)
    body = request.get(_BODY, b"")
    environ["wsgi.input"] = _Whole(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def whole_requests(
    arrived: Callable[[asyncio.BaseTransport | None], None], most_bytes: int, timeout_s: float
) -> Middleware:
    """Return the middleware that reads bodies, and calls *arrived* with connections that have sent a request.

    A body longer than *most_bytes* is answered with 413, one that is not complete after *timeout_s* with 408.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        arrived(request.transport)
        if request.body_exists:
            if (request.content_length or 0) > most_bytes:
                raise web.HTTPRequestEntityTooLarge(most_bytes, request.content_length or 0)
            try:
                async with asyncio.timeout(timeout_s):
                    request[_BODY] = await request.read()
            except TimeoutError:
                raise web.HTTPRequestTimeout(headers={"Connection": "close"}) from None
        return await handler(request)

    return middleware


__all__ = ["environ_of", "whole_requests"]
