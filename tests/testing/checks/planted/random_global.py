"""Draws from the global generator."""

import random

from vectra_bot import Strategy


class RandomGlobal(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick == 10 and random.random() < 0.5:
            self.actions.buy("0.01", max_ticks=5)
