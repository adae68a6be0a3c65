"""Secrets of this process, and text without them or without control characters.

A value that was declared secret, or came as part of an address, is registered by :func:`hide`. What messages,
tracebacks, logs and journals say passes through :func:`redacted`, because foreign code may put a secret
anywhere: into the message of an exception, a log line, its saved state.
"""

from __future__ import annotations

import json
import logging
import re
from typing import Final
from urllib.parse import quote, quote_plus

SHOWN: Final = "<secret>"
"""What is shown in place of a secret."""

SHORTEST: Final = 6
"""Shorter secrets are not searched for in text: they would match by chance."""

_hidden: list[str] = []
_hidden_bytes: list[bytes] = []

_AUTHORITY_END: Final = re.compile(r"[/?#\\]")
# A word or a number may be a key or a value of any JSON document, which must remain what it is.
_COMMON: Final = re.compile(r"[a-z_. -]{1,23}|[0-9.,:eE+ \[\]{}-]+")


def hide(secret: str) -> None:
    """Register *secret*: no text that passes through :func:`redacted` contains it from now on.

    Its spellings in a URL, in JSON and in Python source are registered too.
    """
    text = str.__str__(secret)
    if len(text) < SHORTEST:
        return
    spellings = {text, quote(text, safe=""), quote(text), quote_plus(text), repr(text)[1:-1]}
    spellings |= {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    new = spellings.difference(_hidden)
    if new:
        # The longest first: a secret may contain another one. Replaced as a whole: threads may be reading.
        _hidden[:] = sorted({*_hidden, *new}, key=len, reverse=True)
        _hidden_bytes[:] = [
            spelling.encode()
            for spelling in _hidden
            if '"' not in spelling.replace('\\"', "") and not _COMMON.fullmatch(spelling)
        ]


def redacted(text: str) -> str:
    """Return *text* with :data:`SHOWN` in place of every registered secret."""
    for secret in _hidden:
        if secret in text:
            text = text.replace(secret, SHOWN)
    return text


def hides_anything() -> bool:
    """Return whether :func:`redacted_bytes` could change anything."""
    return bool(_hidden_bytes)


def redacted_bytes(data: bytes) -> bytes:
    """Return a JSON document with :data:`SHOWN` in place of every registered secret.

    A secret that is a plain word or number is not searched for: it could be a key or an unrelated value.
    """
    for secret in _hidden_bytes:
        if secret in data:
            data = data.replace(secret, SHOWN.encode())
    return data


def shown_url(url: str) -> str:
    """Return a URL, valid or not, as it may be shown: without user, password, query and fragment.

    Where it cannot be decided what is the user and what the host, only the scheme is shown.
    """
    scheme, slashes, rest = url.strip().partition("://")
    if not slashes:
        scheme, rest = "", scheme
    end = _AUTHORITY_END.search(rest)
    authority = rest[: end.start()] if end else rest
    path = rest[end.start() :] if end else ""
    if "@" in path:  # a password may contain / or ?, so any @ may end one
        return redacted(f"{scheme}{slashes}...")
    path = re.split(r"[?#]", path, maxsplit=1)[0]
    return redacted(f"{scheme}{slashes}{authority.rpartition('@')[2]}{path}")


class RedactingFilter(logging.Filter):
    """Removes secrets from the log records of a handler, tracebacks included."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact *record*; it is always kept."""
        if _hidden:
            record.msg, record.args = redacted(record.getMessage()), None
            if record.exc_info and not record.exc_text:
                record.exc_text = logging.Formatter().formatException(record.exc_info)
            if record.exc_text:
                record.exc_text = redacted(record.exc_text)
        return True


__all__ = [
    "SHORTEST",
    "SHOWN",
    "RedactingFilter",
    "hide",
    "hides_anything",
    "redacted",
    "redacted_bytes",
    "shown_url",
]


def clean(text: object) -> str:
    """Return *text* with every control character of a terminal escaped."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text)
    )
