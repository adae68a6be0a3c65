"""Reads the weights of its model from a file beside it."""

import json
from pathlib import Path

from vectra_bot import Strategy


class ReadsWeights(Strategy):
    def __attrs_post_init__(self):
        self.weights = json.loads((Path(__file__).parent / "weights.json").read_text())

    def on_game_tick(self, tick, game):
        if game.tick >= 4 and game.tick % 10 == 0 and not self.position:
            last = game.prices[-len(self.weights) :]
            if sum(w * p for w, p in zip(self.weights, last, strict=True)) > 0:
                self.actions.buy("0.002", stop_loss=0.7, max_ticks=9)
