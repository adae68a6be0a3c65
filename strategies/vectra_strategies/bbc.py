"""Bull/Bear/Crab: a stake in every round (unverified)."""

from __future__ import annotations

from decimal import Decimal

from vectra_bot import GameView, Strategy, param
from vectra_bot.models import ActionState, GameTick, PlayerAction


class BullBearCrab(Strategy):
    """Stake on one prediction in every round that can be reached.

    Description:
        Rounds run beside the game; one is seen while it takes stakes, and staked on once.

    Parameters:
        stake: SOL of each stake.
        prediction: BULL, BEAR or CRAB.

    Entry:
        The first tick of a running game at which a round takes stakes.

    Exit:
        None: the round's result pays or takes the stake, if need be in a later game.

    Expected value:
        -6.67 % of each stake on any of the three, if the odds are 7/15, 7/15 and 1/15 at 2x, 2x and 14x:
        the only odds that give all three one edge. They are assumed; nobody has published them.
    """

    stake: Decimal = param("0.01", low="0.001", high="5", help="SOL of each stake")
    prediction: str = param("BULL", choices=("BULL", "BEAR", "CRAB"), help="what to stake on")

    asked_in = ""
    resting_in = ""

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Stake once in every round."""
        current = self.side_games.bbc
        if current is None or not current.is_open or game.game_id == self.resting_in:
            return
        if current.round_id != self.asked_in and not self.actions.pending:
            self.asked_in = current.round_id
            self.actions.bbc_predict(self.prediction, self.stake)

    def on_action_outcome(self, action: PlayerAction) -> None:
        """Rest for the game once a limit or plugin said no."""
        if action.state is ActionState.DENIED:
            self.resting_in = action.game_id
