"""The rugpool: fed by instarugs, told in numbers (protocol 5.7, 12).

A full pool starts again without a drawing: no account is credited, so the pool is a number that frames
show and never money of a player.
"""

from __future__ import annotations

from msgspec import Raw, Struct, field

from vectra_bot.exchange.accounts import Account
from vectra_bot.game import rules
from vectra_bot.wire.amounts import number, sol_number
from vectra_bot.wire.frames import raw_part
from vectra_bot.wire.payloads import Rugpool

_SHOWN_PLAYERS = 10


class PoolConfig(Struct, rename="camel", frozen=True):
    """The pool's rules as its detail states them."""

    threshold: int = rules.RUGPOOL_INSTARUGS
    instarug_threshold: int = rules.INSTARUG_TICKS
    rugpool_percentage: float = 1 / rules.RUGPOOL_DIVISOR


class PoolEntry(Struct, rename="camel", frozen=True):
    """A player's entries in the pool."""

    player_id: str
    entries: int
    username: str | None
    percentage: float


class PoolDetail(Struct, rename="camel", frozen=True, kw_only=True):
    """The pool as ``gameStatePlayerUpdate`` tells it."""

    instarug_count: int
    rugpool_amount: float
    total_entries: int
    threshold: int = rules.RUGPOOL_INSTARUGS
    players_with_entries: int
    sol_per_entry: float = rules.RUGPOOL_LAMPORTS_PER_ENTRY / rules.LAMPORTS_PER_SOL
    max_entries_per_player: int = rules.RUGPOOL_MAX_ENTRIES
    player_entries: list[PoolEntry]
    last_drawing: None = None
    config: PoolConfig = field(default_factory=PoolConfig)


class Pool:
    """Count instarugs, what they liquidate and who lost in them.

    ``brief`` stands in every tick frame, ``detail`` in some of the private ones; both are encoded once per
    change.
    """

    def __init__(self) -> None:
        self._instarugs = 0
        self._amount = 0
        self._entries: dict[str, tuple[Account, int]] = {}
        self.brief: Raw
        self.detail: Raw
        self._encode()

    def count_rug(
        self, rug_tick: int, rug_price: float, liquidated: int, players: list[Account]
    ) -> None:
        """Take half of what an instarug liquidated, and one entry per 0.001 SOL a player lost in it."""
        if rug_tick > rules.INSTARUG_TICKS:
            return
        self._instarugs += 1
        self._amount += liquidated // rules.RUGPOOL_DIVISOR
        for account in players:
            self._enter(
                account,
                -account.ledger.cumulative_pnl(rug_price) // rules.RUGPOOL_LAMPORTS_PER_ENTRY,
            )
        if self._instarugs >= rules.RUGPOOL_INSTARUGS:
            self._instarugs = 0
            self._amount = 0
            self._entries.clear()
        self._encode()

    def _enter(self, account: Account, entries: int) -> None:
        if entries > 0:
            _, held = self._entries.get(account.player_id, (account, 0))
            self._entries[account.player_id] = (
                account,
                min(rules.RUGPOOL_MAX_ENTRIES, held + entries),
            )

    def _encode(self) -> None:
        amount = sol_number(self._amount)
        total = 0
        for _, count in self._entries.values():
            total += count
        ranked = sorted(self._entries.values(), key=lambda entry: entry[1], reverse=True)
        self.brief = raw_part(
            Rugpool(
                instarug_count=self._instarugs,
                threshold=rules.RUGPOOL_INSTARUGS,
                rugpool_amount=amount,
            )
        )
        self.detail = raw_part(
            PoolDetail(
                instarug_count=self._instarugs,
                rugpool_amount=amount,
                total_entries=total,
                players_with_entries=len(ranked),
                player_entries=[
                    PoolEntry(
                        player_id=account.player_id,
                        entries=count,
                        username=account.username,
                        percentage=number(count / total * 100),
                    )
                    for account, count in ranked[:_SHOWN_PLAYERS]
                ],
            )
        )
