"""The rows of a store as DuckDB tables: manifest -> one table of Parquet files per kind of document.

The files of a query are fixed when it begins (:mod:`vectra_bot.store.query.listing`). DuckDB reads the files
of a small kind itself, after all of their bytes were verified (:mod:`vectra_bot.store.query.whole`).

Others are scanned by Arrow. Each file has conditions then that are true of all its rows (session, range of
``seq``), so that a scan opens only the files that pass its filter. Page checksums are verified while reading;
what they do not cover (:mod:`vectra_bot.store.parquet.pages`) is verified before. A small file is read as a
whole.

Corrupt files are skipped and reported, and the query is retried without them.
Compaction replaces folders during a query. A removed file makes the scan fail, and a replaced one is detected
afterwards by its state: the query is retried. If that repeats, the files are read into memory.

Arrow's threads never call Python: they would wait for the interpreter lock, which DuckDB keeps while it waits
for them. So all checks run before the scan, in the calling thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from vectra_bot.clock import Clock
from vectra_bot.errors import StoreError
from vectra_bot.models import DocType
from vectra_bot.store.parquet.schema import sql_columns
from vectra_bot.store.query.arrow_scan import codes_of, counted_rows, scan_schema, scanned_dataset
from vectra_bot.store.query.database import Database, connected, core
from vectra_bot.store.query.integrity import CorruptFileError, FileChecks, StoreFile
from vectra_bot.store.query.listing import SESSION, Kind, Listing
from vectra_bot.store.query.results import CorruptFile
from vectra_bot.store.query.statements import empty_view_text, one_line
from vectra_bot.store.query.unlisted import contents_of
from vectra_bot.store.query.whole import TRUST_S, WHOLE, is_small, view_text
from vectra_bot.store.tree import CHANGED, Tree, attempts

if TYPE_CHECKING:
    import duckdb

SMALL: Final = 256 << 10
"""Files up to this size in bytes are read as a whole: that is faster than checking each page header."""

# Attempts that read large files in place; then up to so many bytes are read into memory, because compactions
# may come faster than a long query ends.
_HELD_AFTER: Final = 2
_ROOM: Final = 512 << 20


class _LeftOutError(Exception):
    """Corrupt files were found: the query must be retried without them."""


class StoreDataset:
    """The files of a store, as one table per kind of document; not thread-safe.

    Args:
        tree: the files.
        whole: bytes up to which the files of a kind are verified whole and read by DuckDB.
        clock: when a file was verified.
    """

    def __init__(self, tree: Tree, whole: int = WHOLE, clock: Clock | None = None) -> None:
        self._tree = tree
        self._whole = whole
        self._kinds: dict[DocType, Kind] = {}
        self._registered: dict[DocType, list[str]] = {}
        self._checks = FileChecks(tree, clock)
        self._listing = Listing(tree, self._checks, self._dataset)
        # Kinds whose files lack a column of the schema: Arrow reads it as NULL.
        self._incomplete: set[DocType] = set()
        # Of the current query: files that are opened by name, memory for others, and why it failed.
        self._opened: dict[DocType, dict[str, StoreFile]] = {}
        self._room = _ROOM
        self._again = False
        self._failure: StoreError | None = None
        self._failures = 0

    # ------------------------------------------------------------------------------ the catalog's side

    def prepare(self, database: Database, doc_types: Iterable[DocType]) -> None:
        """Make the views of *doc_types* show the store as it is now.

        Raises:
            StoreError: a file's schema is newer than this program's, or the store cannot be read.
        """
        self._room, self._again = _ROOM, False
        found = {doc_type: self._verified(doc_type) for doc_type in doc_types}
        whole = [kind for kind in {**self._kinds, **found}.values() if kind.whole]
        if database.admit(self._tree.full(file.path) for kind in whole for file in kind.files):
            self._registered.clear()
        for doc_type, kind in found.items():
            self._opened[doc_type] = {file.path: file for file in kind.files if kind.whole}
            if self._kinds.get(doc_type) != kind or doc_type not in self._registered:
                self._kinds[doc_type] = kind
                self._register(database.connection, doc_type, kind)

    def _verified(self, doc_type: DocType) -> Kind:
        """Return the present files of *doc_type*, verified whole if DuckDB is to read them."""
        for _ in attempts():
            kind = self._listing.settled(doc_type)
            if (
                self._tree.is_remote
                or self._failures >= _HELD_AFTER
                or doc_type in self._incomplete
                or not is_small(self._tree.base, kind.files, self._whole)
            ):
                return kind
            if self._look_through(self._checks.due(kind.files, TRUST_S)):
                continue
            with suppress(FileNotFoundError):
                kind.alike = self._checks.are_alike(kind.files)
                kind.whole = True
                return kind
        raise StoreError(CHANGED.format(self._tree.base))

    def add_views(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Add views without rows for the kinds that were never prepared."""
        for doc_type in DocType:
            if doc_type not in self._registered:
                self._register(connection, doc_type, Kind())

    def corrupt(self, doc_types: Iterable[DocType]) -> tuple[CorruptFile, ...]:
        """Return the files skipped by the views of *doc_types*, as far as known."""
        kinds = (self._kinds.get(doc_type, Kind()) for doc_type in doc_types)
        return tuple(corrupt for kind in kinds for corrupt in kind.corrupt)

    def verify(self, doc_types: Iterable[DocType]) -> bool:
        """Read every byte of the files of *doc_types* on a disk; return whether some are corrupt.

        Each file is read once. Objects are not read: that would download them.
        """
        if self._tree.is_remote:
            return False
        files = [file for doc_type in doc_types for file in self._kinds[doc_type].files]
        return self._look_through(file for file in files if file.key not in self._checks.whole)

    def recover(self, error: Exception) -> bool:
        """Return whether the failed query should be retried after :meth:`prepare`.

        Raises:
            StoreError: it failed because the store cannot be read.
        """
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        if self._again:
            return True
        if self._went_away():
            self._failures += 1
            return True
        opened = [file for files in self._opened.values() for file in files.values()]
        return self._look_through(opened)

    def was_exchanged(self, doc_types: Iterable[DocType]) -> bool:
        """Return whether a file was replaced since *doc_types* were prepared.

        A removed file is harmless: the old content was read.
        """
        files = [file for kind in doc_types for file in self._opened.get(kind, {}).values()]
        changed = not self._tree.is_remote and any(
            (now := self._tree.state(file.path)) is not None and now != file.state for file in files
        )
        self._failures = self._failures + 1 if changed else 0
        return changed

    def sessions(self) -> tuple[str, ...]:
        """Return the ids of all sessions that have a folder, sorted.

        Raises:
            StoreError: the store cannot be read.
        """
        tops = [f"doc_type={kind.value}" for kind in DocType]
        found = {name for names in self._tree.each(self._listing.folders, tops) for name in names}
        names = {name.removeprefix(SESSION) for name in found if name.startswith(SESSION)}
        return tuple(sorted(names))

    def sketches(self) -> tuple[list[Mapping[str, Any]], tuple[CorruptFile, ...]]:
        """Return the sketches of our actions' latencies, from files without one too, and skipped files.

        Raises:
            StoreError: the store cannot be read.
        """
        doc_type = DocType.PLAYER_ACTION
        for _ in attempts():
            kind = self._listing.settled(doc_type)
            found = [f.part.sketches for f in kind.files if f.part is not None and f.part.sketches]
            bare = [f for f in kind.files if f.rows and (f.part is None or not f.part.sketches)]
            try:
                return [*found, *self._sketched(doc_type, bare)], tuple(kind.corrupt)
            except (_LeftOutError, OSError) as error:
                if not self.recover(error):
                    raise StoreError(
                        f"{self._tree.base} cannot be read: {one_line(error)}"
                    ) from error
        raise StoreError(CHANGED.format(self._tree.base))

    def _sketched(self, doc_type: DocType, files: list[StoreFile]) -> Iterator[Mapping[str, Any]]:
        import duckdb  # noqa: F401 - relations need the whole package

        from vectra_bot.store.parquet.sketch import LATENCY_COLUMNS, latency_sketches

        if not files:
            return
        columns = ", ".join(("action_type", *LATENCY_COLUMNS))
        with connected() as connection:
            text = self._view_text(connection, doc_type, files)
            rows = connection.sql(f"SELECT {columns} FROM ({text})")  # noqa: S608 - our own names
            yield latency_sketches(rows.to_arrow_table())

    # ------------------------------------------------------------------------------ views

    def _register(
        self, connection: duckdb.DuckDBPyConnection, doc_type: DocType, kind: Kind
    ) -> None:
        """Make the view of *doc_type* show the rows of its files."""
        for name in self._registered.pop(doc_type, ()):
            connection.unregister(name)
        filled = [file for file in kind.files if file.rows]
        name = doc_type.value
        if filled and not kind.whole and not any(file.odd for file in filled):
            connection.execute(f'DROP VIEW IF EXISTS "{name}"')
            _show(connection, name, self._dataset(doc_type, filled, None))
            self._registered[doc_type] = [name]
            return
        if filled and kind.whole:
            names = [self._tree.full(file.path) for file in filled]
            text = view_text(doc_type, names, alike=kind.alike)
        else:
            text = self._view_text(connection, doc_type, filled)
        try:
            connection.execute(f'CREATE OR REPLACE VIEW "{name}" AS {text}')
        except core().BinderException:
            self._incomplete.add(doc_type)
            self._again = True
            raise
        self._registered.setdefault(doc_type, [])

    def _view_text(
        self, connection: duckdb.DuckDBPyConnection, doc_type: DocType, files: list[StoreFile]
    ) -> str:
        """Return SQL over *files*, with one dataset for each form of their columns."""
        if not files:
            return empty_view_text(doc_type)
        branches = []
        ordered = sorted(files, key=lambda file: (file.odd, file.path))
        for number, (odd, group) in enumerate(groupby(ordered, key=lambda file: file.odd)):
            alike, made = list(group), dict(odd)
            name = f"{doc_type.value}.{number}"
            schema = alike[0].contents.schema if odd and alike[0].contents is not None else None
            _show(connection, name, self._dataset(doc_type, alike, schema))
            self._registered.setdefault(doc_type, []).append(name)
            columns = ", ".join(
                f'{made[column]} AS "{column}"' if column in made else f'"{column}"'
                for column, _ in sql_columns(doc_type)
            )
            branches.append(f'SELECT {columns} FROM "{name}"')  # noqa: S608 - our own names
        return " UNION ALL ".join(branches)

    def _dataset(self, doc_type: DocType, files: list[StoreFile], schema: Any) -> Any:
        """Return a dataset of *files* in *schema*, the current one if None."""
        given = schema if schema is not None else scan_schema(doc_type)
        coded = codes_of(given)
        known = {file.path: file for file in files}
        names = [file.guarded(file.path, self._tree.filesystem, coded) for file in files]

        def scan(options: dict[str, Any], needed: Callable[[], list[str]]) -> Any:
            is_count = options.get("filter") is None and options.get("columns") == ["session_id"]
            if is_count and all(file.session_id and not file.odd for file in files):
                return counted_rows([(file.session_id, file.rows) for file in files])
            return self._fragments(doc_type, [known[path] for path in needed()], coded)

        return scanned_dataset(names, given, self._tree.filesystem, scan)

    def _fragments(
        self, doc_type: DocType, files: list[StoreFile], coded: tuple[str, ...]
    ) -> list[Any]:
        """Return the fragments of *files* for Arrow, after checking what Arrow does not."""
        opened = self._opened.setdefault(doc_type, {})
        held = self._failures >= _HELD_AFTER

        def look(file: StoreFile) -> Any:
            try:
                source = self._checked(file, opened, held=held)
                return file.guarded(source, self._tree.filesystem, coded)
            except CorruptFileError as error:
                self._checks.corrupt[file.key] = str(error)
            except FileNotFoundError:
                raise
            except OSError as error:
                self._checks.corrupt[file.key] = _unreadable(error)
            return None

        try:
            found = list(self._tree.each(look, files))
        except FileNotFoundError:
            self._again = True
            self._failures += 1
            raise
        except StoreError as error:
            self._failure = error
            raise
        if None in found:
            self._again = True
            raise _LeftOutError(f"{found.count(None)} files of {doc_type.value} are corrupt")
        return found

    def _checked(self, file: StoreFile, opened: dict[str, StoreFile], *, held: bool) -> Any:
        """Return a file's bytes, or its path if it is read from there."""
        size = file.state.size
        fits = file.part is not None and size <= self._room
        if fits and (size <= SMALL or held):
            self._room -= size
            return self._checks.read_whole(file)
        self._checks.check_frame(file)
        opened[file.path] = file
        return self._tree.full(file.path)

    def _look_through(self, files: Iterable[StoreFile]) -> bool:
        """Read all of *files*, remember which are corrupt, and return whether any is corrupt or missing."""

        def is_bad(file: StoreFile) -> bool:
            try:
                if file.part is not None:
                    self._checks.check_whole(file)
                    return False
                contents = self._listing.contents.pop(file.key)
                again = contents_of(self._tree, file.path, file.doc_type)
                self._listing.contents[file.key] = again
                return again.fault != contents.fault
            except FileNotFoundError:
                return True
            except OSError as error:
                self._checks.corrupt[file.key] = _unreadable(error)
            except CorruptFileError as error:
                self._checks.corrupt[file.key] = str(error)
            return True

        return any(list(self._tree.each(is_bad, list(files))))

    def _went_away(self) -> bool:
        """Return whether an opened file was removed or replaced."""
        files = [file for opened in self._opened.values() for file in opened.values()]
        if self._tree.is_remote:
            states = self._tree.each(self._tree.state, [file.path for file in files])
            return any(state is None for state in states)
        return any(self._tree.state(file.path) != file.state for file in files)


def _show(connection: duckdb.DuckDBPyConnection, name: str, dataset: Any) -> None:
    """Make *dataset* a table of that name."""
    import duckdb  # noqa: F401 - the package makes the connection read Arrow

    connection.register(name, dataset)


def _unreadable(error: OSError) -> str:
    return f"the file cannot be read: {error.strerror or one_line(error)}"
