"""Stores under a clock that a test has stopped: the libraries are imported with the real clock first.

``freezegun`` puts its own classes into the module ``datetime``. The C code of pyarrow and pandas reads the
layout of ``datetime.datetime`` when it is imported, and crashes the process with a class of another layout.
Imported before, they work under a stopped clock.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from importlib import import_module, util
from typing import Final

_LIBRARIES: Final = (
    "pyarrow.compute",
    "pyarrow.dataset",
    "pyarrow.fs",
    "pyarrow.parquet",
    "duckdb",
    "pandas",
)


def import_if_frozen() -> None:
    """Import the libraries of a store, if ``datetime.datetime`` is a test's class; else do nothing."""
    if dt.datetime.__module__ == "datetime":
        return
    with _real_classes():
        for name in _LIBRARIES:
            if util.find_spec(name.partition(".")[0]) is not None:
                import_module(name)


@contextlib.contextmanager
def _real_classes() -> Iterator[None]:
    """Put the classes of the module ``datetime`` back for the block."""
    replaced = {name: getattr(dt, name) for name in ("date", "datetime")}
    for name, kind in replaced.items():
        setattr(dt, name, _real(kind))
    try:
        yield
    finally:
        for name, kind in replaced.items():
            setattr(dt, name, kind)


def _real(kind: type) -> type:
    return next(base for base in kind.__mro__ if base.__module__ == "datetime")


__all__ = ["import_if_frozen"]
