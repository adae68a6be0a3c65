"""Payloads of the venue's events as typed structs, for reading and for writing (protocol 5).

Field names are ours, names on the wire are the venue's camelCase. A field that may be absent from the
wire defaults to ``UNSET`` and is then not written; one that may be null defaults to None.
Amounts and prices are JSON numbers (SOL, tokens); a writer passes them through
:func:`vectra_bot.wire.amounts.number` or :func:`~vectra_bot.wire.amounts.sol_number`. Where a type says
``Raw``, a pre-encoded part can be used in several frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from vectra_bot.game.rules import PRACTICE_ADDRESS

_INT_LIMIT = 2**53
_MONEY_LIMIT = 1e9

Price: TypeAlias = Annotated[float, Meta(ge=0)]
"""A price: finite, never negative."""
EntryPrice: TypeAlias = Annotated[float, Meta(gt=0)]
"""A price at which something was bought: never 0."""
Money: TypeAlias = Annotated[float, Meta(gt=-_MONEY_LIMIT, lt=_MONEY_LIMIT)]
"""An amount of SOL or tokens: finite, below 1e9 in size."""
Tick: TypeAlias = Annotated[int, Meta(ge=0, le=_INT_LIMIT)]
"""A tick number or a count."""
Int: TypeAlias = Annotated[int, Meta(ge=-_INT_LIMIT, le=_INT_LIMIT)]
"""An integer that a JSON double carries exactly (times in ms, scores)."""


class Trace(Struct, frozen=True, gc=False, kw_only=True):
    """The trace-context argument, which comes first (protocol 2.2)."""

    trace: bool = field(name="__trace")
    traceparent: str


class ProvablyFair(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """The commitment to a running game's seed (protocol 4.1)."""

    server_seed_hash: str
    version: str | None = None


class RevealedSeed(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A finished game's seed (protocol 5.3)."""

    server_seed: str
    server_seed_hash: str


class Coin(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A coin other than SOL (protocol 5.2); in ``availableShitcoins`` without a logo."""

    address: str
    ticker: str | None = None
    name: str | None = None
    max_bet: float | None = None
    max_win: float | None = None
    logo_uri: str | None = field(name="logoURI", default=None)


class SideBet(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """The open sidebet in a leaderboard row or a player update (protocol 5.2).

    A player update's list says ``startTick``/``endTick`` (protocol 5.6), everything else
    ``startedAtTick``/``end``.
    """

    started_at_tick: Tick | UnsetType = UNSET
    game_id: str | None = None
    end: Tick | UnsetType = UNSET
    bet_amount: Money
    x_payout: float | None = None
    coin_address: str | None = None
    bonus_portion: Money | UnsetType | None = UNSET
    real_portion: Money | UnsetType | None = UNSET
    start_tick: Tick | UnsetType = UNSET
    end_tick: Tick | UnsetType = UNSET


class ShortPosition(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A short position in a row (protocol 5.2, 8; payoff unverified)."""

    amount: Money
    entry_price: Price
    entry_tick: Tick
    current_value: Money
    pnl: Money
    coin_address: str | None = None
    bonus_portion: Money | UnsetType | None = UNSET
    real_portion: Money | UnsetType | None = UNSET


class LeaderboardRow(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A leaderboard row (protocol 5.2), satisfying :class:`vectra_bot.models.LeaderboardRow`.

    The three parts of ``pnl`` are absent from presale rows. Numbers lag one tick.
    """

    id: str
    username: str | None = None
    level: Int
    pnl: Money
    regular_pnl: Money | UnsetType = UNSET
    sidebet_pnl: Money | UnsetType = UNSET
    short_pnl: Money | UnsetType = UNSET
    sidebet_active: bool | None = None
    side_bet: SideBet | None = None
    short_position: ShortPosition | None = None
    pnl_percent: float
    has_active_trades: bool = True
    position_qty: Money
    avg_cost: Money
    total_invested: Money
    selected_coin: Coin | None = None
    position: Int

    @property
    def practice(self) -> bool:
        """Return whether the row is practice play: its numbers are not SOL."""
        coin = self.selected_coin
        if coin is not None:
            return coin.address == PRACTICE_ADDRESS
        return self.side_bet is not None and self.side_bet.coin_address == PRACTICE_ADDRESS


class PartialPrices(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """The sliding window of the last five prices; ``values`` is keyed by tick (text on the wire)."""

    start_tick: Tick
    end_tick: Tick
    values: dict[Tick, Price]


class Rugpool(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """The rugpool as a tick frame states it (protocol 5.1)."""

    instarug_count: Int
    threshold: Int
    rugpool_amount: Money


class RugRoyale(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """The rug-royale schedule of a tick frame (protocol 5.1); nothing scheduled by default."""

    status: str = "INACTIVE"
    active_event_id: str | None = None
    current_event: Mapping[str, Any] | None = None
    upcoming_events: Sequence[Mapping[str, Any]] = ()
    events: Sequence[Mapping[str, Any]] = ()


class PlacedRow(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A sidebet's placed row in ``globalSidebets`` (protocol 5.4)."""

    player_id: str
    username: str | None
    game_id: str
    bet_amount: Money
    x_payout: float
    coin_address: str
    bonus_portion: Money
    real_portion: Money
    timestamp: Int
    type: str = "placed"
    started_at_tick: Tick
    end: Tick
    id: str


class PayoutRow(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A sidebet's payout row, won or lost (protocol 5.4).

    A lost row has ``payout`` 0, ``tick_index`` equal to ``start_tick``, and neither ``level`` nor ``price``.
    """

    player_id: str
    game_id: str
    username: str | None = None
    level: Int | UnsetType = UNSET
    bet_amount: Money
    payout: Money
    profit: Money
    x_payout: float
    coin_address: str
    end_tick: Tick
    start_tick: Tick
    tick_index: Tick
    price: Price | UnsetType = UNSET
    timestamp: Int
    type: str = "payout"
    id: str


class HistoryGame(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A finished game in ``gameHistory`` (protocol 5.3); ``prices`` in the December format only."""

    id: str
    timestamp: Int
    prices: tuple[Price, ...] | UnsetType | None = UNSET
    peak_multiplier: Price
    rugged: bool = True
    global_trades: Raw = Raw(b"[]")
    global_sidebets: Raw = Raw(b"[]")
    provably_fair: RevealedSeed
    game_version: str


class TradePayload(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """``standard/newTrade`` (protocol 5.5)."""

    id: str
    game_id: str
    player_id: str
    price: Price
    type: str
    qty: Money
    tick_index: Tick
    coin: str | None = None
    amount: Money
    leverage: Int | UnsetType | None = UNSET
    bonus_portion: Money | UnsetType | None = UNSET
    real_portion: Money | UnsetType | None = UNSET
    username: str | None = None
    level: Int | None = None
    timestamp: Int | UnsetType | None = UNSET


class LevelInfo(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """Level and experience of a player update."""

    level: Int
    xp: float = 0
    xp_for_next_level: float = 0
    total_xp: float = field(name="totalXP", default=0)


class PlayerUpdatePayload(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """``playerUpdate``: 27 keys (protocol 5.6). Parts that are not used are read as plain JSON."""

    id: str
    role: str | None = None
    cash: Money
    bonus_balance: Money | None = 0
    bonus_wager_req: Money | None = 0
    bonus_wagered: Money | None = 0
    position_qty: Money
    avg_cost: Money
    cumulative_pnl: Money = field(name="cumulativePnL")
    sidebet_pnl: Money | None = 0
    pnl_percent: float | None = 0
    total_invested: Money
    has_interacted: bool | None = True
    selected_coin: Coin | str | None = None
    level_info: LevelInfo | None = None
    crate_keys: Any = Raw(b'{"gold":0,"diamond":0,"coal":0,"iron":0,"tier0":0}')
    recent_crate_rewards: Any = Raw(b"[]")
    shitcoin_balances: Any = Raw(b'{"0xPractice":100}')
    authenticated: bool | None = True
    hit_max_win: bool | None = False
    xp_boost: Any = Raw(b'{"active":false,"activeUntil":0,"available":0}')
    side_bet: SideBet | None = None
    sidebets: Any = Raw(b"[]")
    short_position: ShortPosition | None = None
    leveraged_positions: Any = Raw(b"[]")
    autobuys_enabled: bool | None = False
    autosell_price: float | None = None


class PlayerGamePayload(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """``gameStatePlayerUpdate`` (protocol 5.7)."""

    game_id: str
    leaderboard_entry: LeaderboardRow | UnsetType | None = UNSET
    rugpool: Raw | UnsetType = UNSET
    trades: Any = UNSET


class SidebetPayload(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """``currentSidebet`` and ``newSideBet`` (protocol 5.8).

    A row in the style of ``globalSidebets`` says ``startedAtTick``/``end``; a writer uses
    ``start_tick``/``end_tick``.
    """

    player_id: str
    game_id: str
    bet_amount: Money
    username: str | None = None
    level: Int | UnsetType | None = UNSET
    price: Price | UnsetType | None = UNSET
    x_payout: float | None = None
    coin_address: str | None = None
    start_tick: Tick | UnsetType = UNSET
    end_tick: Tick | UnsetType = UNSET
    tick_index: Tick | UnsetType | None = UNSET
    timestamp: Int | UnsetType | None = UNSET
    type: str = "placed"
    started_at_tick: Tick | UnsetType = UNSET
    end: Tick | UnsetType = UNSET
    bonus_portion: Money | UnsetType | None = UNSET
    real_portion: Money | UnsetType | None = UNSET
    id: str | UnsetType | None = UNSET


class SidebetResultPayload(SidebetPayload, rename="camel", frozen=True, gc=False, kw_only=True):
    """``currentSidebetResult`` (protocol 5.8): a sidebet with its payout and profit."""

    payout: Money
    profit: Money
    type: str = "payout"


class UsernameStatusPayload(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """``usernameStatus``: the login succeeded (protocol 5.9)."""

    id: str
    has_username: bool | None = None
    username: str | None = None


class AckPayload(Struct, frozen=True, gc=False, kw_only=True):
    """The argument of an order's acknowledgement (protocol 2.3, 10)."""

    success: bool
    message: str | UnsetType = UNSET
    sidebet: SidebetPayload | UnsetType = UNSET
    bet: Any = UNSET
