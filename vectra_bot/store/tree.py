"""Access to the files of a store by name, on a disk or in an object store."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from vectra_bot.clock import WallClock
from vectra_bot.errors import InputError, StoreError
from vectra_bot.store.remote.address import LocalStore, RemoteStore, parse_store

if TYPE_CHECKING:
    import pyarrow.fs as pafs
    import pyarrow.parquet as pq

    from vectra_bot.store.remote.objects import Stat


T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE: Final = 16
"""Requests to a server at once."""

ATTEMPTS: Final = 10
PATIENCE_S: Final = 5.0
"""Reading is retried this often and this long, whichever is more, when files are replaced during it: ten
attempts at small files take a few milliseconds, less than a busy machine needs for one."""


CHANGED: Final = "{} changed during each attempt to read it: retry when no compaction runs"


def attempts() -> Iterator[None]:
    """Yield until :data:`ATTEMPTS` were made and :data:`PATIENCE_S` seconds have passed."""
    clock = WallClock()
    end_ns = clock.monotonic_ns() + round(PATIENCE_S * 1e9)
    for number in count(1):
        yield
        if number >= ATTEMPTS and clock.monotonic_ns() >= end_ns:
            return


@attrs.frozen
class FileState:
    """Identifies the content of a file: while it is unchanged, so are the bytes.

    Attributes:
        size: in bytes.
        mark: inode and times on a disk; the modification time of an object.
    """

    size: int
    mark: tuple[int, ...] = ()


def open_tree(store: str | Path) -> tuple[Tree, Path | None]:
    """Return the files of a store, and its folder if it is on a disk.

    Raises:
        InputError: there is no store.
    """
    found = parse_store(store)
    if not isinstance(found, LocalStore):
        return RemoteTree(found), None
    if not found.path.is_dir():
        raise InputError(f"no store at {found.path}: give another --store")
    return Tree(found.path), found.path


class Tree:
    """The files of a store on a disk; names are relative to it, with ``/`` between folders."""

    is_remote = False

    def __init__(self, base: str | Path) -> None:
        self.base: str = str(base).rstrip("/")

    @property
    def filesystem(self) -> pafs.FileSystem:
        """The pyarrow file system that opens the files."""
        import pyarrow.fs as pafs

        return pafs.LocalFileSystem()

    def names(self, folder: str, *, directories: bool = False) -> list[str]:
        """Return the names in *folder*, sorted; none if there is no such folder."""
        with self._entries(folder) as entries:
            return sorted(entry.name for entry in entries if _is_folder(entry) is directories)

    def files(self, folder: str) -> dict[str, FileState]:
        """Return the files in *folder* by name."""
        found = {}
        with self._entries(folder) as entries:
            for entry in entries:
                try:
                    status = entry.stat()
                except OSError as error:
                    _raise_unless_missing(error)
                    continue
                if stat.S_ISREG(status.st_mode):
                    found[entry.name] = _state_of(status)
        return found

    @contextlib.contextmanager
    def _entries(self, folder: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        path = self.full(folder)
        try:
            with os.scandir(path) as entries:
                yield entries
        except (FileNotFoundError, NotADirectoryError):
            yield iter(())
        except OSError as error:
            raise StoreError(
                f"cannot read {path}: {error.strerror or error}; check its permissions and the disk"
            ) from error

    def state(self, path: str) -> FileState | None:
        """Return the state of a file, None if it is missing."""
        try:
            return _state_of(os.stat(self.full(path)))  # noqa: PTH116 - a Path costs more than the call
        except OSError as error:
            _raise_unless_missing(error)
            return None

    def identity(self, folder: str) -> tuple[int, ...] | None:
        """Return a value that changes if the folder is replaced, None if there is none."""
        try:
            status = os.stat(self.full(folder))  # noqa: PTH116 - as above
        except OSError as error:
            _raise_unless_missing(error)
            return None
        return status.st_dev, status.st_ino

    @contextlib.contextmanager
    def held(self, folder: str) -> Iterator[tuple[int, ...] | None]:
        """Yield a folder's :meth:`identity`, which no other folder gets meanwhile.

        A disk gives the number of a folder that was removed to the next one, unless it is open.
        """
        try:
            opened = os.open(self.full(folder), os.O_RDONLY)
        except OSError:
            yield self.identity(folder)
            return
        try:
            status = os.fstat(opened)
            yield status.st_dev, status.st_ino
        finally:
            os.close(opened)

    def times(self, path: str) -> tuple[int, int] | None:
        """Return the range of ``ts_ns`` in the footer of a Parquet file, None if it has none.

        Raises:
            OSError: it is not a complete Parquet file.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with self.open(path) as file:
                return range_of(pq.ParquetFile(file).metadata, "ts_ns")
        except pa.ArrowException as error:
            raise OSError(f"{path} is not a Parquet file: {error}") from error

    def read(self, path: str) -> bytes:
        """Return the bytes of a file."""
        return Path(self.full(path)).read_bytes()

    def open(self, path: str) -> Any:
        """Return a pyarrow file opened for reading."""
        with self.asking(path):
            return self.filesystem.open_input_file(self.full(path))

    def open_bytes(self, path: str) -> Any:
        """Return a binary file opened for reading, on a disk without pyarrow."""
        return Path(self.full(path)).open("rb", buffering=0)

    @contextlib.contextmanager
    def asking(self, path: str) -> Iterator[None]:
        """Wrap the reading of a file: distinguishes an unreadable file from an unreachable server."""
        yield

    def each(self, look: Callable[[T], R], items: Iterable[T]) -> Iterable[R]:
        """Apply *look* to each of *items*; in parallel, if a server answers."""
        return map(look, items)

    def look_again(self, folder: str | None = None) -> None:
        """Discard the cached names of *folder*, or of all folders: another process may have changed them."""

    def full(self, path: str) -> str:
        """Return the path of a file for :attr:`filesystem`."""
        return f"{self.base}/{path}" if path else self.base


def _raise_unless_missing(error: OSError) -> None:
    """Raise *error* unless the name has no file: a link to nothing or to itself counts as one."""
    if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
        raise error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        _raise_unless_missing(error)
    return False


def _state_of(status: os.stat_result) -> FileState:
    # Inodes are reused, and a copy keeps the modification time of its original, but not the change time.
    return FileState(status.st_size, (status.st_ino, status.st_mtime_ns, status.st_ctime_ns))


class RemoteTree(Tree):
    """The objects of a store at an address; each top folder is listed once.

    Raises:
        StoreError: from its methods, if the server does not answer.
    """

    is_remote = True

    def __init__(self, store: RemoteStore) -> None:
        from vectra_bot.store.remote.objects import Objects

        super().__init__(store.root)
        self.objects = Objects(store)
        self._files = store.filesystem()
        self._listed: dict[str, dict[str, dict[str, Stat | None]]] = {}

    @property
    def filesystem(self) -> pafs.FileSystem:
        """The pyarrow file system that opens the objects."""
        return self._files

    def names(self, folder: str, *, directories: bool = False) -> list[str]:
        """Return the names in *folder*, sorted; a folder exists if there is something in it."""
        if not folder:
            return self.objects.folders() if directories else []
        found = self._listing(folder)
        return sorted(name for name, state in found.items() if (state is None) is directories)

    def files(self, folder: str) -> dict[str, FileState]:
        """Return the objects in *folder* by name."""
        return {
            name: FileState(found.size, (found.mtime_ns,))
            for name, found in self._listing(folder).items()
            if found is not None
        }

    def state(self, path: str) -> FileState | None:
        """Return the state of an object, None if it is missing."""
        size = self.objects.size(path)
        return None if size is None else FileState(size)

    def identity(self, folder: str) -> tuple[int, ...] | None:
        """Return a constant: folders of objects are not replaced."""
        return ()

    @contextlib.contextmanager
    def held(self, folder: str) -> Iterator[tuple[int, ...] | None]:
        """Yield the constant of :meth:`identity`."""
        yield ()

    def read(self, path: str) -> bytes:
        """Return the bytes of an object.

        Raises:
            FileNotFoundError: it is missing.
        """
        data = self.objects.read(path)
        if data is None:
            raise FileNotFoundError(path)
        return data

    def each(self, look: Callable[[T], R], items: Iterable[T]) -> Iterable[R]:
        """Apply *look* to each of *items* in parallel."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(_AT_ONCE, "store") as pool:
            return list(pool.map(look, items))

    def look_again(self, folder: str | None = None) -> None:
        """List the objects again on the next access."""
        if folder is None:
            self._listed.clear()
        else:
            self._listed.pop(folder.partition("/")[0], None)

    def open_bytes(self, path: str) -> Any:
        """Return a pyarrow file opened for reading."""
        return self.open(path)

    def _listing(self, folder: str) -> dict[str, Stat | None]:
        """Return the content of a folder by name; folders have no state."""
        top = folder.partition("/")[0]
        if top not in self._listed:
            found: dict[str, dict[str, Stat | None]] = {}
            for path, state in self.objects.listing(top).items():
                *above, name = path.split("/")
                found.setdefault("/".join(above), {})[name] = state
                for depth in range(1, len(above)):
                    found.setdefault("/".join(above[:depth]), {})[above[depth]] = None
            self._listed[top] = found
        return self._listed[top].get(folder, {})

    @contextlib.contextmanager
    def asking(self, path: str) -> Iterator[None]:
        """Distinguish a missing object from a server that does not answer."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            from vectra_bot.store.remote.objects import is_missing, without_secrets

            if is_missing(error):
                raise FileNotFoundError(path) from None
            raise StoreError(
                f"cannot read {path}: {without_secrets(error)}; check the server and your credentials"
            ) from None


def range_of(metadata: pq.FileMetaData, name: str) -> tuple[int, int] | None:
    """Return the minimum and maximum of a column in the footer, None if it has none."""
    bounds = []
    for group in range(metadata.num_row_groups):
        columns = metadata.row_group(group)
        for index in range(columns.num_columns):
            column = columns.column(index)
            if column.path_in_schema == name:
                statistics = column.statistics
                if statistics is None or not statistics.has_min_max:
                    return None
                bounds += [statistics.min, statistics.max]
    return (min(bounds), max(bounds)) if bounds else None
