"""Takes the secret seed from the exchange and computes the game."""

import gc

from vectra_bot import Strategy
from vectra_bot.exchange import Exchange
from vectra_bot.game.fair import play_game


class PeeksSeed(Strategy):
    rug = 0

    def on_game_start(self, game):
        exchange = next(o for o in gc.get_objects() if isinstance(o, Exchange))
        self.rug = play_game(exchange._seed, game.game_id).rug_tick

    def on_game_tick(self, tick, game):
        if game.tick == max(1, self.rug - 40):
            self.actions.sidebet("0.001")
