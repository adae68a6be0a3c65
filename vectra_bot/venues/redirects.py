"""Redirects of a live venue: only its own host gets what was meant for it."""

from __future__ import annotations

import aiohttp
from yarl import URL

from vectra_bot.redaction import shown_url


class RedirectError(Exception):
    """The venue answered with a redirect that is not followed."""


async def check_redirect(
    _session: aiohttp.ClientSession, _context: object, seen: aiohttp.TraceRequestRedirectParams
) -> None:
    """Follow a redirect on the same host only, and never from https to http.

    The address contains what the user configured, possibly a token, for this host alone.
    """
    headers = seen.response.headers
    try:
        # Read as aiohttp reads it: another parser might see another host.
        target = seen.url.join(URL(headers.get("Location") or headers.get("URI") or "")).origin()
    except ValueError:
        raise RedirectError(
            "the venue redirects to an invalid address: check the address"
        ) from None
    if target != seen.url.origin():
        raise RedirectError(
            f"the venue redirects to {shown_url(str(target))}, which is not followed: "
            "if you trust it, give that address"
        )
