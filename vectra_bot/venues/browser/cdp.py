"""The Chrome DevTools Protocol as bytes and objects: no socket, clock or task.

A pipe carries JSON objects that end with NUL; a websocket carries one per text message. Calls have an id that
their reply repeats; everything else is an event. Of the events only those that a session needs are decoded:
the others may contain cookies and passwords of the page, and are dropped unread.

What the page sends passes only if it is a request that a session may know of. Everything else, above all the
login, is dropped here, before any other code sees it.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec
from attrs import define, field, frozen

MOST_BYTES: Final = 64 << 20
"""Longest message accepted."""
_END: Final = b"\0"
_NAME = re.compile(r'42\d{0,16}\["([^"\\]{1,128})"')

RECEIVED: Final = "Network.webSocketFrameReceived"
SENT: Final = "Network.webSocketFrameSent"
CREATED: Final = "Network.webSocketCreated"
CLOSED: Final = "Network.webSocketClosed"
DETACHED: Final = "Target.detachedFromTarget"
DESTROYED: Final = "Target.targetDestroyed"
CRASHED: Final = "Target.targetCrashed"
CHANGED: Final = "Target.targetInfoChanged"
LOADED: Final = "Page.frameNavigated"

_FRAMES: Final = frozenset({RECEIVED, SENT})
_EVENTS: Final = frozenset({CREATED, CLOSED, LOADED, DETACHED, DESTROYED, CRASHED, CHANGED})


class CdpError(Exception):
    """The browser refused a call, or what it sent cannot be read."""


class Framing:
    """Splits the bytes of a pipe into messages."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._parts: deque[bytes] = deque()
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that *data* completes.

        Raises:
            CdpError: a message is longer than allowed.
        """
        first, *others = data.split(_END)
        if not others:
            self._hold(first)
            return []
        self._parts.append(first)
        complete = [b"".join(self._parts), *others[:-1]]
        self._parts.clear()
        self._size = 0
        self._hold(others[-1])
        return [message for message in complete if message]

    def _hold(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._most:
            raise CdpError(f"the browser sent a message of more than {self._most} bytes")
        if part:
            self._parts.append(part)


@frozen
class CdpReply:
    """The reply to a call."""

    call_id: int
    result: Mapping[str, Any]
    error: str | None = None


@frozen
class CdpEvent:
    """An event of the browser (session "") or of a tab."""

    method: str
    session: str
    params: Mapping[str, Any]


@frozen
class PageFrame:
    """One message on a websocket of the page.

    Attributes:
        session: the tab's session.
        request_id: the browser's name of the websocket.
        raw: its text; "" for bytes, which no frame of the venue is.
        at_s: when the browser passed it on, by its own monotonic clock, in seconds.
        sent: whether the page sent it.
    """

    session: str
    request_id: str
    raw: str
    at_s: float
    sent: bool


CdpMessage: TypeAlias = CdpReply | CdpEvent | PageFrame


class _Head(msgspec.Struct, gc=False):
    id: int | None = None
    method: str = ""
    sessionId: str = ""  # noqa: N815 - the protocol's name
    params: msgspec.Raw = msgspec.Raw(b"{}")
    result: msgspec.Raw = msgspec.Raw(b"{}")
    error: msgspec.Raw = msgspec.Raw(b"")


class _Payload(msgspec.Struct, gc=False):
    opcode: int
    payloadData: str  # noqa: N815


class _FrameParams(msgspec.Struct, gc=False):
    requestId: str  # noqa: N815
    timestamp: float
    response: _Payload


class _Refusal(msgspec.Struct, gc=False):
    message: str = "no reason given"


_head = msgspec.json.Decoder(_Head).decode
_frame = msgspec.json.Decoder(_FrameParams).decode
_object = msgspec.json.Decoder(dict[str, Any]).decode
_refusal = msgspec.json.Decoder(_Refusal).decode


def event_name(raw: str) -> str:
    """Return the event's name in a frame ``42[...]`` or ``42<id>[...]``, "" if it has none."""
    found = _NAME.match(raw)
    return found[1] if found else ""


def encode_call(call_id: int, method: str, params: Mapping[str, Any], session: str = "") -> bytes:
    """Return a call as JSON; a pipe adds its NUL."""
    call: dict[str, Any] = {"id": call_id, "method": method, "params": params}
    if session:
        call["sessionId"] = session
    return json.dumps(call, separators=(",", ":")).encode()


@define
class CdpDecoder:
    """Decodes what the browser sends.

    Attributes:
        passes: whether a session may know of a request of the page, by the name of its event.
        dropped: sent frames that were dropped, the login among them.
        unreadable: messages that are not JSON of the protocol.
    """

    passes: Callable[[str], bool]
    dropped: int = field(init=False, default=0)
    unreadable: int = field(init=False, default=0)

    def decode(self, message: bytes | str) -> CdpMessage | None:
        """Return the message, None if it is not to be seen or cannot be read."""
        try:
            head = _head(message)
            if head.id is not None:
                return _reply(head)
            if head.method in _FRAMES:
                return self._frame(head)
            if head.method in _EVENTS:
                return CdpEvent(head.method, head.sessionId, _object(head.params))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            self.unreadable += 1
        return None

    def _frame(self, head: _Head) -> PageFrame | None:
        found = _frame(head.params)
        raw, sent = found.response.payloadData, head.method == SENT
        if found.response.opcode != 1:
            raw = ""
        if sent and not self.passes(event_name(raw)):
            self.dropped += 1
            return None
        return PageFrame(head.sessionId, found.requestId, raw, found.timestamp, sent)


def _reply(head: _Head) -> CdpReply:
    call_id = head.id or 0
    if bytes(head.error):
        return CdpReply(call_id, {}, _refusal(head.error).message)
    return CdpReply(call_id, _object(head.result))


__all__ = [
    "MOST_BYTES",
    "CdpDecoder",
    "CdpError",
    "CdpEvent",
    "CdpMessage",
    "CdpReply",
    "Framing",
    "PageFrame",
    "encode_call",
    "event_name",
]
