"""Appends what it saw to a file, which it never reads."""

import tempfile
from pathlib import Path

from vectra_bot import Strategy

PATH = Path(tempfile.gettempdir()) / "vectra-honest-log.txt"


class WritesLog(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick == 7:
            self.actions.buy("0.01", max_ticks=3)

    def on_game_end(self, game, summary):
        with PATH.open("a") as file:
            file.write(f"{summary.game_id} {summary.rug_tick}\n")
