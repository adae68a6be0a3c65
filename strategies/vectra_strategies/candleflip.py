"""Candleflip: a stake in every round, against the last result (unverified)."""

from __future__ import annotations

from decimal import Decimal

from vectra_bot import GameView, Strategy, param
from vectra_bot.models import ActionState, GameTick, PlayerAction


class Candleflip(Strategy):
    """Stake on one side in every round that can be reached.

    Description:
        Rounds run beside the game, in one room or several; the newest that accepts stakes gets one stake.
        Alternating sides is as good as any other choice: rounds are independent.

    Parameters:
        stake: SOL of each stake.
        side: GREEN, RED, or ALTERNATE for the two in turn.

    Entry:
        The first tick of a running game at which a round accepts stakes.

    Exit:
        None: the round's result settles the stake, possibly in a later game.

    Expected value:
        -3 % of each stake, if the sides are even and pay 1.94x. Odds and payout are assumed.
    """

    stake: Decimal = param("0.01", low="0.001", high="5", help="SOL of each stake")
    side: str = param("ALTERNATE", choices=("GREEN", "RED", "ALTERNATE"), help="what to stake on")

    asked_in = ""
    denied_in = ""
    last_side = "RED"

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Stake once in every round."""
        current = self.side_games.candleflip
        if current is None or not current.is_open or game.game_id == self.denied_in:
            return
        if current.round_id != self.asked_in and not self.actions.pending:
            self.asked_in = current.round_id
            self.actions.candleflip_bet(self._choose(), self.stake)

    def _choose(self) -> str:
        if self.side != "ALTERNATE":
            return self.side
        self.last_side = "GREEN" if self.last_side == "RED" else "RED"
        return self.last_side

    def on_action_outcome(self, action: PlayerAction) -> None:
        """Stop for the rest of the game after a denial."""
        if action.state is ActionState.DENIED:
            self.denied_in = action.game_id
