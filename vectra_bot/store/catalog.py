"""A store opened in DuckDB: a view per kind of document, and queries by name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import attrs

from vectra_bot.errors import InputError, StoreError, UnknownNameError
from vectra_bot.models import DocType
from vectra_bot.store.compaction import replaced_parts
from vectra_bot.store.queries import QUERIES, SEED_PATH
from vectra_bot.store.schema import sql_columns

if TYPE_CHECKING:
    import duckdb

_PARQUET_MAGIC = b"PAR1"
_WITH_ZONE = "TIMESTAMP WITH TIME ZONE"


@attrs.frozen
class Result:
    """What a query returned: column names and rows. Amounts of SOL are exact Decimals."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class Catalog:
    """An open store; use it as a context manager or call :meth:`close`.

    Attributes:
        path: root of the store.
        damaged: part files that are no whole Parquet files; they are left out.
    """

    def __init__(self, path: Path) -> None:
        import duckdb

        self.path = path
        self.damaged: tuple[Path, ...] = ()
        self._connection = duckdb.connect()
        # Nothing is fetched from outside, and Python's variables are no tables.
        self._connection.execute("SET autoinstall_known_extensions = false")
        self._connection.execute("SET python_enable_replacements = false")
        self._connection.execute("SET TimeZone = 'UTC'")
        for doc_type in DocType:
            self._make_view(doc_type)

    def _make_view(self, doc_type: DocType) -> None:
        import duckdb

        whole = []
        for path in part_files(self.path, doc_type):
            if is_whole(path):
                whole.append(path)
            else:
                self.damaged += (path,)
        names = ", ".join(f'"{name}"' for name, _ in sql_columns(doc_type))
        if whole:
            listed = ", ".join(sql_text(glob_text(path)) for path in whole)
            source = (  # our own names and quoted paths
                f"SELECT {names} FROM read_parquet([{listed}], "  # noqa: S608
                "hive_partitioning = false, union_by_name = true)"
            )
        else:
            empty = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in sql_columns(doc_type))
            source = f"SELECT {empty} WHERE false"
        try:
            self._connection.execute(f'CREATE VIEW "{doc_type.value}" AS {source}')
        except duckdb.Error as error:
            raise StoreError(
                f"the {doc_type.value} files of {self.path} cannot be read: {first_line(error)}"
            ) from error

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The DuckDB connection with the views."""
        return self._connection

    def run(self, name: str) -> Result:
        """Run the query called *name*.

        Raises:
            UnknownNameError: there is no such query.
            InputError: the store has not what it needs.
        """
        known = {query.name: query for query in QUERIES}
        if name not in known:
            raise UnknownNameError("query", name, known)
        # Where the schema's text has the seed's path, the store's path stands instead.
        path = glob_text(self.path).replace("'", "''")
        return self.sql(known[name].sql.replace(SEED_PATH, path))

    def sql(self, text: str) -> Result:
        """Run SQL over the views.

        Raises:
            InputError: DuckDB refuses it.
        """
        import duckdb

        try:
            relation: Any = self._connection.sql(text)
            if relation is None:
                return Result((), [])
            columns = tuple(relation.columns)
            if _WITH_ZONE in map(str, relation.types):
                return Result(columns, _rows_by_arrow(relation))
            return Result(columns, relation.fetchall())
        except duckdb.Error as error:
            raise InputError(f"the query cannot run: {first_line(error)}") from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _rows_by_arrow(relation: Any) -> list[tuple[Any, ...]]:
    """Fetch rows with zoned times: DuckDB's own way needs a package that Python replaced long ago."""
    read = getattr(relation, "to_arrow_table", None) or relation.arrow
    columns = [map(_plain_interval, column.to_pylist()) for column in read().columns]
    return list(zip(*columns, strict=True))


def _plain_interval(value: Any) -> Any:
    """Return an Arrow interval as DuckDB's own rows have it, a month being 30 days."""
    import pyarrow as pa

    if isinstance(value, pa.MonthDayNano):
        return timedelta(value.months * 30 + value.days, microseconds=value.nanoseconds // 1000)
    return value


def open_store(path: str | Path) -> Catalog:
    """Open the store at *path* for queries.

    Raises:
        InputError: there is no store.
        StoreError: its files cannot be read.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        raise InputError(f"no store at {root}: run a session first, or give another --store")
    if not any(root.glob("doc_type=*")):
        raise InputError(f"no store at {root}: it has no doc_type= folder; give another --store")
    return Catalog(root)


def part_files(store: Path, doc_type: DocType) -> list[Path]:
    """Return the Parquet files of *doc_type*, sorted, without parts that a merged file replaces."""
    found = sorted((store / f"doc_type={doc_type.value}").glob("**/*.parquet"))
    replaced = replaced_parts(store)
    return [path for path in found if path not in replaced]


def is_whole(path: Path) -> bool:
    """Return whether a file begins and ends as Parquet does."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
            if file.seek(0, os.SEEK_END) < 12:
                return False
            file.seek(-4, os.SEEK_END)
            return head == _PARQUET_MAGIC == file.read(4)
    except OSError:
        return False


def glob_text(path: Path) -> str:
    """Return *path* so that DuckDB takes its characters as they are, not as a pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(path))


def sql_text(text: str) -> str:
    """Return *text* as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def first_line(error: BaseException) -> str:
    """Return the part of a DuckDB message that fits in one line."""
    lines: Sequence[str] = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0]
