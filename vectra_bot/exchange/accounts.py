"""A player's money at the venue, and the venue's books: every flow has an entry on both sides.

The house is an account with its own entries: it receives what a player pays, and pays what a player is paid.
The rugpool is a second one, funded by the house. So the sum over players, house and pool equals the deposits
from outside, per kind of money and to the lamport; :meth:`Books.differences` lists where it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any

from attrs import define, field

from vectra_bot.exchange.config import EvidenceDelays
from vectra_bot.game import rules
from vectra_bot.game.ledger import Ledger, to_lamports
from vectra_bot.wire.payloads import LeaderboardRow


class Coin(StrEnum):
    """The coin a player uses in a game (protocol 5.2)."""

    SOL = "SOL"
    PRACTICE = "0xPractice"


class Money(StrEnum):
    """Kinds of money in the books; bonus money is staked like SOL."""

    SOL = "SOL"
    BONUS = "bonus"
    PRACTICE = "practice"


class BookEntry(StrEnum):
    """Why money moved."""

    DEPOSIT = "deposit"
    BUY = "buy"
    SELL = "sell"
    FORCED_SELL = "forced_sell"
    LIQUIDATION = "liquidation"
    SHORT_OPEN = "short_open"
    SHORT_CLOSE = "short_close"
    SIDEBET = "sidebet"
    SIDEBET_PAYOUT = "sidebet_payout"
    BBC_STAKE = "bbc_stake"
    BBC_PAYOUT = "bbc_payout"
    CANDLEFLIP_STAKE = "candleflip_stake"
    CANDLEFLIP_PAYOUT = "candleflip_payout"
    RUGPOOL_FEED = "rugpool_feed"
    RUGPOOL_PRIZE = "rugpool_prize"
    GOLDEN_PRIZE = "golden_prize"


@define
class Flows:
    """Sums of money movements in lamports (positive: into the account), and their count by kind."""

    sums: dict[tuple[Money, BookEntry], int] = field(factory=dict)
    counts: dict[BookEntry, int] = field(factory=dict)

    def add(self, money: Money, entry: BookEntry, amount: int, count: int = 1) -> None:
        """Add *count* movements of *amount* lamports together."""
        key = (money, entry)
        self.sums[key] = self.sums.get(key, 0) + amount
        self.counts[entry] = self.counts.get(entry, 0) + count

    def balance(self, money: Money) -> int:
        """Return the sum of all movements of one kind of money."""
        return sum(amount for (kind, _), amount in self.sums.items() if kind is money)

    def total(self, entry: BookEntry, money: Money = Money.SOL) -> int:
        """Return the sum of one entry's movements."""
        return self.sums.get((money, entry), 0)


@define(eq=False, kw_only=True)
class VenueAccount:
    """One player: identity, ledgers, and connection if there is one.

    ``ledger`` is that of the selected coin. ``joined`` says whether the player has acted in the running
    game; ``rank`` is the place in the full leaderboard, from 1. ``touched`` is the list to which an account
    adds itself when its numbers change; ``place``, ``face`` and ``row`` cache what was computed from them
    since. ``last_due_ns`` is when the last message to the player leaves: later evidence never overtakes it.
    ``golden`` is what counts in this game for entries of a Golden Hour, in lamports (protocol 12).
    """

    player_id: str
    username: str | None
    level: int
    sol: Ledger
    practice: Ledger
    coin: Coin = Coin.SOL
    ledger: Ledger = field(init=False)
    flows: Flows = field(factory=Flows)
    joined: bool = False
    rank: int = 0
    arrival: int = 0
    moving: bool = False
    touched: list[VenueAccount] = field(factory=list, repr=False)
    place: Any = None
    face: Any = None
    row: LeaderboardRow | None = None
    delays: EvidenceDelays | None = None
    last_due_ns: int = 0
    interacted: bool = False
    xp: int = 0
    total_xp: int = 0
    golden: int = 0

    def __attrs_post_init__(self) -> None:
        self.ledger = self.sol

    def touch(self) -> None:
        """Invalidate the cached values: a trade, a stake or a settlement has changed the numbers."""
        ledger = self.ledger
        self.moving = ledger.position_qty > 0 or ledger.short is not None
        self.face = None
        self.row = None
        self.touched.append(self)

    @property
    def connected(self) -> bool:
        """Return True for a client, False for a player of the crowd."""
        return self.delays is not None

    @property
    def is_practice(self) -> bool:
        """Return whether the selected coin is practice money."""
        return self.coin is Coin.PRACTICE

    def select(self, coin: Coin) -> bool:
        """Select *coin* for later stakes; return False if the player is in a game, which keeps its coin."""
        if self.joined and coin is not self.coin:
            return False
        self.coin = coin
        self.ledger = self.practice if coin is Coin.PRACTICE else self.sol
        self.touch()
        return True

    def held(self, money: Money) -> int:
        """Return the free balance of one kind of money by the ledgers."""
        if money is Money.PRACTICE:
            return self.practice.cash
        return self.sol.cash if money is Money.SOL else self.sol.bonus


class Books:
    """All accounts of the venue by player id, in the order in which they were opened, and the house.

    Args:
        max_win: lamports of SOL an account can win in one game.
        on_deposit: called for all money from outside with player id, kind of money, lamports.
    """

    def __init__(
        self,
        max_win: int | None = None,
        on_deposit: Callable[[str, Money, int], None] | None = None,
    ) -> None:
        self._accounts: dict[str, VenueAccount] = {}
        self._max_win = max_win
        self._on_deposit = on_deposit
        self.clients: list[VenueAccount] = []
        self.touched: list[VenueAccount] = []
        self.house = Flows()
        self.pool = Flows()

    def open(
        self, player_id: str, username: str | None, level: int, cash: int, bonus: int = 0
    ) -> VenueAccount:
        """Return a new account with *cash* lamports, *bonus* of bonus money and the practice coin's start."""
        start = to_lamports(rules.PRACTICE_START)
        account = VenueAccount(
            player_id=player_id,
            username=username,
            level=level,
            sol=Ledger(0, max_win=self._max_win),
            practice=Ledger(0, max_win=to_lamports(rules.PRACTICE_MAX_WIN)),
            touched=self.touched,
        )
        self._accounts[player_id] = account
        self.deposit(account, cash)
        self.deposit(account, bonus, Money.BONUS)
        self.deposit(account, start, Money.PRACTICE)
        return account

    def deposit(self, account: VenueAccount, amount: int, money: Money = Money.SOL) -> None:
        """Deposit *amount* lamports from outside, without an entry of the house."""
        ledger = account.practice if money is Money.PRACTICE else account.sol
        ledger.credit(amount, amount if money is Money.BONUS else 0)
        account.flows.add(money, BookEntry.DEPOSIT, amount)
        if self._on_deposit is not None:
            self._on_deposit(account.player_id, money, amount)

    def pay(self, account: VenueAccount, amount: int, entry: BookEntry) -> None:
        """Pay *amount* lamports of SOL to a player: a prize from the house."""
        account.sol.credit(amount, 0)
        account.flows.add(Money.SOL, entry, amount)
        source = self.pool if entry is BookEntry.RUGPOOL_PRIZE else self.house
        source.add(Money.SOL, entry, -amount)

    def feed_pool(self, amount: int) -> None:
        """Move *amount* lamports from the house to the rugpool."""
        self.house.add(Money.SOL, BookEntry.RUGPOOL_FEED, -amount)
        self.pool.add(Money.SOL, BookEntry.RUGPOOL_FEED, amount)

    def post(self, account: VenueAccount, entry: BookEntry, amount: int, bonus: int = 0) -> None:
        """Enter what a ledger has booked: *amount* lamports into the account, *bonus* of them bonus money."""
        self.post_coin(account, entry, amount, bonus, practice=account.is_practice)

    def post_sum(self, account: VenueAccount, entry: BookEntry, amount: int, count: int) -> None:
        """Enter the sum of *count* movements of the selected coin, in which there was no bonus money."""
        money = Money.PRACTICE if account.is_practice else Money.SOL
        account.flows.add(money, entry, amount, count)
        self.house.add(money, entry, -amount, count)

    def post_coin(
        self, account: VenueAccount, entry: BookEntry, amount: int, bonus: int, *, practice: bool
    ) -> None:
        """Enter what was booked in the account's ledger of one coin, whichever coin is selected now."""
        money = Money.PRACTICE if practice else Money.SOL
        account.flows.add(money, entry, amount - bonus)
        self.house.add(money, entry, bonus - amount)
        if bonus:
            account.flows.add(Money.BONUS, entry, bonus)
            self.house.add(Money.BONUS, entry, -bonus)

    def get(self, player_id: str) -> VenueAccount | None:
        """Return the account of *player_id*, None if there is none."""
        return self._accounts.get(player_id)

    def all(self) -> tuple[VenueAccount, ...]:
        """Return every account, the crowd's included."""
        return tuple(self._accounts.values())

    def differences(self) -> Iterator[str]:
        """Yield one line for each imbalance of the books, to the lamport; nothing if they balance."""
        for money in Money:
            brought = held = 0
            for account in self._accounts.values():
                ledger, flows = account.held(money), account.flows.balance(money)
                if ledger != flows:
                    yield f"{account.player_id}: {money} is {ledger} lamports, its entries sum to {flows}"
                held += ledger
                brought += account.flows.total(BookEntry.DEPOSIT, money)
            total = held + self.house.balance(money) + self.pool.balance(money)
            if total != brought:
                yield f"all accounts have {total} lamports of {money}, deposits were {brought}"
