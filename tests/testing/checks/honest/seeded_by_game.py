"""Draws from a generator that is seeded by the id of the game."""

import random

from vectra_bot import Strategy


class SeededByGame(Strategy):
    def on_game_start(self, game):
        rng = random.Random(game.game_id)
        self.entry = rng.randint(2, 30)
        self.order = rng.sample(["0.001", "0.002", "0.003"], 3)

    def on_game_tick(self, tick, game):
        if game.tick == self.entry:
            self.actions.buy(self.order[0], stop_loss=0.8, max_ticks=25)
