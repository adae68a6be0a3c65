"""Actions of the crowd between two frames.

No player sees a price before it is in force, and none acts on a price: when and how much they
trade is drawn from fixed tables, so the crowd's results are luck. That makes it the baseline for
judging skill; the only exception are peekers, planted by tests to be found.
"""

from __future__ import annotations

from collections.abc import Sequence

from vectra_bot.exchange.accounts import Books
from vectra_bot.exchange.config import DEFAULT_CROWD, ExchangeConfig
from vectra_bot.exchange.crowd import tables
from vectra_bot.exchange.crowd.bettors import Bettors
from vectra_bot.exchange.crowd.lockstep import Lockstep, lockstep_groups
from vectra_bot.exchange.crowd.peekers import Peekers
from vectra_bot.exchange.crowd.players import CrowdPlayer, Style, make_players
from vectra_bot.exchange.crowd.traders import Traders, trade_rate
from vectra_bot.exchange.dice import Dice
from vectra_bot.exchange.features.sidegames import SideGames
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.market import EndedSidebet, Market
from vectra_bot.game.ledger import LedgerError
from vectra_bot.game.sidegames import BBC, CANDLEFLIP
from vectra_bot.wire.states import WireFormat

_ONLINE = 235  # of DEFAULT_CROWD; 180 to 290 on the venue
_DRIFT = 50


class Crowd:
    """The simulated players and their actions.

    Args:
        config: the number of players, how many of them (the last ones) know the next price, and whether they
            open shorts (in the February format).
        market: where they trade.
        books: where their accounts are opened.
        identities: source of names and random numbers.
        sidegames: where they stake in side games, None if they do not.
    """

    def __init__(
        self,
        config: ExchangeConfig,
        market: Market,
        books: Books,
        identities: Identities,
        sidegames: SideGames | None,
    ) -> None:
        size, planted = config.crowd, config.planted
        shorts = config.wire_format is WireFormat.FEB
        self._market = market
        self._books = books
        self._sidegames = sidegames
        self._share = size / DEFAULT_CROWD
        self._dice = Dice(identities.dice("crowd"))
        self._walk = Dice(identities.dice("connected"))
        self._drift = 0
        first, second = lockstep_groups(size - planted)
        self.players: Sequence[CrowdPlayer] = make_players(
            books, identities, size, {*first, *second}, planted
        )
        self._by_id = {player.account.player_id: player for player in self.players}
        own = [player for player in self.players if player.style is not Style.LOCKSTEP]
        self._own = [player for player in own if player.style is not Style.PEEKER]
        self._lockstep = Lockstep(
            [self.players[number] for number in first],
            [self.players[number] for number in second],
            Dice(identities.dice("lockstep")),
        )
        self._traders = Traders(market, own, self._dice, shorts=shorts)
        self._bettors = Bettors(market, own, self._share, Dice(identities.dice("bettors")))
        self._peekers = Peekers(
            market,
            [player for player in self.players if player.style is Style.PEEKER],
            Dice(identities.dice("peekers")),
        )
        self._mood = self._share
        self._presale: list[tuple[float, int]] = []
        self._presale_done = 0.0

    @property
    def planted(self) -> tuple[str, ...]:
        """The ids of the players who know the next price: the ground truth for scoring an analysis."""
        return self._peekers.ids

    def begin_game(self) -> None:
        """Start a game: refill accounts that could not pay, and plan the presale."""
        for player in {id(p): p for p in (*self._traders.broke, *self._bettors.broke)}.values():
            player.refill(self._books)
        self._traders.broke.clear()
        self._bettors.broke.clear()
        self._mood = tables.MOODS.at(self._dice.roll()) * self._share
        self._lockstep.begin_game()
        alone = self._lockstep.alone
        self._traders.begin_game(self._share * (tables.HOLDERS_SINGLE if alone else 1))
        self._plan_presale(tables.PRESALE_TRADES_SINGLE if alone else tables.PRESALE_TRADES)

    def connected(self, others: int) -> int:
        """Return the number of players online including *others*: a slow seeded walk around 235 of 300."""
        move = self._walk.index(9)
        self._drift = max(-_DRIFT, min(_DRIFT, self._drift + (move == 8) - (move == 0)))
        return others + round((_ONLINE + self._drift) * self._share)

    def act_in_presale(self, share: float, at_ns: int) -> None:
        """Execute the crowd's actions up to *share* of the presale."""
        self._presale_done += share
        self._act_until(self._presale_done, at_ns)

    def end_presale(self, at_ns: int) -> None:
        """Execute the rest of the presale, before tick 0."""
        self._act_until(1.0, at_ns)

    def act(self, at_ns: int, next_price: float | None = None) -> None:
        """Execute the crowd's actions of one tick, at the price in force.

        Args:
            at_ns: now.
            next_price: the next price; only planted players get it.
        """
        tick = self._market.tick
        for player, percentage in self._lockstep.sales(tick):
            self._traders.sell_all(player, percentage)
        for _ in range(self._dice.events(trade_rate(tick) * self._mood)):
            self._traders.trade()
        self._bettors.act(at_ns)
        if self._sidegames is not None and self._own:
            self._stake_aside(self._sidegames)
        if next_price is not None:
            self._peekers.act(next_price)

    def on_settled(self, settled: EndedSidebet) -> None:
        """Notify a player of a settled sidebet."""
        player = self._by_id.get(settled.account.player_id)
        if player is not None:
            self._bettors.on_settled(player, settled)

    def _plan_presale(self, trades: float) -> None:
        """Spread the presale's trades and bets over it; kinds are 0 for a trade, 1 for a bet."""
        dice = self._dice
        plan = [(dice.roll(), 0) for _ in range(dice.events(trades * self._share))]
        plan += [(dice.roll(), 1) for _ in range(self._bettors.begin_game())]
        if self._lockstep.buyers:
            plan.append((dice.roll(), 2))
        self._presale = sorted(plan, reverse=True)
        self._presale_done = 0.0

    def _act_until(self, share: float, at_ns: int) -> None:
        plan = self._presale
        while plan and plan[-1][0] < share:
            kind = plan.pop()[1]
            if kind == 0:
                self._traders.buy_in_presale()
            elif kind == 1:
                self._bettors.place_first(at_ns)
            else:
                for player, amount in self._lockstep.buyers:
                    self._traders.hold(player, amount)

    def _stake_aside(self, sidegames: SideGames) -> None:
        """Sometimes place a stake in a side game (the real frequency is unknown: unverified)."""
        dice = self._dice
        if not dice.chance(tables.SIDE_STAKES * self._share):
            return
        name = BBC if dice.chance(0.5) else CANDLEFLIP
        player = self._own[dice.index(len(self._own))]
        amount = player.base_stake
        rooms = sidegames.open_rooms(name)
        if not rooms or not player.can_pay(amount):
            return
        choices = sorted(rooms[0].game.odds)
        try:
            sidegames.bet(player.account, name, choices[dice.index(len(choices))], amount)
        except LedgerError:
            return
