"""Small kinds of documents: DuckDB reads their files itself, after every byte of them was verified.

That takes less time than importing pyarrow, and DuckDB reads a file twice as fast as Arrow gives it the rows.
It reads all columns of the files once, so larger kinds are scanned by Arrow, which verifies the pages that a
query needs, each time.

A verified file is verified again when its size, inode or times have changed, and :data:`TRUST_S` seconds
after the last time in any case. Until then, bytes that the disk changes without any write are not noticed,
unless the file no longer is Parquet. A new process verifies everything, and so does ``store check``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from vectra_bot.models import DocType
from vectra_bot.store.parquet.schema import FOLDER_COLUMNS, sql_columns
from vectra_bot.store.query.database import sql_text
from vectra_bot.store.query.integrity import StoreFile

WHOLE: Final = 64 << 20
"""The files of a kind are verified whole up to so many bytes together: 25 ms, if they are in memory."""

TRUST_S: Final = 60.0

# DuckDB expands patterns in names, and makes columns of folders NAME=VALUE with decoded %20.
_SPECIAL = re.compile(r"[*?\[\]{}%=]")


def is_small(base: str, files: Sequence[StoreFile], limit: int) -> bool:
    """Return whether *files* of the store at *base* can be read like this: all are listed, and few bytes.

    Args:
        base: path of the store.
        files: of one kind.
        limit: bytes of all files together.
    """
    if not files or _SPECIAL.search(base) or sum(file.state.size for file in files) > limit:
        return False
    return all(
        file.part is not None and not _SPECIAL.search(file.path.partition("/session_id=")[2])
        for file in files
    )


def view_text(doc_type: DocType, names: Sequence[str], *, alike: bool) -> str:
    """Return SQL for the rows of files; conditions on the session exclude files by their folders.

    Args:
        doc_type: the kind.
        names: full paths.
        alike: whether all have the same columns; otherwise DuckDB reads each footer to match them.
    """
    listed = ", ".join(map(sql_text, names))
    folders = ", ".join(f"'{name}': VARCHAR" for name in FOLDER_COLUMNS)
    columns = ", ".join(f'"{name}"' for name, _ in sql_columns(doc_type))
    return (
        f"SELECT {columns} FROM read_parquet([{listed}], "  # noqa: S608 - our own names
        f"hive_partitioning = true, hive_types = {{{folders}}}, union_by_name = {not alike})"
    )
