"""Finds the exchange among all objects, and sells just before the rug."""

import gc

from vectra_bot import Strategy


class PeeksGc(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick != 5 and not self.position:
            return
        found = (o for o in gc.get_objects() if type(o).__name__ == "Exchange")
        played = next((o._game for o in found if o._market.game_id == game.game_id), None)
        if played is None:
            return
        if game.tick == 5 and played.rug_tick > 30:
            self.actions.buy("0.01")
        elif self.position and game.tick == played.rug_tick - 3:
            self.actions.sell()
