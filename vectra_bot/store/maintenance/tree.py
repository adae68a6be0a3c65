"""The files of a store by their names, on a disk or in an object store alike: what a check goes through."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vectra_bot.errors import InputError, StoreError
from vectra_bot.store.remote.address import LocalStore, RemoteStore, parse_store
from vectra_bot.store.remote.objects import Objects, without_secrets

if TYPE_CHECKING:
    import pyarrow.fs as pafs
    import pyarrow.parquet as pq


def open_tree(store: str | Path) -> tuple[Tree, Path | None]:
    """Return the files of a store, and its folder if it is on a disk.

    Raises:
        InputError: there is no store.
    """
    import pyarrow.fs as pafs

    found = parse_store(store)
    if not isinstance(found, LocalStore):
        return RemoteTree(found), None
    if not found.path.is_dir():
        raise InputError(f"no store at {found.path}: give another --store")
    return Tree(pafs.LocalFileSystem(), str(found.path)), found.path


class Tree:
    """The files of a store on a disk; names are relative to it, with ``/`` between folders."""

    def __init__(self, filesystem: pafs.FileSystem, base: str) -> None:
        self._files = filesystem
        self._base = base.rstrip("/")

    def names(self, folder: str, *, directories: bool = False) -> list[str]:
        """Return the names in *folder*, sorted; none if there is no such folder."""
        import pyarrow.fs as pafs

        wanted = pafs.FileType.Directory if directories else pafs.FileType.File
        return sorted(info.base_name for info in self._infos(folder) if info.type is wanted)

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes of the files in *folder* by name."""
        import pyarrow.fs as pafs

        infos = self._infos(folder)
        return {info.base_name: info.size for info in infos if info.type is pafs.FileType.File}

    def _infos(self, folder: str) -> list[Any]:
        import pyarrow.fs as pafs

        selector = pafs.FileSelector(self._full(folder), allow_not_found=True)
        infos: list[Any] = self._files.get_file_info(selector)
        return infos

    def times(self, path: str) -> tuple[int, int] | None:
        """Return the range of ``ts_ns`` that the footer of a Parquet file names, None if it names none.

        Raises:
            OSError: it is no whole Parquet file.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with self.open(path) as file:
                return range_of(pq.ParquetFile(file).metadata, "ts_ns")
        except pa.ArrowException as error:
            raise OSError(f"{path} is no Parquet file: {error}") from error

    def read(self, path: str) -> bytes:
        """Return the bytes of a file."""
        with self.open(path) as file, self.asking(path):
            data: bytes = file.read()
            return data

    def open(self, path: str) -> Any:
        """Return a file to read from, as pyarrow has it."""
        with self.asking(path):
            return self._files.open_input_file(self._full(path))

    @contextlib.contextmanager
    def asking(self, path: str) -> Iterator[None]:
        """Be around what reads a file: it tells a file that cannot be read from one that nobody hands out."""
        yield

    def look_again(self) -> None:
        """Forget what was seen of names: somebody changed them."""

    def _full(self, path: str) -> str:
        return f"{self._base}/{path}" if path else self._base


class RemoteTree(Tree):
    """The objects of a store at an address, listed once.

    Raises:
        StoreError: by its methods, if the server does not answer: nothing is known then.
    """

    def __init__(self, store: RemoteStore) -> None:
        super().__init__(store.filesystem(), store.root)
        self._objects = Objects(store)
        self._listed: dict[str, dict[str, int | None]] | None = None

    def names(self, folder: str, *, directories: bool = False) -> list[str]:
        """Return the names in *folder*, sorted; a folder is one by what is in it."""
        found = self._listing().get(folder, {})
        return sorted(name for name, size in found.items() if (size is None) is directories)

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes of the objects in *folder* by name."""
        found = self._listing().get(folder, {})
        return {name: size for name, size in found.items() if size is not None}

    def look_again(self) -> None:
        """List the objects anew when they are asked for next."""
        self._listed = None

    def _listing(self) -> dict[str, dict[str, int | None]]:
        """Return name and size of what is in each folder; folders have none."""
        if self._listed is None:
            self._listed = {}
            for path, stat in self._objects.listing().items():
                *folders, name = path.split("/")
                self._listed.setdefault("/".join(folders), {})[name] = stat.size
                for depth, folder in enumerate(folders):
                    self._listed.setdefault("/".join(folders[:depth]), {})[folder] = None
        return self._listed

    @contextlib.contextmanager
    def asking(self, path: str) -> Iterator[None]:
        """Tell an object that is not there from a server that does not answer."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StoreError(
                f"cannot read {path}: {without_secrets(error)}; check the server and your credentials"
            ) from None


def range_of(metadata: pq.FileMetaData, name: str) -> tuple[int, int] | None:
    """Return the least and the greatest value of a column by the footer, None if it does not say."""
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
