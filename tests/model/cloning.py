"""Copies of everything that can change, which share what cannot: faster than to repeat a history."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from typing import Any

import attrs

from vectra_bot.game.outside import state_of
from vectra_bot.game.state import GameView

# The names of the fields of each type whose objects change, and the types whose values never do.
_FIELDS: dict[type, tuple[str, ...]] = {}
_ATOMS: set[type] = set()
_CONTAINERS = {list, tuple, dict, OrderedDict, deque, Counter, set}


def clone(value: Any, memo: dict[int, Any]) -> Any:
    """Return a copy of *value*; *memo* has what was copied already."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    known = memo.get(id(value))
    if known is not None:
        return known
    if kind in _CONTAINERS:
        return _container(kind, value, memo)
    if kind is GameView:
        known = memo[id(value)] = GameView(clone(state_of(value), memo))
        return known
    names = _FIELDS.get(kind)
    if names is None:
        found = _fields(kind)
        if found is None:
            _ATOMS.add(kind)
            return value
        names = _FIELDS[kind] = found
    known = memo[id(value)] = object.__new__(kind)
    for name in names:
        item = getattr(value, name)
        setattr(known, name, item if type(item) in _ATOMS else clone(item, memo))
    return known


def _fields(kind: type) -> tuple[str, ...] | None:
    """Return the fields of a class whose objects change, None for any other."""
    if not attrs.has(kind):
        return None
    probe = object.__new__(kind)
    names = tuple(field.name for field in attrs.fields(kind))
    try:
        for name in names:
            setattr(probe, name, None)
    except attrs.exceptions.FrozenInstanceError:
        return None
    except Exception:  # noqa: BLE001 - a validator refused the value: the class is not frozen
        return names
    return names


def _container(kind: type, value: Any, memo: dict[int, Any]) -> Any:
    if kind is tuple:
        copied = tuple([clone(item, memo) for item in value])
        same = all(one is other for one, other in zip(value, copied, strict=True))
        return value if same else copied
    if kind in (dict, OrderedDict, Counter):
        known = memo[id(value)] = kind()
        for key, item in value.items():
            known[key] = clone(item, memo)
        return known
    items = [clone(item, memo) for item in value]
    known = deque(items, value.maxlen) if kind is deque else kind(items)
    memo[id(value)] = known
    return known
