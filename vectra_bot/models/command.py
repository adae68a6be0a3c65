"""Outputs of the engine that are sent to the venue."""

from decimal import Decimal

from attrs import frozen

from vectra_bot.models.action import ActionType


@frozen(kw_only=True)
class Command:
    """A request to the venue, decided by a strategy or a declared exit."""

    action_id: str
    """UUID of the action it carries out."""
    trace_id: str
    """32 hex digits, chosen by us, that come back in the venue's evidence (protocol 2.2)."""
    action_type: ActionType
    """What is asked for."""
    game_id: str
    """Game at which it was decided."""
    tick: int
    """Tick at which it was decided. Unit: ticks of 250 ms."""
    price: float
    """Price at which it was decided. Unit: SOL per unit."""
    amount: Decimal | None = None
    """Stake; None to sell or to close a short. Unit: SOL."""
    percentage: int | None = None
    """Share of the position to sell; None otherwise. Unit: percent."""
    leverage: int = 1
    """Leverage, 1 without. Unit: multiple."""
    created_ns: int = 0
    """When it was decided. Unit: ns since 1970-01-01 UTC."""
    context_sha256: str = ""
    """Digest of what the decision could see (prices of the game so far, account): a replay that saw
    anything else differs here even if the request is the same.
    """
    choice: str | None = None
    """What a side game's stake is on, `BULL` ... `RED`; None otherwise."""
    round_id: str | None = None
    """Side game's round that the stake is for; None otherwise."""
