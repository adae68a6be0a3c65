"""Chooses by the number of its process."""

import os

from vectra_bot import Strategy


class ProcessId(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick == 5:
            self.actions.buy(f"0.00{1 + os.getpid() % 9}", max_ticks=5)
