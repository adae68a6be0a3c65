"""A local store as a catalog's source: a thin view per kind of document over an explicit list of files."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vectra_bot.errors import StoreError
from vectra_bot.models import DocType
from vectra_bot.store.parquet.schema import schema_of, sql_columns
from vectra_bot.store.parquet.sketch import LATENCY_COLUMNS, latency_sketches
from vectra_bot.store.query.statements import one_line, sql_text
from vectra_bot.store.soundness import glob_text, state_of
from vectra_bot.store.sources import Damaged, Reader, StoreFile

if TYPE_CHECKING:
    import duckdb

# What DuckDB and the system say of a file that is no longer there.
_VANISHED = ("No such file", "No files found", "Stale file handle")
# How often a query is tried with files read where they are, and how many bytes are then held in memory so
# that they cannot be taken away: compactions may come faster than a query over thousands of files ends.
_PATIENCE: Final = 2
_ROOM: Final = 512 << 20


class LocalSource:
    """The files of a store's folder."""

    def __init__(self, root: Path, given: str | None = None) -> None:
        """Take the store's folder.

        Args:
            root: absolute path.
            given: how the user wrote it.
        """
        self.root = root
        self.reader = Reader(root)
        self._views: dict[DocType, str] = {}
        self._damaged: dict[DocType, tuple[Damaged, ...]] = {}
        self._files: dict[DocType, list[StoreFile]] = {}
        self._holds: set[DocType] = set()
        self._failures = 0
        self._given = given

    @property
    def location(self) -> str:
        """The store's path."""
        return str(self.root)

    @property
    def roots(self) -> tuple[str, ...]:
        """How SQL may write the path."""
        given = () if self._given is None else (self._given.rstrip("/"),)
        return tuple(dict.fromkeys((glob_text(self.root), str(self.root), *given)))

    @property
    def readable(self) -> tuple[str, ...]:
        """The store's folder, with and without its pattern characters escaped."""
        return tuple(dict.fromkeys((str(self.root), glob_text(self.root))))

    def prepare(self, connection: duckdb.DuckDBPyConnection, doc_types: Iterable[DocType]) -> None:
        """Make the views of *doc_types* show the store as it is now.

        Raises:
            StoreError: a file's schema is newer than this program's, or the files cannot be read.
        """
        import duckdb

        for doc_type in doc_types:
            room = _ROOM if self._failures >= _PATIENCE else 0
            holding = self.reader.holding(doc_type, room)
            self._damaged[doc_type] = tuple(holding.damaged)
            held = [file.data for file in holding.files if file.data is not None]
            files = [file for file in holding.files if file.data is None]
            self._files[doc_type] = files
            text = view_text(doc_type, files, held_name(doc_type) if held else None)
            if held or doc_type in self._holds:
                self._hold(connection, doc_type, held)
            elif self._views.get(doc_type) == text:
                continue
            try:
                connection.execute(f'CREATE OR REPLACE VIEW "{doc_type.value}" AS {text}')
            except duckdb.Error as error:
                if self.recover(error):
                    raise
                raise StoreError(
                    f"the {doc_type.value} files of {self.root} cannot be read: {one_line(error)}"
                ) from error
            self._views[doc_type] = text

    def _hold(
        self, connection: duckdb.DuckDBPyConnection, doc_type: DocType, held: list[bytes]
    ) -> None:
        """Let DuckDB read files from memory, those that it read so before no more."""
        if doc_type in self._holds:
            connection.unregister(held_name(doc_type))
            self._holds.remove(doc_type)
        if held:
            connection.register(held_name(doc_type), _dataset(doc_type, held))
            self._holds.add(doc_type)

    def damaged(self, doc_types: Iterable[DocType]) -> tuple[Damaged, ...]:
        """Return what the views of *doc_types* leave out."""
        return tuple(one for doc_type in doc_types for one in self._damaged.get(doc_type, ()))

    def recover(self, error: Exception) -> bool:
        """Return whether a file went away under a query: a compaction replaced it."""
        went = any(text in str(error) for text in _VANISHED)
        self._failures += went
        return went

    def was_exchanged(self, doc_types: Iterable[DocType]) -> bool:
        """Return whether a file took the place of another since *doc_types* were prepared.

        A file that is gone is no harm: what was read of it was the old one.
        """
        changed = any(
            (now := _state(file.path)) is not None and now != file.state
            for doc_type in doc_types
            for file in self._files.get(doc_type, ())
        )
        self._failures = self._failures + 1 if changed else 0
        return changed

    def sessions(self) -> tuple[str, ...]:
        """Return the ids of all sessions, sorted."""
        return self.reader.sessions()

    def sketches(self) -> list[dict[str, Any]]:
        """Return the sketches of our actions' latencies; files without one are read for it."""
        found, rest = self.reader.sketches(DocType.PLAYER_ACTION)
        return [*found, _sketched(rest.files)] if rest.files else found

    def close(self) -> None:
        """Forget the views."""
        self._views.clear()


def _state(path: Path) -> tuple[int, ...] | None:
    try:
        return state_of(path.stat())
    except OSError:
        return None


def _sketched(files: list[StoreFile]) -> dict[str, Any]:
    """Return the sketches of the rows in *files*."""
    import duckdb

    columns = ", ".join(("action_type", *LATENCY_COLUMNS))
    text = view_text(DocType.PLAYER_ACTION, files)
    with duckdb.connect() as connection:
        return latency_sketches(connection.sql(f"SELECT {columns} FROM ({text})").to_arrow_table())  # noqa: S608


def empty_view_text(doc_type: DocType) -> str:
    """Return SQL for a table without rows that has the columns of *doc_type*."""
    columns = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in sql_columns(doc_type))
    return f"SELECT {columns} WHERE false"


def held_name(doc_type: DocType) -> str:
    """Return what the files that are held in memory are called in DuckDB."""
    return f"{doc_type.value}.held"


def _dataset(doc_type: DocType, held: list[bytes]) -> Any:
    """Return a dataset of Parquet files in memory."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in schema_of(doc_type)
    ]
    made = ds.ParquetFileFormat()
    fragments = [made.make_fragment(pa.py_buffer(data)) for data in held]
    return ds.FileSystemDataset(fragments, pa.schema(fields), made)


def view_text(doc_type: DocType, files: list[StoreFile], held: str | None = None) -> str:
    """Return SQL over *files*; without casts where they are of the present schema, which is nearly always.

    Args:
        doc_type: what the rows are.
        files: where they are.
        held: a table with further rows of the present schema.
    """
    if not files and held is None:
        return empty_view_text(doc_type)

    def odd_columns(file: StoreFile) -> tuple[tuple[str, str], ...]:
        return () if file.contents is None else file.contents.odd

    ordered = sorted(files, key=lambda file: (odd_columns(file), file.path))
    branches = []
    for odd, group in groupby(ordered, key=odd_columns):
        made = dict(odd)
        columns = ", ".join(
            f'{made[name]} AS "{name}"' if name in made else f'"{name}"'
            for name, _ in sql_columns(doc_type)
        )
        listed = ", ".join(sql_text(glob_text(file.path)) for file in group)
        branches.append(
            f"SELECT {columns} FROM read_parquet([{listed}], hive_partitioning = false)"  # noqa: S608
        )
    if held is not None:
        columns = ", ".join(f'"{name}"' for name, _ in sql_columns(doc_type))
        branches.append(f'SELECT {columns} FROM "{held}"')  # noqa: S608
    return " UNION ALL ".join(branches)
