"""The venue's side of the fast driver: the exchange's own market, books and verdicts, without frames.

Imports exchange and game.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from attrs import define

from vectra_bot.backtest.fast.orders import BUY, SELL, SHORT_CLOSE, SHORT_OPEN, Order
from vectra_bot.exchange.accounts import BookEntry, Books, VenueAccount
from vectra_bot.exchange.config import DEFAULT_LEVEL, ExchangeConfig
from vectra_bot.exchange.desk import Judge
from vectra_bot.exchange.features.levels import gain
from vectra_bot.exchange.market import EndedSidebet, Market
from vectra_bot.game.amounts import to_lamports
from vectra_bot.game.ledger import Fill, LedgerError, OpenSidebet
from vectra_bot.game.shorts import OpenShort
from vectra_bot.models import ActionType

_NO_PAYLOAD: Final[Mapping[str, Any]] = MappingProxyType({})
_KINDS = {
    ActionType.BUY: "buy",
    ActionType.SELL: "sell",
    ActionType.SIDEBET: "sidebet",
    ActionType.SHORT_OPEN: "short_open",
    ActionType.SHORT_CLOSE: "short_close",
}


@define
class OrderRequest:
    """An order as the venue's verdict reads it."""

    kind: str
    amount: int | None
    percentage: int | None
    leverage: int | None
    choice: str | None = None
    round_id: str | None = None
    payload: Mapping[str, Any] = _NO_PAYLOAD


@define
class Execution:
    """What the venue did with an order: a fill, a sidebet, or a rejection with its reason."""

    order: Order
    fill: Fill | None = None
    bet: OpenSidebet | None = None
    reason: str = ""


class FastVenue:
    """The market of an exchange without a crowd, and our account in its books."""

    def __init__(self, config: ExchangeConfig, player_id: str, username: str, cash: int) -> None:
        self.books = Books(to_lamports(config.max_win))
        self.market = Market(self.books, config.short_terms)
        self.account: VenueAccount = self.books.open(player_id, username, DEFAULT_LEVEL, cash)
        self.ledger = self.account.ledger
        # Our short in the row that clients see and in the next one, each with its value.
        self.published: tuple[OpenShort | None, int] = (None, 0)
        self._staged: tuple[OpenShort | None, int] = (None, 0)
        self._judge = Judge(self.market, None, config.leverage_level)
        # Lamports of trades that the books do not show yet, and the number of trades.
        entries = BookEntry.BUY, BookEntry.SELL, BookEntry.FORCED_SELL
        self._unposted = {entry: [0, 0] for entry in entries}
        self._bought, self._sold, self._forced = self._unposted.values()

    def begin_game(self, game_id: str) -> None:
        """Announce a game."""
        self.market.begin_game(game_id)
        self.published = self._staged = (None, 0)
        self.books.touched.clear()

    @property
    def shows_short(self) -> bool:
        """Whether rows of the leaderboard show our short, or will."""
        return self.ledger.short is not None or self._staged[0] is not None

    def value(self, short: OpenShort) -> int:
        """Return the value of a short at the price in force, lamports."""
        return short.value(self.market.price, self.market.terms)

    def move(self, tick: int, price: float) -> list[Fill]:
        """Put the price of *tick* in force, and return what the venue trades at it with our holdings.

        Rows show what was staged at the tick before (protocol 5.2).
        """
        self.published = self._staged
        deals = self.market.move(tick, price)
        short = self.ledger.short
        self._staged = (short, 0 if short is None else self.value(short))
        return [deal.fill for deal in deals]

    @property
    def is_plain(self) -> bool:
        """Whether we have nothing but cash and lots without leverage, and rows show no short."""
        return self.ledger.is_plain and self._staged[0] is None

    def trade(self, order: Order) -> Fill | None:
        """Execute a buy or a sale that needs no more than ledger and books; None if it is not one, or fails.

        What the market does besides is not seen in the fast driver: the public stream, rows of the
        leaderboard, and what counts for a Golden Hour.
        """
        market, account, ledger = self.market, self.account, self.ledger
        if not ledger.is_plain or self._staged[0] or order.leverage > 1 or not market.open:
            return None
        try:
            if order.kind is BUY:
                fill = ledger.buy(order.amount or 0, market.price, market.tick)
                sums, amount = self._bought, -fill.amount
            elif order.kind is SELL:
                fill = ledger.sell(order.percentage or 0, market.price, market.tick)
                sums, amount = self._sold, fill.amount
            else:
                return None
        except LedgerError:
            return None
        sums[0] += amount
        sums[1] += 1
        if not account.joined:
            market.join(account)
        if fill.valid_cost:
            gain(account, fill.valid_cost)
        return fill

    def post_trades(self) -> None:
        """Enter in the books what :meth:`trade` has executed: sums, in which the order does not matter."""
        for entry, sums in self._unposted.items():
            self.books.post_sum(self.account, entry, *sums)
            sums[:] = 0, 0

    def execute(self, order: Order, at_ns: int) -> Execution:
        """Execute *order* at the price in force, or reject it."""
        kind = order.kind
        request = OrderRequest(_KINDS[kind], order.amount, order.percentage, order.leverage)
        market, account = self.market, self.account
        verdict = self._judge.judge(account, request)
        if verdict.reason:
            return Execution(order, reason=verdict.reason)
        if kind is BUY:
            deal = market.buy(account, verdict.amount, None, order.leverage)
            return Execution(order, fill=deal.fill)
        if kind is SELL:
            return Execution(order, fill=market.sell(account, order.percentage or 0).fill)
        if kind is SHORT_OPEN:
            return Execution(order, fill=market.open_short(account, verdict.amount).fill)
        if kind is SHORT_CLOSE:
            closed = market.close_short(account)
            return Execution(order, fill=None if closed is None else closed.fill)
        return Execution(order, bet=market.place_sidebet(account, verdict.amount, at_ns).bet)

    def sell_at_rug(self, rug_tick: int, price: float) -> Fill | None:
        """End the game, and sell our position if there is one: for an account that :attr:`is_plain`."""
        self.market.rug(rug_tick, price)
        fill = self.ledger.forced_sell(price, rug_tick)
        if fill is not None:
            self._forced[0] += fill.amount
            self._forced[1] += 1
            gain(self.account, fill.valid_cost)
        return fill

    def settle_at_rug(
        self, rug_tick: int, price: float, at_ns: int
    ) -> tuple[EndedSidebet | None, list[Fill]]:
        """End the game: settle our sidebet, and sell our position at the rug price."""
        market, account = self.market, self.account
        market.rug(rug_tick, price)
        if not account.joined:
            return None, []
        settled = market.settle_won(account, rug_tick, at_ns)
        return settled, [deal.fill for deal in market.liquidate(account)]
