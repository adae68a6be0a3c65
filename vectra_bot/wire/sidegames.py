"""Payloads of the side games' events (protocol 11): our own shapes, as none was ever captured.

Everything here is ``unverified``. Names of events and choices come from the protocol profile.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET, Struct, UnsetType

from vectra_bot.wire.payloads import EntryPrice, Int, Money, Price, Tick


class RoundPayload(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A round of a side game, sent to all clients when it opens, closes and has its result (unverified).

    ``game_id``, ``tick`` and ``price`` are the main game's when the frame was sent. ``result`` and
    ``server_seed`` are in the last one only; ``closes_at`` and ``timestamp`` are ms since the epoch.
    """

    round_id: str
    status: str
    room: Int | UnsetType = UNSET
    server_seed_hash: str
    closes_at: Int
    payouts: Mapping[str, float]
    game_id: str
    tick: Tick
    price: Price
    timestamp: Int
    result: str | UnsetType | None = UNSET
    server_seed: str | UnsetType | None = UNSET


class RoundBetPayload(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """The owner's stake in a round, in its event and in its acknowledgement's ``bet`` (unverified)."""

    player_id: str
    round_id: str
    game_id: str
    username: str | None = None
    bet_amount: Money
    choice: str
    coin_address: str | None = None
    bonus_portion: Money | UnsetType | None = UNSET
    real_portion: Money | UnsetType | None = UNSET
    timestamp: Int
    type: str = "placed"


class RoundResultPayload(RoundBetPayload, rename="camel", frozen=True, gc=False, kw_only=True):
    """The result of the owner's stake; ``payout`` includes the stake (unverified)."""

    result: str
    payout: Money
    profit: Money
    type: str = "payout"


class LeveragedPosition(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """An item of ``leveragedPositions`` in a player update (protocol 9: its shape is unverified)."""

    amount: Money
    qty: Money
    leverage: Int
    entry_price: EntryPrice
    entry_tick: Tick
    liquidation_price: Price
    coin_address: str | None = None
