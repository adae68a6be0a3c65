"""Draws from a generator that it seeds at the start of each game."""

import random

from vectra_bot import Strategy


class SeededInStart(Strategy):
    def on_game_start(self, game):
        self.rng = random.Random(1)

    def on_game_tick(self, tick, game):
        if self.rng.random() < 0.02 and not self.position and not self.actions.pending:
            self.actions.buy("0.005", max_ticks=self.rng.randint(3, 20))
