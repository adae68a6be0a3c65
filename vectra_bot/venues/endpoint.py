"""The address of a live venue, parsed from a URL."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from attrs import field, frozen

from vectra_bot.errors import ConfigError
from vectra_bot.redaction import hide, shown_url

QUERY: Final = {"frontend-version": "1.0"}
"""What the venue's own page sends when it connects (protocol 2.1)."""

_SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


@frozen
class Endpoint:
    """A venue's address: the URL to connect to, the Socket.IO path, and the host, which names the venue."""

    url: str = field(repr=False)
    path: str
    host: str

    @property
    def address(self) -> str:
        """Return the URL as it may be shown and stored, without its query: it may contain a secret."""
        return shown_url(self.url)

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Return the endpoint of a URL: ``https://host[:port][/path]``.

        Raises:
            ConfigError: it is not such a URL, or contains a user name or password.
        """
        try:
            parts = urlsplit(text.strip())
            host, _ = parts.hostname, parts.port
        except ValueError:
            parts, host = SplitResult("", "", "", "", ""), None
        if parts.scheme not in _SCHEMES or not host:
            raise ConfigError(
                f"url was {shown_url(text)!r}: give https://HOST, or http://127.0.0.1:PORT for your own "
                "server"
            )
        if "@" in parts.netloc:
            raise ConfigError("url contains a user name or password: remove it, none is needed")
        for _, value in parse_qsl(parts.query):
            hide(value)
        query = urlencode({**QUERY, **dict(parse_qsl(parts.query))})
        base = parts.path.strip("/").removesuffix("socket.io").strip("/")
        url = urlunsplit((_SCHEMES[parts.scheme], parts.netloc, "", query, ""))
        return cls(url, f"{base}/socket.io".strip("/"), host)
