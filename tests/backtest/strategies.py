"""A strategy file for tests of backtests and comparisons."""

BUYER = '''
from vectra_bot import Strategy, param

class Buyer(Strategy):
    """Buy at a tick, sell at a multiple."""

    entry: int = param(5, low=0, high=5000)
    target: float = param(1.5, low=1.0)

    def on_game_tick(self, tick, game):
        if game.tick == self.entry:
            self.actions.buy("0.01")
        elif self.position and not self.actions.pending:
            if self.position.multiple(game.price) >= self.target:
                self.actions.sell()
'''

RAISER = """
from vectra_bot import Strategy

class Raiser(Strategy):
    def on_game_tick(self, tick, game):
        print("tick", game.tick)
        if game.tick == 7:
            raise RuntimeError("seven")
"""

LATE = """
from vectra_bot import Strategy, param

class Late(Strategy):
    at: int = param(4, low=0, high=5000)

    def on_game_tick(self, tick, game):
        if game.tick == 2 * self.at:
            after(self.at)

def after(at):
    raise RuntimeError(at)
"""

SPEAKER = '''
from vectra_bot import Strategy

class Speaker(Strategy):
    """Say once that games are played."""

    games: int = 0

    def on_game_end(self, game, summary):
        self.games += 1
        if self.games == 3:
            print("game 3", flush=True)
'''
