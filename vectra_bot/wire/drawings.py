"""Payloads of the drawings (protocol 5.9, 12)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

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
