"""The seeded crowd: persistent players that trade at the rates of protocol 13 and know nothing.

No player sees a price before it is in force, and none acts on a price at all: when and how much they
trade is drawn from fixed tables, so whatever the crowd earns is luck.
"""

from __future__ import annotations

from attrs import define

from vectra_bot.exchange.accounts import Account, Books
from vectra_bot.exchange.config import DEFAULT_CROWD
from vectra_bot.exchange.dice import Choice, Curve, Dice
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.market import Market, Settled

_MILLI = 1_000_000  # lamports of 0.001 SOL

_BUYS = Choice[int](
    (
        (1, 6), (2, 3), (5, 7), (10, 14), (15, 5), (20, 10), (25, 4), (30, 6), (50, 12), (60, 2), (100, 13),
        (150, 3), (200, 5), (250, 2.5), (300, 2), (500, 3.5), (1000, 1.5), (2000, 0.5), (5000, 0.2),
    )
)  # fmt: skip
_STAKES = Choice[int](
    (
        (1, 28), (2, 9), (3, 6), (4, 3), (5, 12), (6, 2), (8, 2), (10, 11), (15, 3), (17, 1), (20, 6),
        (25, 2), (30, 2), (40, 1.5), (50, 6), (80, 1), (100, 3.5), (150, 1), (200, 1), (250, 0.8), (500, 0.4),
    )
)  # fmt: skip
_SHARES = Choice[int](((100, 62), (50, 14), (25, 16), (75, 6), (10, 2)))
_LEVELS = Curve(((0.0, 0.0), (0.1, 4.0), (0.5, 25.0), (0.9, 62.0), (1.0, 101.0)))
_BANKROLLS = Curve(((0.0, 0.2), (0.5, 2.0), (0.9, 15.0), (1.0, 60.0)))
_MOODS = Choice[float](((0.5, 10), (0.8, 20), (1.0, 45), (1.15, 25)))

_PRESALE_TRADES = 48.0
_PRESALE_SIDEBETS = 5.3
_PRESALE_REBUY = 0.12
_RATES = ((20, 2.5), (40, 1.5), (80, 1.19), (160, 1.11), (320, 1.02))
_RATE_LATE = 0.93
_BURST = 0.1  # a trade brings a second one: variance 1.2 times the mean
_SIDEBETS_PER_TICK = 0.15
_SIDEBETS_EARLY = 0.35
_EARLY_TICKS = 20
_BETS_AGAIN = 0.8
_BETTOR_TRIES = 3  # one of the players drawn must have no open bet
_HOLDERS_HALF = 9.5  # with so many holders every second trade is a sale
_ADDS = 0.1
_NO_NAME = 0.03
_LIMIT = 5000


@define(eq=False)
class Player:
    """One member of the crowd: his account and his habits (amounts in 0.001 SOL)."""

    account: Account
    bankroll: int
    buys: int | None
    stakes: int
    doubles: bool
    patience: float
    next_stake: int = 0
    holding: bool = False
    bet_this_game: bool = False


class Crowd:
    """The population and what it does between two frames."""

    def __init__(self, market: Market, books: Books, identities: Identities, size: int) -> None:
        self._market = market
        self._books = books
        self._dice = Dice(identities.dice("crowd"))
        self._share = size / DEFAULT_CROWD
        self._mood = 1.0
        self._drift = 0
        self._players = [self._make(books, identities, number) for number in range(size)]
        self._by_id = {player.account.player_id: player for player in self._players}
        self._holders: list[Player] = []
        self._bettors: list[Player] = []
        self._broke: list[Player] = []

    def _make(self, books: Books, identities: Identities, number: int) -> Player:
        dice = Dice(identities.dice("habits", number))
        bankroll = int(_BANKROLLS.at(dice.roll()) * 1000) * _MILLI
        name = None if dice.chance(_NO_NAME) else identities.username(number)
        account = books.open(
            identities.player_id(number), name, int(_LEVELS.at(dice.roll())), bankroll
        )
        return Player(
            account=account,
            bankroll=bankroll,
            buys=_BUYS.at(dice.roll()) if dice.chance(0.4) else None,
            stakes=_STAKES.at(dice.roll()),
            doubles=dice.chance(0.25),
            patience=dice.roll() * 0.9,
        )

    def begin_game(self) -> None:
        """Start a game: refill the purses of those who could not pay, and forget who held what."""
        for player in self._broke:
            missing = player.bankroll - player.account.ledger.cash
            if missing > 0:
                self._books.deposit(player.account, missing)
        for player in self._bettors:
            player.bet_this_game = False
        for player in self._holders:
            player.holding = False
        self._broke = []
        self._bettors = []
        self._holders = []
        self._mood = _MOODS.at(self._dice.roll()) * self._share

    def connected(self, now: int) -> int:
        """Return how many are online, a slow seeded walk around 235 of 300 (180 to 290 on the venue)."""
        move = self._dice.index(9)
        self._drift = max(-50, min(50, self._drift + (move == 8) - (move == 0)))
        return now + round((235 + self._drift) * self._share)

    def act_in_presale(self, share: float, at_ns: int) -> None:
        """Do what the crowd does in *share* of a presale."""
        if not self._players:
            return
        trades = self._dice.events(_PRESALE_TRADES * share * self._mood)
        bets = self._dice.events(_PRESALE_SIDEBETS * share * self._mood)
        for _ in range(trades):
            self._buy(add=self._dice.chance(_PRESALE_REBUY))
        for _ in range(bets):
            self._bet(at_ns)

    def act(self, at_ns: int) -> None:
        """Do what the crowd does during one tick, at the price in force."""
        if not self._players:
            return
        dice = self._dice
        for _ in range(dice.events(_rate(self._market.tick) / (1 + _BURST) * self._share)):
            self._trade()
            if dice.chance(_BURST):
                self._trade()
        early = self._market.tick < _EARLY_TICKS
        for _ in range(
            dice.events((_SIDEBETS_EARLY if early else _SIDEBETS_PER_TICK) * self._share)
        ):
            self._bet(at_ns)

    def on_settled(self, settled: Settled) -> None:
        """Let a martingale player double after a loss and start again after a win."""
        player = self._by_id.get(settled.account.player_id)
        if player is None or not player.doubles:
            return
        if settled.bet.won:
            player.next_stake = 0
        else:
            player.next_stake = min(_LIMIT, 2 * settled.bet.amount // _MILLI)

    def _trade(self) -> None:
        holders = len(self._holders)
        if self._dice.roll() * (holders + _HOLDERS_HALF) < holders:
            self._sell()
        else:
            self._buy(add=self._dice.chance(_ADDS))

    def _buy(self, *, add: bool) -> None:
        dice = self._dice
        if add and self._holders:
            player = self._holders[dice.index(len(self._holders))]
        else:
            player = self._players[dice.index(len(self._players))]
        amount = (player.buys or _BUYS.at(dice.roll())) * _MILLI
        if not self._can_pay(player, amount):
            return
        self._market.buy(player.account, amount)
        if not player.holding:
            player.holding = True
            self._holders.append(player)

    def _sell(self) -> None:
        dice = self._dice
        at = dice.index(len(self._holders))
        if dice.chance(self._holders[at].patience):
            at = dice.index(len(self._holders))
        player = self._holders[at]
        percentage = _SHARES.at(dice.roll())
        if player.account.ledger.position_qty * percentage < 100:
            percentage = 100
        self._market.sell(player.account, percentage)
        if player.account.ledger.position_qty == 0:
            player.holding = False
            self._holders[at] = self._holders[-1]
            self._holders.pop()

    def _bettor(self) -> Player | None:
        """Draw somebody without an open sidebet, rather one who has bet in this game already."""
        dice = self._dice
        for _ in range(_BETTOR_TRIES):
            if self._bettors and not self._market.presale and dice.chance(_BETS_AGAIN):
                player = self._bettors[dice.index(len(self._bettors))]
            else:
                player = self._players[dice.index(len(self._players))]
            if player.account.ledger.sidebet is None:
                return player
        return None

    def _bet(self, at_ns: int) -> None:
        player = self._bettor()
        if player is None:
            return
        stake = (player.next_stake or player.stakes) * _MILLI
        if not self._can_pay(player, stake):
            player.next_stake = 0
            return
        self._market.place_sidebet(player.account, stake, at_ns)
        if not player.bet_this_game:
            player.bet_this_game = True
            self._bettors.append(player)

    def _can_pay(self, player: Player, amount: int) -> bool:
        if player.account.ledger.cash >= amount:
            return True
        self._broke.append(player)
        return False


def _rate(tick: int) -> float:
    """Return the mean number of trades during *tick* (protocol 13)."""
    for end, rate in _RATES:
        if tick < end:
            return rate
    return _RATE_LATE
