"""Orders objects by their address."""

from vectra_bot import Strategy


class Rule:
    def __init__(self, stake):
        self.stake = stake


class IdOrder(Strategy):
    def __attrs_post_init__(self):
        self.rules = [Rule(f"0.00{n}") for n in range(1, 8)]

    def on_game_tick(self, tick, game):
        if game.tick == 5:
            self.actions.buy(min(self.rules, key=id).stake, max_ticks=5)
