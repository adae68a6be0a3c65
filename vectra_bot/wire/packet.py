"""Socket.IO packets as text: prefix, id, event name, arguments, trace (protocol 2.1, 2.2, 2.3)."""

from __future__ import annotations

import re

import msgspec
from attrs import frozen
from msgspec import UNSET, Raw, Struct, UnsetType, field

from vectra_bot.errors import WireError

_SHOWN = 80
_HEAD = re.compile(r"4([23])([0-9]*)(?=\[)")
# 2^53 - 1, the largest id a JavaScript server can count to, has 16 digits.
_ID_DIGITS = 16
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

_decode_array = msgspec.json.Decoder(list[Raw]).decode
_decode_name = msgspec.json.Decoder(str).decode


class _TraceLike(Struct, frozen=True, gc=False):
    """Any object, to check whether it is a trace argument."""

    trace: Raw | UnsetType = field(name="__trace", default=UNSET)
    traceparent: Raw | UnsetType = UNSET


_decode_trace = msgspec.json.Decoder(_TraceLike).decode


@frozen
class Packet:
    """An event or acknowledgement, split but not yet decoded."""

    ack: bool
    packet_id: int | None
    name: str
    arguments: list[Raw]


def shown(raw: str) -> str:
    """Return the start of a frame for an error message: short, and safe to print."""
    text = ascii(raw[:_SHOWN])
    return text if len(raw) <= _SHOWN else f"{text}... ({len(raw)} characters)"


def _head_error(raw: str) -> WireError:
    if not raw:
        return WireError("empty", "the frame was empty")
    if raw[:2] in ("45", "46"):
        return WireError("binary", f"a binary frame was {shown(raw)}: the venue sends text only")
    if raw[:2] in ("42", "43") and "/" in raw[:3]:
        return WireError(
            "namespace", f"the frame was {shown(raw)}: only the default namespace is used"
        )
    return WireError(
        "not-an-event",
        f"the frame was {shown(raw)}: an event starts with 42[ and an answer with 43<id>[",
    )


def json_error(raw: str, error: Exception, event_name: str | None = None) -> WireError:
    """Return the error for text that is not valid JSON."""
    if isinstance(error, RecursionError):
        return WireError(
            "too-deep", f"the frame nests too deep: {shown(raw)}", event_name=event_name
        )
    return WireError(
        "not-json",
        f"the frame is not JSON ({str(error)!a}): {shown(raw)}",
        event_name=event_name,
    )


def read_packet(raw: str) -> Packet:
    """Split a frame into its parts.

    Raises:
        WireError: not an event or acknowledgement, not a JSON array, no name, or an invalid id.
    """
    head = _HEAD.match(raw)
    if head is None:
        raise _head_error(raw)
    try:
        parts = _decode_array(raw[head.end() :])
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError) as error:
        raise json_error(raw, error) from None
    digits = head[2]
    if len(digits) > _ID_DIGITS:
        raise WireError("bad-id", f"the packet id has {len(digits)} digits: {shown(raw)}")
    packet_id = int(digits) if digits else None
    if head[1] == "3":
        if not packet_id:
            raise WireError("bad-id", f"an acknowledgement needs an id above 0: {shown(raw)}")
        return Packet(True, packet_id, "", parts)
    try:
        name = _decode_name(parts[0])
    except (msgspec.MsgspecError, IndexError):
        raise WireError("bad-name", f"the event has no name: {shown(raw)}") from None
    return Packet(False, packet_id, name, parts[1:])


def trace_id_of(traceparent: str) -> str | None:
    """Return the 32-hex trace id of a W3C traceparent, None if it is not one."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return match[1] if match else None


def _is_trace(argument: Raw) -> tuple[bool, str | None]:
    data = bytes(argument)
    if data[:1] != b"{" or b'"__trace"' not in data:
        return False, None
    found = _decode_trace(data)
    if found.trace is UNSET:
        return False, None
    trace_id = None
    if found.traceparent is not UNSET:
        trace_id = trace_id_of(_text(found.traceparent))
    return True, trace_id


def _text(value: Raw) -> str:
    try:
        return _decode_name(value)
    except msgspec.MsgspecError:
        return ""


def split_trace(arguments: list[Raw]) -> tuple[str | None, list[Raw]]:
    """Drop leading trace objects; return the trace id (None if there is none) and the other arguments."""
    trace_id: str | None = None
    for index, argument in enumerate(arguments):
        is_trace, found = _is_trace(argument)
        if not is_trace:
            return trace_id, arguments[index:]
        trace_id = trace_id or found
    return trace_id, []


def payload_of(arguments: list[Raw]) -> Raw | None:
    """Return the payload: the last argument, or the last object or list before a bare trailing text.

    A server with connection-state recovery appends an offset text to every event.
    """
    if not arguments:
        return None
    last = arguments[-1]
    if bytes(last)[:1] == b'"':
        for argument in reversed(arguments[:-1]):
            if bytes(argument)[:1] in (b"{", b"["):
                return argument
    return last
