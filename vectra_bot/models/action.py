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
    """Buy for an amount of SOL."""
    SELL = "SELL"
    """Sell a share of the position."""
    SIDEBET = "SIDEBET"
    """Bet that the game rugs within 40 ticks."""
    SHORT_OPEN = "SHORT_OPEN"
    """Open a short."""
    SHORT_CLOSE = "SHORT_CLOSE"
    """Close the short."""
    BET_INCREMENT = "BET_INCREMENT"
    """Raise the bet; local."""
    BET_DECREMENT = "BET_DECREMENT"
    """Lower the bet; local."""
    BET_PERCENTAGE = "BET_PERCENTAGE"
    """Set the bet to a share of the cash; local."""
    BBC_PREDICT = "BBC_PREDICT"
    """Stake in a Bull/Bear/Crab round."""
    CANDLEFLIP_BET = "CANDLEFLIP_BET"
    """Stake in a Candleflip round."""

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
    """Asked for and in the journal, not sent yet."""
    SENT = "SENT"
    """Handed to the socket; no proof of its effect yet."""
    UNKNOWN = "UNKNOWN"
    """No evidence in 2 s, or the connection was lost. No new risk until it is decided."""
    CONFIRMED = "CONFIRMED"
    """Proven executed."""
    REJECTED = "REJECTED"
    """The venue refused it."""
    DENIED = "DENIED"
    """Our limits or a plugin refused it; nothing was sent."""
    NOT_SENT = "NOT_SENT"
    """Proven never handed to the socket."""
    EXECUTED_LATE = "EXECUTED_LATE"
    """Was UNKNOWN, proven executed later."""
    NOT_EXECUTED = "NOT_EXECUTED"
    """Proven not executed: the settled game closes without it."""
    UNRESOLVED = "UNRESOLVED"
    """Cannot be proven: look at the account at the venue."""

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
    """The strategy, or a declared exit."""
    HUMAN = "human"
    """A person, who pressed a button of the venue's page."""
    EXTERNAL = "external"
    """Our account without us: another client, or a liquidation."""


class Proof(str, Enum):
    """What decided the terminal state of an action."""

    TRADE = "trade"
    """A trade with our trace id, or one that only this action fits."""
    UPDATE = "update"
    """The change that a statement of our account shows."""
    SIDEBET = "sidebet"
    """The event of a sidebet or of a side game's stake, or its result."""
    HISTORY = "history"
    """The complete list of a finished game's sidebets, in the history of games."""
    ACK = "ack"
    """The venue's acknowledgement, which refuses it."""
    LEDGER = "ledger"
    """The settled money of the game or round, which balances without it."""
    SEND = "send"
    """The result of sending: it was never handed to the connection."""
    LOCAL = "local"
    """Our own decision: a limit, a plugin's veto, or an adjustment of the bet."""
    OPERATOR = "operator"
    """A person's decision."""


@frozen
class ActionTimestamps:
    """The latency chain of an action, in milliseconds since the Unix epoch.

    A time without evidence stays None. ``clock_offset_ms`` is the estimated offset of the venue's
    clock from ours, which explains a negative latency.
    """

    client_ts: int = f.integer()
    """When the action was asked for. Unit: ms since 1970-01-01 UTC."""
    server_ts: int | None = f.opt_integer(default=None)
    """Time of the execution by the venue's clock; null where it sent none. Unit: ms since
    1970-01-01 UTC.
    """
    confirmed_ts: int | None = f.opt_integer(default=None)
    """When the player update that shows the effect was received; null if none did. Unit: ms since
    1970-01-01 UTC.
    """
    clock_offset_ms: int | None = f.opt_integer(default=None)
    """Estimated offset of the venue's clock from ours; null: nothing estimates it yet. Unit: ms."""

    @property
    def send_latency_ms(self) -> int | None:
        """Return `server_ts` - `client_ts`, None while one is missing. Unit: ms."""
        if self.server_ts is not None:
            return self.server_ts - self.client_ts
        return None

    @property
    def confirm_latency_ms(self) -> int | None:
        """Return `confirmed_ts` - `server_ts`, None while one is missing. Unit: ms."""
        if self.server_ts is not None and self.confirmed_ts is not None:
            return self.confirmed_ts - self.server_ts
        return None

    @property
    def total_latency_ms(self) -> int | None:
        """Return `confirmed_ts` - `client_ts`, None while one is missing. Unit: ms."""
        if self.confirmed_ts is not None:
            return self.confirmed_ts - self.client_ts
        return None


@frozen
class ActionOutcome:
    """The outcome of an action.

    ``error`` is the state's name for an action that was not executed; ``error_reason`` says why.
    ``executed_bonus`` is the part of the executed amount that was bonus money and did not move the cash.
    """

    success: bool = f.boolean()
    """Whether the venue did what was asked."""
    executed_price: Decimal | None = f.opt_price(default=None)
    """Price of the execution, from the trade; null if no trade stated it."""
    executed_amount: Decimal | None = f.opt_sol(default=None)
    """SOL paid or received by evidence; for a local bet adjustment the new bet. Unit: SOL."""
    fee: Decimal | None = f.opt_sol(default=None)
    """Fee; null: the venue states none. Unit: SOL."""
    error: str | None = f.opt_text(default=None)
    """The state's name if not executed (DENIED, REJECTED, NOT_SENT, NOT_EXECUTED), else null."""
    error_reason: str | None = f.opt_text(default=None)
    """Why it was not executed: the limit, the plugin, or the venue's text."""
    server_request_id: int | None = f.opt_integer(default=None)
    """Socket.IO acknowledgement id of the request; null if not known. Unit: id."""
    executed_bonus: Decimal | None = f.opt_sol(default=None)
    """Part of the executed amount that was bonus money; null if none was. Unit: SOL."""


@frozen
class PlayerAction:
    """One action with its context, evidence and effect: the (s, a, s', r) of reinforcement learning.

    ``state_before`` and ``game_context`` are the state, ``action_type``, ``button`` and ``amount`` the
    action, ``state_after`` the next state and :attr:`reward` the reward. ``choice`` and ``round_id`` are a
    side game's. ``unverified`` marks what no capture shows: leverage, shorts and side games.
    """

    action_id: str = f.text()
    """Id of the action (UUID), the same in every replay."""
    session_id: str = f.text()
    """Session that acted."""
    game_id: str = f.text()
    """Game in which it was asked for."""
    player_id: str = f.text()
    """Our player."""
    username: str | None = f.opt_text()
    """Our player's name; null if the venue sent none."""
    action_type: ActionType = f.kind(ActionType)
    """What was asked for: BUY, SELL, SIDEBET and so on."""
    button: str = f.text()
    """Text of the button that a person would press, e.g. `SELL 25%`; empty for an external action."""
    amount: Decimal | None = f.opt_sol()
    """SOL asked for; null where the bot sells or closes a short. Unit: SOL."""
    percentage: int | None = f.opt_integer()
    """Share of the position to sell, or of the cash to bet; null otherwise. Unit: percent."""
    game_context: GameContext = f.nested(GameContext)
    """When it was asked for."""
    state_before: PlayerState = f.nested(PlayerState)
    """When it was asked for."""
    timestamps: ActionTimestamps = f.nested(ActionTimestamps)
    """Part of the latency chain."""
    outcome: ActionOutcome | None = f.opt_nested(ActionOutcome, default=None)
    """Null while undecided and if UNRESOLVED."""
    state_after: PlayerState | None = f.opt_nested(PlayerState, default=None)
    """At the first player update that shows the effect; null if none did."""
    state: ActionState = f.kind(ActionState, default=ActionState.INTENT)
    """Terminal state of the action; see errors.md."""
    trace_id: str | None = f.opt_text(default=None)
    """32 hex digits sent with the request; null if denied, local or external."""
    mode: Mode = f.kind(Mode, default=Mode.PAPER)
    """How the session ran: paper, live or replay."""
    actor: Actor = f.kind(Actor, default=Actor.BOT)
    """`bot`: our strategy or a declared exit; `external`: our account without us; `human`: a person."""
    leverage: int = f.integer(default=1)
    """Leverage asked for, 1 without. Unit: multiple."""
    first_evidence_ts: int | None = f.opt_integer(default=None)
    """When the first evidence of the action was received; null if none was. Unit: ms since
    1970-01-01 UTC.
    """
    choice: str | None = f.opt_text(default=None)
    """What a side game's stake is on (BULL ... RED); null otherwise."""
    round_id: str | None = f.opt_text(default=None)
    """Side game's round of the stake; null otherwise."""
    unverified: bool = f.boolean(default=False)
    """Whether it follows rules that no capture shows: leverage, shorts, side games."""
    proof: Proof | None = f.added_kind(Proof)
    """What decided the terminal state; null if UNRESOLVED, and in rows older than this column."""

    @property
    def reward(self) -> Decimal:
        """Return the change of `cumulative_pnl`; 0 while the state after is not known. Unit: SOL."""
        if self.state_after is None:
            return Decimal(0)
        return self.state_after.cumulative_pnl - self.state_before.cumulative_pnl

    @property
    def cash_delta(self) -> Decimal | None:
        """Return the change of `cash`, None while the state after is not known. Unit: SOL."""
        if self.state_after is None:
            return None
        return self.state_after.cash - self.state_before.cash

    @property
    def total_latency_ms(self) -> int | None:
        return self.timestamps.total_latency_ms

    @property
    def is_human(self) -> bool:
        """Return whether a person asked for it: it counts as no action of the bot."""
        return self.actor is Actor.HUMAN

    @property
    def is_decided(self) -> bool:
        """Return whether the action is in its terminal state."""
        return self.state.is_terminal
