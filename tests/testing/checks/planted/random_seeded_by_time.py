"""Seeds its own generator with the time."""

import random
import time

from vectra_bot import Strategy


class RandomSeededByTime(Strategy):
    def __attrs_post_init__(self):
        self.rng = random.Random(int(time.time()))

    def on_game_tick(self, tick, game):
        if game.tick == 8:
            self.actions.buy(f"0.0{self.rng.randint(1, 9)}", max_ticks=5)
