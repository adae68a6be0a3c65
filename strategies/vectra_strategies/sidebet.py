"""One sidebet after the other: insurance against the rug, priced by the house."""

from __future__ import annotations

from decimal import Decimal

from vectra_bot import GameView, Strategy, param
from vectra_bot.models import ActionState, GameTick, PlayerAction


class Sidebet(Strategy):
    """Keep a sidebet open at every moment from `start_tick` on.

    Description:
        Bets that the game rugs within the next 40 ticks, again as soon as the last bet is decided.

    Parameters:
        stake: SOL of each bet.
        start_tick: first tick at which a bet is placed.

    Entry:
        Any tick from `start_tick` on while no bet is open or undecided.

    Exit:
        None: the venue settles a bet at the rug (win, five times the stake) or after its 40 ticks
        (loss). After a denial the strategy stops until the next game.

    Expected value:
        -9.16 % of each stake: a bet wins with 1 - 0.995^40 = 18.17 % from any tick and pays five
        times the stake.
    """

    stake: Decimal = param("0.01", low="0.001", high="5", help="SOL of each bet")
    start_tick: int = param(0, low=0, help="first tick to bet at")

    denied_in = ""

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Bet whenever nothing is open."""
        if game.tick < self.start_tick or game.game_id == self.denied_in:
            return
        if self.account.sidebet is None and not self.actions.pending:
            self.actions.sidebet(self.stake)

    def on_action_outcome(self, action: PlayerAction) -> None:
        """Stop for the rest of the game after a denial: it would repeat at every tick."""
        if action.state is ActionState.DENIED:
            self.denied_in = action.game_id
