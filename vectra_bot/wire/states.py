"""``gameStateUpdate`` in its five shapes (protocol 5.1): one struct per shape to write, one to read.

A writer's struct has exactly the keys of its shape, so others are never written; keys are in the venue's
order. The reader, :class:`GameState`, has the keys of all shapes, because the keys determine the shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, TypeAlias

from msgspec import UNSET, Raw, Struct, UnsetType, field

from vectra_bot.wire.payloads import (
    Coin,
    HistoryGame,
    Int,
    LeaderboardRow,
    PartialPrices,
    Price,
    ProvablyFair,
    Rugpool,
    RugRoyale,
    Tick,
)

Rows: TypeAlias = Sequence[LeaderboardRow] | Sequence[Raw] | Raw
"""Leaderboard rows to write: structs, pre-encoded rows, or the whole list pre-encoded."""
Games: TypeAlias = Sequence[HistoryGame] | Sequence[Raw] | Raw
"""History to write, newest first: structs, pre-encoded games, or the whole list pre-encoded."""


class WireFormat(StrEnum):
    """Which of the venue's two known formats to write.

    December 2025 sends price lists (``prices`` in history, ``highestTodayPrices``, ``godCandleNxPrices``);
    February 2026 sends game ids and seeds instead.
    """

    DEC = "dec"
    FEB = "feb"


class CountdownState(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """Every 100 ms in cooldown and presale."""

    game_id: str
    cooldown_timer: int
    cooldown_paused: bool = False
    allow_pre_round_buys: bool
    leaderboard: Rows
    connected_players: int
    provably_fair: ProvablyFair | Raw


class StartState(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """Tick 0 of a game."""

    active: bool = True
    price: float = 1
    rugged: bool = False
    tick_count: int = 0
    cooldown_timer: int = 0
    cooldown_paused: bool = False
    pause_message: str = ""
    allow_pre_round_buys: bool = False
    leaderboard: Rows = ()
    game_id: str
    connected_players: int
    game_version: str
    partial_prices: PartialPrices | Raw
    provably_fair: ProvablyFair | Raw


class TickState(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A live tick, the rug frame, and the frame that opens the presale."""

    active: bool
    price: float
    partial_prices: PartialPrices | Raw
    trade_count: int
    rugged: bool
    tick_count: int
    cooldown_timer: int = 0
    cooldown_paused: bool = False
    pause_message: str = ""
    allow_pre_round_buys: bool = False
    average_multiplier: float
    count_2x: int = field(name="count2x")
    count_10x: int = field(name="count10x")
    count_50x: int = field(name="count50x")
    count_100x: int = field(name="count100x")
    leaderboard: Rows
    game_id: str
    connected_players: int
    rugpool: Rugpool | Raw
    rug_royale: RugRoyale | Raw
    provably_fair: ProvablyFair | Raw


class _Records(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """The keys that a settlement frame, a new-game frame and a snapshot share, in the venue's order."""

    game_history: Games
    average_multiplier: float
    count_2x: int = field(name="count2x")
    count_10x: int = field(name="count10x")
    count_50x: int = field(name="count50x")
    count_100x: int = field(name="count100x")
    highest_today: float | None
    highest_today_timestamp: int | None
    highest_today_prices: Sequence[float] | Raw | UnsetType = UNSET
    highest_today_game_id: str | UnsetType | None = UNSET
    highest_today_server_seed: str | UnsetType | None = UNSET
    god_candle_2x: float | None = field(name="godCandle2x")
    god_candle_2x_timestamp: int | None = field(name="godCandle2xTimestamp")
    god_candle_2x_prices: Sequence[float] | Raw | UnsetType = field(
        name="godCandle2xPrices", default=UNSET
    )
    god_candle_2x_game_id: str | UnsetType | None = field(name="godCandle2xGameId", default=UNSET)
    god_candle_2x_server_seed: str | UnsetType | None = field(
        name="godCandle2xServerSeed", default=UNSET
    )
    god_candle_2x_massive_jump: Sequence[float] | None = field(name="godCandle2xMassiveJump")
    god_candle_10x: float | None = field(name="godCandle10x")
    god_candle_10x_timestamp: int | None = field(name="godCandle10xTimestamp")
    god_candle_10x_prices: Sequence[float] | Raw | UnsetType = field(
        name="godCandle10xPrices", default=UNSET
    )
    god_candle_10x_game_id: str | UnsetType | None = field(name="godCandle10xGameId", default=UNSET)
    god_candle_10x_server_seed: str | UnsetType | None = field(
        name="godCandle10xServerSeed", default=UNSET
    )
    god_candle_10x_massive_jump: Sequence[float] | None = field(name="godCandle10xMassiveJump")
    god_candle_50x: float | None = field(name="godCandle50x")
    god_candle_50x_timestamp: int | None = field(name="godCandle50xTimestamp")
    god_candle_50x_prices: Sequence[float] | Raw | UnsetType = field(
        name="godCandle50xPrices", default=UNSET
    )
    god_candle_50x_game_id: str | UnsetType | None = field(name="godCandle50xGameId", default=UNSET)
    god_candle_50x_server_seed: str | UnsetType | None = field(
        name="godCandle50xServerSeed", default=UNSET
    )
    god_candle_50x_massive_jump: Sequence[float] | None = field(name="godCandle50xMassiveJump")
    available_shitcoins: Sequence[Coin] | Raw
    active: bool
    price: float
    rugged: bool
    tick_count: int
    cooldown_timer: int
    cooldown_paused: bool = False
    pause_message: str = ""
    allow_pre_round_buys: bool
    leaderboard: Rows
    game_id: str
    connected_players: int
    game_version: str
    rug_royale: RugRoyale | Raw | UnsetType = UNSET


class SettlementState(_Records, rename="camel", frozen=True, gc=False, kw_only=True):
    """The settlement frame, the new-game frame and the golden start."""

    partial_prices: PartialPrices | Raw
    provably_fair: ProvablyFair | Raw


class SnapshotState(_Records, rename="camel", frozen=True, gc=False, kw_only=True):
    """The first frame of a connection, with every price of the running game so far."""

    prices: Sequence[float] | Raw
    provably_fair: ProvablyFair | Raw


class GameState(Struct, rename="camel", gc=False, kw_only=True):
    """Any ``gameStateUpdate``, for reading; fields are in the order of a tick frame, the most common shape.

    Not frozen: :class:`TickEnd` and :class:`CountdownEnd` fill in what they have. Parts that are not used are
    read as plain JSON, so that a number out of range is detected in them too.
    """

    active: bool | UnsetType = UNSET
    price: Price | UnsetType = UNSET
    partial_prices: PartialPrices | UnsetType | None = UNSET
    trade_count: Tick | UnsetType | None = UNSET
    rugged: bool | UnsetType = UNSET
    tick_count: Tick | UnsetType = UNSET
    cooldown_timer: Int | UnsetType = UNSET
    cooldown_paused: bool | None = False
    pause_message: str | UnsetType | None = UNSET
    allow_pre_round_buys: bool | None = False
    average_multiplier: float | UnsetType | None = UNSET
    count_2x: Any = field(name="count2x", default=UNSET)
    count_10x: Any = field(name="count10x", default=UNSET)
    count_50x: Any = field(name="count50x", default=UNSET)
    count_100x: Any = field(name="count100x", default=UNSET)
    leaderboard: tuple[LeaderboardRow, ...] | None = ()
    game_id: str
    connected_players: Int | None = 0
    rugpool: Any = UNSET
    rug_royale: Raw | UnsetType = UNSET
    provably_fair: ProvablyFair | None = None
    game_version: str | UnsetType | None = UNSET
    prices: tuple[Price, ...] | UnsetType | None = UNSET
    game_history: tuple[HistoryGame, ...] | UnsetType | None = UNSET
    available_shitcoins: Any = UNSET
    highest_today: Any = UNSET
    highest_today_timestamp: Any = UNSET
    highest_today_prices: Any = UNSET
    highest_today_game_id: Any = UNSET
    highest_today_server_seed: Any = UNSET
    god_candle_2x: Any = field(name="godCandle2x", default=UNSET)
    god_candle_2x_timestamp: Any = field(name="godCandle2xTimestamp", default=UNSET)
    god_candle_2x_prices: Any = field(name="godCandle2xPrices", default=UNSET)
    god_candle_2x_game_id: Any = field(name="godCandle2xGameId", default=UNSET)
    god_candle_2x_server_seed: Any = field(name="godCandle2xServerSeed", default=UNSET)
    god_candle_2x_massive_jump: Any = field(name="godCandle2xMassiveJump", default=UNSET)
    god_candle_10x: Any = field(name="godCandle10x", default=UNSET)
    god_candle_10x_timestamp: Any = field(name="godCandle10xTimestamp", default=UNSET)
    god_candle_10x_prices: Any = field(name="godCandle10xPrices", default=UNSET)
    god_candle_10x_game_id: Any = field(name="godCandle10xGameId", default=UNSET)
    god_candle_10x_server_seed: Any = field(name="godCandle10xServerSeed", default=UNSET)
    god_candle_10x_massive_jump: Any = field(name="godCandle10xMassiveJump", default=UNSET)
    god_candle_50x: Any = field(name="godCandle50x", default=UNSET)
    god_candle_50x_timestamp: Any = field(name="godCandle50xTimestamp", default=UNSET)
    god_candle_50x_prices: Any = field(name="godCandle50xPrices", default=UNSET)
    god_candle_50x_game_id: Any = field(name="godCandle50xGameId", default=UNSET)
    god_candle_50x_server_seed: Any = field(name="godCandle50xServerSeed", default=UNSET)
    god_candle_50x_massive_jump: Any = field(name="godCandle50xMassiveJump", default=UNSET)


class TickEnd(
    Struct, rename="camel", frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True
):
    """The last keys of a tick frame, which say the same for a whole game."""

    rugpool: Any
    rug_royale: Any
    provably_fair: ProvablyFair | None

    def fill(self, state: GameState) -> None:
        """Fill in what is used."""
        state.rugpool = self.rugpool
        state.provably_fair = self.provably_fair


class CountdownEnd(
    Struct, rename="camel", frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True
):
    """The last keys of a countdown frame, which are the same in most of them."""

    leaderboard: tuple[LeaderboardRow, ...] | None
    connected_players: Int | None
    provably_fair: ProvablyFair | None

    def fill(self, state: GameState) -> None:
        """Fill in all of it."""
        state.leaderboard = self.leaderboard
        state.connected_players = self.connected_players
        state.provably_fair = self.provably_fair
