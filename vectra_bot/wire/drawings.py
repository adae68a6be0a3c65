"""Payloads of the drawings (protocol 5.9, 12)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from vectra_bot.errors import WireError
from vectra_bot.wire.packet import payload_of, read_packet, split_trace
from vectra_bot.wire.payloads import Int, Money


class GoldenEntry(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A player's entries in a golden game's drawing."""

    player_id: str
    username: str | None
    entry_count: Int
    entry_percentage: float


class GoldenDrawingPayload(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """``goldenHourDrawing``, after each golden game."""

    id: str
    timestamp: Int
    game_id: str
    entries: Sequence[GoldenEntry]
    winner_index: Int
    prize_amount: Money
    winner_player_id: str


class PoolWinner(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A winner of a rugpool drawing."""

    player_id: str
    username: str | None
    entries: Int
    reward: Money


class PoolDrawing(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A rugpool drawing as ``lastDrawing`` states it; ``rugpoolDrawing`` itself is unverified."""

    timestamp: Int
    winners: Sequence[PoolWinner]
    reward_per_winner: Money
    total_pool_amount: Money


class PoolState(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """The rugpool as a player's private update states it: what is in it, and who can win it."""

    instarug_count: Int
    rugpool_amount: Money
    total_entries: Int
    last_drawing: PoolDrawing | None = None


class _PlayerUpdate(Struct, frozen=True, gc=False, kw_only=True):
    rugpool: PoolState | None = None


_KINDS: dict[str, type[Struct]] = {
    "goldenHourDrawing": GoldenDrawingPayload,
    "rugpoolDrawing": PoolDrawing,
    "gameStatePlayerUpdate": _PlayerUpdate,
}


def read_drawing(raw: str) -> GoldenDrawingPayload | PoolDrawing | PoolState | None:
    """Return what a frame says of a drawing or of the rugpool, None if it says nothing.

    Raises:
        WireError: it is not a frame, or says it in another shape.
    """
    packet = read_packet(raw)
    kind = _KINDS.get(packet.name)
    payload = None if kind is None else payload_of(split_trace(packet.arguments)[1])
    if kind is None or payload is None:
        return None
    try:
        found = msgspec.json.decode(payload, type=kind)
    except msgspec.DecodeError as error:
        raise WireError(
            "bad-drawing", f"{packet.name} cannot be read ({error})", event_name=packet.name
        ) from None
    return found.rugpool if isinstance(found, _PlayerUpdate) else found  # type: ignore[return-value]
