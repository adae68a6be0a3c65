"""A short: a stake on a falling price, whose payoff is unknown (unverified)."""

from __future__ import annotations

from decimal import Decimal

from vectra_bot import GameView, Strategy, param
from vectra_bot.models import ActionState, GameTick, PlayerAction


class Short(Strategy):
    """Open a short at tick `entry_tick`, close it at a gain, a loss or after some ticks.

    Description:
        One short a game. Its value is what the venue states: the strategy computes nothing.

    Parameters:
        stake: SOL of the short.
        entry_tick: tick at which to open.
        target: value over stake at which to close.
        stop: value over stake at which to close with a loss.
        max_ticks: ticks after which to close at any value.

    Entry:
        At tick `entry_tick` of every game that gets there.

    Exit:
        The first tick at which the stated value is `target` times the stake or more, or `stop` times or
        less, or `max_ticks` after the entry; else what the venue pays at the rug.

    Expected value:
        Unknown, because the payoff is. At the defaults, of the stake per entry (4 million simulated games,
        standard error 0.03 %): +1.5 % under the textbook payoff that the embedded exchange assumes, which
        fits none of the real numbers; -23 % under each of the two forms, charged and linear, that fit one
        real short; -25 % if the rug takes the stake, -12 % if it returns the stake. A gain under the
        default is a reason to distrust the default, not an edge.
    """

    stake: Decimal = param("0.01", low="0.001", high="5", help="SOL of the short")
    entry_tick: int = param(5, low=1, help="tick to open at")
    target: float = param(1.3, low=1.0, help="value over stake to close at")
    stop: float = param(0.6, low=0.0, high=1.0, help="value over stake to close at with a loss")
    max_ticks: int = param(60, low=1, help="ticks to hold at most")

    denied_in = ""

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Open once a game; close at the target, the stop or the time limit."""
        if self.actions.pending or game.game_id == self.denied_in:
            return
        short = self.account.short
        if short is None:
            if game.tick == self.entry_tick:
                self.actions.short_open(self.stake)
        elif (
            not self.stop < short.multiple < self.target
            or game.tick - short.entry_tick >= self.max_ticks
        ):
            self.actions.short_close()

    def on_action_outcome(self, action: PlayerAction) -> None:
        """Stop for the rest of the game after a denial or rejection: it would repeat at every tick."""
        if action.state in (ActionState.DENIED, ActionState.REJECTED):
            self.denied_in = action.game_id
