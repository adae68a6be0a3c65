"""Does not trade in March."""

import datetime

from vectra_bot import Strategy


class ClockMonth(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick == 10 and datetime.date.today().month != 3:
            self.actions.buy("0.01", max_ticks=5)
