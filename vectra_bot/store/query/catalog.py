"""A store opened for queries: a view per kind of document, Arrow tables, data frames, named queries."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

import attrs

from vectra_bot.errors import InputError, StoreError, UnknownNameError
from vectra_bot.models import DocType
from vectra_bot.store.query.database import Database, core
from vectra_bot.store.query.dataset import StoreDataset
from vectra_bot.store.query.results import (
    CorruptFile,
    CorruptRowsWarning,
    Result,
    Stream,
    distinct_names,
    imported,
)
from vectra_bot.store.query.statements import one_line, read_only, with_exact_times
from vectra_bot.store.query.unbuilt import UnbuiltSessions
from vectra_bot.store.remote.address import LocalStore, parse_store
from vectra_bot.store.tree import CHANGED, RemoteTree, Tree, attempts

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    ArrowTable: TypeAlias = Any  # pyarrow.Table: pyarrow ships no types
    ArrowReader: TypeAlias = Any  # pyarrow.RecordBatchReader

T = TypeVar("T")

_BATCH_ROWS = 1 << 16
_STREAM_ROWS = 10_000
_PATTERN = re.compile(r"[*?\[]")


class Catalog:
    """An open store; use it as a context manager or call :meth:`close`. Not thread-safe.

    Every query sees the store as it is when the query begins: sessions being recorded grow, and a
    compaction replaces folders. A query that meets a replacement is retried.

    Args:
        location: the store's path or URL.
        source: where the rows come from.
        roots: other ways in which SQL may write the location.
        journals: finds sessions whose last documents are in no file.
        on_corrupt: called once for everything that queries skip: a corrupt file, or a killed session whose
            last documents are in no file; without it a :class:`CorruptRowsWarning` warning is issued.
    """

    def __init__(
        self,
        location: str,
        source: StoreDataset,
        on_corrupt: Callable[[CorruptFile], object] | None = None,
        *,
        roots: Sequence[str] = (),
        journals: UnbuiltSessions | None = None,
    ) -> None:
        self._location = location
        self._roots = tuple(dict.fromkeys((location, *roots)))
        self._source = source
        self._journals = journals
        self._unbuilt: tuple[CorruptFile, ...] = ()
        self._on_corrupt = on_corrupt or _warn
        self._reported: set[CorruptFile] = set()
        self._database = Database()

    @property
    def location(self) -> str:
        """The store's path or URL."""
        return self._location

    @property
    def sessions(self) -> tuple[str, ...]:
        """The ids of all sessions, sorted."""
        return self._source.sessions()

    @property
    def corrupt(self) -> tuple[CorruptFile, ...]:
        """Everything that queries skip; this reads every file on a disk, once."""
        self._attempt(tuple(DocType), lambda: None, whole=True)
        return self._left_out(tuple(DocType))

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The DuckDB connection, with the views of all kinds prepared; it does not prevent writes in SQL."""
        import duckdb  # noqa: F401 - adds the methods that make relations

        self._attempt(tuple(DocType), lambda: None, whole=True)
        return self._database.connection

    def sql(
        self,
        text: str,
        params: Mapping[str, Any] | Sequence[Any] | None = None,
        *,
        max_rows: int | None = None,
    ) -> Result:
        """Run one read-only statement over the views, which are named as the kinds: ``game_tick`` and so on.

        The schema's file names (``~/rugs_data/events_parquet/doc_type=game_tick/**/*.parquet``) refer to
        this store. Nothing outside the store can be read, and nothing written.

        Args:
            text: SQL.
            params: values for ``$name`` or ``?`` in it.
            max_rows: return at most as many rows.

        Raises:
            InputError: it is not a single read-only statement, or DuckDB refuses it.
            StoreError: the store cannot be read.
        """
        statement = read_only(text, self._roots, self._database.parser)

        def rows() -> Result:
            cursor = self._database.connection.execute(statement.text, params)
            columns = tuple(column[0] for column in cursor.description or ())
            if max_rows is None:
                return Result(columns, cursor.fetchall())
            found = cursor.fetchmany(max_rows + 1)
            return Result(columns, found[:max_rows], more=len(found) > max_rows)

        result = self._attempt(statement.doc_types, rows, lists=statement.lists)
        return attrs.evolve(result, corrupt=self._left_out(statement.doc_types))

    def stream(
        self,
        text: str,
        params: Mapping[str, Any] | Sequence[Any] | None = None,
        *,
        rows: int = _STREAM_ROWS,
        exact_times: bool = False,
    ) -> Stream:
        """Run SQL like :meth:`sql`, for results larger than memory.

        Args:
            text: SQL.
            params: values for ``$name`` or ``?`` in it.
            rows: number of rows per batch.
            exact_times: return times with nanoseconds as ISO 8601 text, because a ``datetime`` has none.

        Raises:
            InputError: as for :meth:`sql`; iteration raises it as well.
            StoreError: the store cannot be read.
        """
        statement = read_only(text, self._roots, self._database.parser)

        def run() -> tuple[Any, duckdb.DuckDBPyConnection, list[tuple[Any, ...]]]:
            cursor = self._database.connection.execute(statement.text, params)
            found = cursor.description or ()
            if exact_times and (exact := with_exact_times(statement.text, found)):
                cursor.abort()
                cursor = cursor.execute(exact, params)
            return found, cursor, cursor.fetchmany(rows)

        described, cursor, first = self._attempt(statement.doc_types, run, lists=statement.lists)
        if len(first) == rows:
            # The result may be larger than memory: corrupt files must be known before the first row is
            # returned.
            described, cursor, first = self._attempt(statement.doc_types, run, whole=True)
        ready = [first]

        def fetch() -> list[tuple[Any, ...]]:
            try:
                found: list[tuple[Any, ...]] = ready.pop() if ready else cursor.fetchmany(rows)
            except core().Error as error:
                if self._source.recover(error):
                    raise StoreError(
                        f"{self.location} changed while its rows were read: retry the query"
                    ) from error
                raise self._refused(error) from error
            return found

        return Stream(tuple(column[0] for column in described), fetch)

    def run(self, name: str, *, max_rows: int | None = None, **params: Any) -> Result:
        """Run the query *name*.

        Args:
            name: see :data:`vectra_bot.store.query.queries.QUERIES`.
            max_rows: return at most as many rows.
            params: values of its parameters, where they differ from the defaults.

        Raises:
            UnknownNameError: there is no such query, or it has no such parameter.
            StoreError: the store cannot be read.
        """
        from vectra_bot.store.query.queries import PANEL, named_query, values_of

        query = named_query(name)
        values = values_of(query, params)
        if query is PANEL:
            return self.latency_panel()
        return self.sql(query.sql, values or None, max_rows=max_rows)

    def latency_panel(self) -> Result:
        """Return latencies by column and type of action, from the sketches in the manifests.

        Quantiles are as ``PERCENTILE_CONT`` gives them, within 0.4 %; ``min`` and ``max`` are exact. Only
        files without a sketch are opened. In milliseconds.
        """
        from vectra_bot.store.parquet.panel import COLUMNS, panel_rows

        sketches, corrupt = self._source.sketches()
        self._look_at_journals()
        skipped = (*corrupt, *self._unbuilt)
        self._tell(skipped)
        return Result(COLUMNS, panel_rows(sketches), corrupt=skipped)

    def relation(self, doc_type: DocType | str) -> duckdb.DuckDBPyRelation:
        """Return a kind of document as a DuckDB relation, which runs when it is read.

        It fails if a compaction runs before it is read: request it again then.
        """
        import duckdb  # noqa: F401 - adds the methods that make relations

        kind = _kind(doc_type)
        return self._attempt(
            (kind,), lambda: self._database.connection.table(kind.value), whole=True
        )

    def arrow(self, source: DocType | str, columns: Sequence[str] | None = None) -> ArrowTable:
        """Return a kind of document, or the result of a SELECT, as an Arrow table.

        The second column of a name is ``name_1``.

        Args:
            source: a :class:`DocType`, its value, or SQL.
            columns: the columns wanted, all if None.
        """
        return self._read(
            source,
            columns,
            lambda found: found.to_arrow_table().rename_columns(distinct_names(found.columns)),
        )

    def batches(
        self,
        source: DocType | str,
        columns: Sequence[str] | None = None,
        *,
        rows: int = _BATCH_ROWS,
    ) -> ArrowReader:
        """Return the same as :meth:`arrow` in batches of at most *rows*, read one after another.

        The reader is valid until the next query of this catalog. It fails if a compaction removes a file
        that it has not read yet.
        """
        return self._read(
            source, columns, lambda relation: relation.to_arrow_reader(rows), whole=True
        )

    def polars(self, source: DocType | str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the same as :meth:`arrow` as a polars frame; needs the extra ``vectra-bot[frames]``."""
        frame: pl.DataFrame = imported("polars").from_arrow(self.arrow(source, columns))
        return frame

    def pandas(self, source: DocType | str, columns: Sequence[str] | None = None) -> Any:
        """Return the same as :meth:`arrow` as a pandas frame; needs the extra ``vectra-bot[frames]``.

        Amounts of SOL are Decimal objects.
        """
        imported("pandas")
        return self.arrow(source, columns).to_pandas()

    def _read(
        self,
        source: DocType | str,
        columns: Sequence[str] | None,
        take: Callable[[duckdb.DuckDBPyRelation], T],
        *,
        whole: bool = False,
    ) -> T:
        import duckdb  # noqa: F401 - adds the methods that make relations

        statement = read_only(_select(source), self._roots, self._database.parser)

        def taken() -> T:
            relation: Any = self._database.connection.sql(statement.text)
            if relation is None:
                raise InputError(f"{source!r} returns no rows: give a SELECT")
            if columns is not None:
                quoted = ('"' + name.replace('"', '""') + '"' for name in columns)
                relation = relation.project(", ".join(quoted))
            return take(relation)

        return self._attempt(statement.doc_types, taken, whole=whole, lists=statement.lists)

    def _attempt(
        self,
        doc_types: Iterable[DocType],
        action: Callable[[], T],
        *,
        whole: bool = False,
        lists: bool = False,
    ) -> T:
        """Run an action on the views of *doc_types*; retry if the store changed meanwhile.

        Args:
            doc_types: the kinds whose views are needed.
            action: the action.
            whole: rows are read after *action* has returned, when a retry is not possible: corrupt files
                are searched for before.
            lists: the views of other kinds must exist too, with or without rows.
        """
        kinds = tuple(doc_types)
        for _ in attempts():
            self._database.end_result()
            try:
                self._source.prepare(self._database, kinds)
                self._look_at_journals()
                if lists:
                    self._source.add_views(self._database.connection)
                if whole and self._source.verify(kinds):
                    continue
                self._tell(self._left_out(kinds))
                result = action()
            except core().Error as error:
                # A file that is replaced while it is read gives errors of any kind.
                if self._source.recover(error):
                    continue
                raise self._refused(error) from error
            if not self._source.was_exchanged(kinds):
                self._tell(self._left_out(kinds))
                return result
        raise StoreError(CHANGED.format(self.location))

    def _look_at_journals(self) -> None:
        self._unbuilt = () if self._journals is None else self._journals.look()

    def _left_out(self, doc_types: Sequence[DocType]) -> tuple[CorruptFile, ...]:
        return (*self._source.corrupt(doc_types), *self._unbuilt) if doc_types else ()

    def _tell(self, skipped: Iterable[CorruptFile]) -> None:
        for corrupt in skipped:
            if corrupt not in self._reported:
                self._reported.add(corrupt)
                self._on_corrupt(corrupt)

    def _refused(self, error: Exception) -> InputError:
        return InputError(f"the query cannot run: {self._explained(error)}")

    def _explained(self, error: Exception) -> str:
        """Return DuckDB's message, with advice where possible."""
        text = one_line(error)
        if "Table with name" in text:
            views = ", ".join(kind.value for kind in DocType)
            return f"{text.partition('!')[0]}: the views are {views}"
        if "file system operations are disabled" in text:
            return (
                f"{text.partition(' - ')[0]}: SQL reads the store {self.location} and nothing else"
            )
        return text

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_store(
    path: str | Path, *, on_corrupt: Callable[[CorruptFile], object] | None = None
) -> Catalog:
    """Open a store for queries and return its catalog.

    Args:
        path: a folder, or a URL such as ``s3://bucket/prefix``.
        on_corrupt: called for everything that a query skips: a corrupt file, or a killed session whose last
            documents are in no file; without it a :class:`CorruptRowsWarning` warning is issued.

    Raises:
        InputError: there is no store.
        StoreError: it cannot be read.
    """
    store = parse_store(path)
    journals = None
    if isinstance(store, LocalStore):
        journals = UnbuiltSessions(store.path)
        tree, location = Tree(store.path), str(store.path)
        if not store.path.is_dir():
            raise InputError(
                f"no store at {location}: run a session first, or give another --store"
            )
        advice = "it has no doc_type= folder; give another --store"
        # SQL written for plain DuckDB may escape glob characters in the path.
        roots = [_PATTERN.sub(r"[\g<0>]", location), str(path).rstrip("/")]
    else:
        tree, location = RemoteTree(store), store.url
        advice = "it has no doc_type= folder; record a session with this --store, or give another"
        roots = [f"{store.service}://{store.root}", str(path).rstrip("/")]
    if not any(name.startswith("doc_type=") for name in tree.names("", directories=True)):
        raise InputError(f"no store at {location}: {advice}")
    return Catalog(location, StoreDataset(tree), on_corrupt, roots=roots, journals=journals)


def _kind(doc_type: DocType | str) -> DocType:
    try:
        return DocType(doc_type)
    except ValueError:
        raise UnknownNameError("doc type", str(doc_type), [k.value for k in DocType]) from None


def _select(source: DocType | str) -> str:
    """Return SQL for *source*, a kind of document or SQL already."""
    known = {kind.value for kind in DocType}
    return f'FROM "{DocType(source).value}"' if source in known else source


def _warn(corrupt: CorruptFile) -> None:
    warnings.warn(f"rows may be missing: {corrupt}", CorruptRowsWarning, stacklevel=6)


__all__ = ["Catalog", "CorruptRowsWarning", "Result", "Stream", "open_store"]
