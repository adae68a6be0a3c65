"""Players planted by a test: they see the next price before it is in force, and profit from it.

An analysis of players must distinguish them from lucky players; the exchange knows their ids.
"""

from __future__ import annotations

from collections.abc import Sequence

from vectra_bot.exchange.crowd import tables
from vectra_bot.exchange.crowd.players import CrowdPlayer
from vectra_bot.exchange.dice import Dice
from vectra_bot.exchange.market import Market
from vectra_bot.game.ledger import LedgerError

_RISE = 1.1  # the rise they wait for: only a big move is that large (protocol 4.2)
_TAKES = 0.25  # share of opportunities they use: using all would be obvious
_BUY = 20 * tables.MILLI


class Peekers:
    """The planted players."""

    def __init__(self, market: Market, players: Sequence[CrowdPlayer], dice: Dice) -> None:
        self._market = market
        self._players = players
        self._dice = dice
        self.ids = tuple(player.account.player_id for player in players)

    def act(self, next_price: float) -> None:
        """Buy before a rise and sell before a fall, the rug included."""
        price = self._market.price
        for player in self._players:
            account = player.account
            try:
                if account.ledger.position_qty:
                    if next_price < price:
                        self._market.sell(account, 100)
                elif next_price > price * _RISE and self._dice.chance(_TAKES):
                    amount = player.buys or _BUY
                    if player.can_pay(amount):
                        self._market.buy(account, amount)
            except LedgerError:
                continue
