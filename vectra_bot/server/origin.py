"""Check of Host and Origin: pages of foreign sites cannot connect, under any name of this machine.

A server on the loopback address is open to every page in the user's browser, directly or by a name that
resolves to 127.0.0.1. So Host must be a name of this machine, and Origin, if present, a page of it or
the venue's, which clients of the venue send.

Both headers are read strictly (RFC 9112, 3.2; RFC 6454, 6.2), because a lenient parser and a browser may see
different hosts in one text: exactly one header, a name or an address, and a port or none. A user part,
spaces, an empty port, a zone of an IPv6 address and a dot at the end are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from aiohttp import web

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_VENUE_ORIGIN = "https://rugs.fun"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_AUTHORITY = re.compile(
    rf"(?:(?P<name>{_LABEL}(?:\.{_LABEL})*)|\[(?P<six>[0-9A-Fa-f:.]{{2,45}})\])(?::(?P<port>[0-9]{{1,5}}))?"
)

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
            hosts, origins = (
                request.headers.getall("Host", []),
                request.headers.getall("Origin", []),
            )
            if self.allow(hosts, origins):
                return await handler(request)
            self._on_refused()
            raise web.HTTPForbidden(text="Host or Origin is not of this machine")

        return check

    def allow(self, hosts: list[str], origins: list[str]) -> bool:
        """Return whether a request with these values of Host and Origin may connect."""
        host = host_of(hosts[0]) if len(hosts) == 1 else None
        if host is None or not (self._any_host or host in self._names):
            return False
        if not origins or origins == [_VENUE_ORIGIN]:
            return True
        page = origin_host(origins[0]) if len(origins) == 1 else None
        return page is not None and (page in self._names or (self._any_host and page == host))


def host_of(text: str) -> str | None:
    """Return the host of a Host header in lower case, an IPv6 address in its short form; None if invalid."""
    found = _AUTHORITY.fullmatch(text)
    if found is None or not 0 < int(found["port"] or 1) < 65_536:
        return None
    if found["six"] is None:
        return found["name"].lower()
    try:
        return str(IPv6Address(found["six"]))
    except ValueError:
        return None


def origin_host(text: str) -> str | None:
    """Return the host of an Origin header, None if it is not one that a browser sends for a page.

    A browser writes scheme and host in lower case and adds no path, so nothing else is accepted.
    """
    scheme, slashes, rest = text.partition("://")
    if scheme not in ("http", "https") or not slashes or rest != rest.lower():
        return None
    return host_of(rest)
