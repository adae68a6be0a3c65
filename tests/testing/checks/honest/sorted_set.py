"""Uses a set of texts, sorted."""

from vectra_bot import Strategy

STAKES = {"0.001", "0.002", "0.003", "0.004"}


class SortedSet(Strategy):
    seen: set = set()

    def on_game_tick(self, tick, game):
        self.seen.add(f"{game.price:.1f}")
        if game.tick == 15:
            self.actions.buy(sorted(STAKES)[len(self.seen) % 4], max_ticks=5)
