"""Players' levels: experience for what was staked and held (protocol 6.1: D; amounts unverified)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectra_bot.game import rules

if TYPE_CHECKING:
    from vectra_bot.exchange.accounts import VenueAccount


def gain(account: VenueAccount, amount: int) -> None:
    """Add the experience for *amount* lamports of valid stakes; practice play gives none."""
    if account.is_practice:
        return
    xp = amount // rules.LAMPORTS_PER_XP
    account.xp += xp
    account.total_xp += xp
    while account.xp >= rules.XP_PER_LEVEL and account.level < rules.MAX_LEVEL:
        account.xp -= rules.XP_PER_LEVEL
        account.level += 1
