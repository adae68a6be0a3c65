"""Requests of a client, read by the exchange (protocol 10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import frozen

from vectra_bot.errors import WireError
from vectra_bot.wire.amounts import lamports
from vectra_bot.wire.packet import read_packet, split_trace

_MONEY_LIMIT = 1e9


@frozen(kw_only=True)
class Request:
    """A client's request as typed facts.

    ``amount`` (lamports), ``percentage`` and ``leverage`` are None where the request has no usable number;
    the exchange refuses such a request, the payload says what stood there.
    """

    event: str
    ack_id: int | None
    trace_id: str | None
    amount: int | None
    percentage: int | None
    leverage: int | None
    payload: Mapping[str, Any]


def _amount(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not -_MONEY_LIMIT < value < _MONEY_LIMIT:
        return None
    return lamports(float(value))


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def decode_request(raw: str) -> Request:
    """Read a client's frame ``42<id>["buyOrder",trace,{...}]``.

    Raises:
        WireError: it is not an event frame, or its payload is not JSON.
    """
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
    return Request(
        event=packet.name,
        ack_id=packet.packet_id,
        trace_id=trace_id,
        amount=_amount(payload.get("amount")),
        percentage=_integer(payload.get("percentage")),
        leverage=_integer(payload.get("leverage")),
        payload=payload,
    )
