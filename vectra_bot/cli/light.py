"""How a process that asks one query comes to pyarrow and DuckDB: most of its time would go into imports."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from types import ModuleType
from typing import Any, Final

_COMPUTE: Final = "pyarrow.compute"
_REMOTE: Final = frozenset(f"pyarrow._{kind}" for kind in ("azurefs", "gcsfs", "hdfs", "s3fs"))


def import_lightly(*, arrays: bool, remote: bool) -> None:
    """Import what answers a query and nothing else; this process must be for that query alone.

    pyarrow imports what it finds: pandas, numpy, clients of object stores. So nothing finds them.

    Args:
        arrays: something else of the process needs numpy.
        remote: the store is in an object store.
    """
    refused = {"pandas"} if arrays else {"dateutil", "numpy", "pandas"}
    sys.meta_path.insert(0, _NotFound(refused if remote else refused | _REMOTE))
    # What is imported stays: to look through it again and again, and once more at the end, finds nothing.
    gc.disable()
    _put_compute_off()
    import_module("vectra_bot.store.query.catalog")
    import_module("duckdb")
    import_module("pyarrow.dataset")
    gc.freeze()
    gc.enable()


class _NotFound:
    """Says that modules are not installed."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Refuse what is not wanted, and leave all else to the other finders."""
        if fullname in self._names:
            raise ImportError(f"{fullname} is not used by this command")


class _Compute(ModuleType):
    """Stands for ``pyarrow.compute`` until more of it is asked for than a dataset needs to be defined."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(_COMPUTE) is self:
            del sys.modules[_COMPUTE]
        return getattr(import_module(_COMPUTE), name)


def _put_compute_off() -> None:
    """Let ``pyarrow.compute`` not make its hundreds of functions, each with its text, before one is used."""
    if _COMPUTE in sys.modules:
        return
    expression = import_module("pyarrow._compute").Expression
    if hasattr(expression, "_field") and hasattr(expression, "_scalar"):
        compute: Any = _Compute(_COMPUTE)
        compute.Expression = expression
        compute.field, compute.scalar = expression._field, expression._scalar  # noqa: SLF001
        sys.modules[_COMPUTE] = compute
