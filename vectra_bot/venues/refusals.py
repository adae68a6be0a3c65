"""Why a connection could not be made: one distinct text for each cause, and how long to stay away."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import aiohttp
from attrs import frozen

from vectra_bot.errors import safe_error, safe_text
from vectra_bot.venues.redirects import RedirectError

_REFUSED: Final = (401, 403)  # HTTP statuses of a venue that refuses us
# Older versions of aiohttp have no error for it, only the system's inside of another one.
_UNKNOWN_HOST: Final = (
    socket.gaierror,
    getattr(aiohttp, "ClientConnectorDNSError", socket.gaierror),
)
_EXPIRED: Final = 10  # OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED


@frozen
class FailedAttempt:
    """Why an attempt failed.

    Attributes:
        reason: the cause, in one line.
        wait_s: how long to stay away, in seconds; 0 for as long as the backoff says.
        final: whether the venue itself refused us: another attempt would be refused too.
    """

    reason: str
    wait_s: float = 0.0
    final: bool = False


def refusal(error: BaseException, longest_s: float) -> FailedAttempt:
    """Return why a connection failed.

    Args:
        error: what the handshake raised.
        longest_s: longest wait, in seconds.
    """
    for cause in _causes(error):
        if isinstance(cause, RedirectError):
            return FailedAttempt(str(cause), longest_s)
        if isinstance(cause, aiohttp.WSServerHandshakeError):
            return _answer(cause, longest_s)
        if isinstance(cause, aiohttp.ClientConnectorCertificateError):
            return FailedAttempt(_certificate(cause.certificate_error))
        if isinstance(cause, aiohttp.ClientConnectorSSLError | ssl.SSLError):
            return FailedAttempt(f"TLS failed: {safe_error(cause)}")
        if isinstance(cause, _UNKNOWN_HOST) or isinstance(
            getattr(cause, "os_error", None), socket.gaierror
        ):
            return FailedAttempt(f"no host of that name was found: {safe_error(cause)}")
        if isinstance(cause, aiohttp.ClientConnectorError):
            refused = cause.errno == errno.ECONNREFUSED
            words = "the connection was refused: " if refused else ""
            return FailedAttempt(f"{words}{safe_error(cause)}")
    return FailedAttempt(safe_error(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _answer(answer: aiohttp.WSServerHandshakeError, longest_s: float) -> FailedAttempt:
    text = safe_text(f"the venue answered {answer.status} {answer.message}")
    if answer.status in _REFUSED:
        return FailedAttempt(text, longest_s, final=True)
    after = "" if answer.headers is None else answer.headers.get("Retry-After", "")
    seconds = after.isascii() and after.isdigit()  # "\u00b2" is a digit but not a number
    return FailedAttempt(text, min(float(after), longest_s) if seconds else 0.0)


def _certificate(error: BaseException) -> str:
    if getattr(error, "verify_code", None) == _EXPIRED:
        return "the venue's TLS certificate has expired"
    why = getattr(error, "verify_message", "") or safe_error(error)
    return safe_text(f"the venue's TLS certificate is not trusted: {why}")


__all__ = ["FailedAttempt", "refusal"]
