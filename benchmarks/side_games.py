"""A strategy for the comparison of drivers: stakes in every round of both side games, and other actions."""

from __future__ import annotations

from typing import Any

from vectra_bot import Strategy
from vectra_bot.models import ActionState


class SideGames(Strategy):
    """Stake in each round as soon as it is seen, in whatever phase, and trade beside it.

    Some stakes have the same amount and are undecided together; some are asked for when a game ends, so
    that they are undecided when the next one is announced.
    """

    asked = ("", "")

    def stake(self) -> None:
        """Stake once in every round that accepts stakes."""
        rounds, before = self.side_games, self.asked
        found = [
            one if one is not None and one.is_open else None
            for one in (rounds.bbc, rounds.candleflip)
        ]
        ids = ["" if one is None else one.round_id for one in found]
        self.asked = ids[0] or before[0], ids[1] or before[1]
        if ids[0] and ids[0] != before[0]:
            self.actions.bbc_predict(("BULL", "BEAR", "CRAB")[int(ids[0][-1], 16) % 3], "0.01")
        if ids[1] and ids[1] != before[1]:
            amount = "0.01" if int(ids[1][-1], 16) % 2 else "0.02"
            self.actions.candleflip_bet("RED", amount)

    def on_phase(self, game: Any) -> None:
        self.stake()

    def on_game_tick(self, tick: Any, game: Any) -> None:
        if game.tick % 3 == 0:
            self.stake()
        if game.tick == 20:
            self.actions.buy("0.02", take_profit=1.2, max_ticks=50)
        if game.tick % 45 == 30:
            self.actions.sidebet("0.005")

    def on_stake_settled(self, settled: Any, game: Any) -> None:
        self.stake()

    def on_action_outcome(self, action: Any) -> None:
        if action.state is not ActionState.DENIED and action.action_type.is_side_game:
            self.stake()
