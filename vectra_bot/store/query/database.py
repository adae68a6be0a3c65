"""DuckDB for the SQL of users: it opens the files that it was given, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from vectra_bot.fsio.private import scratch_folder

if TYPE_CHECKING:
    import duckdb


def core() -> Any:
    """Return the compiled part of DuckDB, without the Python package around it.

    Only relations and Arrow need the package, and its import takes longer than a query of a small store.
    """
    try:
        return import_module("_duckdb")
    except ImportError:
        return import_module("duckdb")


def connected() -> duckdb.DuckDBPyConnection:
    """Return a new DuckDB connection; what it spills to the disk is readable for this user only."""
    opened: duckdb.DuckDBPyConnection = core().connect(
        config={"temp_directory": str(scratch_folder())}
    )
    return opened


def sql_text(text: str) -> str:
    """Return *text* as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


class Database:
    """A DuckDB instance without access to files, variables of Python or its own settings.

    DuckDB fixes the files that it may open together with all other settings, so that further files need
    another instance: the views of the former are gone then.
    """

    def __init__(self) -> None:
        self._opened: duckdb.DuckDBPyConnection | None = None
        self._files: frozenset[str] | None = None

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The connection, restricted."""
        if self._files is None:
            self.admit(())
        return self.parser

    @property
    def parser(self) -> duckdb.DuckDBPyConnection:
        """The connection for parsing only: it may have access to files yet, and runs nothing then."""
        if self._opened is None:
            self._opened = connected()
            _set(
                self._opened,
                "autoinstall_known_extensions = false",
                "autoload_known_extensions = false",
                "python_enable_replacements = false",
                "TimeZone = 'UTC'",
            )
        return self._opened

    def admit(self, files: Iterable[str]) -> bool:
        """Let SQL open *files* as well; return whether the instance is another one for it.

        The former connection is not closed: a user may have it.
        """
        wanted = frozenset(files)
        if self._files is not None and wanted <= self._files:
            return False
        renewed = self._files is not None
        if renewed:
            self._opened = None
        self._files = wanted
        allowed = ", ".join(map(sql_text, sorted(wanted)))
        _set(
            self.parser,
            f"allowed_paths = [{allowed}]",
            "enable_external_access = false",
            "lock_configuration = true",
        )
        return renewed

    def end_result(self) -> None:
        """End the last result: rows that nobody fetched prevent the replacement of views."""
        if self._opened is not None:
            self._opened.abort()

    def close(self) -> None:
        """Close the connection."""
        if self._opened is not None:
            self._opened.close()
            self._opened, self._files = None, None


def _set(connection: duckdb.DuckDBPyConnection, *settings: str) -> None:
    for setting in settings:
        connection.execute(f"SET {setting}")
