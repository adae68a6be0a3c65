"""Strategies that the session tests run."""

from __future__ import annotations

from typing import Any

from vectra_bot import Strategy, param


class Counting(Strategy):
    """Keeps count of games across sessions."""

    seen: int = 0

    def on_game_end(self, game: Any, summary: Any) -> None:
        self.seen += 1

    def save(self) -> Any:
        return {"seen": self.seen}

    def restore(self, state: Any) -> None:
        self.seen = state["seen"]


class Raising(Strategy):
    """Buys at tick 5 and fails at tick 8."""

    def on_game_tick(self, tick: Any, game: Any) -> None:
        if game.tick == 5:
            self.actions.buy("0.01")
        if game.tick == 8:
            raise ZeroDivisionError("on purpose")


class Busy(Strategy):
    """Buys, sells in parts and bets at every chance."""

    every: int = param(3, low=1)

    def on_game_tick(self, tick: Any, game: Any) -> None:
        if self.account.sidebet is None:
            self.actions.sidebet("0.001")
        if game.tick % self.every == 0:
            self.actions.buy("0.002", take_profit=1.2, stop_loss=0.8, max_ticks=30)
        elif self.position and game.tick % 7 == 0:
            self.actions.sell(25)


class Loop(Strategy):
    """Answers every outcome with another action."""

    def on_game_tick(self, tick: Any, game: Any) -> None:
        if game.tick == 1:
            self.actions.buy("4")

    def on_action_outcome(self, action: Any) -> None:
        self.actions.buy("4")
