"""Chooses by the hash of the game's id."""

from vectra_bot import Strategy


class HashOfText(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick == 5 and hash(game.game_id) % 2:
            self.actions.buy("0.01", max_ticks=5)
