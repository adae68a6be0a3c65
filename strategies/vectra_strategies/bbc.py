"""Bull/Bear/Crab: a stake in every round (unverified)."""

from __future__ import annotations

from decimal import Decimal

from vectra_bot import GameView, Strategy, param
from vectra_bot.models import ActionState, GameTick, PlayerAction


class BullBearCrab(Strategy):
    """Stake on one prediction in every round that can be reached.

    Description:
        Rounds run beside the game; a round is visible while it accepts stakes, and gets one stake.

    Parameters:
        stake: SOL of each stake.
        prediction: BULL, BEAR or CRAB.

    Entry:
        The first tick of a running game at which a round accepts stakes.

    Exit:
        None: the round's result settles the stake, possibly in a later game.

    Expected value:
        -6.67 % of each stake on any of the three, if the odds are 7/15, 7/15 and 1/15 at 2x, 2x and 14x:
        the only odds that give all three the same edge. They are assumed; no source publishes them.
    """

    stake: Decimal = param("0.01", low="0.001", high="5", help="SOL of each stake")
    prediction: str = param("BULL", choices=("BULL", "BEAR", "CRAB"), help="what to stake on")

    asked_in = ""
    denied_in = ""

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Stake once in every round."""
        current = self.side_games.bbc
        if current is None or not current.is_open or game.game_id == self.denied_in:
            return
        if current.round_id != self.asked_in and not self.actions.pending:
            self.asked_in = current.round_id
            self.actions.bbc_predict(self.prediction, self.stake)

    def on_action_outcome(self, action: PlayerAction) -> None:
        """Stop for the rest of the game after a denial."""
        if action.state is ActionState.DENIED:
            self.denied_in = action.game_id
