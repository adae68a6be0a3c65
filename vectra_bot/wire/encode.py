"""Encode commands as the client's requests (protocol 10)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping

from vectra_bot.errors import WireError
from vectra_bot.game.rules import MIN_LEVERAGE, SIDEBET_PAYOUT_X, SOL_ADDRESS
from vectra_bot.models import ActionType, Command
from vectra_bot.wire.amounts import js_text
from vectra_bot.wire.frames import trace_argument
from vectra_bot.wire.profile import Profile, default_profile


def span_id(trace_id: str) -> str:
    """Return the 16 hex digits of our span: the first 8 bytes of SHA-256 of the trace id."""
    return hashlib.sha256(trace_id.encode("ascii")).hexdigest()[:16]


def encode_request(command: Command, ack_id: int, profile: Profile | None = None) -> str:
    """Return the frame ``42<id>["buyOrder",trace,{"amount":0.01}]`` that carries *command*.

    Amounts are JSON numbers in the shortest form that gives the same double; leverage is written only if
    it is not 1. Requests for shorts and side games, and the key of leverage, have unverified names: those
    of *profile*, the package's own if None.

    Raises:
        WireError: the action is not a request to the venue, or a value is missing.
    """
    kind = command.action_type
    write = _WRITERS.get(kind)
    if write is None:
        raise WireError("unknown-request", f"no request carries {kind.value}: it is local")
    profile = profile or default_profile()
    names = profile.requests[kind.value.lower()]
    payload = ",".join(write(command, names, profile))
    trace = trace_argument(command.trace_id, span_id(command.trace_id))
    return f'42{ack_id}["{names["event"]}",{trace},{{{payload}}}]'


def encode_login(token: str, trace_id: str, profile: Profile | None = None) -> str:
    """Return the frame ``42["authenticate",trace,{"token":...}]`` that logs in; never to be kept or shown."""
    names = (profile or default_profile()).login
    trace = trace_argument(trace_id, span_id(trace_id))
    return f'42["{names["event"]}",{trace},{{"{names["token"]}":{json.dumps(token)}}}]'


def encode_ping(ack_id: int, last_ms: float) -> str:
    """Return the frame ``42<id>["ping",{"lastPing":...}]`` as the page sends it once a second (protocol 2.4).

    Args:
        ack_id: id of its acknowledgement, which is empty.
        last_ms: the previous round trip, in ms.
    """
    return f'42{ack_id}["ping",{{"lastPing":{js_text(last_ms)}}}]'


def _buy(command: Command, names: Mapping[str, str], _: Profile) -> list[str]:
    parts = [_amount(command, names)]
    if command.leverage != MIN_LEVERAGE:
        parts.append(f'"{names["leverage"]}":{command.leverage}')
    return parts


def _sell(command: Command, names: Mapping[str, str], _: Profile) -> list[str]:
    if command.percentage is None:
        raise _missing(command, "percentage")
    return [f'"{names["percentage"]}":{command.percentage}']


def _sidebet(command: Command, names: Mapping[str, str], _: Profile) -> list[str]:
    coin = f'"coinAddress":"{SOL_ADDRESS}"'
    return [_amount(command, names), coin, f'"xPayout":{SIDEBET_PAYOUT_X}']


def _short_open(command: Command, names: Mapping[str, str], _: Profile) -> list[str]:
    return [_amount(command, names)]


def _short_close(*_: object) -> list[str]:
    return []


def _side_game(command: Command, names: Mapping[str, str], profile: Profile) -> list[str]:
    for field in ("choice", "round_id"):
        if getattr(command, field) is None:
            raise _missing(command, field)
    choice = profile.choices.get(command.choice or "")
    if choice is None:
        raise WireError(
            "bad:choice",
            f"choice was {command.choice!r}: the profile knows {', '.join(profile.choices)}",
        )
    # The round's id is text from the venue: it must not be able to end the string.
    round_id = json.dumps(command.round_id)
    return [
        _amount(command, names),
        f'"{names["choice"]}":"{choice}"',
        f'"{names["round"]}":{round_id}',
    ]


_WRITERS: dict[ActionType, Callable[[Command, Mapping[str, str], Profile], list[str]]] = {
    ActionType.BUY: _buy,
    ActionType.SELL: _sell,
    ActionType.SIDEBET: _sidebet,
    ActionType.SHORT_OPEN: _short_open,
    ActionType.SHORT_CLOSE: _short_close,
    ActionType.BBC_PREDICT: _side_game,
    ActionType.CANDLEFLIP_BET: _side_game,
}


def _amount(command: Command, names: Mapping[str, str]) -> str:
    if command.amount is None:
        raise _missing(command, "amount")
    return f'"{names["amount"]}":{js_text(float(command.amount))}'


def _missing(command: Command, field: str) -> WireError:
    return WireError(
        f"missing:{field}",
        f"a {command.action_type.value} was to be sent without {field}: give one",
    )
