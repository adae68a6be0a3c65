"""Keeps prices of past games, and buys below their mean peak."""

from vectra_bot import Strategy


class CachesPast(Strategy):
    peaks: list = []
    by_game: dict = {}

    def on_game_tick(self, tick, game):
        self.by_game.setdefault(game.game_id, []).append(game.price)
        mean = sum(self.peaks) / len(self.peaks) if self.peaks else 1.5
        if game.tick == 12 and game.price < mean:
            self.actions.buy("0.01", take_profit=max(1.05, min(mean, 3)))

    def on_game_end(self, game, summary):
        self.peaks.append(max(self.by_game.pop(summary.game_id, [1.0])))
