"""Fast import of DuckDB and pyarrow for a process that runs one query: imports take most of its time."""

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

    Small kinds of documents are read without pyarrow. When imported, it imports what it finds: pandas, numpy,
    clients of object stores. So these are hidden from it.

    Args:
        arrays: something else in the process needs numpy.
        remote: the store is in an object store.
    """
    refused = {"pandas"} if arrays else {"dateutil", "numpy", "pandas"}
    sys.meta_path.insert(0, _NotFound(refused if remote else refused | _REMOTE))
    # The imported modules stay: scanning them in each garbage collection, and at exit, finds nothing.
    gc.disable()
    sys.modules.setdefault(_COMPUTE, _Compute(_COMPUTE))
    import_module("vectra_bot.store.query.catalog")
    import_module("vectra_bot.store.query.database").core()
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
    """A substitute for ``pyarrow.compute`` until more is needed than the definition of a dataset.

    The module creates hundreds of functions when it is imported.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in ("Expression", "field", "scalar"):
            expression = import_module("pyarrow._compute").Expression
            found = expression if name == "Expression" else getattr(expression, f"_{name}", None)
            if found is not None:
                return found
        if sys.modules.get(_COMPUTE) is self:
            del sys.modules[_COMPUTE]
        return getattr(import_module(_COMPUTE), name)
