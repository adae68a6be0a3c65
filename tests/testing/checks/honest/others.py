"""Follows the trades of others, in the order in which they are seen."""

from collections import Counter, deque

from vectra_bot import Strategy


class Others(Strategy):
    def __attrs_post_init__(self):
        self.recent = deque(maxlen=20)

    def on_other_player_trade(self, trade, game):
        self.recent.append(str(trade.action_type))

    def on_game_tick(self, tick, game):
        if game.tick % 25 == 9 and Counter(self.recent).most_common(1) and not self.position:
            self.actions.buy("0.002", max_ticks=8)
