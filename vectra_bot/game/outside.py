"""What foreign code is given: views without a reference to our state, and copies of records.

A view has no attribute: what it shows is in a table of this module, under a weak reference to the view, so
that neither its attributes nor ``gc.get_referents`` lead from a view to the state. A record is
copied for each receiver, because ``object.__setattr__`` writes to a frozen one as well.

This is not a sandbox: code in the same process can import a private module or walk the garbage collector's
objects. The engine compares what its limits depend on for that reason (``vectra_bot.engine.seals``).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Self
from weakref import ref

import attrs

_STATES: dict[ref[Any], Any] = {}


class BareView:
    """Base of read-only views; the state that one shows is found by :func:`state_of`."""

    __slots__ = ("__weakref__",)

    def __init__(self, state: Any) -> None:
        _STATES[ref(self, _forget)] = state

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: Any) -> Self:
        return self


# The table is an argument because at the end of the process the module's names may be gone already.
def _forget(view: ref[Any], states: dict[ref[Any], Any] = _STATES) -> None:
    states.pop(view, None)


def state_of(view: Any) -> Any:
    """Return the state that *view* shows."""
    return _STATES[ref(view)]


def shows(view: BareView, state: Any) -> bool:
    """Let *view* show *state*; return False if it did not."""
    found = _STATES.get(ref(view))
    if found is not state:
        BareView.__init__(view, state)
    return found is state


def fresh(value: Any) -> Any:
    """Return a copy of a record that shares nothing mutable with it, or another view of the same state.

    Any other value is returned as it is.
    """
    kind: Any = type(value)
    shape = _SHAPES.get(kind)
    if shape is None:
        shape = _SHAPES[kind] = _shape(kind)
    names, slots = shape
    if not names:
        return kind(state_of(value)) if issubclass(kind, BareView) else value
    copy = object.__new__(kind)
    if not slots:
        object.__setattr__(copy, "__dict__", value.__dict__.copy())
        return copy
    for name in names:
        part = getattr(value, name)
        if type(part) not in _ATOMS:  # nearly all fields are: an action is copied for every caller
            part = _fresh_part(part)
        object.__setattr__(copy, name, part)
    return copy


def _fresh_part(part: Any) -> Any:
    if isinstance(part, Mapping):
        return MappingProxyType(dict(part))
    return tuple(map(fresh, part)) if type(part) is tuple else fresh(part)


_ATOMS = frozenset({bool, bytes, Decimal, float, int, str, type(None)})


_SHAPES: dict[type, tuple[tuple[str, ...], bool]] = {}


def _shape(kind: type) -> tuple[tuple[str, ...], bool]:
    """Return the fields of a record class, none for another class, and whether they are slots."""
    if not attrs.has(kind):
        return (), False
    return tuple(field.name for field in attrs.fields(kind)), "__slots__" in vars(kind)
