"""The content of a store, for comparison."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from vectra_bot.store.query.catalog import open_store


def rows_of(store: Path, doc_type: str) -> list[dict[str, Any]]:
    """Return the rows of one kind, in order."""
    with open_store(store) as catalog:
        return catalog.sql(f'SELECT * FROM "{doc_type}" ORDER BY session_id, seq').as_dicts()


def tree_of(root: Path) -> dict[str, str]:
    """Return every file below *root* with its checksum."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "lock"
    }


def detail_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON of a system event."""
    found: dict[str, Any] = json.loads(row["detail_json"])
    return found
