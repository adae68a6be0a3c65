"""The rugpool: funded by instarugs, drawn when it is full (protocol 5.7, 12).

A share of what players lose in an instarug goes from the house to the pool (0.31 per SOL: a model of the
amounts seen), and a player gets one entry per 0.001 SOL lost there. When the pool is full, three
players win a third of it each, by their entries; what does not divide stays in the pool.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen
from msgspec import Raw, Struct, field

from vectra_bot.exchange.accounts import BookEntry, Books, VenueAccount
from vectra_bot.exchange.dice import Dice
from vectra_bot.game import rules
from vectra_bot.game.ledger import to_lamports
from vectra_bot.wire.amounts import number, sol_number
from vectra_bot.wire.drawings import PoolDrawing, PoolWinner
from vectra_bot.wire.frames import raw_part
from vectra_bot.wire.payloads import Rugpool

_SHOWN_PLAYERS = 10
_PAST_MS = 12 * 3_600_000
_PAST_ENTRIES = 5_000


class PoolConfig(Struct, rename="camel", frozen=True):
    """The pool's rules as its detail states them."""

    threshold: int = rules.RUGPOOL_INSTARUGS
    instarug_threshold: int = rules.INSTARUG_TICKS
    rugpool_percentage: float = rules.RUGPOOL_SHOWN_SHARE


class PoolEntry(Struct, rename="camel", frozen=True):
    """A player's entries in the pool."""

    player_id: str
    entries: int
    username: str | None
    percentage: float


class PoolDetail(Struct, rename="camel", frozen=True, kw_only=True):
    """The pool as ``gameStatePlayerUpdate`` states it."""

    instarug_count: int
    rugpool_amount: float
    total_entries: int
    threshold: int = rules.RUGPOOL_INSTARUGS
    players_with_entries: int
    sol_per_entry: float = rules.RUGPOOL_LAMPORTS_PER_ENTRY / rules.LAMPORTS_PER_SOL
    max_entries_per_player: int = rules.RUGPOOL_MAX_ENTRIES
    player_entries: list[PoolEntry]
    last_drawing: PoolDrawing | None = None
    config: PoolConfig = field(default_factory=PoolConfig)


@frozen
class Drawing:
    """A drawing that was held: winners with entries, lamports for each, and the pool before it."""

    winners: tuple[tuple[VenueAccount, int], ...]
    reward: int
    total: int
    timestamp_ms: int

    def payload(self) -> PoolDrawing:
        """Return the payload of the drawing in frames."""
        return PoolDrawing(
            timestamp=self.timestamp_ms,
            winners=[
                PoolWinner(
                    player_id=account.player_id,
                    username=account.username,
                    entries=entries,
                    reward=sol_number(self.reward),
                )
                for account, entries in self.winners
            ],
            reward_per_winner=sol_number(self.reward),
            total_pool_amount=sol_number(self.total),
        )


class Pool:
    """Count instarugs, what was lost in them and by whom.

    ``brief`` is in every tick frame, ``detail`` in some of the private ones; both are encoded once per
    change.
    """

    def __init__(
        self,
        books: Books,
        dice: Dice,
        *,
        threshold: int = rules.RUGPOOL_INSTARUGS,
        instarug_ticks: int = rules.INSTARUG_TICKS,
    ) -> None:
        self._books = books
        self._dice = dice
        self._config = PoolConfig(threshold, instarug_ticks)
        self._instarugs = 0
        self._entries: dict[str, tuple[VenueAccount, int]] = {}
        self._last: PoolDrawing | None = None
        self.drawings = 0
        self.brief: Raw
        self.detail: Raw
        self._encode()

    def recall(self, people: Sequence[VenueAccount], start_ms: int) -> None:
        """Set a drawing from before the start: the venue's updates always have one (protocol 5.7).

        It moved no money of these books.
        """
        if len(people) < rules.RUGPOOL_WINNERS:
            return
        left = list(people)
        winners = [left.pop(self._dice.index(len(left))) for _ in range(rules.RUGPOOL_WINNERS)]
        reward = to_lamports(1) + self._dice.index(to_lamports(3))
        self._last = Drawing(
            winners=tuple((who, 1 + self._dice.index(_PAST_ENTRIES)) for who in winners),
            reward=reward,
            total=rules.RUGPOOL_WINNERS * reward,
            timestamp_ms=start_ms - self._dice.index(_PAST_MS),
        ).payload()
        self._encode()

    @property
    def amount(self) -> int:
        """Return the lamports in the pool."""
        return sum(self._books.pool.sums.values())

    def count_rug(self, rug_tick: int, pnls: list[tuple[VenueAccount, int]]) -> bool:
        """Record how a game ended: *pnls* of its players in lamports, SOL play only.

        Returns:
            Whether the pool is full now; then call :meth:`draw`.
        """
        if rug_tick > self._config.instarug_threshold:
            return False
        self._instarugs += 1
        lost = sum(-pnl for _, pnl in pnls if pnl < 0)
        self._books.feed_pool(lost * rules.RUGPOOL_PERCENT_OF_LOSS // 100)
        for account, pnl in pnls:
            self._enter(account, -pnl // rules.RUGPOOL_LAMPORTS_PER_ENTRY)
        self._encode()
        return self._instarugs >= self._config.threshold

    def draw(self, timestamp_ms: int) -> Drawing | None:
        """Hold the drawing and pay its winners; None with fewer than two players, or without a prize.

        Winners are paid at the announcement, not before: no earlier frame may reveal the prize.
        """
        drawing = self._draw(timestamp_ms)
        self._instarugs = 0
        self._entries.clear()
        self._encode()
        return drawing

    def _draw(self, timestamp_ms: int) -> Drawing | None:
        total = self.amount
        reward = total // rules.RUGPOOL_WINNERS
        if len(self._entries) < rules.DRAWING_MIN_PLAYERS or not reward:
            return None
        left = dict(self._entries)
        winners: list[tuple[VenueAccount, int]] = []
        while left and len(winners) < rules.RUGPOOL_WINNERS:
            winner = pick(self._dice, left)
            winners.append(left.pop(winner))
        for account, _ in winners:
            self._books.pay(account, reward, BookEntry.RUGPOOL_PRIZE)
        self.drawings += 1
        drawing = Drawing(tuple(winners), reward, total, timestamp_ms)
        self._last = drawing.payload()
        return drawing

    def _enter(self, account: VenueAccount, entries: int) -> None:
        if entries > 0:
            _, held = self._entries.get(account.player_id, (account, 0))
            self._entries[account.player_id] = (
                account,
                min(rules.RUGPOOL_MAX_ENTRIES, held + entries),
            )

    def _encode(self) -> None:
        amount = sol_number(self.amount)
        total = 0
        for _, count in self._entries.values():
            total += count
        ranked = sorted(self._entries.values(), key=lambda entry: entry[1], reverse=True)
        self.brief = raw_part(
            Rugpool(
                instarug_count=self._instarugs,
                threshold=self._config.threshold,
                rugpool_amount=amount,
            )
        )
        self.detail = raw_part(
            PoolDetail(
                instarug_count=self._instarugs,
                rugpool_amount=amount,
                total_entries=total,
                threshold=self._config.threshold,
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
                last_drawing=self._last,
                config=self._config,
            )
        )


def pick(dice: Dice, entries: dict[str, tuple[VenueAccount, int]]) -> str:
    """Return the player id drawn from *entries*; every entry has the same chance."""
    at = dice.index(sum(count for _, count in entries.values()))
    for player_id, (_, count) in entries.items():
        if at < count:
            return player_id
        at -= count
    raise AssertionError("a drawing without entries")
