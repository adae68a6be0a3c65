"""Trades at night only."""

from datetime import datetime

from vectra_bot import Strategy


class ClockHour(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick == 10 and (datetime.now().hour >= 22 or datetime.now().hour < 3):
            self.actions.buy("0.01", max_ticks=5)
