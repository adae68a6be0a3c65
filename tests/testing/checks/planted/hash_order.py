"""Takes the first of a set of texts."""

from vectra_bot import Strategy

STAKES = {"0.001", "0.002", "0.003", "0.004", "0.005"}


class HashOrder(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick == 5:
            self.actions.buy(next(iter(STAKES)), max_ticks=5)
