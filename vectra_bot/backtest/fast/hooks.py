"""The methods of a strategy, resolved once: those that it does not define cost nothing.

Imports game, strategy and backtest.fast.orders.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vectra_bot.backtest.fast.orders import Refusals
from vectra_bot.game.outside import only_reads
from vectra_bot.models import GameTick
from vectra_bot.strategy import CALLBACKS, Strategy

_BY_THE_ENGINE = ("on_player_update", "on_connection")
Hook = Callable[..., Any]


class Hooks:
    """The callbacks that a strategy defines, None for the others.

    Attributes:
        keeps_ticks: whether ``on_game_tick`` may keep its tick, so that every tick needs a separate record.
    """

    def __init__(self, strategy: Strategy, refusals: Refusals) -> None:
        for name in _BY_THE_ENGINE:
            if _defined(strategy, name) is not None:
                refusals.refuse(f"the strategy defines {name}")
        for name in CALLBACKS:
            if name in vars(strategy):
                refusals.refuse(f"the strategy sets {name} on itself")
        self.phase = _defined(strategy, "on_phase")
        self.start = _defined(strategy, "on_game_start")
        self.tick = _defined(strategy, "on_game_tick")
        self.end = _defined(strategy, "on_game_end")
        self.submitted = _defined(strategy, "on_action_submitted")
        self.outcome = _defined(strategy, "on_action_outcome")
        self.settled = _defined(strategy, "on_stake_settled")
        self.save = _defined(strategy, "save")
        self.keeps_ticks = self.tick is not None and not _only_reads_ticks(self.tick)


def _defined(strategy: Strategy, name: str) -> Hook | None:
    """Return the bound method, None if it is the one that every strategy inherits."""
    method: Hook = getattr(strategy, name)
    inherited = getattr(method, "__func__", None) is vars(Strategy)[name]
    return None if inherited else method


def _only_reads_ticks(method: Hook) -> bool:
    """Return whether a method surely does not keep its tick, so that one record can show tick after tick."""
    code = getattr(method, "__code__", None)
    if code is None or code.co_argcount != 3:
        return False
    return only_reads(method, code.co_varnames[1], GameTick)
