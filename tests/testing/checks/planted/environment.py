"""Takes its stake from the length of a variable of the environment."""

import os

from vectra_bot import Strategy


class Environment(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick == 5:
            self.actions.buy(f"0.0{1 + len(os.environ) % 9}", max_ticks=5)
