"""Objects of a remote store: read, write, list and remove, with bounded retries.

Network and server errors are retried, at most :data:`ATTEMPTS` attempts with growing pauses; permanent
errors (no such bucket, no permission) are not. After a request failed all attempts, later ones get one
attempt only, until one succeeds, so that a server that is down does not get hundreds of retries.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs

from vectra_bot.errors import StoreError, safe_text
from vectra_bot.store.remote.address import RemoteStore

ATTEMPTS: Final = 5
PAUSE_S: Final = 0.2
"""Pause before the second attempt; each further pause is twice as long."""

CHUNK: Final = 8 << 20
"""Chunk size of a transfer, in bytes."""

_FINAL: Final = (
    "ACCESS_DENIED",
    "NO_SUCH_BUCKET",
    "INVALID_ACCESS_KEY_ID",
    "INVALID_CLIENT_TOKEN_ID",
    "INVALID_SIGNATURE",
    "SIGNATURE_DOES_NOT_MATCH",
    "MISSING_AUTHENTICATION_TOKEN",
    "UNRECOGNIZED_CLIENT",
    "EXPIRED_TOKEN",
    "INVALID_ARGUMENT",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "NOT_FOUND",
    "Permanent error",
)
_MISSING: Final = ("AWS Error NO_SUCH_KEY", "AWS Error RESOURCE_NOT_FOUND", "Status(NOT_FOUND")
_SECRETS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

T = TypeVar("T")


@attrs.frozen
class Stat:
    """The server's metadata of an object.

    Attributes:
        size: in bytes.
        mtime_ns: when it was written, ns since the epoch.
    """

    size: int
    mtime_ns: int


class Objects:
    """The objects under a remote store's prefix; names are relative to it. Thread-safe."""

    def __init__(self, store: RemoteStore, *, stop: threading.Event | None = None) -> None:
        """Prepare; no request is made.

        Args:
            store: where the objects are.
            stop: once set, nothing is retried.

        Raises:
            InputError: the store cannot be used from here.
        """
        import pyarrow as pa

        self.store = store
        # Retries are done here, where they can be stopped, not in pyarrow.
        self._files = store.filesystem(attempts=1)
        self._errors = (OSError, pa.ArrowException)
        self._stop = stop or threading.Event()
        self._given_up = threading.Event()

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes, None if there is no such object.

        Raises:
            StoreError: it cannot be read.
        """

        def read() -> bytes:
            with self._files.open_input_stream(self._path(name), compression=None) as stream:
                data: bytes = stream.read()
                return data

        try:
            return self._try(f"read {name}", read)
        except FileNotFoundError:
            return None

    def fetch(self, name: str, take: Callable[[Iterator[bytes]], T]) -> T:
        """Pass an object's bytes in chunks to *take* and return its result.

        If the connection breaks, *take* is called again from the first chunk.

        Raises:
            FileNotFoundError: there is no such object.
            StoreError: it cannot be read.
        """

        def fetched() -> T:
            with self._files.open_input_stream(self._path(name), compression=None) as stream:
                return take(iter(lambda: stream.read(CHUNK), b""))

        return self._try(f"read {name}", fetched)

    def write(self, name: str, data: bytes) -> None:
        """Write an object atomically: readers see the old one or the new one.

        Raises:
            StoreError: it cannot be written, or the server stored another number of bytes.
        """

        def write() -> None:
            with self._files.open_output_stream(self._path(name), compression=None) as stream:
                stream.write(data)

        try:
            self._try(f"write {name}", write)
        except FileNotFoundError as error:  # the bucket
            raise self._refused(f"write {name}", error) from None
        self._verify(name, len(data))

    def send(self, name: str, path: Path) -> tuple[int, int, str]:
        """Write a local file as an object, and return size, CRC-32 and SHA-256 of what was sent.

        Raises:
            FileNotFoundError: the local file is missing.
            StoreError: it cannot be read, or the object cannot be written.
        """

        def send() -> tuple[int, int, str]:
            size, crc, sha = 0, 0, hashlib.sha256()
            with (
                path.open("rb") as file,
                self._files.open_output_stream(self._path(name), compression=None) as stream,
            ):
                while piece := file.read(CHUNK):
                    size, crc = size + len(piece), zlib.crc32(piece, crc)
                    sha.update(piece)
                    stream.write(piece)
            return size, crc, sha.hexdigest()

        try:
            sent = self._try(f"write {name}", send)
        except FileNotFoundError as error:
            if path.exists():  # it is the bucket that is missing
                raise self._refused(f"write {name}", error) from None
            raise
        self._verify(name, sent[0])
        return sent

    def _verify(self, name: str, size: int) -> None:
        found = self.size(name)
        if found != size:
            raise StoreError(
                f"{self.store.url}: {name} has {found} bytes after {size} were written; "
                "check the server, then upload again"
            )

    def size(self, name: str) -> int | None:
        """Return an object's size in bytes, None if there is no such object.

        Raises:
            StoreError: the server does not answer.
        """
        info = self._try(f"query {name}", lambda: self._files.get_file_info(self._path(name)))
        return info.size if info.is_file else None

    def listing(self, folder: str = "") -> dict[str, Stat]:
        """Return the names of the objects under *folder*, at any depth, with their metadata.

        Raises:
            StoreError: the server does not answer.
        """
        cut = len(self.store.root) + 1
        return {
            info.path[cut:]: Stat(info.size, info.mtime_ns or 0)
            for info in self._infos(folder, recursive=True)
            if info.is_file
        }

    def folders(self, folder: str = "") -> list[str]:
        """Return the base names of the folders in *folder*, sorted.

        Raises:
            StoreError: the server does not answer.
        """
        from pyarrow import fs

        if self.store.service == "gs":
            # For one level, pyarrow lists only folders that were created explicitly.
            cut = len(folder) + 1 if folder else 0
            below = (name[cut:].split("/") for name in self.listing(folder))
            return sorted({names[0] for names in below if len(names) > 1})
        return sorted(
            info.base_name
            for info in self._infos(folder, recursive=False)
            if info.type is fs.FileType.Directory
        )

    def make_folder(self, folder: str) -> None:
        """Create a folder so that others can list it, where an object in it is not enough.

        Raises:
            StoreError: the server rejects the request.
        """
        if self.store.service == "gs":
            path = self._path(folder)
            what = f"make {folder}"
            try:
                self._try(what, lambda: self._files.create_dir(path, recursive=True))
            except FileNotFoundError as error:  # the bucket
                raise self._refused(what, error) from None

    def _infos(self, folder: str, *, recursive: bool) -> Any:
        from pyarrow import fs

        root = self._path(folder) if folder else self.store.root
        selector = fs.FileSelector(root, allow_not_found=True, recursive=recursive)
        what = f"list {folder or 'objects'}"
        try:
            return self._try(what, lambda: self._files.get_file_info(selector))
        except FileNotFoundError as error:  # the bucket
            raise self._refused(what, error) from None

    def delete(self, name: str) -> None:
        """Remove an object; harmless if there is none.

        Raises:
            StoreError: the server rejects the request.
        """
        try:
            self._try(f"remove {name}", lambda: self._files.delete_file(self._path(name)))
        except FileNotFoundError:
            return

    def _path(self, name: str) -> str:
        return f"{self.store.root}/{name}"

    def _try(self, what: str, call: Callable[[], T]) -> T:
        for attempt in range(ATTEMPTS):
            try:
                done = call()
            except FileNotFoundError:
                raise
            except self._errors as error:
                if is_missing(error):
                    raise FileNotFoundError(what) from None
                last = attempt + 1 == ATTEMPTS or self._given_up.is_set() or _is_final(error)
                if last or self._stop.wait(_pause(self.store, what, attempt)):
                    if not _is_final(error):
                        self._given_up.set()
                    raise self._refused(what, error) from None
            else:
                self._given_up.clear()
                return done
        raise AssertionError("the last attempt returns or raises")

    def _refused(self, what: str, error: Exception) -> StoreError:
        return StoreError(
            f"{self.store.url}: cannot {what}: {without_secrets(error)}; check the server, the bucket and "
            "the environment's credentials"
        )


def is_missing(error: Exception) -> bool:
    """Return whether a request failed because its object is gone, also one that was opened before."""
    # pyarrow raises a plain OSError for objects that were removed between open and read.
    return isinstance(error, FileNotFoundError) or any(word in str(error) for word in _MISSING)


def _is_final(error: Exception) -> bool:
    if getattr(error, "errno", 0) is not None:
        return True  # of the local disk, or not of a request: network errors have no errno
    text = str(error)
    return any(word in text for word in _FINAL)


def _pause(store: RemoteStore, what: str, attempt: int) -> float:
    """Return the pause after an attempt: doubled each time, with jitter so that writers spread."""
    seed = f"{os.getpid()} {store.url} {what} {attempt}".encode()
    spread = hashlib.sha256(seed).digest()[0] / 255
    return float(PAUSE_S * 2**attempt * (0.5 + spread))


_REASON: Final = 400
# What pyarrow puts before and the provider after the reason.
_AROUND: Final = re.compile(r"^When .*?: (?=AWS Error)| \(Request ID: [^)]*\)")


def without_secrets(error: BaseException) -> str:
    """Return an error's reason in one line, without credentials from the environment."""
    text = " ".join(safe_text(error, 100_000).split())
    for name in _SECRETS:
        secret = os.environ.get(name)
        if secret:
            text = text.replace(secret, "***")
    text = _AROUND.sub("", text).rstrip(".")
    return text if len(text) <= _REASON else f"{text[:_REASON]}..."
