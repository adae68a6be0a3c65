"""Actions: what we request from the venue, from intent to proven outcome."""

from decimal import Decimal
from enum import Enum

from attrs import frozen

from vectra_bot.models import _fields as f
from vectra_bot.models.envelope import Mode
from vectra_bot.models.game import GameContext
from vectra_bot.models.player import PlayerState


class ActionType(str, Enum):
    """The kinds of actions."""

    BUY = "BUY"
    SELL = "SELL"
    SIDEBET = "SIDEBET"
    SHORT_OPEN = "SHORT_OPEN"
    SHORT_CLOSE = "SHORT_CLOSE"
    BET_INCREMENT = "BET_INCREMENT"
    BET_DECREMENT = "BET_DECREMENT"
    BET_PERCENTAGE = "BET_PERCENTAGE"
    BBC_PREDICT = "BBC_PREDICT"
    CANDLEFLIP_BET = "CANDLEFLIP_BET"

    @property
    def is_local(self) -> bool:
        """Return whether the action only changes our own stake and never reaches the venue."""
        return self in _LOCAL

    @property
    def is_entry(self) -> bool:
        """Return whether the action adds risk."""
        return self in _ENTRIES

    @property
    def is_side_game(self) -> bool:
        """Return whether the action is a stake in a side game's round, which no main game decides."""
        return self in _SIDE_GAMES

    @property
    def is_unverified(self) -> bool:
        """Return whether no capture shows the venue's request for it or its rules (protocol 8, 11)."""
        return self in _UNVERIFIED


_LOCAL = frozenset({ActionType.BET_INCREMENT, ActionType.BET_DECREMENT, ActionType.BET_PERCENTAGE})
_ENTRIES = frozenset(
    {
        ActionType.BUY,
        ActionType.SIDEBET,
        ActionType.SHORT_OPEN,
        ActionType.BBC_PREDICT,
        ActionType.CANDLEFLIP_BET,
    }
)

_SIDE_GAMES = frozenset({ActionType.BBC_PREDICT, ActionType.CANDLEFLIP_BET})
_UNVERIFIED = _SIDE_GAMES | {ActionType.SHORT_OPEN, ActionType.SHORT_CLOSE}


class ActionState(str, Enum):
    """The states of an action."""

    INTENT = "INTENT"
    SENT = "SENT"
    UNKNOWN = "UNKNOWN"
    CONFIRMED = "CONFIRMED"
    REJECTED = "REJECTED"
    DENIED = "DENIED"
    NOT_SENT = "NOT_SENT"
    EXECUTED_LATE = "EXECUTED_LATE"
    NOT_EXECUTED = "NOT_EXECUTED"
    UNRESOLVED = "UNRESOLVED"

    @property
    def is_terminal(self) -> bool:
        return self not in _OPEN

    @property
    def is_executed(self) -> bool:
        """Return whether the venue provably executed the action."""
        return self in (ActionState.CONFIRMED, ActionState.EXECUTED_LATE)


_OPEN = frozenset({ActionState.INTENT, ActionState.SENT, ActionState.UNKNOWN})


class Actor(str, Enum):
    """Who caused an action."""

    BOT = "bot"
    HUMAN = "human"
    EXTERNAL = "external"


@frozen
class ActionTimestamps:
    """The latency chain of an action, in milliseconds since the Unix epoch.

    A time without evidence stays None. ``clock_offset_ms`` is the estimated offset of the venue's
    clock from ours, which explains a negative latency.
    """

    client_ts: int = f.integer()
    server_ts: int | None = f.opt_integer(default=None)
    confirmed_ts: int | None = f.opt_integer(default=None)
    clock_offset_ms: int | None = f.opt_integer(default=None)

    @property
    def send_latency_ms(self) -> int | None:
        """Return client to server."""
        if self.server_ts is not None:
            return self.server_ts - self.client_ts
        return None

    @property
    def confirm_latency_ms(self) -> int | None:
        """Return server to the player update that showed the effect."""
        if self.server_ts is not None and self.confirmed_ts is not None:
            return self.confirmed_ts - self.server_ts
        return None

    @property
    def total_latency_ms(self) -> int | None:
        """Return intent to the player update that showed the effect."""
        if self.confirmed_ts is not None:
            return self.confirmed_ts - self.client_ts
        return None


@frozen
class ActionOutcome:
    """The outcome of an action.

    ``error`` is the state's name for a denied or unsent action, the venue's error code or text for a
    rejected one; ``error_reason`` says why. ``server_request_id`` is the Socket.IO acknowledgement id.
    ``executed_bonus`` is the part of the executed amount that was bonus money and did not move the cash.
    """

    success: bool = f.boolean()
    executed_price: Decimal | None = f.opt_price(default=None)
    executed_amount: Decimal | None = f.opt_sol(default=None)
    fee: Decimal | None = f.opt_sol(default=None)
    error: str | None = f.opt_text(default=None)
    error_reason: str | None = f.opt_text(default=None)
    server_request_id: int | None = f.opt_integer(default=None)
    executed_bonus: Decimal | None = f.opt_sol(default=None)


@frozen
class PlayerAction:
    """One action with its context, evidence and effect: the (s, a, s', r) of reinforcement learning.

    ``state_before`` and ``game_context`` are the state, ``action_type``, ``button`` and ``amount`` the
    action, ``state_after`` the next state and :attr:`reward` the reward. ``choice`` and ``round_id`` are a
    side game's. ``unverified`` marks what no capture shows: leverage, shorts and side games.
    """

    action_id: str = f.text()
    session_id: str = f.text()
    game_id: str = f.text()
    player_id: str = f.text()
    username: str | None = f.opt_text()
    action_type: ActionType = f.kind(ActionType)
    button: str = f.text()
    amount: Decimal | None = f.opt_sol()
    percentage: int | None = f.opt_integer()
    game_context: GameContext = f.nested(GameContext)
    state_before: PlayerState = f.nested(PlayerState)
    timestamps: ActionTimestamps = f.nested(ActionTimestamps)
    outcome: ActionOutcome | None = f.opt_nested(ActionOutcome, default=None)
    state_after: PlayerState | None = f.opt_nested(PlayerState, default=None)
    state: ActionState = f.kind(ActionState, default=ActionState.INTENT)
    trace_id: str | None = f.opt_text(default=None)
    mode: Mode = f.kind(Mode, default=Mode.PAPER)
    actor: Actor = f.kind(Actor, default=Actor.BOT)
    leverage: int = f.integer(default=1)
    first_evidence_ts: int | None = f.opt_integer(default=None)
    choice: str | None = f.opt_text(default=None)
    round_id: str | None = f.opt_text(default=None)
    unverified: bool = f.boolean(default=False)

    @property
    def reward(self) -> Decimal:
        """Return the change of ``cumulative_pnl``; zero while the state after is not known."""
        if self.state_after is None:
            return Decimal(0)
        return self.state_after.cumulative_pnl - self.state_before.cumulative_pnl

    @property
    def cash_delta(self) -> Decimal | None:
        """Return the change of cash, None while the state after is not known."""
        if self.state_after is None:
            return None
        return self.state_after.cash - self.state_before.cash

    @property
    def total_latency_ms(self) -> int | None:
        return self.timestamps.total_latency_ms

    @property
    def is_decided(self) -> bool:
        """Return whether the action is in its terminal state."""
        return self.state.is_terminal
