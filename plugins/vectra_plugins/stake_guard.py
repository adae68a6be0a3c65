"""Deny entries that stake too large a share of the cash."""

from __future__ import annotations

from decimal import Decimal

from vectra_bot import AccountView, GameView, Plugin, hookimpl, param
from vectra_bot.models import PlayerAction


class StakeGuard(Plugin):
    """Veto entries above `max_share` of the free cash; exits always pass. Off by default."""

    enabled_by_default = False
    replays = True

    max_share: float = param(
        0.1, low=0.0, high=1.0, help="largest share of the cash that one entry may stake"
    )

    @hookimpl
    def review_action(
        self, action: PlayerAction, game: GameView, account: AccountView
    ) -> str | None:
        """Return why *action* must not be sent, None to allow it."""
        if not action.action_type.is_entry or action.amount is None:
            return None
        allowed = account.cash * Decimal(repr(self.max_share))
        if action.amount <= allowed:
            return None
        return (
            f"{action.amount} SOL is more than {self.max_share:.1%} of the cash "
            f"of {account.cash} SOL ({allowed.quantize(Decimal('0.000000001'))} SOL)"
        )
