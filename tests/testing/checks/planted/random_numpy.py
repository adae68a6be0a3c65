"""Draws from a generator of numpy without a seed."""

import numpy as np

from vectra_bot import Strategy


class RandomNumpy(Strategy):
    def on_game_start(self, game):
        self.wait = int(np.random.default_rng().integers(1, 12))

    def on_game_tick(self, tick, game):
        if game.tick == self.wait:
            self.actions.sidebet("0.001")
