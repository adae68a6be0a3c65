"""Doubles its stake after a loss, up to a limit; saves its state."""

from decimal import Decimal

from vectra_bot import Strategy, param


class Adaptive(Strategy):
    base: Decimal = param("0.001", low="0.001", high="0.05")
    most: Decimal = param("0.05", low="0.05", high="1")

    stake = Decimal("0.001")
    cash = None

    def on_game_start(self, game):
        if self.cash is not None:
            lost = self.account.cash < self.cash
            self.stake = min(self.stake * 2, self.most) if lost else self.base
        self.cash = self.account.cash

    def on_game_tick(self, tick, game):
        if game.tick == 5:
            self.actions.buy(self.stake, take_profit=1.2, max_ticks=40)

    def save(self):
        return {"stake": str(self.stake)}
