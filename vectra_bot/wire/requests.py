"""Read a client's requests, for the exchange (protocol 10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import frozen

from vectra_bot.errors import WireError
from vectra_bot.wire.amounts import lamports
from vectra_bot.wire.packet import read_packet, split_trace
from vectra_bot.wire.profile import Profile, default_profile

_MONEY_LIMIT = 1e9
_MAX_TEXT = 128


@frozen(kw_only=True)
class Request:
    """A client's request as typed values.

    ``kind`` is our name of the request (``buy``, ``short_open`` ...), empty if *event* is not one in the
    profile. ``amount`` (lamports), ``percentage``, ``leverage``, ``choice`` and ``round_id`` are None where
    the request has no valid value; the exchange rejects such a request, and the payload has the original.
    An invalid ``round_id`` or ``coin`` is empty instead: None means that none was given, which is allowed.
    """

    event: str
    kind: str = ""
    ack_id: int | None
    trace_id: str | None
    amount: int | None
    percentage: int | None
    leverage: int | None
    choice: str | None = None
    round_id: str | None = None
    coin: str | None = None
    payload: Mapping[str, Any]


def _amount(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not -_MONEY_LIMIT < value < _MONEY_LIMIT:
        return None
    return lamports(float(value))


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _leverage(value: object) -> int | None:
    """Return the requested leverage, None if none was given, 0 (never offered) for an invalid one."""
    return None if value is None else _integer(value) or 0


def _named(value: object) -> str | None:
    """Return an optional text: None if missing, empty if invalid."""
    return None if value is None else _text(value) or ""


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= _MAX_TEXT else None


def decode_request(raw: str, profile: Profile | None = None) -> Request:
    """Read a client's frame ``42<id>["buyOrder",trace,{...}]``, with the names of *profile*.

    Raises:
        WireError: it is not an event frame, or its payload is not JSON.
    """
    profile = profile or default_profile()
    packet = read_packet(raw)
    if packet.ack:
        raise WireError("not-an-event", f"a client sent an acknowledgement: {raw[:80]!r}")
    trace_id, arguments = split_trace(packet.arguments)
    payload: dict[str, Any] = {}
    if arguments:
        try:
            payload = msgspec.json.decode(arguments[-1], type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError) as error:
            raise WireError(
                "type:payload",
                f"{packet.name} has an unusable payload ({error}): send one object",
                event_name=packet.name,
            ) from None
    kind = profile.kinds.get(packet.name, "")
    names: Mapping[str, str] = profile.requests.get(kind, {})
    given = {ours: payload.get(theirs) for ours, theirs in names.items() if ours != "event"}
    choice = _text(given.get("choice"))
    return Request(
        event=packet.name,
        kind=kind,
        ack_id=packet.packet_id,
        trace_id=trace_id,
        amount=_amount(given.get("amount")),
        percentage=_integer(given.get("percentage")),
        leverage=_leverage(given.get("leverage")),
        choice=None if choice is None else profile.choice_of.get(choice),
        round_id=_named(given.get("round")),
        coin=_named(given.get("coin")),
        payload=payload,
    )
