"""The money side of the running game: trades at the price in force, open stakes and their settlement.

Clients and crowd trade through the same methods, so no frame can depend on which players are clients.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import frozen

from vectra_bot.exchange.accounts import BookEntry, Books, Coin, VenueAccount
from vectra_bot.exchange.features.levels import gain
from vectra_bot.game import rules
from vectra_bot.game.ledger import Fill, NoShort, OpenSidebet, SettledSidebet
from vectra_bot.game.shorts import ShortAtRug, ShortTerms

_ENTRIES = {
    "buy": BookEntry.BUY,
    "sell": BookEntry.SELL,
    "forced_sell": BookEntry.FORCED_SELL,
    "liquidation": BookEntry.LIQUIDATION,
    "short_open": BookEntry.SHORT_OPEN,
    "short_close": BookEntry.SHORT_CLOSE,
}
_OPENINGS = ("buy", "short_open")
_NEARLY_NOTHING = (
    1_000.0  # lamports of a short's estimated value at which the exact one is computed
)


@frozen
class Deal:
    """A trade of one player, as the public trade stream may show it; ``number`` counts the venue's trades."""

    account: VenueAccount
    fill: Fill
    game_id: str
    number: int
    coin: Coin
    trace_id: str | None = None


@frozen
class Placed:
    """A sidebet that was placed; ``presale`` bets get no placed row in the history (protocol 5.4)."""

    account: VenueAccount
    bet: OpenSidebet
    at_ns: int
    presale: bool
    coin: Coin


@frozen
class EndedSidebet:
    """A sidebet that ended; ``price`` is the rug price of a won one, else the price in force."""

    account: VenueAccount
    bet: SettledSidebet
    at_ns: int
    tick: int
    price: float
    coin: Coin


class Market:
    """One game after another; ``price`` and ``tick`` are those in force.

    ``capped`` counts how often the cap reduced a player's winnings of a game. ``on_deal`` and ``on_placed``,
    if set, are called with every trade and sidebet once it is booked.
    """

    def __init__(
        self,
        books: Books,
        terms: ShortTerms,
        *,
        on_deal: Callable[[Deal], None] | None = None,
        on_placed: Callable[[Placed], None] | None = None,
    ) -> None:
        self.books = books
        self.terms = terms
        self.game_id = ""
        self.price = 1.0
        self.tick = 0
        self.presale = False
        self.open = False
        self.rugged = False
        self.trade_count = 0
        self.players: list[VenueAccount] = []
        self.biggest: Deal | None = None
        self.bets: list[Placed | EndedSidebet] = []
        self.capped = 0
        self._on_deal = on_deal
        self._on_placed = on_placed
        self._trades = 0
        self._open_bets: deque[tuple[int, VenueAccount]] = deque()
        self._leveraged: dict[str, VenueAccount] = {}
        self._shorts: dict[str, VenueAccount] = {}
        self._closing: dict[str, str | None] = {}

    def begin_game(self, game_id: str) -> None:
        """Reset for a new game: positions and sums of its players start at zero, cash is kept."""
        self.game_id = game_id
        self.price = 1.0
        self.tick = 0
        self.presale = False
        self.open = False
        self.rugged = False
        for account in self.players:
            self.capped += account.ledger.hit_max_win
            account.ledger.begin_game()
            account.joined = False
            account.place = None
            account.golden = 0
            account.touch()
            account.rank = 0
        self.players = []
        self.bets = []
        self._open_bets.clear()
        self._leveraged.clear()

    def open_presale(self) -> None:
        """Let players buy at price 1 and place sidebets, but not sell (protocol 6.1)."""
        self.presale = True
        self.open = True

    def start(self) -> None:
        """End the presale at tick 0; positions bought in it are kept."""
        self.presale = False

    def move(self, tick: int, price: float) -> list[Deal]:
        """Put the price of *tick* in force; return the trades it makes the venue execute (protocol 9)."""
        before, self.tick, self.price = self.price, tick, price
        deals: list[Deal] = []
        if self._shorts:
            self._move_shorts(before, deals)
        if self._leveraged and not self.rugged:
            for account in list(self._leveraged.values()):
                fills = account.ledger.liquidate(price, tick)
                deals += [self._traded(account, fill, None) for fill in fills]
        return deals

    def rug(self, tick: int, price: float) -> list[Deal]:
        """End the game: the rug price is in force and no request is accepted any more."""
        self.open = False
        self.rugged = True
        return self.move(tick, price)

    def buy(
        self, account: VenueAccount, amount: int, trace_id: str | None = None, leverage: int = 1
    ) -> Deal:
        """Buy for *amount* lamports at the price in force; raises what the ledger raises."""
        fill = account.ledger.buy(amount, self.price, self.tick, leverage)
        if leverage > 1:
            self._leveraged[account.player_id] = account
        return self._traded(account, fill, trace_id)

    def sell(self, account: VenueAccount, percentage: int, trace_id: str | None = None) -> Deal:
        """Sell *percentage* of the position at the price in force; raises what the ledger raises."""
        fill = account.ledger.sell(percentage, self.price, self.tick)
        return self._traded(account, fill, trace_id)

    def open_short(self, account: VenueAccount, amount: int, trace_id: str | None = None) -> Deal:
        """Open a short of *amount* lamports (unverified); raises what the ledger raises."""
        fill = account.ledger.open_short(amount, self.price, self.tick, self.terms)
        self._shorts[account.player_id] = account
        return self._traded(account, fill, trace_id)

    def close_short(self, account: VenueAccount, trace_id: str | None = None) -> Deal | None:
        """Close the short at the price in force; None if the terms settle it at the next tick.

        Raises:
            NoShort: none is open, or it is already being closed.
        """
        if account.ledger.short is None or account.player_id in self._closing:
            raise NoShort("there is no short to close: open one first")
        if self.terms.waits_to_close:
            self._closing[account.player_id] = trace_id
            return None
        return self._close(account, trace_id)

    def is_closing(self, account: VenueAccount) -> bool:
        """Return whether the account's short is settled at the next tick."""
        return account.player_id in self._closing

    def place_sidebet(self, account: VenueAccount, amount: int, at_ns: int) -> Placed:
        """Bet that the game rugs within 40 ticks; raises what the ledger raises."""
        bet = account.ledger.place_sidebet(amount, self.tick)
        self.books.post(account, BookEntry.SIDEBET, -amount, -bet.bonus)
        if not self.presale:
            self._count_golden(account, amount * rules.GOLDEN_SIDEBET_X)
        self._open_bets.append((bet.end_tick, account))
        self.join(account)
        placed = Placed(account, bet, at_ns, self.presale, account.coin)
        self.bets.append(placed)
        if self._on_placed is not None:
            self._on_placed(placed)
        return placed

    def settle_lost(self, at_ns: int) -> list[EndedSidebet]:
        """Settle the sidebets whose last tick has passed without a rug (protocol 7)."""
        lost: list[EndedSidebet] = []
        while self._open_bets and self._open_bets[0][0] <= self.tick:
            _, account = self._open_bets.popleft()
            lost.append(self._settle(account, None, at_ns))
        return lost

    def settle_won(self, account: VenueAccount, rug_tick: int, at_ns: int) -> EndedSidebet | None:
        """Settle the open sidebet of *account*, if it has one, with the rug price in force."""
        if account.ledger.sidebet is None:
            return None
        return self._settle(account, rug_tick, at_ns)

    def liquidate(self, account: VenueAccount) -> list[Deal]:
        """Sell the position of *account* at the rug price and end its short, if it has any."""
        deals: list[Deal] = []
        if account.ledger.short is not None:
            deals.append(self._end_short(account))
        fill = account.ledger.forced_sell(self.price, self.tick)
        if fill is not None:
            deals.append(self._traded(account, fill, None))
        return deals

    def bettors(self) -> tuple[VenueAccount, ...]:
        """Return who has placed a sidebet in this game, in the order of their first one."""
        placed = (bet.account for bet in self.bets if isinstance(bet, Placed))
        return tuple({account.player_id: account for account in placed}.values())

    def take_biggest(self) -> Deal | None:
        """Return the biggest trade since the last call, which the public stream shows (protocol 5.5)."""
        deal, self.biggest = self.biggest, None
        return deal

    def join(self, account: VenueAccount) -> None:
        """Add *account* to the players of the game and mark its numbers as changed."""
        account.interacted = True
        account.touch()
        if not account.joined:
            account.joined = True
            account.arrival = len(self.players)
            self.players.append(account)

    def _move_shorts(self, before: float, deals: list[Deal]) -> None:
        """Revalue every short; one that is worth nothing is closed for nothing."""
        for account in list(self._shorts.values()):
            account.ledger.move_short(before, self.price)
            if account.player_id in self._closing and not self.rugged:
                deals.append(self._close(account, self._closing[account.player_id]))
                continue
            account.row = None
            short = account.ledger.short
            if (
                short is None
                or self.rugged
                or short.estimate(self.price, self.terms) > _NEARLY_NOTHING
            ):
                continue
            if not short.value(self.price, self.terms):
                deals.append(self._close(account, None))

    def _close(self, account: VenueAccount, trace_id: str | None) -> Deal:
        short = account.ledger.short
        value = 0 if short is None else short.value(self.price, self.terms)
        return self._closed(account, value, trace_id)

    def _end_short(self, account: VenueAccount) -> Deal:
        """Settle an open short at the rug by the configured terms (unknown: protocol 8)."""
        short = account.ledger.short
        at_rug = self.terms.at_rug
        value = 0
        if short is not None and at_rug is not ShortAtRug.LOSE:
            refund = at_rug is ShortAtRug.REFUND
            value = short.amount if refund else short.value(self.price, self.terms)
        trace_id = self._closing.get(account.player_id)
        return self._closed(account, value, trace_id)

    def _closed(self, account: VenueAccount, value: int, trace_id: str | None) -> Deal:
        fill = account.ledger.close_short(self.price, self.tick, value, rugged=self.rugged)
        self._shorts.pop(account.player_id, None)
        self._closing.pop(account.player_id, None)
        return self._traded(account, fill, trace_id)

    def _traded(self, account: VenueAccount, fill: Fill, trace_id: str | None) -> Deal:
        sign = -1 if fill.kind in _OPENINGS else 1
        self.books.post(account, _ENTRIES[fill.kind], sign * fill.amount, sign * fill.bonus)
        if sign > 0:
            if fill.valid_cost:
                gain(account, fill.valid_cost)
            self._count_golden(account, fill.held_cost)
            if not account.ledger.leveraged:
                self._leveraged.pop(account.player_id, None)
        self.trade_count += 1
        self.join(account)
        self._trades += 1
        deal = Deal(account, fill, self.game_id, self._trades, account.coin, trace_id)
        if not account.is_practice and (
            self.biggest is None or fill.amount > self.biggest.fill.amount
        ):
            self.biggest = deal
        if self._on_deal is not None:
            self._on_deal(deal)
        return deal

    def _count_golden(self, account: VenueAccount, amount: int) -> None:
        if not account.is_practice:
            account.golden += amount

    def _settle(self, account: VenueAccount, rug_tick: int | None, at_ns: int) -> EndedSidebet:
        bet = account.ledger.settle_sidebet(rug_tick, self.tick)
        if bet is None:
            raise AssertionError(f"sidebet of {account.player_id} has no end at tick {self.tick}")
        self.books.post(account, BookEntry.SIDEBET_PAYOUT, bet.payout, bet.bonus)
        gain(account, bet.amount)
        account.touch()
        settled = EndedSidebet(account, bet, at_ns, self.tick, self.price, account.coin)
        self.bets.append(settled)
        return settled
