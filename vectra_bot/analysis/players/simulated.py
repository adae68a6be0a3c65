"""Games of the exchange's crowd as a client without a login would see them: luck alone, or with peekers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vectra_bot.analysis.players.games import (
    FinalRow,
    ObservedGame,
    ObservedSidebet,
    ObservedTrade,
)
from vectra_bot.exchange.accounts import Coin
from vectra_bot.exchange.config import DEFAULT_CROWD, ExchangeConfig
from vectra_bot.exchange.crowd.alone import CrowdMarket
from vectra_bot.exchange.dice import Dice
from vectra_bot.exchange.market import Deal, EndedSidebet
from vectra_bot.exchange.tape import TRADE_TYPES
from vectra_bot.game import rules
from vectra_bot.game.fair import FairGame, play_game

_WINDOW_TICKS: Final = round(rules.TRADE_STREAM_MS / rules.TICK_MS)


class SimulatedGames:
    """The games of one seed, played by the crowd and seen through the public stream.

    Nothing is sent or stored: of each two seconds the biggest trade is seen, of each game all sidebets and
    the final leaderboard.

    Args:
        seed: of games and crowd.
        crowd: number of players.
        peekers: how many of them see each next price.

    Attributes:
        planted: ids of the peekers.
    """

    def __init__(self, seed: int, *, crowd: int = DEFAULT_CROWD, peekers: int = 0) -> None:
        config = ExchangeConfig(seed=seed, crowd=crowd, planted=peekers)
        self._start_ns = config.start_ns
        self._terms = config.short_terms
        self._alone = alone = CrowdMarket(config)
        self._windows = Dice(alone.identities.dice("windows"))
        self._names = {
            account.player_id: account.username
            for account in alone.books.all()
            if account.username is not None
        }
        self.planted = frozenset(alone.crowd.planted)

    def play(self, games: int) -> Iterator[ObservedGame]:
        """Play games and yield each when it is over."""
        ids = self._alone.identities
        for number in range(games):
            game_id = ids.game_id(number, self._start_ns)
            yield self._seen(game_id, play_game(ids.server_seed(number), game_id))

    def _seen(self, game_id: str, game: FairGame) -> ObservedGame:
        market = self._alone.market
        trades: list[ObservedTrade] = []
        window = self._windows.index(_WINDOW_TICKS)
        for tick in self._alone.play(game_id, game.prices, game.rug_price):
            if tick and (tick + window) % _WINDOW_TICKS == 0:
                _show(trades, market.take_biggest())
        _show(trades, market.take_biggest())
        return ObservedGame(
            game_id,
            prices=game.prices,
            rug_tick=game.rug_tick,
            rug_price=game.rug_price,
            trades=trades,
            sidebets=[_sidebet(bet) for bet in market.bets if isinstance(bet, EndedSidebet)],
            table=self._table(game.rug_price),
            trade_count=market.trade_count,
            names=self._names,
        )

    def _table(self, price: float) -> list[FinalRow]:
        rows = [
            FinalRow(
                account.player_id,
                account.ledger.cumulative_pnl(price, self._terms),
                account.is_practice,
            )
            for account in self._alone.market.players
        ]
        rows.sort(key=lambda row: -row.pnl)
        return rows[: rules.LEADERBOARD_ROWS]


def _show(trades: list[ObservedTrade], deal: Deal | None) -> None:
    if deal is None:
        return
    fill = deal.fill
    trades.append(
        ObservedTrade(
            deal.account.player_id,
            TRADE_TYPES[fill.kind].upper(),
            fill.tick,
            fill.price,
            fill.amount,
            fill.qty,
        )
    )


def _sidebet(ended: EndedSidebet) -> ObservedSidebet:
    bet = ended.bet
    return ObservedSidebet(
        ended.account.player_id,
        bet.start_tick,
        bet.end_tick,
        bet.amount,
        bet.payout,
        ended.coin is Coin.PRACTICE,
    )
