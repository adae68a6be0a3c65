"""The saved state of a strategy as JSON: Decimals and numpy numbers come back as they were.

What JSON has a form for is written in that form. A Decimal, a numpy number or array is an object with one key
that begins with ``$``; so is a dict that has such a key itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

_DECIMAL: Final = "$decimal"
_NUMBER: Final = "$numpy"
_ARRAY: Final = "$array"
_PLAIN: Final = "$dict"
_KINDS: Final = "biuf"
"""Kinds of numpy values that are numbers: bool, integer, unsigned, floating."""


def state_to_text(state: Any) -> str:
    """Return *state* as canonical JSON text.

    Raises:
        TypeError, ValueError, RecursionError: it contains something else, or a number that is not finite.
    """
    return json.dumps(_written(state), sort_keys=True, allow_nan=False)


def state_of_json(written: Any) -> Any:
    """Return the state that was saved as *written*, which is decoded JSON.

    Raises:
        ValueError: it is not the form of a state.
    """
    if isinstance(written, list):
        return [state_of_json(item) for item in written]
    if not isinstance(written, dict):
        return written
    if len(written) == 1:
        ((key, value),) = written.items()
        if key in _READERS:
            try:
                return _READERS[key](value)
            except (TypeError, ValueError, KeyError, InvalidOperation) as error:
                raise ValueError(f"a saved {key} cannot be read") from error
    return {key: state_of_json(value) for key, value in written.items()}


def _written(value: Any) -> Any:
    if isinstance(value, Decimal):
        return {_DECIMAL: str(value)}
    if isinstance(value, dict):
        found = {key: _written(item) for key, item in value.items()}
        marked = any(isinstance(key, str) and key.startswith("$") for key in found)
        return {_PLAIN: found} if marked else found
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    dtype = getattr(value, "dtype", None)
    if dtype is None or isinstance(value, int | float | str):
        return value
    if getattr(dtype, "kind", "") not in _KINDS or dtype.itemsize > 8:
        raise TypeError(f"a numpy value of type {dtype} cannot be saved: give numbers")
    if getattr(value, "shape", ()) == ():
        return {_NUMBER: [str(dtype), value.item()]}
    return {_ARRAY: [str(dtype), list(value.shape), value.ravel().tolist()]}


def _number(written: Any) -> Any:
    import numpy as np

    dtype, value = written
    return np.dtype(dtype).type(value)


def _array(written: Any) -> Any:
    import numpy as np

    dtype, shape, values = written
    return np.array(values, dtype=dtype).reshape(shape)


def _dict(written: Any) -> Any:
    return {key: state_of_json(value) for key, value in written.items()}


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    _DECIMAL: Decimal,
    _NUMBER: _number,
    _ARRAY: _array,
    _PLAIN: _dict,
}


__all__ = ["state_of_json", "state_to_text"]
