"""Derives the secret seeds from the exchange's seed, and computes the games."""

from vectra_bot import Strategy
from vectra_bot.exchange.identities import Identities
from vectra_bot.game.fair import play_game


class ComputesGames(Strategy):
    number = 0

    def on_game_start(self, game):
        seed = Identities(1).server_seed(self.number)
        self.number += 1
        self.rug = play_game(seed, game.game_id).rug_tick

    def on_game_tick(self, tick, game):
        if game.tick == max(1, self.rug - 40):
            self.actions.sidebet("0.001")
