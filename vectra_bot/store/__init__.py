"""What a session leaves on disk: an append-only journal, and the Parquet tree that SQL reads.

The parts are imported from their modules: ``journal`` (writing and reading journals), ``parquet`` (building
parts), ``sessions`` (repair and drop), ``catalog`` (DuckDB).
"""

from __future__ import annotations

import os
from pathlib import Path

from vectra_bot.store.queries import SEED_PATH


def default_store() -> Path:
    """Return ``$VECTRA_STORE``, else the path that the schema's own queries name."""
    return Path(os.environ.get("VECTRA_STORE") or SEED_PATH).expanduser()


__all__ = ["default_store"]
