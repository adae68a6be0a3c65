"""Compaction: a closed session's many small parts of one kind become one ``data.parquet``.

A part of a few rows is mostly footer; a session of a thousand games has hundreds of them. Raw frames are
left alone: their parts are large already.

Order of steps, for a crash in between: the merged file is written and forced to the disk under a temporary
name; ``compacted.json`` in the journal's folder says which parts it replaces; it takes its name in one step;
the parts are removed. Where ``data.parquet`` stands, parts that ``compacted.json`` names are leftovers, which
:func:`finish_compaction` removes and the catalog does not read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from vectra_bot.errors import StoreError
from vectra_bot.models import DocType
from vectra_bot.store import files
from vectra_bot.store.schema import schema_of, writer_options

MIN_PARTS: Final = 16
"""Fewer parts than this of one kind are left as they are."""

COMPACTED: Final = "data.parquet"
RECORD: Final = "compacted.json"
ROWS_PER_GROUP: Final = 1 << 16


def compact_session(journal_dir: Path, store: Path) -> list[Path]:
    """Merge what has many parts in a closed session and return the new files.

    Raises:
        StoreError: a file cannot be read or written; parts and rows are as before.
    """
    finish_compaction(journal_dir, store)
    merged = []
    for doc_type in DocType:
        if doc_type is DocType.WS_EVENT:
            continue
        folder = store / f"doc_type={doc_type.value}" / f"session_id={journal_dir.name}"
        parts = sorted(folder.glob("part-*.parquet"))
        if len(parts) >= MIN_PARTS and not (folder / COMPACTED).exists():
            merged.append(_merge(journal_dir, store, doc_type, parts))
    return merged


def _merge(journal_dir: Path, store: Path, doc_type: DocType, parts: list[Path]) -> Path:
    target = parts[0].with_name(COMPACTED)
    with files.replacing(target) as temporary:
        _write_merged(temporary, doc_type, parts)
        record = read_record(journal_dir)
        record[target.relative_to(store).as_posix()] = [
            part.relative_to(store).as_posix() for part in parts
        ]
        files.write_durably(journal_dir / RECORD, json.dumps(record, indent=1).encode())
    _remove(parts)
    return target


def _write_merged(temporary: Path, doc_type: DocType, parts: list[Path]) -> None:
    """Write the rows of *parts* in order; a group of rows at a time is in memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = schema_of(doc_type)
    try:
        with pq.ParquetWriter(temporary, schema, **writer_options(doc_type)) as writer:
            held: list[pa.Table] = []
            for part in parts:
                held.append(pq.ParquetFile(part, page_checksum_verification=True).read())
                if sum(table.num_rows for table in held) >= ROWS_PER_GROUP:
                    writer.write_table(pa.concat_tables(held).cast(schema))
                    held = []
            if held:
                writer.write_table(pa.concat_tables(held).cast(schema))
    except pa.ArrowException as error:
        raise StoreError(f"the {doc_type.value} parts cannot be merged: {error}") from error


def read_record(journal_dir: Path) -> dict[str, list[str]]:
    """Return which parts each merged file of a session replaced, paths relative to the store.

    Raises:
        StoreError: the list cannot be read, or is no such list.
    """
    path = journal_dir / RECORD
    try:
        found: Any = json.loads(path.read_text())
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


def finish_compaction(journal_dir: Path, store: Path) -> list[str]:
    """Remove parts that a crash left beside the file they were merged into; return their names.

    Raises:
        StoreError: the list of merged parts cannot be read, or a part cannot be removed.
    """
    removed = []
    for target, parts in read_record(journal_dir).items():
        if (store / target).exists():
            left = [store / part for part in parts if (store / part).exists()]
            _remove(left)
            removed += [part.relative_to(store).as_posix() for part in left]
    return removed


def _remove(parts: list[Path]) -> None:
    for part in parts:
        with files.store_errors(f"cannot remove {part}"):
            part.unlink(missing_ok=True)
    if parts:
        with files.store_errors(f"cannot remove parts of {parts[0].parent}"):
            files.sync_directory(parts[0].parent)


def replaced_parts(store: Path) -> set[Path]:
    """Return parts of *store* that a merged file replaces but a crash left in place."""
    found: set[Path] = set()
    for record in sorted((store / "journals").glob(f"*/{RECORD}")):
        for target, parts in read_record(record.parent).items():
            if (store / target).exists():
                found.update(store / part for part in parts)
    return found
