"""Trades of the crowd: who buys, sells and shorts, and how much; by rates, never by price (protocol 13)."""

from __future__ import annotations

from collections.abc import Sequence

from vectra_bot.exchange.crowd import tables
from vectra_bot.exchange.crowd.players import HABITS, CrowdPlayer, buy_table, weighted
from vectra_bot.exchange.dice import Dice
from vectra_bot.exchange.market import Market
from vectra_bot.game import rules
from vectra_bot.game.ledger import LedgerError

_TRIES = 3  # draws of a player until one is found who can act
_LEAST = 100  # billionths of a token: a smaller position is sold completely


class Traders:
    """The crowd's trades, and which players have positions."""

    def __init__(
        self, market: Market, players: Sequence[CrowdPlayer], dice: Dice, *, shorts: bool
    ) -> None:
        self._market = market
        self._dice = dice
        self._shorts_allowed = shorts
        traders = [player for player in players if player.trades]
        self._presale_pool = weighted(traders, "presale")
        self._pool = weighted(traders, "trades")
        self._holders: list[CrowdPlayer] = []
        self._shorts: list[CrowdPlayer] = []
        self._scale = 1.0
        self.broke: list[CrowdPlayer] = []

    def begin_game(self, scale: float) -> None:
        """Reset for a new game; *scale* is the factor of the usual number of holders."""
        for player in self._holders:
            player.holding = False
        self._holders = []
        self._shorts = []
        self._scale = scale

    def buy_in_presale(self) -> None:
        """Let one player buy in the presale."""
        if self._presale_pool:
            self._buy(self._presale_pool, presale=True)

    def trade(self) -> None:
        """Let one player buy, sell, short or close."""
        if not self._pool:
            return
        dice = self._dice
        if self._shorts_allowed:
            u = dice.roll()
            if u < tables.SHORT_OPENS:
                self._open_short()
                return
            if u > 1 - tables.SHORT_CLOSES and self._shorts:
                self._close_short()
                return
        holders = len(self._holders)
        half = _half(self._market.tick) * self._scale
        if dice.roll() * (holders + half) >= holders or not self._sell():
            self._buy(self._pool, presale=False)

    def hold(self, player: CrowdPlayer, amount: int) -> None:
        """Buy for a lockstep account, which does not count among the holders."""
        if not player.can_pay(amount):
            self.broke.append(player)
            return
        try:
            self._market.buy(player.account, amount)
        except LedgerError:
            return

    def sell_all(self, player: CrowdPlayer, percentage: int) -> bool:
        """Sell *percentage* of the position of *player*; return whether anything was sold."""
        held = player.account.ledger.position_qty
        if not held:
            return False
        if held * percentage < _LEAST:
            percentage = 100
        try:
            self._market.sell(player.account, percentage)
        except LedgerError:
            return False
        return True

    def _buy(self, pool: Sequence[CrowdPlayer], *, presale: bool) -> None:
        dice = self._dice
        adds = tables.PRESALE_ADDS if presale else tables.ADDS
        for _ in range(_TRIES):
            if self._holders and dice.chance(adds):
                player = self._holders[dice.index(len(self._holders))]
            else:
                player = pool[dice.index(len(pool))]
            amount = self._amount(player, presale=presale)
            if player.can_pay(amount):
                self._carry_out(player, amount)
                return
            self.broke.append(player)

    def _amount(self, player: CrowdPlayer, *, presale: bool = False) -> int:
        fixed = player.presale_buys if presale else player.buys
        if fixed is not None:
            return fixed
        return buy_table(player.practice, presale).at(self._dice.roll()) * tables.MILLI

    def _carry_out(self, player: CrowdPlayer, amount: int) -> None:
        leverage = 1
        if self._dice.chance(tables.LEVERAGED) and player.account.level >= rules.LEVERAGE_LEVEL:
            leverage = tables.LEVERAGES.at(self._dice.roll())
        try:
            self._market.buy(player.account, amount, leverage=leverage)
        except LedgerError:
            return
        if not player.holding:
            player.holding = True
            self._holders.append(player)

    def _sell(self) -> bool:
        """Let a holder sell; players the venue has liquidated are skipped."""
        dice = self._dice
        while self._holders:
            at = dice.index(len(self._holders))
            player = self._holders[at]
            if player.account.ledger.position_qty and dice.chance(HABITS[player.style].keeps):
                at = dice.index(len(self._holders))
                player = self._holders[at]
            sold = self.sell_all(player, tables.SHARES.at(dice.roll()))
            if not player.account.ledger.position_qty:
                player.holding = False
                self._holders[at] = self._holders[-1]
                self._holders.pop()
            if sold:
                return True
        return False

    def _open_short(self) -> None:
        player = self._pool[self._dice.index(len(self._pool))]
        amount = self._amount(player)
        if player.account.ledger.short is not None or not player.can_pay(amount):
            return
        try:
            self._market.open_short(player.account, amount)
        except LedgerError:
            return
        self._shorts.append(player)

    def _close_short(self) -> None:
        player = self._shorts.pop(self._dice.index(len(self._shorts)))
        try:
            self._market.close_short(player.account)
        except LedgerError:
            return


def trade_rate(tick: int) -> float:
    """Return the mean number of trades while the price of *tick* is in force."""
    for end, rate in tables.RATES:
        if tick + 1 < end:
            return rate
    return tables.RATE_LATE


def _half(tick: int) -> float:
    for end, holders in tables.HOLDERS:
        if tick < end:
            return holders
    return tables.HOLDERS_LATE
