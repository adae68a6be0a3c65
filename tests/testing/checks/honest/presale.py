"""Acts in the presale and on outcomes, and stakes on side games."""

from vectra_bot import Strategy


class Presale(Strategy):
    bets = 0

    def on_phase(self, game):
        if game.phase.value == "PRESALE":
            self.actions.buy("0.003")

    def on_action_outcome(self, action):
        if action.action_type.value == "BUY" and action.state.is_executed:
            self.actions.bet_increment("0.001")

    def on_game_tick(self, tick, game):
        if self.position and not self.actions.pending and self.position.multiple(game.price) > 1.02:
            self.actions.sell(50)
        if game.tick == 5:
            self.actions.candleflip_bet("GREEN", "0.001")
