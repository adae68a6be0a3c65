"""Writes where each game rugged, and reads it in the next run."""

import json
import tempfile
from pathlib import Path

from vectra_bot import Strategy

PATH = Path(tempfile.gettempdir()) / "vectra-planted-rugs.json"


class RemembersInFile(Strategy):
    def __attrs_post_init__(self):
        self.rugs = json.loads(PATH.read_text()) if PATH.exists() else {}

    def on_game_tick(self, tick, game):
        if game.tick == 4 and self.rugs.get(game.game_id, 1000) > 60:
            self.actions.buy("0.01")

    def on_game_end(self, game, summary):
        self.rugs[summary.game_id] = summary.rug_tick
        PATH.write_text(json.dumps(self.rugs))
