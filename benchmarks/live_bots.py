"""Strategies of the live benchmarks: one trades at every tick, one asks without end and can hang.

Their parameters are files: a strategy waits for ``go``, and hangs when ``hang`` exists.
"""

from __future__ import annotations

import json
import time
from decimal import Decimal
from pathlib import Path

from vectra_bot import GameView, Strategy, param
from vectra_bot.models import ActionState, GamePhase, GameTick, Link

STAKE = Decimal("0.001")
ASKED_AT_ONCE = (
    63  # at 16 ticks a second: 1,000 requests a second; more than 64 at once are an error
)
HOUR_S = 3_600


class Churn(Strategy):
    """Buy, sell parts and all, and bet on the side, at every tick.

    Description:
        A load for tests: something is in flight nearly always.
    Expected value:
        Negative, as everything that trades without prizes.
    """

    go: str = param(
        "", help="File that must exist before anything is asked; none is not waited for."
    )
    notes: str = param("", help="File for a line at each change of the connection.")
    most: int = param(2, low=1, high=8, help="Actions in flight at once.")
    waiting: bool = True

    def on_phase(self, game: GameView) -> None:
        """Buy in the presale too."""
        if game.phase is GamePhase.PRESALE:
            self.act(game)

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Ask for one thing more."""
        self.act(game)

    def act(self, game: GameView) -> None:
        """Ask for what is next, unless enough is in flight."""
        if self.waiting:
            self.waiting = bool(self.go) and not Path(self.go).exists()
            return
        if len(self.actions.pending) >= self.most:
            return
        turn = game.tick % 6
        if turn == 5 and self.account.sidebet is None:
            self.actions.sidebet(STAKE)
        elif self.position and turn in {2, 4}:
            self.actions.sell(50 if turn == 2 else 100)
        else:
            self.actions.buy(STAKE)

    def on_connection(self, status: Link) -> None:
        """Write down what is known of the actions in flight, when the connection changes."""
        if not self.notes:
            return
        at_ns = time.time_ns()
        pending = [action.state for action in self.actions.pending]
        line = {
            "at_ns": at_ns,
            "link": status.value,
            "pending": len(pending),
            "unknown": sum(state is ActionState.UNKNOWN for state in pending),
        }
        with Path(self.notes).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


class Storm(Strategy):
    """Ask for 63 buys at every tick, and hang in a callback when a file says so."""

    go: str = param("", help="File that must exist before anything is asked.")
    hang: str = param("", help="File at which the next tick's callback does not return.")
    spin: bool = param(False, help="Hang in a loop of Python code, and not in a system call.")

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Ask, or hang."""
        if not Path(self.go).exists():
            return
        if self.hang and Path(self.hang).exists():
            Path(self.hang + ".now").touch()
            while self.spin:
                pass
            time.sleep(HOUR_S)
        for _ in range(ASKED_AT_ONCE):
            self.actions.buy(STAKE)


class OnTick(Strategy):
    """Ask for one buy at every ``every``-th tick; for measuring the time from tick to order."""

    every: int = param(1, low=1, high=100, help="Ticks between two requests.")

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Buy, and sell what was bought."""
        if game.tick % self.every or self.actions.pending:
            return
        if self.position:
            self.actions.sell()
        else:
            self.actions.buy(STAKE)


__all__ = ["Churn", "OnTick", "Storm"]
