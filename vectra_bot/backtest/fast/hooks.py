"""The methods of a strategy, resolved once: those that it does not define cost nothing.

Imports strategy and backtest.fast.orders.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable
from typing import Any

from vectra_bot.backtest.fast.orders import Refusals
from vectra_bot.strategy import CALLBACKS, Strategy

_BY_THE_ENGINE = ("on_player_update", "on_connection")
_LOOKING_BACK = {"locals", "vars", "eval", "exec", "_getframe", "currentframe"}

Hook = Callable[..., Any]


class Hooks:
    """The callbacks that a strategy defines, None for the others.

    Attributes:
        reads_tick: whether ``on_game_tick`` may read its argument ``tick``.
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
        self.reads_tick = self.tick is not None and _reads_first(self.tick)


def _defined(strategy: Strategy, name: str) -> Hook | None:
    """Return the bound method, None if it is the one that every strategy inherits."""
    method: Hook = getattr(strategy, name)
    inherited = getattr(method, "__func__", None) is vars(Strategy)[name]
    return None if inherited else method


def _reads_first(method: Hook) -> bool:
    """Return whether a method may read its first argument; True for what is not a plain method."""
    function = getattr(method, "__func__", None)
    if not inspect.isfunction(function):
        return True
    code = function.__code__
    if code.co_argcount != 3 or code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS):
        return True
    name = code.co_varnames[1]
    if name in code.co_cellvars or _LOOKING_BACK.intersection(code.co_names):
        return True
    return any(
        step.opname.startswith("LOAD_FAST") and name in _names(step.argval)
        for step in dis.get_instructions(code)
    )


def _names(value: Any) -> tuple[Any, ...]:
    """Return the names that an instruction loads; newer versions of Python load two at once."""
    return value if isinstance(value, tuple) else (value,)
