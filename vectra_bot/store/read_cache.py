"""Files of remote stores on this machine's disk: each fetched whole, checked, then read from memory.

A file is called by its SHA-256, so it is one file for all stores and is never changed. What was used longest
ago goes first when the files together are larger than the limit. A reader maps the file into memory, which
holds the bytes even if they go from the disk meanwhile; it reads exactly what was checked.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from vectra_bot.errors import InputError, StoreError
from vectra_bot.fsio import files
from vectra_bot.store.parquet.manifest import Part

DEFAULT_LIMIT: Final = 1 << 30
"""Bytes that the cache holds unless ``$VECTRA_CACHE_BYTES`` says otherwise."""

Fetch = Callable[[Callable[[Iterator[bytes]], "Any"]], "Any"]
"""Calls what it is given with the bytes of an object in pieces, once or, after a failure, again."""

_numbers = itertools.count()


class DamagedObjectError(Exception):
    """A fetched file has not the bytes that its manifest lists."""


class _NoRoomError(Exception):
    """The cache's folder takes no file."""


def cache_directory() -> Path:
    """Return ``$VECTRA_CACHE``, else ``~/.cache/vectra-bot``."""
    return Path(os.environ.get("VECTRA_CACHE") or "~/.cache/vectra-bot").expanduser().absolute()


def cache_limit() -> int:
    """Return ``$VECTRA_CACHE_BYTES``, else :data:`DEFAULT_LIMIT`.

    Raises:
        InputError: it is no whole number.
    """
    given = os.environ.get("VECTRA_CACHE_BYTES") or str(DEFAULT_LIMIT)
    if not given.isascii() or not given.isdigit():
        raise InputError(f"VECTRA_CACHE_BYTES was {given!r}: give a whole number of bytes")
    return int(given)


class ReadCache:
    """A bounded folder of fetched files; threads and processes may share it."""

    def __init__(self, directory: Path | None = None, limit: int | None = None) -> None:
        """Prepare; nothing is written.

        Args:
            directory: the folder, see :func:`cache_directory`.
            limit: how many bytes it may hold.

        Raises:
            InputError: the environment's limit is no number.
        """
        self.directory = directory or cache_directory()
        self.limit = cache_limit() if limit is None else limit
        self._sound: dict[str, int] = {}
        self._evicting = threading.Lock()

    def require_room(self, parts: Iterable[Part], what: str) -> None:
        """Refuse to read more at once than the cache may hold.

        Raises:
            StoreError: the files of *parts* are larger.
        """
        wanted = sum(part.bytes for part in parts)
        if wanted > self.limit:
            raise StoreError(
                f"{what}: this query reads {wanted} bytes of files at once and the read cache may hold "
                f"{self.limit}: ask for fewer sessions (WHERE session_id = ...), or set "
                "VECTRA_CACHE_BYTES to more"
            )

    def buffer(self, part: Part, fetch: Fetch) -> Any:
        """Return a ``pyarrow.Buffer`` of a part's bytes, from the disk or fetched; size and CRC-32 fit.

        Raises:
            DamagedObjectError: what was fetched does not fit.
            FileNotFoundError, StoreError: as *fetch* raises.
        """
        path = self.directory / part.sha256
        held = self._held(path, part)
        if held is None:
            try:
                held = self._fetched(path, part, fetch)
            except _NoRoomError:
                # Nothing of the store's is written there: a cache that takes nothing only costs time.
                held = fetch(lambda pieces: _in_memory(pieces, part))
        return held

    def _held(self, path: Path, part: Part) -> Any:
        try:
            if path.stat().st_size != part.bytes:
                raise FileNotFoundError
            buffer = _mapped(path)
            inode = path.stat().st_ino
        except OSError:
            return None
        if self._sound.get(part.sha256) != inode:
            if zlib.crc32(buffer) != part.crc32:
                with contextlib.suppress(OSError):
                    files.unlink(path)
                return None
            self._sound[part.sha256] = inode
        with contextlib.suppress(OSError):
            os.utime(path)  # used just now
        return buffer

    def _fetched(self, path: Path, part: Part, fetch: Fetch) -> Any:
        temporary = self.directory / f"{os.getpid()}-{next(_numbers)}{files.TEMPORARY}"

        def take(pieces: Iterator[bytes]) -> Any:
            fd = self._open(temporary)
            try:
                for piece in _checked(pieces, part):
                    with _room():
                        files.write_all(fd, piece)
            finally:
                os.close(fd)
            with _room():
                return _mapped(temporary)

        try:
            buffer = fetch(take)
            with contextlib.suppress(OSError):
                files.rename(temporary, path)
                self._sound[part.sha256] = path.stat().st_ino
        finally:
            with contextlib.suppress(OSError):
                files.unlink(temporary)
        self._evict(path)
        return buffer

    def _open(self, temporary: Path) -> int:
        with _room():
            if not self.directory.is_dir():
                files.make_directories(self.directory)
            return files.open_file(temporary, fresh=True)

    def _evict(self, newest: Path) -> None:
        """Remove what was used longest ago until the rest fits, and what killed processes left."""
        with self._evicting, contextlib.suppress(OSError):
            found = []
            for path in self.directory.iterdir():
                with contextlib.suppress(OSError):
                    if path.suffix == files.TEMPORARY:
                        if not _is_alive(path.name):
                            files.unlink(path)
                    else:
                        stat = path.stat()
                        found.append((path == newest, stat.st_mtime_ns, stat.st_size, path))
            held = sum(size for _, _, size, _ in found)
            for _, _, size, path in sorted(found, key=lambda entry: entry[:2]):
                if held <= self.limit:
                    return
                with contextlib.suppress(OSError):
                    files.unlink(path)
                    self._sound.pop(path.name, None)
                held -= size


def _checked(pieces: Iterable[bytes], part: Part) -> Iterator[bytes]:
    """Yield *pieces*, not more than *part* has; raise at the end if they are not its bytes."""
    size = crc = 0
    for piece in pieces:
        size, crc = size + len(piece), zlib.crc32(piece, crc)
        if size > part.bytes:
            break
        yield piece
    if size != part.bytes:
        more = "more than " if size > part.bytes else ""
        raise DamagedObjectError(
            f"the object has {more}{min(size, part.bytes)} bytes instead of {part.bytes}"
        )
    if crc != part.crc32:
        raise DamagedObjectError("its bytes are not those that were written (CRC32)")


def _in_memory(pieces: Iterator[bytes], part: Part) -> Any:
    import pyarrow as pa

    # Arrow's own memory: a Python object's would be let go in a thread that must not wait for Python.
    sink = pa.BufferOutputStream()
    for piece in _checked(pieces, part):
        sink.write(piece)
    return sink.getvalue()


def _mapped(path: Path) -> Any:
    import pyarrow as pa

    with pa.memory_map(str(path)) as mapped:
        return mapped.read_buffer()


@contextlib.contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except (OSError, StoreError) as error:
        raise _NoRoomError from error


def _is_alive(name: str) -> bool:
    try:
        os.kill(int(name.partition("-")[0]), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
