"""Strategies that tests drive by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vectra_bot import BotActionInterface, Strategy

Act = Callable[[BotActionInterface], Any]


class Scripted(Strategy):
    """Does at each tick what the test put on its list, and keeps what the calls return."""

    def __attrs_post_init__(self) -> None:
        self.todo: list[Act] = []
        self.returned: list[Any] = []
        self.calls: list[tuple[str, Any]] = []

    def on_game_tick(self, tick: Any, game: Any) -> None:
        todo, self.todo = self.todo, []
        for act in todo:
            self.returned.append(act(self.actions))

    def on_phase(self, game: Any) -> None:
        self.calls.append(("on_phase", game.phase.value))

    def on_game_start(self, game: Any) -> None:
        self.calls.append(("on_game_start", game.tick))

    def on_game_end(self, game: Any, summary: Any) -> None:
        self.calls.append(("on_game_end", summary))

    def on_action_submitted(self, action: Any) -> None:
        self.calls.append(("on_action_submitted", action))

    def on_action_outcome(self, action: Any) -> None:
        self.calls.append(("on_action_outcome", action))

    def on_stake_settled(self, settled: Any, game: Any) -> None:
        self.calls.append(("on_stake_settled", settled))

    def on_other_player_trade(self, trade: Any, game: Any) -> None:
        self.calls.append(("on_other_player_trade", trade))

    def named(self, name: str) -> list[Any]:
        """Return the arguments of the calls of one method."""
        return [value for called, value in self.calls if called == name]
