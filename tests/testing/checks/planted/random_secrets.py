"""Uses the system's randomness."""

import secrets

from vectra_bot import Strategy


class RandomSecrets(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick == 6 and secrets.randbelow(50) == 0:
            self.actions.buy("0.005", max_ticks=3)
