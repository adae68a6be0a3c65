"""Fast import of pyarrow and DuckDB for a process that runs one query: imports take most of its time."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from types import ModuleType
from typing import Any, Final

_COMPUTE: Final = "pyarrow.compute"
_REMOTE: Final = frozenset(f"pyarrow._{kind}" for kind in ("azurefs", "gcsfs", "hdfs", "s3fs"))


def import_lightly(*, arrays: bool, remote: bool) -> None:
    """Import what a query needs and nothing else; only for a process that runs this one query.

    pyarrow imports what it finds: pandas, numpy, clients of object stores. So these are hidden from it.

    Args:
        arrays: something else in the process needs numpy.
        remote: the store is in an object store.
    """
    refused = {"pandas"} if arrays else {"dateutil", "numpy", "pandas"}
    sys.meta_path.insert(0, _NotFound(refused if remote else refused | _REMOTE))
    # The imported modules stay: scanning them in each garbage collection, and at exit, finds nothing.
    gc.disable()
    _delay_compute()
    import_module("vectra_bot.store.query.catalog")
    import_module("duckdb")
    import_module("pyarrow.dataset")
    gc.freeze()
    gc.enable()


class _NotFound:
    """Reports modules as not installed."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Refuse the hidden modules, and leave all others to the other finders."""
        if fullname in self._names:
            raise ImportError(f"{fullname} is not used by this command")


class _Compute(ModuleType):
    """A substitute for ``pyarrow.compute`` until more is needed than the definition of a dataset."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(_COMPUTE) is self:
            del sys.modules[_COMPUTE]
        return getattr(import_module(_COMPUTE), name)


def _delay_compute() -> None:
    """Delay the hundreds of functions that ``pyarrow.compute`` creates at import."""
    if _COMPUTE in sys.modules:
        return
    expression = import_module("pyarrow._compute").Expression
    if hasattr(expression, "_field") and hasattr(expression, "_scalar"):
        compute: Any = _Compute(_COMPUTE)
        compute.Expression = expression
        compute.field, compute.scalar = expression._field, expression._scalar  # noqa: SLF001
        sys.modules[_COMPUTE] = compute
