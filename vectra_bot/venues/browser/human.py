"""What the person at the page asks of the venue: requests that the page itself sends (protocol 10)."""

from __future__ import annotations

from vectra_bot.errors import WireError
from vectra_bot.game.amounts import to_sol
from vectra_bot.models import ActionType, PlayerRequest
from vectra_bot.wire.profile import Profile
from vectra_bot.wire.requests import decode_request

_TYPES = {kind.value.lower(): kind for kind in ActionType}


def player_request(raw: str, recv_ns: int, profile: Profile) -> PlayerRequest | None:
    """Return the request in a frame that the page sent, None if it asks for no action or cannot be read."""
    try:
        request = decode_request(raw, profile)
    except WireError:
        return None
    kind = _TYPES.get(request.kind)
    if kind is None:
        return None
    return PlayerRequest(
        recv_ns=recv_ns,
        action_type=kind,
        amount=None if request.amount is None else to_sol(request.amount),
        percentage=request.percentage,
        leverage=request.leverage or 1,
        choice=request.choice,
        round_id=request.round_id,
        ack_id=request.ack_id,
        trace_id=request.trace_id,
    )


__all__ = ["player_request"]
