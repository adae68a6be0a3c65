"""A market and its crowd without the rest of the exchange: many games quickly, and no frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from vectra_bot.exchange.accounts import Books
from vectra_bot.exchange.config import ExchangeConfig
from vectra_bot.exchange.crowd.crowd import Crowd
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.market import Deal, Market, Placed
from vectra_bot.game.ledger import to_lamports


class CrowdMarket:
    """The crowd of an exchange, playing games that the caller chooses.

    With the games of the exchange's seed they do what they do on the whole exchange, until that pays a prize;
    here nobody wins prizes, and nobody stakes in side games.

    Args:
        config: as of the exchange; ``seed``, ``crowd``, ``planted``, ``wire_format``, ``max_win`` and the
            terms of shorts are used.
        presale_steps: steps in which the presale is played.
        on_deal, on_placed: called with each trade and each sidebet.
    """

    def __init__(
        self,
        config: ExchangeConfig,
        *,
        presale_steps: int = 1,
        on_deal: Callable[[Deal], None] | None = None,
        on_placed: Callable[[Placed], None] | None = None,
    ) -> None:
        self._presale_steps = presale_steps
        self._at_ns = config.start_ns
        self.books = Books(to_lamports(config.max_win))
        self.market = Market(self.books, config.short_terms, on_deal=on_deal, on_placed=on_placed)
        self.identities = identities = Identities(config.seed)
        self.crowd = Crowd(config, self.market, self.books, identities, None)

    def play(self, game_id: str, prices: Sequence[float], rug_price: float) -> Iterator[int]:
        """Play a game; yield each tick when it is in force, the rug's last, before positions are sold.

        After the last one ``market.players`` and ``market.bets`` are those of the finished game.
        """
        market, crowd, now_ns = self.market, self.crowd, self._at_ns
        market.begin_game(game_id)
        crowd.begin_game()
        market.open_presale()
        market.trade_count = 0
        for _ in range(self._presale_steps - 1):
            crowd.act_in_presale(1 / self._presale_steps, now_ns)
        crowd.end_presale(now_ns)
        market.start()
        yield 0
        for tick, price in enumerate(prices[1:], start=1):
            crowd.act(now_ns, price)
            market.move(tick, price)
            for settled in market.settle_lost(now_ns):
                crowd.on_settled(settled)
            yield tick
        rug_tick = len(prices)
        crowd.act(now_ns, rug_price)
        market.rug(rug_tick, rug_price)
        yield rug_tick
        for account in list(market.players):
            won = market.settle_won(account, rug_tick, now_ns)
            if won is not None:
                crowd.on_settled(won)
            market.liquidate(account)
