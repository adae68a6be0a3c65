"""Caches a pure function for the whole process."""

from functools import lru_cache

from vectra_bot import Strategy


@lru_cache(maxsize=None)
def chance(ticks):
    return 1 - (1 - 0.005) ** ticks


class PureCache(Strategy):
    def on_game_tick(self, tick, game):
        if (
            game.tick > 3
            and chance(game.tick) > 0.1
            and not self.actions.pending
            and game.tick % 50 == 0
        ):
            self.actions.sidebet("0.001")
