"""Draws from a seeded generator of numpy, and from prices."""

import numpy as np

from vectra_bot import Strategy


class SeededNumpy(Strategy):
    def __attrs_post_init__(self):
        self.rng = np.random.default_rng(5)

    def on_game_tick(self, tick, game):
        recent = np.asarray(game.prices[-8:])
        if (
            len(recent) == 8
            and recent.std() < 0.02
            and self.rng.random() < 0.1
            and not self.position
        ):
            self.actions.buy("0.005", take_profit=1.1, max_ticks=30)
