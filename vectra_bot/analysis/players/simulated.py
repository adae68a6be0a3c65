"""Games of the exchange's crowd, without frames and store: luck alone, or with peekers among them."""

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

_KINDS: Final = {kind: name.upper() for kind, name in TRADE_TYPES.items()}
_WINDOW_TICKS: Final = round(rules.TRADE_STREAM_MS / rules.TICK_MS)


class SimulatedGames:
    """The games of one seed, played by the crowd; of each all sidebets and the final leaderboard are seen.

    Args:
        seed: of games and crowd.
        crowd: number of players.
        peekers: how many of them see each next price.
        sample: only the trades of the public stream are seen, the biggest of every two seconds; else all.

    Attributes:
        planted: ids of the peekers.
    """

    def __init__(
        self, seed: int, *, crowd: int = DEFAULT_CROWD, peekers: int = 0, sample: bool = False
    ) -> None:
        config = ExchangeConfig(seed=seed, crowd=crowd, planted=peekers)
        self._start_ns = config.start_ns
        self._terms = config.short_terms
        self._sample = sample
        self._trades: list[ObservedTrade] = []
        self._alone = alone = CrowdMarket(config, on_deal=None if sample else self._show)
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
        self._trades = []
        window = self._windows.index(_WINDOW_TICKS)
        for tick in self._alone.play(game_id, game.prices, game.rug_price):
            if self._sample and tick and (tick + window) % _WINDOW_TICKS == 0:
                self._show(market.take_biggest())
        if self._sample:
            self._show(market.take_biggest())
        return ObservedGame(
            game_id,
            prices=game.prices,
            rug_tick=game.rug_tick,
            rug_price=game.rug_price,
            trades=self._trades,
            sidebets=[_sidebet(bet) for bet in market.bets if isinstance(bet, EndedSidebet)],
            table=self._table(game.rug_price),
            trade_count=market.trade_count,
            names=self._names,
        )

    def _show(self, deal: Deal | None) -> None:
        if deal is None:
            return
        fill, account = deal.fill, deal.account
        kind = _KINDS[fill.kind]
        self._trades.append(
            ObservedTrade(
                account.player_id,
                kind,
                fill.tick,
                fill.price,
                fill.amount,
                fill.qty,
                account.is_practice,
            )
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
