"""The running game as money sees it: who trades at what price, which stakes are open, how they end.

Clients and crowd trade through the same methods, so nothing a client sees can depend on who is a client.
"""

from __future__ import annotations

from collections import deque

from attrs import frozen

from vectra_bot.exchange.accounts import Account
from vectra_bot.game.ledger import Fill, OpenSidebet, SettledSidebet


@frozen
class Deal:
    """A trade of one player, as the public trade stream may show it; ``number`` counts the venue's trades."""

    account: Account
    fill: Fill
    game_id: str
    number: int
    trace_id: str | None = None


@frozen
class Placed:
    """A sidebet that was taken; ``presale`` bets get no placed row in the history (protocol 5.4)."""

    account: Account
    bet: OpenSidebet
    at_ns: int
    presale: bool


@frozen
class Settled:
    """A sidebet that ended; ``price`` is the rug price of a won one, else the price in force."""

    account: Account
    bet: SettledSidebet
    at_ns: int
    tick: int
    price: float


class Market:
    """One game after another; ``price`` and ``tick`` are those in force."""

    def __init__(self) -> None:
        self.game_id = ""
        self.price = 1.0
        self.tick = 0
        self.presale = False
        self.open = False
        self.rugged = False
        self.trade_count = 0
        self.liquidated = 0
        self.players: list[Account] = []
        self.biggest: Deal | None = None
        self.bets: list[Placed | Settled] = []
        self._trades = 0
        self._open_bets: deque[tuple[int, Account]] = deque()

    def begin_game(self, game_id: str) -> None:
        """Forget the finished game: positions and sums of its players start again, cash stays."""
        self.game_id = game_id
        self.price = 1.0
        self.tick = 0
        self.presale = False
        self.open = False
        self.rugged = False
        self.liquidated = 0
        for account in self.players:
            account.ledger.begin_game()
            account.joined = False
            account.touch()
            account.rank = 0
        self.players = []
        self.bets = []
        self._open_bets.clear()

    def open_presale(self) -> None:
        """Let players buy at price 1 and place sidebets; nobody can sell (protocol 6.1)."""
        self.presale = True
        self.open = True

    def start(self) -> None:
        """End the presale at tick 0."""
        self.presale = False

    def move(self, tick: int, price: float) -> None:
        """Put the price of *tick* in force."""
        self.tick = tick
        self.price = price

    def rug(self, tick: int, price: float) -> None:
        """End the game: the rug price is in force and nothing more is taken."""
        self.move(tick, price)
        self.open = False
        self.rugged = True

    def buy(self, account: Account, amount: int, trace_id: str | None = None) -> Deal:
        """Buy for *amount* lamports at the price in force; raises what the ledger raises."""
        fill = account.ledger.buy(amount, self.price, self.tick)
        account.flows.bought += fill.amount
        return self._traded(account, fill, trace_id)

    def sell(self, account: Account, percentage: int, trace_id: str | None = None) -> Deal:
        """Sell *percentage* of the position at the price in force; raises what the ledger raises."""
        fill = account.ledger.sell(percentage, self.price, self.tick)
        account.flows.sold += fill.amount
        return self._traded(account, fill, trace_id)

    def place_sidebet(self, account: Account, amount: int, at_ns: int) -> Placed:
        """Bet that the game rugs within 40 ticks; raises what the ledger raises."""
        bet = account.ledger.place_sidebet(amount, self.tick)
        account.flows.staked += amount
        self._open_bets.append((bet.end_tick, account))
        self._join(account)
        placed = Placed(account, bet, at_ns, self.presale)
        self.bets.append(placed)
        return placed

    def settle_lost(self, at_ns: int) -> list[Settled]:
        """Settle the sidebets whose last tick has arrived alive (protocol 7)."""
        lost: list[Settled] = []
        while self._open_bets and self._open_bets[0][0] <= self.tick:
            _, account = self._open_bets.popleft()
            lost.append(self._settle(account, None, at_ns))
        return lost

    def settle_won(self, account: Account, rug_tick: int, at_ns: int) -> Settled | None:
        """Settle the open sidebet of *account*, if it has one, with the rug price in force."""
        if account.ledger.sidebet is None:
            return None
        return self._settle(account, rug_tick, at_ns)

    def liquidate(self, account: Account) -> Deal | None:
        """Sell all of *account* at the rug price, if it holds anything."""
        fill = account.ledger.forced_sell(self.price, self.tick)
        if fill is None:
            return None
        account.flows.sold += fill.amount
        self.liquidated += fill.amount
        return self._traded(account, fill, None)

    def take_biggest(self) -> Deal | None:
        """Return the biggest trade since the last call: what the public stream shows (protocol 5.5)."""
        deal, self.biggest = self.biggest, None
        return deal

    def _traded(self, account: Account, fill: Fill, trace_id: str | None) -> Deal:
        self.trade_count += 1
        self._join(account)
        self._trades += 1
        deal = Deal(account, fill, self.game_id, self._trades, trace_id)
        if self.biggest is None or fill.amount > self.biggest.fill.amount:
            self.biggest = deal
        return deal

    def _join(self, account: Account) -> None:
        account.interacted = True
        account.touch()
        if not account.joined:
            account.joined = True
            self.players.append(account)

    def _settle(self, account: Account, rug_tick: int | None, at_ns: int) -> Settled:
        bet = account.ledger.settle_sidebet(rug_tick, self.tick)
        if bet is None:
            raise AssertionError(f"sidebet of {account.player_id} has no end at tick {self.tick}")
        account.flows.paid_out += bet.payout
        account.touch()
        settled = Settled(account, bet, at_ns, self.tick, self.price)
        self.bets.append(settled)
        return settled
