"""Seeds the global generator when it is made."""

import random

from vectra_bot import Strategy


class SeededGlobal(Strategy):
    def __attrs_post_init__(self):
        random.seed(7)

    def on_game_tick(self, tick, game):
        if game.tick == 10 and random.random() < 0.5:
            self.actions.buy("0.01", max_ticks=random.randrange(2, 9))
