"""Inputs of the engine: raw frames, the typed events decoded from them, and events of the session's shell.

Every event has ``recv_ns``: when its frame was received (or the shell noticed it), nanoseconds since
the Unix epoch, UTC. Times inside an event are the venue's own, in milliseconds, None where it sent none.
Amounts are Decimal SOL with at most nine decimal places; prices are floats, bit for bit.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum

from attrs import field, frozen

from vectra_bot.models.action import ActionType
from vectra_bot.models.server import FinishedGame, LeaderboardRow
from vectra_bot.models.sidegame import SideGameKind


class Direction(str, Enum):
    """Direction of a frame, seen from us."""

    IN = "in"
    """Received from the venue."""
    OUT = "out"
    """Sent to the venue."""


@frozen
class Frame:
    """One raw Socket.IO message as received or sent.

    ``raw`` is the text exactly as on the websocket: ``42["event",...]`` for an event, ``42<id>[...]`` for
    one that requests an acknowledgement, ``43<id>[...]`` for an acknowledgement. ``truncated`` marks a line
    of a recording that kept only the trace argument: its payload is unknown and is never invented.
    """

    recv_ns: int
    raw: str
    direction: Direction = Direction.IN
    truncated: bool = False


@frozen(kw_only=True)
class Event:
    """Base of everything that enters the engine."""

    recv_ns: int


class FrameKind(str, Enum):
    """Shapes of ``gameStateUpdate`` (protocol 5.1)."""

    TICK = "tick"
    """A tick of a running game, the rug, or the opening of the presale."""
    START = "start"
    """The start of a game, tick 0."""
    COUNTDOWN = "countdown"
    """A step of the countdown, without a price."""
    SETTLEMENT = "settlement"
    """After the rug: the settlement and the new game."""
    SNAPSHOT = "snapshot"
    """The whole state, after a connection."""


# The most common event: a frozen class fills a dict faster than slots.
@frozen(kw_only=True, slots=False)
class GameFrame(Event):
    """``gameStateUpdate`` in one of its five shapes.

    ``active``, ``rugged``, ``price`` and ``tick`` are None in a countdown frame. SETTLEMENT covers the
    settlement frame, the new-game frame and the golden start: they have the same keys. ``partial_prices``
    are (tick, price) pairs in tick order. ``prices`` is the whole list of the running game, in a snapshot
    only. ``extra`` contains keys that the protocol reference does not list, as JSON text.
    """

    kind: FrameKind
    game_id: str
    active: bool | None = None
    rugged: bool | None = None
    price: float | None = None
    tick: int | None = None
    cooldown_timer_ms: int = 0
    cooldown_paused: bool = False
    allow_pre_round_buys: bool = False
    pause_message: str | None = None
    connected_players: int = 0
    trade_count: int | None = None
    server_seed_hash: str | None = None
    version: str | None = None
    leaderboard: tuple[LeaderboardRow, ...] = ()
    partial_prices: tuple[tuple[int, float], ...] = ()
    prices: tuple[float, ...] | None = None
    history: tuple[FinishedGame, ...] = ()
    extra: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class Trade(Event):
    """``standard/newTrade``: somebody's trade, ours included (protocol 5.5).

    ``kind`` is ``buy``, ``sell``, ``short_open`` or ``short_close``. ``tick`` is the one whose price was
    used. ``trace_id`` is the 32-hex id of the trace argument: for our own action the one we chose.
    """

    trade_id: str
    game_id: str
    player_id: str
    username: str | None
    level: int | None
    kind: str
    price: float
    amount: Decimal
    qty: Decimal
    tick: int
    coin: str | None = None
    leverage: int | None = None
    bonus_portion: Decimal | None = None
    real_portion: Decimal | None = None
    server_ts: int | None = None
    trace_id: str | None = None
    extra: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class SidebetInfo:
    """A sidebet as the venue states it (protocol 5.8); wins if the game rugs by ``end_tick``."""

    game_id: str
    amount: Decimal
    start_tick: int
    end_tick: int
    payout_x: float = 5.0
    coin_address: str | None = None


@frozen(kw_only=True)
class ShortInfo:
    """A short position as the venue states it (protocol 5.2, 8; how its value follows is unverified)."""

    amount: Decimal
    entry_price: float
    entry_tick: int
    value: Decimal
    pnl: Decimal
    coin_address: str | None = None


@frozen(kw_only=True)
class LeveragedInfo:
    """A leveraged position as the venue states it (protocol 5.6, 9; unverified)."""

    amount: Decimal
    qty: Decimal
    leverage: int
    entry_price: float
    entry_tick: int
    liquidation_price: float


@frozen(kw_only=True)
class PlayerUpdate(Event):
    """``playerUpdate``: our account, authoritative for our money (protocol 5.6)."""

    player_id: str
    cash: Decimal
    position_qty: Decimal
    avg_cost: Decimal
    total_invested: Decimal
    cumulative_pnl: Decimal
    sidebet_pnl: Decimal = Decimal(0)
    bonus_balance: Decimal = Decimal(0)
    pnl_percent: float | None = None
    sidebet: SidebetInfo | None = None
    short: ShortInfo | None = None
    leveraged: tuple[LeveragedInfo, ...] = ()
    level: int | None = None
    authenticated: bool | None = None
    selected_coin: str | None = None
    hit_max_win: bool = False
    trace_id: str | None = None
    extra: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class PlayerGameUpdate(Event):
    """``gameStatePlayerUpdate``: our leaderboard row, sent after every game frame (protocol 5.7)."""

    game_id: str
    entry: LeaderboardRow | None = None
    short: ShortInfo | None = None
    rugpool_json: str | None = None
    extra: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class SidebetPlaced(Event):
    """``currentSidebet`` (ours) or ``newSideBet`` (anybody's) (protocol 5.8)."""

    game_id: str
    player_id: str
    username: str | None
    amount: Decimal
    start_tick: int
    end_tick: int
    tick: int | None = None
    price: float | None = None
    payout_x: float = 5.0
    coin_address: str | None = None
    server_ts: int | None = None
    trace_id: str | None = None
    private: bool = True
    extra: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class SidebetResult(Event):
    """``currentSidebetResult``: the result of our sidebet (protocol 5.8)."""

    game_id: str
    player_id: str
    amount: Decimal
    payout: Decimal
    profit: Decimal
    start_tick: int
    end_tick: int
    tick: int | None = None
    price: float | None = None
    coin_address: str | None = None
    server_ts: int | None = None
    trace_id: str | None = None
    extra: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class RoundUpdate(Event):
    """A side game's round as the venue broadcasts it (protocol 11; unverified).

    ``game_id``, ``tick`` and ``price`` are the main game's when the frame was sent. ``payouts`` are the
    multiples of the stake by choice. ``result`` and ``server_seed`` are None until the round is over.
    """

    side_game: SideGameKind
    round_id: str
    is_open: bool
    closes_at_ms: int
    payouts: Mapping[str, float]
    game_id: str
    tick: int
    price: float
    room: int | None = None
    server_ts: int | None = None
    server_seed_hash: str | None = None
    server_seed: str | None = None
    result: str | None = None
    trace_id: str | None = None
    extra: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class RoundBet(Event):
    """The venue confirms our stake in a round (protocol 11; unverified)."""

    side_game: SideGameKind
    round_id: str
    game_id: str
    player_id: str
    username: str | None
    amount: Decimal
    choice: str
    coin_address: str | None = None
    bonus_portion: Decimal | None = None
    real_portion: Decimal | None = None
    server_ts: int | None = None
    trace_id: str | None = None
    extra: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class RoundResult(RoundBet):
    """The result of our stake in a round; ``payout`` includes the stake (protocol 11; unverified)."""

    result: str
    payout: Decimal
    profit: Decimal


@frozen(kw_only=True)
class LoginStatus(Event):
    """``usernameStatus``: the venue states which account is logged in."""

    player_id: str
    username: str | None
    has_username: bool
    trace_id: str | None = None


@frozen(kw_only=True)
class VenueNotice(Event):
    """A known event that the engine does not act on (protocol 5.9); payload stored as JSON text."""

    name: str
    payload_json: str | None
    trace_id: str | None = None


@frozen(kw_only=True)
class DrawingResult(VenueNotice):
    """``goldenHourDrawing`` or ``rugpoolDrawing``: winners and prizes in SOL (protocol 12).

    The second one's body was never captured (unverified); ``drawing_id`` identifies the drawing.
    """

    drawing_id: str
    winners: tuple[tuple[str, Decimal], ...]


@frozen(kw_only=True)
class UnknownEvent(Event):
    """An event whose name the protocol reference does not list; stored, never interpreted."""

    name: str
    payload_json: str | None
    trace_id: str | None = None


@frozen(kw_only=True)
class Ack(Event):
    """An acknowledgement ``43<id>[...]`` (protocol 2.3). ``success`` is None for an empty one (a ping's)."""

    ack_id: int
    success: bool | None
    message: str | None = None
    payload_json: str | None = None


@frozen(kw_only=True)
class FrameRejected(Event):
    """A frame that could not be decoded, at its position in the order of events.

    ``reason`` is :attr:`vectra_bot.errors.WireError.reason`; ``money`` is true if a required money field was
    missing or unusable; ``raw`` is limited to 64 KiB.
    """

    reason: str
    message: str
    event_name: str | None = None
    money: bool = False
    raw: str = ""


@frozen(kw_only=True)
class ClockAdvanced(Event):
    """Time passed without a frame."""


class Link(str, Enum):
    """State of the connection to the venue."""

    CONNECTING = "connecting"
    """A connection is being made."""
    CONNECTED = "connected"
    """The connection is made."""
    DISCONNECTED = "disconnected"
    """The connection is lost."""


@frozen(kw_only=True)
class ConnectionChanged(Event):
    """The connection to the venue changed.

    ``lost_frames`` counts frames that a live feed received and dropped because its queue was full.
    """

    link: Link
    reason: str = ""
    lost_frames: int = 0


@frozen(kw_only=True)
class PlayerRequest(Event):
    """A request of the person at the page that a session watches, as the page sent it (protocol 10).

    ``ack_id`` is the Socket.IO id its answer will have, ``trace_id`` the 32-hex id that its evidence will
    have; None if the page sent none. Amounts are SOL.
    """

    action_type: ActionType
    amount: Decimal | None = None
    percentage: int | None = None
    leverage: int = 1
    choice: str | None = None
    round_id: str | None = None
    ack_id: int | None = None
    trace_id: str | None = None


@frozen(kw_only=True)
class SendResult(Event):
    """Whether a command was handed to the socket.

    ``sent`` False is proof that nothing was sent. ``ack_id`` is the Socket.IO id the answer will have.
    ``raw`` is the frame as sent. ``command_sha256`` is the digest of the whole command, context included:
    with it a replay detects a changed decision from the inputs alone.
    """

    action_id: str
    sent: bool
    ack_id: int | None = None
    raw: str | None = None
    reason: str | None = None
    command_sha256: str | None = None


class OperatorKind(str, Enum):
    """What an operator can request of a running session."""

    HALT = "halt"
    """Allow no entries."""
    RESUME = "resume"
    """Lift every halt but that of a lost connection; end a reduction or a flattening."""
    REDUCE = "reduce"
    """Allow exits only."""
    FLATTEN = "flatten"
    """Sell everything, close the short, and allow exits only."""
    ARM = "arm"
    """Allow a live session that is ready to send."""
    DISARM = "disarm"
    """Allow a live session to send nothing until it is armed again."""
    BEAT = "beat"
    """The operator is still there: the dead-man's time begins again."""
    STOP = "stop"
    """Allow no actions any more."""
    ALERTS = "alerts"
    """Deliver alerts by other preferences, which `value` has as JSON; what may be sent does not change."""
    ACKNOWLEDGE = "acknowledge"
    """Take the alert whose id is `reason`, all without one, for seen."""


@frozen(kw_only=True)
class OperatorCommand(Event):
    """A request of the person or program that operates the session.

    ``value`` is what the request sets, as JSON; empty for kinds that set nothing.
    """

    kind: OperatorKind
    reason: str = ""
    value: str = ""


@frozen(kw_only=True)
class SessionEnding(Event):
    """The last input: what is open is closed in its current state, episodes end with ``timeout``."""

    reason: str = ""


@frozen(kw_only=True)
class StakeSettled:
    """The result of an earlier action's stake (a sidebet, a short, a side game).

    ``pnl`` is payout minus stake, in SOL.
    """

    action_id: str
    game_id: str
    action_type: str
    stake: Decimal
    won: bool
    payout: Decimal
    pnl: Decimal
    tick: int | None = None
    unverified: bool = False
