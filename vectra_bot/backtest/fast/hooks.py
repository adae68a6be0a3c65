"""The methods of a strategy, resolved once: those that it does not define cost nothing.

Imports strategy and backtest.fast.orders.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable
from enum import Enum
from itertools import pairwise
from typing import Any

from attrs import fields

from vectra_bot.backtest.fast.orders import Refusals
from vectra_bot.models import GameTick
from vectra_bot.strategy import CALLBACKS, Strategy

_BY_THE_ENGINE = ("on_player_update", "on_connection")
_LOOKING_BACK = {"locals", "vars", "eval", "exec", "_getframe", "currentframe"}

Hook = Callable[..., Any]


class TickUse(Enum):
    """What ``on_game_tick`` may do with its argument ``tick``.

    Attributes:
        NONE: nothing.
        FIELDS: read its fields alone, so that one record can show tick after tick.
        ANYTHING: also keep it, so that every tick needs a separate record.
    """

    NONE = "none"
    FIELDS = "fields"
    ANYTHING = "anything"


# Looked up once, as the members in backtest.fast.orders.
ANYTHING = TickUse.ANYTHING


class Hooks:
    """The callbacks that a strategy defines, None for the others.

    Attributes:
        tick_use: what ``on_game_tick`` may do with its argument ``tick``.
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
        self.tick_use = TickUse.NONE if self.tick is None else use_of_first(self.tick)


def _defined(strategy: Strategy, name: str) -> Hook | None:
    """Return the bound method, None if it is the one that every strategy inherits."""
    method: Hook = getattr(strategy, name)
    inherited = getattr(method, "__func__", None) is vars(Strategy)[name]
    return None if inherited else method


_FIELDS = frozenset(one.name for one in fields(GameTick))
_OF_ANOTHER_KIND = (
    inspect.CO_VARARGS
    | inspect.CO_VARKEYWORDS
    | inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)


def use_of_first(method: Hook) -> TickUse:
    """Return what a method may do with its first argument, by its compiled code."""
    function = getattr(method, "__func__", None)
    if not inspect.isfunction(function):
        return TickUse.ANYTHING
    code = function.__code__
    if code.co_argcount != 3 or code.co_flags & _OF_ANOTHER_KIND:
        return TickUse.ANYTHING
    name = code.co_varnames[1]
    if name in code.co_cellvars or _LOOKING_BACK.intersection(code.co_names):
        return TickUse.ANYTHING
    found = TickUse.NONE
    for step, after in pairwise(dis.get_instructions(code)):
        if "_FAST" not in step.opname or name not in _names(step.argval):
            continue
        is_read = step.argval == name and step.opname.startswith("LOAD_")
        if not is_read or after.opname != "LOAD_ATTR" or after.argval not in _FIELDS:
            return TickUse.ANYTHING
        found = TickUse.FIELDS
    return found


def _names(value: Any) -> tuple[Any, ...]:
    """Return the names that an instruction is about; newer versions of Python load two at once."""
    return value if isinstance(value, tuple) else (value,)
