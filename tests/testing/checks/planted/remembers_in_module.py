"""Counts games in a global: what it decides depends on earlier sessions of the process."""

from vectra_bot import Strategy

played = 0


class RemembersInModule(Strategy):
    def on_game_start(self, game):
        global played
        played += 1

    def on_game_tick(self, tick, game):
        if game.tick == 10 and played <= 3:
            self.actions.buy("0.01", max_ticks=10)
