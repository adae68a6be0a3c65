"""From commands to the client's requests (protocol 10)."""

from __future__ import annotations

import hashlib

from vectra_bot.errors import WireError
from vectra_bot.game.rules import MIN_LEVERAGE, SIDEBET_PAYOUT_X, SOL_ADDRESS
from vectra_bot.models import ActionType, Command
from vectra_bot.wire.amounts import js_text
from vectra_bot.wire.frames import trace_argument


def span_id(trace_id: str) -> str:
    """Return the 16 hex digits of our span: the first 8 bytes of SHA-256 of the trace id."""
    return hashlib.sha256(trace_id.encode("ascii")).hexdigest()[:16]


def encode_request(command: Command, ack_id: int) -> str:
    """Return the frame ``42<id>["buyOrder",trace,{"amount":0.01}]`` that carries *command*.

    Amounts are JSON numbers in the shortest form that gives the same double; leverage is named only when
    it is not 1.

    Raises:
        WireError: the venue's request for this kind of action is not known, or a value is missing.
    """
    event, payload = _request(command)
    return f'42{ack_id}["{event}",{trace_argument(command.trace_id, span_id(command.trace_id))},{payload}]'


def _request(command: Command) -> tuple[str, str]:
    kind = command.action_type
    if kind is ActionType.BUY:
        leverage = command.leverage
        more = "" if leverage == MIN_LEVERAGE else f',"leverage":{leverage}'
        return "buyOrder", f'{{"amount":{_amount(command)}{more}}}'
    if kind is ActionType.SELL:
        if command.percentage is None:
            raise _missing(command, "percentage")
        return "sellOrder", f'{{"percentage":{command.percentage}}}'
    if kind is ActionType.SIDEBET:
        return "requestSidebet", (
            f'{{"amount":{_amount(command)},"coinAddress":"{SOL_ADDRESS}","xPayout":{SIDEBET_PAYOUT_X}}}'
        )
    raise WireError(
        "unknown-request",
        f"no request is known for {kind.value}: the venue's event for it was never captured",
    )


def _amount(command: Command) -> str:
    if command.amount is None:
        raise _missing(command, "amount")
    return js_text(float(command.amount))


def _missing(command: Command, field: str) -> WireError:
    return WireError(
        f"missing:{field}",
        f"a {command.action_type.value} was to be sent without {field}: give one",
    )
