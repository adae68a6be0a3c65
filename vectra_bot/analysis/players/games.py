"""What was seen of other players in one game: trades, sidebets, the final table, and the prices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from attrs import define, field, frozen

from vectra_bot.game import rules


@frozen
class ObservedTrade:
    """A trade of the public stream (protocol 5.5).

    Attributes:
        player_id: who traded.
        kind: BUY, SELL, SHORT_OPEN or SHORT_CLOSE.
        tick: whose price was used; 0 in the presale.
        price: of the trade.
        amount: lamports paid or received.
        qty: billionths of a token; 0 of a short, or if it is not stated.
        practice: with the practice coin.
    """

    player_id: str
    kind: str
    tick: int
    price: float
    amount: int
    qty: int
    practice: bool = False


@frozen
class ObservedSidebet:
    """A decided sidebet of the venue's list, which is complete (protocol 5.4): amounts in lamports."""

    player_id: str
    start_tick: int
    end_tick: int
    amount: int
    payout: int
    practice: bool = False

    @property
    def won(self) -> bool:
        """Whether it won."""
        return self.payout > 0


@frozen
class FinalRow:
    """A row of the final leaderboard, of its ten: the exact profit of the game in lamports."""

    player_id: str
    pnl: int
    practice: bool = False


@define
class ObservedGame:
    """One game as a client without a login sees it.

    Attributes:
        game_id: the game.
        prices: live prices by tick, None where one was missed.
        rug_tick: tick of the rug, None if it was not seen.
        rug_price: price at the rug.
        trades: those of the public stream, in order.
        sidebets: all that were decided; empty if the list was not seen.
        table: the final leaderboard, empty if it was not seen.
        trade_count: trades of the game as the venue counts them, None if it did not say.
        names: names of players that the game's frames give.
    """

    game_id: str
    prices: Sequence[float | None] = ()
    rug_tick: int | None = None
    rug_price: float | None = None
    trades: list[ObservedTrade] = field(factory=list)
    sidebets: Sequence[ObservedSidebet] = ()
    table: Sequence[FinalRow] = ()
    trade_count: int | None = None
    names: dict[str, str] = field(factory=dict)
    _lows: list[float] | None = field(default=None, init=False)

    def next_price(self, tick: int) -> float | None:
        """Return the price after *tick*, the rug price if the game rugs there, None if it was missed."""
        if self.rug_tick is not None and tick + 1 >= self.rug_tick:
            return self.rug_price if tick + 1 == self.rug_tick else None
        return self.price(tick + 1)

    def price(self, tick: int) -> float | None:
        """Return the live price of *tick*, None if it was missed."""
        return self.prices[tick] if 0 <= tick < len(self.prices) else None

    def low(self, tick: int) -> float | None:
        """Return the lowest price of the game up to *tick*, None if a price before it was missed."""
        if self._lows is None:
            known = self.prices
            whole = next((t for t, price in enumerate(known) if price is None), len(known))
            seen = [price for price in known[:whole] if price is not None]
            self._lows = list(accumulate(seen, min, initial=rules.START_PRICE))[1:]
        return self._lows[tick] if 0 <= tick < len(self._lows) else None
