"""Payloads of events other than the game's: chat, schedules, drawings, answers to a login (protocol 5.9).

They are only written, never used for decisions. Bodies that were never captured say ``unverified``;
the list packaged with the frame check (``vectra_bot.conformance``) names them too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from vectra_bot.game.rules import PRACTICE_ADDRESS


class ReplyTo(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """The message that a chat message answers; ``key`` is the writer's id, a hyphen and the time in ms."""

    key: str
    username: str | None
    message: str


class ChatMessage(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """``newChatMessage``; ``role`` and ``tag`` are null for most players."""

    player_id: str
    username: str | None
    level: int
    message: str
    timestamp: int
    filtered: bool = False
    role: str | None = None
    tag: str | None = None
    verified: bool
    discord_username: str | None
    reply_to: ReplyTo | None = None


class RoyaleEvent(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A scheduled rug royale; times are UTC texts with milliseconds, prizes SOL by rank."""

    id: str
    start_time: str
    end_time: str
    prep_time_minutes: int
    level_required: int
    status: str
    created_at: str
    created_by: str
    starting_balance: int
    custom_prizes: Mapping[str, float]


class BriefEvent(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """The current event as ``rugRoyaleUpdate`` has it."""

    id: str
    start_time: str
    end_time: str
    prep_time_minutes: int


class SidebetEvent(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A scheduled sidebet contest."""

    id: str
    start_time: str
    end_time: str
    prep_time_minutes: int
    level_required: int
    status: str
    created_at: str
    created_by: str


class GoldenEvent(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A scheduled Golden Hour; the inner ``status`` stays as it was created (protocol 5.9)."""

    id: str
    start_time: str
    end_time: str
    prep_time_minutes: int
    level_required: int
    status: str
    created_at: str
    created_by: str
    prize_amount: float
    max_entries: int
    duration_minutes: int


class RoyaleRow(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A row of the rug royale's table; the balance is practice money."""

    player_id: str
    username: str | None
    balance: float
    level: int
    last_updated: int
    rank: int


class SidebetRow(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A row of the sidebet contest's table; accuracy in percent."""

    player_id: str
    username: str | None
    sidebets_hit: int
    sidebets_placed: int
    accuracy: float
    avg_ticks_off: float
    level: int
    last_updated: int
    rank: int


class EventWinner(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A winner of a past event; the amount is SOL."""

    player_id: str
    username: str | None
    rank: int
    amount: float


class PastEvent(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """An event that is over, with its table and winners."""

    id: str
    start_time: str
    end_time: str
    leaderboard: Sequence[RoyaleRow] | Sequence[SidebetRow]
    winners: Sequence[EventWinner]
    saved_at: str


class RoyaleConfig(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """The rules of rug royales."""

    token: str = PRACTICE_ADDRESS
    starting_balance: int = 100
    prep_time_minutes: int = 30
    level_required: int = 10
    prize_tiers: Mapping[str, float]


class SidebetConfig(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """The rules of sidebet contests."""

    prep_time_minutes: int = 30
    level_required: int = 1
    prize_tiers: Mapping[str, float]


class RoyaleUpdate(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """``rugRoyaleUpdate``."""

    status: str
    active_event_id: str | None
    current_event: BriefEvent | None
    upcoming_events: Sequence[RoyaleEvent] = ()
    events: Sequence[RoyaleEvent]
    leaderboard: Sequence[RoyaleRow]
    history: Sequence[PastEvent]
    player_position: None = None
    time_remaining: None = None
    final_round: bool = False
    is_in_final_round: bool = False
    config: RoyaleConfig


class SidebetEventUpdate(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """``sidebetEventUpdate`` as a new connection gets it."""

    status: str
    active_event_id: str | None
    current_event: SidebetEvent | None
    upcoming_events: Sequence[SidebetEvent] = ()
    events: Sequence[SidebetEvent]
    leaderboard: Sequence[SidebetRow]
    history: Sequence[PastEvent]
    player_position: None = None
    time_remaining: None = None
    final_round: bool = False
    is_in_final_round: bool = False
    config: SidebetConfig


class SidebetEventBrief(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """``sidebetEventUpdate`` as it is repeated to everybody: the first five keys alone."""

    status: str
    active_event_id: str | None
    current_event: SidebetEvent | None
    upcoming_events: Sequence[SidebetEvent] = ()
    events: Sequence[SidebetEvent]


class GoldenHourUpdate(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """``goldenHourUpdate``."""

    status: str
    active_event_id: str | None
    current_event: GoldenEvent | None
    upcoming_events: Sequence[GoldenEvent] = ()
    events: Sequence[GoldenEvent]
    current_game_is_golden: bool


class BattleQueue(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """Who waits for a battle."""

    active: bool = False
    queue_size: int = 0
    available_lobbies: int = 0


class BattleConfig(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """The rules of battles."""

    token: str = PRACTICE_ADDRESS
    starting_balance: int = 100
    prep_time_minutes: int = 30
    level_required: int = 1


class BattleUpdate(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """``battleEventUpdate``; no captured one has a battle in progress."""

    status: str = "SCHEDULED"
    start_time: None = None
    end_time: None = None
    next_event_start_time: None = None
    current_event: None = None
    next_event: None = None
    leaderboard: tuple[()] = ()
    full_leaderboard_size: int = 0
    player_position: None = None
    participant_count: int = 0
    active_battle_count: int = 0
    lobby_creation_disabled: bool = False
    queue: BattleQueue = field(default_factory=BattleQueue)
    is_showing_previous_event: None = None
    event_schedule: tuple[()] = ()
    config: BattleConfig = field(default_factory=BattleConfig)


class MaintenanceUpdate(Struct, frozen=True, gc=False, kw_only=True):
    """``maintenanceUpdate``; a restart comes after a round (protocol 3.2)."""

    active: bool = False
    message: str = "Server will reboot after this round."
    mega: bool = False


class GameNotification(Struct, frozen=True, gc=False, kw_only=True):
    """``gameNotification``; the type is ``goldenhour`` or ``event`` where it was seen."""

    message: str
    type: str


class MutedPlayers(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """``mutedPlayers``: unverified, its body was never captured."""

    players: Sequence[str] = ()


class InboxMessages(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """``inboxMessages``: unverified, its body was never captured."""

    messages: Sequence[Any] = ()


class RugpassStatus(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """``rugpassStatus``: unverified, its body was never captured."""

    active: bool = False
    gems: int = 0


class CrateReward(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A reward from a crate: its kind, amount and probability."""

    type: str
    amount: float
    probability: float


class RecentCrate(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A crate that was opened, in ``recentCrateRewards`` of a player update (protocol 5.6)."""

    crate_type: str
    crate_name: str
    reward: CrateReward
    cooldown_ends: int
    remaining_seconds: int


class CrateKeys(Struct, frozen=True, gc=False, kw_only=True):
    """The crate keys of a player."""

    gold: int = 0
    diamond: int = 0
    coal: int = 0
    iron: int = 0
    tier0: int = 0
