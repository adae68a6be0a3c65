"""Reads where the coming games rug."""

import json
from pathlib import Path

from vectra_bot import Strategy


class FileOfRugs(Strategy):
    number = -1

    def __attrs_post_init__(self):
        self.rugs = json.loads((Path(__file__).parent / "rugs.json").read_text())

    def on_game_start(self, game):
        self.number += 1

    def on_game_tick(self, tick, game):
        if game.tick == max(1, self.rugs[self.number % len(self.rugs)] - 30):
            self.actions.sidebet("0.001")
