"""Frames as the venue writes them: the text of events and acknowledgements, and pre-encoded parts."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from vectra_bot.wire.amounts import js_text
from vectra_bot.wire.states import WireFormat

__all__ = [
    "WireFormat",
    "ack_text",
    "event_text",
    "god_candle_keys",
    "highest_keys",
    "is_plain",
    "raw_part",
    "trace_argument",
]

_encode = msgspec.json.Encoder().encode
# A string, or a number that JSON.stringify writes differently from the encoder: with a zero
# fraction (1.0) or with an exponent (1e-6). Strings are matched so that they are left unchanged.
_FOREIGN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?[eE][+-]?\d+|-?\d+\.0(?!\d)')
# Every text with such a number contains one of these; searching for them costs less than the pattern.
# Exponents above 15 are not covered: no price or amount of the venue is that large.
_SUSPECTS = (b".0,", b".0}", b".0]", b"e-6,", b"e-6}", b"e-6]")


def _as_javascript(match: re.Match[bytes]) -> bytes:
    text = match[0]
    return text if text[:1] == b'"' else js_text(float(text)).encode()


def _encoded(value: Any) -> bytes:
    """Serialize *value* with all numbers in JavaScript's form, also those a writer did not prepare."""
    data = _encode(value)
    for suspect in _SUSPECTS:
        if suspect in data:
            return _FOREIGN.sub(_as_javascript, data)
    return data


def raw_part(value: Any) -> msgspec.Raw:
    """Serialize *value* once, for use in several frames (leaderboard rows, history games)."""
    return msgspec.Raw(_encoded(value))


def is_plain(value: float) -> bool:
    """Return whether :func:`~vectra_bot.wire.amounts.number` of *value* encodes as JavaScript writes it.

    Between 1e-6 and 1e-5 the encoder uses an exponent and JavaScript does not.
    """
    return not 1e-6 <= abs(value) < 1e-5


def trace_argument(trace_id: str, span_id: str) -> str:
    """Return the trace object, the first argument of an event (protocol 2.2)."""
    return f'{{"__trace":true,"traceparent":"00-{trace_id}-{span_id}-01"}}'


def event_text(
    name: str,
    payload: Any = None,
    *,
    trace_id: str | None = None,
    span_id: str | None = None,
    prepared: bool = False,
) -> str:
    """Return the frame ``42["name",trace?,payload?]``.

    Args:
        name: the event's name.
        payload: a payload struct, or anything msgspec encodes; None for an event without argument.
        trace_id: 32 hex digits; without it no trace argument is written.
        span_id: 16 hex digits, by default the last half of *trace_id*.
        prepared: whether every number of *payload* is one that encodes as JavaScript writes it (parts encoded
            before, and those that :func:`is_plain` accepts): then the text is not searched for others.
    """
    parts = [f'42["{name}"']
    if trace_id is not None:
        parts.append(trace_argument(trace_id, span_id or trace_id[16:]))
    if payload is not None:
        data = _encode(payload) if prepared else _encoded(payload)
        parts.append(data.decode())
    return ",".join(parts) + "]"


def ack_text(ack_id: int, payload: Any = None) -> str:
    """Return the acknowledgement ``43<id>[payload]``; without payload an empty one, as for a ping."""
    return f"43{ack_id}[{'' if payload is None else _encoded(payload).decode()}]"


def highest_keys(
    wire_format: WireFormat,
    *,
    game_id: str | None,
    server_seed: str | None,
    prices: tuple[float, ...] | msgspec.Raw = (),
) -> dict[str, Any]:
    """Return the keys of today's best game in this format, for ``SettlementState(**keys)``."""
    if wire_format is WireFormat.DEC:
        return {"highest_today_prices": prices}
    return {"highest_today_game_id": game_id, "highest_today_server_seed": server_seed}


def god_candle_keys(
    wire_format: WireFormat,
    tier: int,
    *,
    peak: float | None = None,
    timestamp_ms: int | None = None,
    jump: tuple[float, float] | None = None,
    game_id: str | None = None,
    server_seed: str | None = None,
    prices: tuple[float, ...] | msgspec.Raw = (),
) -> dict[str, Any]:
    """Return the keys of one god-candle tier (2, 10 or 50) in this format, all null if there was none."""
    name = f"god_candle_{tier}x"
    keys: dict[str, Any] = {
        name: peak,
        f"{name}_timestamp": timestamp_ms,
        f"{name}_massive_jump": jump,
    }
    if wire_format is WireFormat.DEC:
        keys[f"{name}_prices"] = prices
    else:
        keys[f"{name}_game_id"] = game_id
        keys[f"{name}_server_seed"] = server_seed
    return keys
