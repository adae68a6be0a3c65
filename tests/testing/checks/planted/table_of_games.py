"""Has the games of a seed in a table in its source."""

from vectra_bot import Strategy

RUGS = {
    "GAME_ID": 12,
}


class TableOfGames(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick == 4 and RUGS.get(game.game_id, 1000) > 60:
            self.actions.buy("0.01", max_ticks=20)
