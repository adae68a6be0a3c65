"""A folder of Parquet files held open, so that what is seen of it is of one moment."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final, Self

from vectra_bot.errors import StoreError
from vectra_bot.store.soundness import state_of

SUFFIX: Final = ".parquet"


def folders_in(path: Path) -> list[str]:
    """Return the names of the folders in *path*, sorted; none if there is no *path*."""
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(
            f"cannot read {path}: {error.strerror or error}; check its permissions and the disk"
        ) from error


class Folder:
    """A directory held open: its names stay its own even if another takes its place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1

    def __enter__(self) -> Self:
        self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def names(self) -> set[str]:
        """Return the names of the Parquet files."""
        # A descriptor is listed, which no Path can be.
        return {name for name in os.listdir(self._fd) if name.endswith(SUFFIX)}  # noqa: PTH208

    def state(self, name: str) -> tuple[int, ...] | None:
        """Return inode, size and time of a file, None if it is not there."""
        try:
            found = os.stat(name, dir_fd=self._fd)
        except FileNotFoundError:
            return None
        return state_of(found) if stat.S_ISREG(found.st_mode) else None

    def open(self, name: str) -> int:
        """Return a descriptor to read a file from."""
        return os.open(name, os.O_RDONLY, dir_fd=self._fd)

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        fd = self.open(name)
        try:
            size = os.fstat(fd).st_size
            data = os.read(fd, size + 1)
            if len(data) == size:  # the common case: no file object is needed
                return data
            with os.fdopen(fd, "rb", closefd=False) as file:
                return data + file.read()
        finally:
            os.close(fd)

    def is_still_there(self) -> bool:
        """Return whether the path still leads to this directory."""
        try:
            found, own = self.path.stat(), os.fstat(self._fd)
        except FileNotFoundError:
            return False
        return (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino)
