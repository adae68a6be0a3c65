"""Sells by the machine's clock."""

from time import monotonic

from vectra_bot import Strategy


class ClockMonotonic(Strategy):
    bought = 0.0

    def on_game_tick(self, tick, game):
        if game.tick == 3:
            self.actions.buy("0.01")
            self.bought = monotonic()
        elif self.position and not self.actions.pending and monotonic() - self.bought > 10:
            self.actions.sell()
