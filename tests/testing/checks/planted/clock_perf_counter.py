"""Stops a decision that takes too long."""

import time

from vectra_bot import Strategy


class ClockPerfCounter(Strategy):
    last = None

    def on_game_tick(self, tick, game):
        now = time.perf_counter()
        if self.last is not None and now - self.last > 0.25 and game.tick % 20 == 7:
            self.actions.sidebet("0.001")
        self.last = now
