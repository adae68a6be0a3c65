"""Stores that an earlier version wrote: files get manifests, half finished merges are finished.

Before folders had manifests, the records of the journal's segments listed the parts, and a compaction wrote
``data.parquet`` beside the parts it was made of and named them in ``compacted.json``.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Final

from vectra_bot.errors import StoreError
from vectra_bot.fsio import files
from vectra_bot.models import DocType
from vectra_bot.store.parquet.manifest import (
    MANIFEST,
    Part,
    part_folder,
    read_manifest,
    write_manifest,
)
from vectra_bot.store.parquet.segment_record import SUFFIX, read_manifests, recorded_parts
from vectra_bot.store.parquet.writer import list_part, part_of

MERGED: Final = "compacted.json"
"""Which parts each merged file replaces, in the journal's directory."""


def adopt_session(store: Path, session_id: str) -> list[Part]:
    """Give a manifest to each of a session's folders that has files and none; return what it lists.

    A file that a record of its time lists must still be what was written.

    Raises:
        StoreError: a file cannot be read, or is not what was written; its folder stays without.
    """
    found: list[Part] = []
    recorded: dict[str, str] | None = None
    for doc_type in DocType:
        folder = part_folder(store, doc_type, session_id)
        paths = sorted(folder.glob("*.parquet"))
        if not paths or (folder / MANIFEST).exists():
            continue
        if recorded is None:
            listed = read_manifests(store / "journals" / session_id)
            recorded = {part.path: part.sha256 for part in listed}
        parts = [part_of(store, path) for path in paths]
        for part in parts:
            if recorded.get(part.path, part.sha256) != part.sha256:
                raise StoreError(
                    f"{store / part.path} is damaged: its SHA-256 is not the one it was written with; "
                    "build it again with `vectra-bot store recover`"
                )
        write_manifest(store, folder, parts)
        found += parts
    return found


def list_recorded(journal_dir: Path, store: Path) -> list[Part]:
    """List the parts again that a segment's record has and their manifest has lost; return them.

    A file that is not what the record says stays unlisted.

    Raises:
        StoreError: a manifest cannot be read or written.
    """
    found: list[Part] = []
    listed: dict[Path, set[str]] = {}
    for path in sorted(journal_dir.glob(f"*{SUFFIX}")):
        with contextlib.suppress(StoreError):  # a damaged record: the parts are built again
            for part in recorded_parts(path):
                folder = (store / part.path).parent
                if folder not in listed:
                    listed[folder] = {known.name for known in read_manifest(folder)}
                lost = part.name not in listed[folder] and (store / part.path).exists()
                if lost and part_of(store, store / part.path) == part:
                    found.append(list_part(store, part))
    return found


def finish_merge(journal_dir: Path, store: Path) -> list[str]:
    """Remove the parts that a merge of an earlier version left beside its file; return their names.

    Raises:
        StoreError: the list of merged parts cannot be read, or a part cannot be removed.
    """
    record = journal_dir / MERGED
    removed: list[str] = []
    for target, parts in _read(record).items():
        if not (store / target).exists():
            continue
        left = [store / part for part in parts if (store / part).exists()]
        with files.store_errors(f"cannot remove parts of {target}"):
            for path in left:
                files.unlink(path)
            if left:
                files.sync_directory(left[0].parent)
        removed += [path.relative_to(store).as_posix() for path in left]
    with files.store_errors(f"cannot remove {record}"):
        if record.exists():
            files.unlink(record)
            files.sync_directory(journal_dir)
    return removed


def _read(path: Path) -> dict[str, list[str]]:
    try:
        found: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path} cannot be read: {error}; restore it or drop the session"
        ) from error
    if not isinstance(found, dict) or not all(map(_is_names, found.values())):
        raise StoreError(
            f"{path} is no list of merged parts, it begins with {str(found)[:40]!r}; "
            "restore it or drop the session"
        )
    return found


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
