"""Takes the first of a set of objects, which are ordered by their address."""

from vectra_bot import Strategy


class Rule:
    def __init__(self, stake):
        self.stake = stake


class SetOfObjects(Strategy):
    def __attrs_post_init__(self):
        self.rules = {Rule(f"0.00{n}") for n in range(1, 8)}

    def on_game_tick(self, tick, game):
        if game.tick == 5:
            self.actions.buy(next(iter(self.rules)).stake, max_ticks=5)
