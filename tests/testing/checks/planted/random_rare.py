"""Draws rarely: one game in a hundred."""

import random

from vectra_bot import Strategy


class RandomRare(Strategy):
    def on_game_start(self, game):
        if random.random() < 0.01:
            self.actions.sidebet("0.001")
