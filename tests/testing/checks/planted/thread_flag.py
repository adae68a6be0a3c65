"""Lets a thread decide, some time after the game began."""

import threading
import time

from vectra_bot import Strategy


class ThreadFlag(Strategy):
    def on_game_start(self, game):
        self.ready = False
        threading.Thread(target=self.wait, daemon=True).start()

    def wait(self):
        time.sleep(0.005)
        self.ready = True

    def on_game_tick(self, tick, game):
        if self.ready and not self.position and not self.actions.pending and game.tick % 5 == 0:
            self.ready = False
            self.actions.buy("0.01", max_ticks=5)
