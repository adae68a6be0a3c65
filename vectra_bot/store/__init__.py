"""What a session leaves on disk: an append-only journal, and the Parquet tree that SQL reads.

The parts are imported from their modules: ``journal`` (writing and reading journals), ``parquet`` (building
parts), ``sessions`` (repair and drop), ``catalog`` (DuckDB).
"""

from __future__ import annotations

import os
from pathlib import Path

from vectra_bot.errors import InputError
from vectra_bot.store.queries import SEED_PATH


def default_store() -> Path:
    """Return ``$VECTRA_STORE``, else the path that the schema's own queries name."""
    return Path(os.environ.get("VECTRA_STORE") or SEED_PATH).expanduser()


def store_path(given: Path | None) -> Path:
    """Return the absolute path of the store that was *given*, or of the default one.

    Raises:
        InputError: something that is no folder stands there.
    """
    store = (given or default_store()).expanduser().absolute()
    if store.exists() and not store.is_dir():
        raise InputError(f"store was {str(store)!r}, which is no folder: give a folder's path")
    return store


__all__ = ["default_store", "store_path"]
