"""Uses a fresh UUID as a coin."""

import uuid

from vectra_bot import Strategy


class RandomUuid(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick == 6 and uuid.uuid4().int % 3 == 0:
            self.actions.buy("0.005", max_ticks=3)
