"""Actions of the fast driver: an order while it lives, and the record of it, made where it is read.

Imports actions (ids, plans) and models.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NoReturn

from attrs import define, fields

from vectra_bot.actions.exits import NO_EXITS, ExitPlan
from vectra_bot.actions.ids import ActionIds
from vectra_bot.game.amounts import to_sol
from vectra_bot.models import (
    ActionOutcome,
    ActionState,
    ActionType,
    Actor,
    GamePhase,
    Mode,
    PlayerAction,
    Proof,
)

PLAYS_ROUNDS: Final = "the strategy plays side games"
"""Reason of a block without rounds; the block with rounds then plays it."""


# Members looked up once: Python 3.11 takes longer to find one by its class than to call a function.
ACTIVE: Final = GamePhase.ACTIVE
BUY: Final = ActionType.BUY
BY_TRADE: Final = Proof.TRADE
CONFIRMED: Final = ActionState.CONFIRMED
COOLDOWN: Final = GamePhase.COOLDOWN
DENIED: Final = ActionState.DENIED
PRESALE: Final = GamePhase.PRESALE
RUGGED: Final = GamePhase.RUGGED
SELL: Final = ActionType.SELL
SENT: Final = ActionState.SENT
SHORT_CLOSE: Final = ActionType.SHORT_CLOSE
SHORT_OPEN: Final = ActionType.SHORT_OPEN
SIDEBET: Final = ActionType.SIDEBET


class NeedsEngine(BaseException):
    """The fast driver cannot play this exactly: the engine plays the block."""


@define
class Refusals:
    """Remembers why the fast driver cannot continue, even if a strategy swallows the exception.

    Attributes:
        reason: the first reason, empty if there was none.
    """

    reason: str = ""

    def refuse(self, reason: str) -> NoReturn:
        """Give the block to the engine.

        Raises:
            NeedsEngine: always.
        """
        self.reason = self.reason or reason
        raise NeedsEngine(reason)


@define(frozen=True)
class Owner:
    """What all actions of a block have in common."""

    session_id: str
    player_id: str
    username: str | None
    refuse: Callable[[str], NoReturn]


class Order:
    """One of our actions, from the request to its completion; amounts in lamports.

    Most attributes of most orders have the values below: only others are set.

    Attributes:
        number: its number among the actions of the block, from 1; its ids follow from it.
        booked: whether our account shows its effect.
        paid: lamports that its execution paid or brought.
        price: at which it was executed, None if no evidence states it.
        reason: why it was denied or rejected.
        arrives_ns: when it reaches the venue.
        choice: what a stake in a round is on.
        round_id: the round.
    """

    amount: int | None = None
    percentage: int | None = None
    leverage: int = 1
    plan: ExitPlan = NO_EXITS
    state: ActionState = ActionState.INTENT
    actor: Actor = Actor.BOT
    proof: Proof | None = None
    unverified: bool = False
    booked: bool = False
    ack_id: int | None = None
    paid: int | None = None
    price: float | None = None
    reason: str = ""
    arrives_ns: int = 0
    choice: str | None = None
    round_id: str | None = None

    def __init__(
        self, owner: Owner, number: int, kind: ActionType, game_id: str, button: str
    ) -> None:
        self.owner, self.number, self.kind = owner, number, kind
        self.game_id, self.button = game_id, button

    @property
    def ids(self) -> tuple[str, str]:
        """Return the action's id and its trace id."""
        return ActionIds(self.owner.session_id, self.number - 1).next()

    def shown(self) -> FastAction:
        """Return the action as it is now."""
        return FastAction(self)


class FastAction(PlayerAction):
    """A :class:`PlayerAction` whose fields are computed when they are read.

    What the fast driver does not know (times, the account before and after, the game's context) gives the
    block to the engine.
    """

    __slots__ = ("_order",)

    def __init__(self, order: Order) -> None:
        _set_order(self, order)
        _set_state(self, order.state)  # of all fields the one that may change afterwards

    def __getattr__(self, name: str) -> Any:
        order: Order = object.__getattribute__(self, "_order")
        read = _FIELDS.get(name)
        if read is None:
            if name in _NAMES:
                order.owner.refuse(f"the strategy reads {name} of an action")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        value = read(order, self.state)
        object.__setattr__(self, name, value)
        return value


_set_order = vars(FastAction)["_order"].__set__
_set_state = vars(PlayerAction)["state"].__set__


def _outcome(order: Order, state: ActionState) -> ActionOutcome | None:
    if state.is_executed:
        paid = order.amount if order.paid is None else order.paid
        return ActionOutcome(
            True,
            executed_price=None if order.price is None else Decimal(repr(order.price)),
            executed_amount=None if paid is None else to_sol(paid),
            server_request_id=order.ack_id,
        )
    if not state.is_terminal or state is ActionState.UNRESOLVED:
        return None
    return ActionOutcome(
        False, error=state.value, error_reason=order.reason, server_request_id=order.ack_id
    )


def _trace(order: Order, state: ActionState) -> str | None:
    sent = order.actor is Actor.BOT and not order.kind.is_local
    return order.ids[1] if sent and state is not ActionState.DENIED else None


_NAMES = frozenset(one.name for one in fields(PlayerAction))

_FIELDS: dict[str, Callable[[Order, ActionState], Any]] = {
    "action_id": lambda order, _: order.ids[0],
    "session_id": lambda order, _: order.owner.session_id,
    "game_id": lambda order, _: order.game_id,
    "player_id": lambda order, _: order.owner.player_id,
    "username": lambda order, _: order.owner.username,
    "action_type": lambda order, _: order.kind,
    "button": lambda order, _: order.button,
    "amount": lambda order, _: None if order.amount is None else to_sol(order.amount),
    "percentage": lambda order, _: order.percentage,
    "outcome": _outcome,
    "trace_id": _trace,
    "mode": lambda *_: Mode.PAPER,
    "actor": lambda order, _: order.actor,
    "leverage": lambda order, _: order.leverage,
    "choice": lambda order, _: order.choice,
    "round_id": lambda order, _: order.round_id,
    "unverified": lambda order, _: order.unverified,
    "proof": lambda order, state: order.proof if state.is_terminal else None,
}
"""How each field that the driver knows is read, of an action in a state."""
