"""What foreign code is given: views without a reference to our state, and copies of records.

A view has no attribute: what it shows is in a table of this module, under a weak reference to the view, so
that neither its attributes nor ``gc.get_referents`` lead from a view to the state. A record is
copied for each receiver, because ``object.__setattr__`` writes to a frozen one as well.

This is not a sandbox: code in the same process can import a private module or walk the garbage collector's
objects. The engine compares what its limits depend on for that reason (``vectra_bot.engine.seals``).
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from types import FunctionType, MappingProxyType
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


def only_reads(method: Any, name: str, kind: type) -> bool:
    """Return whether all that *method* does with its argument *name* is to read fields of a record *kind*.

    Its compiled code says so. Such code can neither change nor keep the record, so that it needs no copy.
    """
    function = getattr(method, "__func__", method)
    if type(function) is not FunctionType or vars(function).get("__wrapped__") is not None:
        return False
    code, names = function.__code__, {one.name for one in attrs.fields(kind)}
    if name not in code.co_varnames[: code.co_argcount] or code.co_flags & _OF_ANOTHER_KIND:
        return False
    if name in code.co_cellvars or _LOOKING_BACK.intersection(code.co_names):
        return False
    for step, after in pairwise(dis.get_instructions(code)):
        used = step.argval if type(step.argval) is tuple else (step.argval,)  # newer: two at once
        if "_FAST" not in step.opname or name not in used:
            continue
        is_read = step.argval == name and step.opname.startswith("LOAD_")
        if not is_read or after.opname != "LOAD_ATTR" or after.argval not in names:
            return False
    return True


_LOOKING_BACK = frozenset({"locals", "vars", "eval", "exec", "_getframe", "currentframe"})
_OF_ANOTHER_KIND = (
    inspect.CO_VARARGS
    | inspect.CO_VARKEYWORDS
    | inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)


_ATOMS = frozenset({bool, bytes, Decimal, float, int, str, type(None)})


_SHAPES: dict[type, tuple[tuple[str, ...], bool]] = {}


def _shape(kind: type) -> tuple[tuple[str, ...], bool]:
    """Return the fields of a record class, none for another class, and whether they are slots."""
    if not attrs.has(kind):
        return (), False
    return tuple(field.name for field in attrs.fields(kind)), "__slots__" in vars(kind)
