"""Asks too often and leaves it to the limits to deny it."""

from vectra_bot import Strategy


class DeniedOften(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick % 15 == 3:
            self.actions.sidebet("0.001")
            self.actions.sell()
