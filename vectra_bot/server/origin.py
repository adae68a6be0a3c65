"""Check of Host and Origin: pages of foreign sites cannot connect, under any name of this machine.

A server on the loopback address is open to every page in the user's browser, directly or by a name that
resolves to 127.0.0.1. So Host must be a name of this machine, and Origin, if present, a page of it or
the venue's, which clients of the venue send.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_VENUE_ORIGIN = "https://rugs.fun"

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware


def is_loopback(host: str) -> bool:
    """Return whether a listening address is reachable only from this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Visitors:
    """Reject foreign Host and Origin headers; a public address accepts any Host, but no foreign Origin."""

    def __init__(self, host: str, on_refused: Callable[[], None]) -> None:
        self._names = _LOCAL | {host}
        self._any_host = not is_loopback(host)
        self._on_refused = on_refused

    @property
    def check(self) -> Middleware:
        """Return the aiohttp middleware."""

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            if self._allowed(request):
                return await handler(request)
            self._on_refused()
            raise web.HTTPForbidden(text="Host or Origin is not of this machine")

        return check

    def _allowed(self, request: web.Request) -> bool:
        host = _hostname(f"//{request.host}")
        if not self._any_host and host not in self._names:
            return False
        origin = request.headers.get("Origin")
        if origin is None or origin == _VENUE_ORIGIN:
            return True
        return _hostname(origin) in (self._names | ({host} if self._any_host else set()))


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
