"""The rows of a store as DuckDB tables: manifest -> one dataset of Parquet files per kind of document.

The files of a query are fixed when it begins: changed manifests are re-read, and listed files must exist in
their size. Each file has conditions that are true of all its rows (session, range of ``seq``), so that a scan
opens only the files that pass its filter. Page checksums are verified while reading; what they do not cover
(:mod:`vectra_bot.store.parquet.pages`) is verified before. A small file is read as a whole. Corrupt files are
skipped and reported, and the query is retried without them.

Compaction replaces folders during a query. A removed file makes the scan fail, and a replaced one is detected
afterwards by its state: the query is retried. If that repeats, large files are read into memory as well.

Arrow's threads never call Python: they would wait for the interpreter lock, which DuckDB keeps while it waits
for them. So all checks run before the scan, in the calling thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import attrs

from vectra_bot.errors import StoreError
from vectra_bot.models import DocType
from vectra_bot.store.parquet.manifest import MANIFEST, Part, decode_lines
from vectra_bot.store.parquet.schema import check_version, sql_columns
from vectra_bot.store.query.arrow_scan import codes_of, counted_rows, scan_schema, scanned_dataset
from vectra_bot.store.query.integrity import CorruptFileError, FileChecks, StoreFile
from vectra_bot.store.query.results import CorruptFile
from vectra_bot.store.query.statements import connected, empty_view_text, one_line
from vectra_bot.store.query.unlisted import (
    Contents,
    cast_fault,
    contents_of,
    is_rows,
    outside_files,
)
from vectra_bot.store.tree import CHANGED, FileState, Tree, attempts

if TYPE_CHECKING:
    import duckdb

SMALL: Final = 256 << 10
"""Files up to this size in bytes are read as a whole: that is faster than checking each page header."""

_SESSION: Final = "session_id="
_AT_ONCE: Final = 16
# Attempts that read large files in place; then up to so many bytes are read into memory, because compactions
# may come faster than a long query ends.
_HELD_AFTER: Final = 2
_ROOM: Final = 512 << 20


class _LeftOutError(Exception):
    """Corrupt files were found: the query must be retried without them."""


@attrs.define
class _Kind:
    """Files of one kind of document in a query."""

    files: list[StoreFile] = attrs.field(factory=list)
    corrupt: list[CorruptFile] = attrs.field(factory=list)


class StoreDataset:
    """The files of a store, as one table per kind of document; not thread-safe."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._kinds: dict[DocType, _Kind] = {}
        self._registered: dict[DocType, list[str]] = {}
        self._manifests: dict[str, tuple[FileState, list[Part]]] = {}
        self._contents: dict[tuple[str, FileState], Contents] = {}
        self._checks = FileChecks(tree)
        # Of the current query: files that Arrow opens by name, memory for others, and why it failed.
        self._opened: dict[DocType, dict[str, StoreFile]] = {}
        self._room = _ROOM
        self._again = False
        self._failure: StoreError | None = None
        self._failures = 0

    # ------------------------------------------------------------------------------ the catalog's side

    def prepare(self, connection: duckdb.DuckDBPyConnection, doc_types: Iterable[DocType]) -> None:
        """Make the views of *doc_types* show the store as it is now.

        Raises:
            StoreError: a file's schema is newer than this program's, or the store cannot be read.
        """
        self._room, self._again = _ROOM, False
        for doc_type in doc_types:
            found = self._settled(doc_type)
            self._opened[doc_type] = {}
            if self._kinds.get(doc_type) != found or doc_type not in self._registered:
                self._kinds[doc_type] = found
                self._register(connection, doc_type, found.files)

    def add_views(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Add views without rows for the kinds that were never prepared."""
        for doc_type in DocType:
            if doc_type not in self._registered:
                self._register(connection, doc_type, [])

    def corrupt(self, doc_types: Iterable[DocType]) -> tuple[CorruptFile, ...]:
        """Return the files skipped by the views of *doc_types*, as far as known."""
        kinds = (self._kinds.get(doc_type, _Kind()) for doc_type in doc_types)
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
        from concurrent.futures import ThreadPoolExecutor

        tops = [f"doc_type={kind.value}" for kind in DocType]
        with ThreadPoolExecutor(_AT_ONCE, "sessions") as pool:
            found = {name for names in pool.map(self._folders, tops) for name in names}
        names = {name.removeprefix(_SESSION) for name in found if name.startswith(_SESSION)}
        return tuple(sorted(names))

    def sketches(self) -> tuple[list[Mapping[str, Any]], tuple[CorruptFile, ...]]:
        """Return the sketches of our actions' latencies, from files without one too, and skipped files.

        Raises:
            StoreError: the store cannot be read.
        """
        doc_type = DocType.PLAYER_ACTION
        for _ in attempts():
            kind = self._settled(doc_type)
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
        from vectra_bot.store.parquet.sketch import LATENCY_COLUMNS, latency_sketches

        if not files:
            return
        columns = ", ".join(("action_type", *LATENCY_COLUMNS))
        with connected() as connection:
            text = self._view_text(connection, doc_type, files)
            rows = connection.sql(f"SELECT {columns} FROM ({text})")  # noqa: S608 - our own names
            yield latency_sketches(rows.to_arrow_table())

    # ------------------------------------------------------------------------------ what is there

    def _folders(self, folder: str) -> list[str]:
        return self._tree.names(folder, directories=True)

    def _settled(self, doc_type: DocType) -> _Kind:
        """Return the present files of *doc_type*."""
        top = f"doc_type={doc_type.value}"
        self._tree.look_again(top)
        found = _Kind()
        wanted = [name for name in self._folders(top) if name.startswith(_SESSION)]

        def look(name: str) -> _Kind:
            return self._session(doc_type, f"{top}/{name}")

        for kind in self._each(look, wanted):
            found.files += kind.files
            found.corrupt += kind.corrupt
        if not self._tree.is_remote:
            own = frozenset(file.session_id for file in found.files if file.rows)
            for pair in outside_files(self._tree, top):
                days = pair[0].startswith(f"{top}/date=")  # the folders of schema 1.0.0
                self._add_unlisted(found, doc_type, pair, "", [], own=frozenset() if days else own)
        return found

    def _each(self, look: Callable[[Any], Any], items: list[Any]) -> Iterable[Any]:
        """Apply *look* to each of *items*; in parallel, if a server answers."""
        if not self._tree.is_remote:
            return map(look, items)
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(_AT_ONCE, "store") as pool:
            return list(pool.map(look, items))

    def _session(self, doc_type: DocType, folder: str) -> _Kind:
        """Return the content of a session's folder, consistent at one moment."""
        before: _Kind | None = None
        for _ in attempts():
            identity = self._tree.identity(folder)
            if identity is None:
                return _Kind()  # dropped
            try:
                kind = self._folder(doc_type, folder)
            except FileNotFoundError:
                kind = None
            if kind is not None and self._tree.identity(folder) == identity:
                # A missing object may have been replaced since the objects were listed.
                if not self._tree.is_remote or not kind.corrupt or kind == before:
                    return kind
                before = kind
            self._tree.look_again(folder)
        raise StoreError(CHANGED.format(self._tree.full(folder)))

    def _folder(self, doc_type: DocType, folder: str) -> _Kind:
        found = _Kind()
        session_id = folder.rpartition(_SESSION)[2]
        # Names first: a part that is added meanwhile is then in the manifest.
        there = self._tree.files(folder)
        listed: list[Part] = []
        try:
            listed = self._manifest(folder, there)
        except StoreError as error:
            reason = "its manifest is corrupt"
            if not self._tree.is_remote:
                reason = f"{MANIFEST} is corrupt: the files were read whole instead"
            found.corrupt.append(CorruptFile(doc_type, session_id, folder, f"{reason} ({error})"))
        copied = next(
            (part for part in listed if (part.doc_type, part.folder) != (doc_type, folder)), None
        )
        if copied is not None:
            reason = f"it was copied or renamed: its manifest is that of {copied.folder}"
            rows = sum(part.rows for part in listed)
            found.corrupt.append(CorruptFile(doc_type, session_id, folder, reason, rows=rows))
            return found
        for part in listed:
            check_version(part.schema_version, part.path)
            self._add_listed(found, part, session_id, there.get(part.name))
        if not self._tree.is_remote:
            self._add_others(found, doc_type, folder, there, listed)
        return found

    def _manifest(self, folder: str, there: Mapping[str, FileState]) -> list[Part]:
        """Return the manifest's parts, decoded once while the file is unchanged."""
        state = there.get(MANIFEST)
        if state is None:
            return []
        path = f"{folder}/{MANIFEST}"
        known = self._manifests.get(path)
        if known is not None and known[0] == state:
            return known[1]
        data, name = self._tree.read(path), self._tree.full(path)
        parts = decode_lines(data, name, whole=self._tree.is_remote)
        if len(data) == state.size:  # else a line was added since the names were read
            self._manifests[path] = state, parts
        return parts

    def _add_listed(
        self, found: _Kind, part: Part, session_id: str, state: FileState | None
    ) -> None:
        """Add a file that the manifest lists, or the reason why it is skipped."""
        state = state or self._tree.state(part.path)
        file = StoreFile(part.path, session_id, state or FileState(-1), part)
        what = "object" if self._tree.is_remote else "file"
        if state is None:
            found.corrupt.append(file.corrupt(part.doc_type, f"the {what} is missing"))
        elif state.size != part.bytes:
            reason = f"the {what} has {state.size} bytes instead of {part.bytes}"
            found.corrupt.append(file.corrupt(part.doc_type, reason))
        elif reason := self._checks.corrupt.get(file.key, ""):
            found.corrupt.append(file.corrupt(part.doc_type, reason))
        else:
            found.files.append(file)

    def _add_others(
        self,
        found: _Kind,
        doc_type: DocType,
        folder: str,
        there: Mapping[str, FileState],
        listed: list[Part],
    ) -> None:
        """Add files without a manifest line; rows that are in another file are not added twice."""
        known = {part.name for part in listed}
        paths = [
            (f"{folder}/{name}", state)
            for name, state in sorted(there.items())
            if is_rows(name) and name not in known
        ]
        taken = [(part.first_seq, part.last_seq) for part in listed if part.rows]
        # The largest first: a file whose rows were merged into it is a leftover of a compaction.
        paths.sort(key=lambda pair: (-self._read(doc_type, *pair).rows, pair[0]))
        for pair in paths:
            self._add_unlisted(found, doc_type, pair, folder.rpartition(_SESSION)[2], taken)

    def _add_unlisted(
        self,
        found: _Kind,
        doc_type: DocType,
        pair: tuple[str, FileState],
        session_id: str,
        taken: list[tuple[int, int]],
        *,
        own: frozenset[str] = frozenset(),
    ) -> None:
        """Add it unless its rows are *taken*, or are of a session with its *own* folder."""
        path, state = pair
        contents = self._read(doc_type, path, state)
        file = StoreFile(path, session_id, state, None, contents)
        fault, (first, last) = contents.fault, file.seq_range
        if fault is None and any(first <= high and low <= last for low, high in taken):
            fault = "another file has rows of its range"
        if fault is None and (copied := contents.sessions & own):
            fault = f"its rows are of session {min(copied)!r}, which has its own folder"
        if fault is not None:
            found.corrupt.append(file.corrupt(doc_type, fault))
            return
        if session_id and contents.rows and first >= 0:
            taken.append((first, last))
        found.files.append(file)

    def _read(self, doc_type: DocType, path: str, state: FileState) -> Contents:
        """Return the content of an unlisted file, read once while it is unchanged."""
        key = path, state
        if key not in self._contents:
            contents = contents_of(self._tree, path, doc_type)
            if contents.fault is None and contents.rows and contents.odd:
                file = StoreFile(path, "", state, None, contents)
                made = self._dataset(doc_type, [file], contents.schema)
                contents = attrs.evolve(contents, fault=cast_fault(made, contents.odd))
            self._contents[key] = contents
        return self._contents[key]

    # ------------------------------------------------------------------------------ views

    def _register(
        self, connection: duckdb.DuckDBPyConnection, doc_type: DocType, files: list[StoreFile]
    ) -> None:
        """Make the view of *doc_type* show the rows of *files*."""
        for name in self._registered.pop(doc_type, ()):
            connection.unregister(name)
        filled = [file for file in files if file.rows]
        name = doc_type.value
        if filled and not any(file.odd for file in filled):
            connection.execute(f'DROP VIEW IF EXISTS "{name}"')
            connection.register(name, self._dataset(doc_type, filled, None))
            self._registered[doc_type] = [name]
            return
        text = self._view_text(connection, doc_type, filled)
        connection.execute(f'CREATE OR REPLACE VIEW "{name}" AS {text}')
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
            connection.register(name, self._dataset(doc_type, alike, schema))
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
            found = list(self._each(look, files))
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
                contents = self._contents.pop(file.key)
                again = contents_of(self._tree, file.path, file.doc_type)
                self._contents[file.key] = again
                return again.fault != contents.fault
            except FileNotFoundError:
                return True
            except OSError as error:
                self._checks.corrupt[file.key] = _unreadable(error)
            except CorruptFileError as error:
                self._checks.corrupt[file.key] = str(error)
            return True

        return any(list(self._each(is_bad, list(files))))

    def _went_away(self) -> bool:
        """Return whether an opened file was removed or replaced."""
        files = [file for opened in self._opened.values() for file in opened.values()]
        if self._tree.is_remote:
            states = self._each(self._tree.state, [file.path for file in files])
            return any(state is None for state in states)
        return any(self._tree.state(file.path) != file.state for file in files)


def _unreadable(error: OSError) -> str:
    return f"the file cannot be read: {error.strerror or one_line(error)}"
