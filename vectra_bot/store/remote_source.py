"""A remote store as a catalog's source: a dataset per kind of document, listed by the manifests.

What a query sees is settled when it begins: the manifests of the kinds it names are read (again only where
the listing shows another size or time), and every listed object must be there in its size. Files are
fetched when a query scans them, those alone that its conditions on ``session_id`` and ``seq`` leave over,
each checked against its manifest (:mod:`vectra_bot.store.read_cache`).

Objects that a manifest does not list are on their way or replaced: no query reads them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import attrs

from vectra_bot.errors import InputError, StoreError
from vectra_bot.models import DocType
from vectra_bot.store.lazy_dataset import lazy_dataset
from vectra_bot.store.local import empty_view_text
from vectra_bot.store.parquet.manifest import MANIFEST, Part
from vectra_bot.store.parquet.schema import check_version, sql_columns
from vectra_bot.store.parquet.sketch import LATENCY_COLUMNS, latency_sketches
from vectra_bot.store.read_cache import DamagedObjectError, ReadCache
from vectra_bot.store.remote.address import RemoteStore, parse_store
from vectra_bot.store.remote.objects import Objects, Stat
from vectra_bot.store.remote.upload import DamagedManifestError, read_remote_manifest
from vectra_bot.store.sources import Damaged

if TYPE_CHECKING:
    import duckdb

AT_ONCE: Final = 16
"""Requests under way at once."""

_TRIES: Final = 5


@attrs.define
class _Kind:
    """What a query sees of one kind of document."""

    parts: list[Part] = attrs.field(factory=list)
    damaged: list[Damaged] = attrs.field(factory=list)
    dataset: Any = None
    is_registered: bool = False


class RemoteSource:
    """The objects of a remote store; see :class:`vectra_bot.store.sources.Source`."""

    def __init__(
        self,
        store: RemoteStore,
        *,
        given: str = "",
        cache: ReadCache | None = None,
        sessions: Collection[str] = (),
    ) -> None:
        """Prepare; no request is made.

        Args:
            store: the store.
            given: how the user wrote its address.
            cache: where fetched files are kept.
            sessions: only these are seen; all if empty.

        Raises:
            InputError: the store cannot be reached from here at all.
        """
        self.objects = Objects(store)
        self._cache = cache or ReadCache()
        self._sessions = frozenset(sessions)
        self._given = given.rstrip("/")
        self._kinds: dict[DocType, _Kind] = {}
        self._manifests: dict[str, tuple[Stat | None, list[Part]]] = {}
        self._bad: dict[str, str] = {}
        self._missed: set[DocType] = set()
        self._suspected: set[DocType] = set()
        self._failure: StoreError | None = None

    # ------------------------------------------------------------------------------ the catalog's side

    @property
    def location(self) -> str:
        """The store's address."""
        return self.objects.store.url

    @property
    def roots(self) -> tuple[str, ...]:
        """How SQL may write the address."""
        store = self.objects.store
        plain = f"{store.service}://{store.root}"
        return tuple(dict.fromkeys(root for root in (plain, store.url, self._given) if root))

    @property
    def readable(self) -> tuple[str, ...]:
        """Folders that SQL may read files from: none, rows come from memory."""
        return ()

    def prepare(self, connection: duckdb.DuckDBPyConnection, doc_types: Iterable[DocType]) -> None:
        """Make the views of *doc_types* show the store as it is now.

        Raises:
            StoreError: the server does not answer, or a file's schema is newer than this program's.
        """
        for doc_type in doc_types:
            kind = self._settled(doc_type)
            if kind.is_registered:
                continue
            name = f"{doc_type.value}.files"
            if kind.parts:
                connection.register(name, kind.dataset)
                columns = ", ".join(f'"{column}"' for column, _ in sql_columns(doc_type))
                text = f'SELECT {columns} FROM "{name}"'  # noqa: S608 - our own names
            else:
                text = empty_view_text(doc_type)
            connection.execute(f'CREATE OR REPLACE VIEW "{doc_type.value}" AS {text}')
            kind.is_registered = True

    def damaged(self, doc_types: Iterable[DocType]) -> tuple[Damaged, ...]:
        """Return what the views of *doc_types* leave out, as far as it is known yet."""
        return tuple(
            damaged
            for doc_type in doc_types
            if doc_type in self._kinds
            for damaged in self._kinds[doc_type].damaged
        )

    def recover(self, error: Exception) -> bool:
        """Return whether the query failed because the store changed, or over damage that is known now.

        Raises:
            StoreError: it failed because the server did not answer.
        """
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return bool(self._missed or self._suspected)

    def was_exchanged(self, doc_types: Iterable[DocType]) -> bool:
        """Return False: what a query scans is what its manifests list, byte for byte."""
        return False

    def sessions(self) -> tuple[str, ...]:
        """Return the ids of all sessions, sorted.

        Raises:
            StoreError: the server does not answer.
        """
        found = list_sessions(self.objects)
        return tuple(name for name in found if not self._sessions or name in self._sessions)

    def sketches(self) -> list[Mapping[str, Any]]:
        """Return the sketches of our actions' latencies; files without one are read for it.

        Raises:
            StoreError: the server does not answer, or a file that must be read is damaged.
        """
        doc_type = DocType.PLAYER_ACTION
        kind = self._settled(doc_type)
        found: list[Mapping[str, Any]] = [part.sketches for part in kind.parts if part.sketches]
        bare = [part for part in kind.parts if part.rows and not part.sketches]
        if bare:
            dataset = lazy_dataset(doc_type, bare, partial(self._buffers, doc_type))
            try:
                table = dataset.scanner(columns=["action_type", *LATENCY_COLUMNS]).to_table()
            except (FileNotFoundError, DamagedObjectError) as error:
                raise StoreError(
                    f"{self.location}: a file cannot be read: {error}; try again"
                ) from error
            found.append(latency_sketches(table))
        return found

    def close(self) -> None:
        """Forget what was read."""
        self._kinds.clear()
        self._manifests.clear()

    # ------------------------------------------------------------------------------ manifests

    def _settled(self, doc_type: DocType) -> _Kind:
        """Return what is there of *doc_type* now, the same object if nothing changed."""
        again = doc_type in self._missed or doc_type in self._suspected
        self._missed.discard(doc_type)
        there = self.objects.listing(f"doc_type={doc_type.value}")
        folders = sorted(
            folder
            for folder, _, name in (path.rpartition("/") for path in there)
            if name == MANIFEST and self._is_wanted(folder)
        )
        found = _Kind()
        with ThreadPoolExecutor(AT_ONCE, "manifest") as pool:
            look = partial(self._folder, doc_type, there, again)
            for parts, damaged in pool.map(look, folders):
                found.parts += parts
                found.damaged += damaged
        if doc_type in self._suspected:
            self._verify(doc_type, found)
            self._suspected.discard(doc_type)
        before = self._kinds.get(doc_type)
        if before is not None and (before.parts, before.damaged) == (found.parts, found.damaged):
            return before
        found.dataset = lazy_dataset(doc_type, found.parts, partial(self._buffers, doc_type))
        self._kinds[doc_type] = found
        return found

    def _is_wanted(self, folder: str) -> bool:
        return not self._sessions or _session_of(folder) in self._sessions

    def _folder(
        self, doc_type: DocType, there: Mapping[str, Stat], again: bool, folder: str
    ) -> tuple[list[Part], list[Damaged]]:
        """Return the parts of one folder whose objects stand as listed, and what is left out."""
        session_id = _session_of(folder)
        absent: list[tuple[Part, str]] = []
        parts: list[Part] = []
        for attempt in range(_TRIES):
            try:
                parts = self._manifest(
                    folder, there.get(f"{folder}/{MANIFEST}"), again or attempt > 0
                )
            except DamagedManifestError as error:
                return [], [Damaged(doc_type, session_id, folder, f"its list is damaged ({error})")]
            absent = [(part, fault) for part in parts if (fault := self._fault(part, there))]
            if not absent:
                break  # else the folder may have been compacted since it was listed
        gone = {part.path for part, _ in absent}
        for part in parts:
            check_version(part.schema_version, part.path)
        damaged = [_damaged(part, fault) for part, fault in absent]
        return [part for part in parts if part.path not in gone], damaged

    def _manifest(self, folder: str, stat: Stat | None, again: bool) -> list[Part]:
        known = self._manifests.get(folder)
        if known is not None and known[0] == stat and not again:
            return known[1]
        parts = read_remote_manifest(self.objects, folder)
        self._manifests[folder] = (stat, parts)
        return parts

    def _fault(self, part: Part, there: Mapping[str, Stat]) -> str:
        """Return what is wrong with an object, "" if it is there as listed and no damage is known."""
        stat = there.get(part.path)
        size = self.objects.size(part.path) if stat is None else stat.size
        if size is None:
            return "the object is missing"
        if size != part.bytes:
            return f"the object has {size} bytes instead of {part.bytes}"
        return self._bad.get(_version(part, stat), "")

    # ------------------------------------------------------------------------------ files

    def _buffers(self, doc_type: DocType, parts: list[Part]) -> list[Any]:
        """Return the bytes of *parts*; called when a query scans them."""
        try:
            self._cache.require_room(parts, doc_type.value)
            with ThreadPoolExecutor(AT_ONCE, "fetch") as pool:
                return list(pool.map(self._buffer, parts))
        except FileNotFoundError:
            self._missed.add(doc_type)
            raise
        except DamagedObjectError:
            self._suspected.add(doc_type)
            raise
        except StoreError as error:
            self._failure = error
            raise

    def _buffer(self, part: Part) -> Any:
        return self._cache.buffer(part, partial(self.objects.fetch, part.path))

    def _verify(self, doc_type: DocType, kind: _Kind) -> None:
        """Fetch every file of *kind* once and leave out those that are damaged."""
        there = self.objects.listing(f"doc_type={doc_type.value}")

        def fault_of(part: Part) -> str:
            try:
                self._buffer(part)
            except DamagedObjectError as error:
                return str(error)
            except FileNotFoundError:
                self._missed.add(doc_type)
            return ""

        with ThreadPoolExecutor(AT_ONCE, "verify") as pool:
            faults = list(pool.map(fault_of, kind.parts))
        for part, fault in zip(list(kind.parts), faults, strict=True):
            if fault:
                self._bad[_version(part, there.get(part.path))] = fault
                kind.parts.remove(part)
                kind.damaged.append(_damaged(part, fault))


def open_remote(
    url: str, *, cache: ReadCache | None = None, sessions: Collection[str] = ()
) -> RemoteSource:
    """Return a source for the remote store at *url*.

    Args:
        url: its address.
        cache: where fetched files are kept; else see :mod:`vectra_bot.store.read_cache`.
        sessions: only these are seen; all if empty.

    Raises:
        InputError: it is no address, or there is no store.
        StoreError: the server does not answer.
    """
    store = parse_store(url)
    if not isinstance(store, RemoteStore):
        raise InputError(f"{store.path} is a folder: open it by its path")
    source = RemoteSource(store, given=url, cache=cache, sessions=sessions)
    if not any(name.startswith("doc_type=") for name in source.objects.folders()):
        raise InputError(
            f"no store at {store.url}: it has no doc_type= folder; record a session with this --store, "
            "or give another"
        )
    return source


def list_sessions(objects: Objects) -> list[str]:
    """Return the ids of all sessions that have folders in a remote store, sorted.

    Raises:
        StoreError: the server does not answer.
    """
    kinds = [name for name in objects.folders() if name.startswith("doc_type=")]
    with ThreadPoolExecutor(AT_ONCE, "sessions") as pool:
        found = {name for names in pool.map(objects.folders, kinds) for name in names}
    return sorted(
        name.removeprefix("session_id=") for name in found if name.startswith("session_id=")
    )


def _damaged(part: Part, reason: str) -> Damaged:
    session_id = _session_of(part.path.rpartition("/")[0])
    rows = (part.first_seq, part.last_seq, part.rows)
    return Damaged(part.doc_type, session_id, part.path, reason, *rows)


def _session_of(folder: str) -> str:
    return folder.rpartition("session_id=")[2]


def _version(part: Part, stat: Stat | None) -> str:
    """Return what tells one writing of an object from another."""
    return f"{part.path} {part.sha256} {stat.mtime_ns if stat else 0}"
