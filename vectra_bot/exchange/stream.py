"""The public stream of single trades and sidebets, a sample of all (protocol 5.5, 5.8)."""

from __future__ import annotations

from collections.abc import Callable

from vectra_bot.exchange.dice import Dice
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.mail import sidebet_payload
from vectra_bot.exchange.market import Market, Placed
from vectra_bot.exchange.outlet import Outlet
from vectra_bot.exchange.tape import trade_text

# Share of the 2 s windows whose last sidebet is public: one or two a game.
_BET_SHOWN = 0.08
_BET_AGE_TICKS = 8


class TradeStream:
    """Send everybody the biggest trade of each time window, and sometimes a sidebet.

    Args:
        market: where trades and bets are made.
        identities: where trace ids and dice come from.
        outlet: where the frames are sent.
        price_at: returns the price of a tick of the current game.
    """

    def __init__(
        self,
        market: Market,
        identities: Identities,
        outlet: Outlet,
        price_at: Callable[[int], float],
    ) -> None:
        self._market = market
        self._identities = identities
        self._outlet = outlet
        self._price_at = price_at
        self._dice = Dice(identities.dice("sample"))
        self._shown: Placed | None = None

    def show(self) -> None:
        """Send what the window that ends now had, except during a presale.

        The client that made the trade already has it.
        """
        if self._market.presale:
            return
        deal = self._market.take_biggest()
        if deal is not None:
            owner = deal.account.player_id if deal.account.connected else None
            self._outlet.to_all(trade_text(deal, self._identities), owner)
        self._show_sidebet()

    def _show_sidebet(self) -> None:
        bets = self._market.bets
        if not self._dice.chance(_BET_SHOWN) or not bets or not self._market.open:
            return
        placed = bets[-1]
        if (
            isinstance(placed, Placed)
            and placed is not self._shown
            and not placed.presale
            and self._market.tick - placed.bet.start_tick <= _BET_AGE_TICKS
        ):
            self._shown = placed
            price = self._price_at(placed.bet.start_tick)
            payload = sidebet_payload(placed, self._market.game_id, price)
            self._outlet.announce("newSideBet", payload)
