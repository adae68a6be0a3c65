"""Verifies every finished game against its revealed seed, and simulates games of other seeds."""

from vectra_bot import Strategy
from vectra_bot.game.fair import play_game


class VerifiesGames(Strategy):
    wrong = 0

    def __attrs_post_init__(self):
        self.typical = sorted(play_game(f"{n:064x}", "mine").rug_tick for n in range(9))[4]

    def on_game_tick(self, tick, game):
        if game.tick == 6 and not self.wrong:
            self.actions.buy("0.002", max_ticks=max(1, self.typical // 4))

    def on_game_end(self, game, summary):
        if summary.server_seed:
            found = play_game(summary.server_seed, summary.game_id)
            self.wrong += found.rug_tick != summary.rug_tick
