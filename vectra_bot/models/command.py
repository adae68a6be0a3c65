"""Outputs of the engine that are sent to the venue."""

from decimal import Decimal

from attrs import frozen

from vectra_bot.models.action import ActionType


@frozen(kw_only=True)
class Command:
    """A request to the venue, decided by a strategy or a declared exit.

    Attributes:
        action_id: UUID of the action it carries out.
        trace_id: 32 hex digits, chosen by us, that come back in the venue's evidence (protocol 2.2).
        tick: tick at which it was decided.
        price: price at which it was decided.
        context_sha256: digest of what the decision could see (prices of the game so far, account), so that
            a replay which saw anything else is told apart even where the request is the same.
        choice: what a side game's stake is on, ``BULL`` ... ``RED``.
        round_id: the side game's round that the stake is for.
    """

    action_id: str
    trace_id: str
    action_type: ActionType
    game_id: str
    tick: int
    price: float
    amount: Decimal | None = None
    percentage: int | None = None
    leverage: int = 1
    created_ns: int = 0
    context_sha256: str = ""
    choice: str | None = None
    round_id: str | None = None
