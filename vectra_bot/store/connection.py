"""A DuckDB connection that reads some folders and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vectra_bot.models import DocType
from vectra_bot.store.local import empty_view_text
from vectra_bot.store.query.statements import sql_text

if TYPE_CHECKING:
    import duckdb


def guarded_connection(folders: Iterable[str]) -> duckdb.DuckDBPyConnection:
    """Return a connection with an empty view for each kind of document.

    SQL on it reads no file outside *folders*, downloads and loads nothing, sees no variable of Python's,
    and cannot change that.
    """
    import duckdb

    # A path is compared as it is written, pattern characters and all.
    allowed = ", ".join(sql_text(f"{path.rstrip('/')}/") for path in folders)
    connection = duckdb.connect()
    for doc_type in DocType:
        connection.execute(f'CREATE VIEW "{doc_type.value}" AS {empty_view_text(doc_type)}')
    for setting in (
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "python_enable_replacements = false",
        "TimeZone = 'UTC'",
        f"allowed_directories = [{allowed}]",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")
    return connection
