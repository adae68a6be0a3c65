"""Sidebets of the crowd: who bets first, who bets again after a loss, and for how much (protocol 7, 13)."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from vectra_bot.exchange.crowd import tables
from vectra_bot.exchange.crowd.players import CrowdPlayer, Style, weighted
from vectra_bot.exchange.crowd.shifts import Shift
from vectra_bot.exchange.dice import Dice
from vectra_bot.exchange.market import EndedSidebet, Market
from vectra_bot.game.ledger import LedgerError

_TRIES = 4  # draws of a player until one is found who has not bet in this game


class Bettors:
    """The sidebets of the crowd."""

    def __init__(
        self, market: Market, players: Sequence[CrowdPlayer], share: float, dice: Dice
    ) -> None:
        self._market = market
        self._dice = dice
        self._share = share
        self._pool = weighted(players, "bets")
        self._hours = Shift(dice, tables.QUIET_HOURS, tables.BUSY_HOURS)
        self._mood = share
        self._again: list[tuple[int, int, CrowdPlayer]] = []
        self._asked = 0
        self._bettors: list[CrowdPlayer] = []
        self.broke: list[CrowdPlayer] = []

    def begin_game(self) -> int:
        """Reset for a new game; return how many will bet in its presale."""
        self._hours.next_game()
        for player in self._bettors:
            player.bet_this_game = False
        self._bettors = []
        self._again = []
        mood = tables.BETTOR_MOODS.at(self._dice.roll()) * self._share
        self._mood = mood * tables.BUSY if self._hours.on else mood
        presale = tables.PRESALE_BETTORS * mood * (tables.BUSY_PRESALE if self._hours.on else 1)
        return self._dice.events(presale) if self._pool else 0

    def act(self, at_ns: int) -> None:
        """Place the bets of one tick."""
        tick = self._market.tick
        while self._again and self._again[0][0] <= tick:
            self._place(heappop(self._again)[2], at_ns)
        if self._pool:
            for _ in range(self._dice.events(_first_bets(tick) * self._mood)):
                self.place_first(at_ns)

    def place_first(self, at_ns: int) -> None:
        """Let a player place their first bet of the game."""
        for _ in range(_TRIES):
            player = self._pool[self._dice.index(len(self._pool))]
            if not player.bet_this_game:
                player.bet_this_game = True
                self._bettors.append(player)
                self._place(player, at_ns)
                return

    def on_settled(self, player: CrowdPlayer, settled: EndedSidebet) -> None:
        """Decide, after a loss, whether the player bets again, when, and for how much."""
        self._choose_stake(player, won=settled.bet.won)
        if settled.bet.won or not self._dice.chance(player.stays):
            return
        self._asked += 1
        due = settled.bet.end_tick + int(tables.PAUSES.at(self._dice.roll()))
        heappush(self._again, (due, self._asked, player))

    def _choose_stake(self, player: CrowdPlayer, *, won: bool) -> None:
        dice = self._dice
        if player.style is Style.MARTINGALE:
            if won or player.doublings >= tables.MOST_DOUBLINGS:
                player.doublings, player.stake = 0, player.base_stake
            elif dice.chance(tables.DOUBLES):
                player.doublings += 1
                player.stake = min(2 * player.stake, tables.STAKE_LIMIT * tables.MILLI)
        elif dice.chance(player.varies):
            half = player.stake // (2 * tables.MILLI)
            if half and dice.chance(tables.HALVES):
                player.stake = half * tables.MILLI
            else:
                stakes = tables.PRACTICE_STAKES if player.practice else tables.STAKES
                player.stake = stakes.at(dice.roll()) * tables.MILLI

    def _place(self, player: CrowdPlayer, at_ns: int) -> None:
        if player.account.ledger.sidebet is not None:
            return
        amount = player.stake
        if self._dice.chance(tables.PLUNGE) and not player.practice:
            amount = tables.PLUNGES.at(self._dice.roll()) * tables.MILLI
        if not player.can_pay(amount):
            player.doublings, player.stake = 0, player.base_stake
            amount = player.stake
            if not player.can_pay(amount):
                self.broke.append(player)
                return
        try:
            self._market.place_sidebet(player.account, amount, at_ns)
        except LedgerError:
            return


def _first_bets(tick: int) -> float:
    for end, rate in tables.FIRST_BETS:
        if tick < end:
            return rate
    return tables.FIRST_BETS_LATE
