"""Data of the tracker: incomplete actions, and the notes it passes to the engine."""

from __future__ import annotations

from typing import Any, TypeAlias

from attrs import define, frozen

from vectra_bot.actions.exits import NO_EXITS, ExitPlan
from vectra_bot.game.account import AccountUpdate
from vectra_bot.models import (
    Command,
    DocType,
    PlayerAction,
    PlayerUpdate,
    StakeSettled,
    StateCause,
    SystemEvent,
)


@define
class Tracked:
    """An incomplete action, with what is known about it beyond the record."""

    action: PlayerAction
    command: Command | None
    created_ns: int
    plan: ExitPlan = NO_EXITS
    sent_ns: int | None = None
    ack_id: int | None = None
    decided_ns: int | None = None
    booked: bool = False
    price: float | None = None
    amount: int | None = None
    bonus: int = 0


@frozen
class Submitted:
    """An action was handed to the venue."""

    action: PlayerAction


@frozen
class Completed:
    """An action is complete, or was denied."""

    action: PlayerAction


@frozen
class Booked:
    """Our buy was booked: the exits it declared apply from now on."""

    plan: ExitPlan


@frozen
class Settled:
    """The stake of an earlier action was settled; ``at_rug`` if by the rug."""

    settled: StakeSettled
    at_rug: bool = False


@frozen
class Recorded:
    """A record to store that is not an action: a short's state, a side game's round."""

    doc_type: DocType
    record: Any


@frozen
class ForcedSell:
    """The rug sold our position (forced sale) for *amount* lamports, bonus money excluded."""

    amount: int


@frozen
class Stated:
    """A player update was processed: this is the cause of its change of cash."""

    update: PlayerUpdate
    statement: AccountUpdate
    cause: StateCause | None
    action_id: str | None
    unverified: bool = False


Note: TypeAlias = (
    Submitted | Completed | Booked | Settled | Recorded | ForcedSell | Stated | SystemEvent
)
