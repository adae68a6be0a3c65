"""Upload of finished parts from a spool to a remote store.

Each folder of one kind and session is mirrored separately, in an order that is safe to interrupt:

1. parts that the remote manifest does not list are written, each as one object, and their sizes checked;
2. the remote manifest is written, as one object;
3. objects that it does not list are removed.

So a remote manifest never lists an object that is missing. A repeated upload completes the rest. A
session has one writer, therefore writers of different sessions need no locks between them; two uploaders
of one session on one machine exclude each other by a lock in the spool, and two machines that gave their
sessions the same id are detected by the session's header, which is the first object written.

A part whose name the remote manifest lists with other bytes gets another name there: a listed object is
never overwritten.
"""

from __future__ import annotations

import contextlib
import shlex
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from vectra_bot.errors import InputError, StoreError, UnknownNameError, VectraError
from vectra_bot.fsio import files
from vectra_bot.fsio.locks import FileLock
from vectra_bot.journal import read_header
from vectra_bot.models import DocType
from vectra_bot.store.maintenance.sessions import is_running, list_sessions
from vectra_bot.store.parquet.manifest import (
    MANIFEST,
    Part,
    decode_lines,
    encode_lines,
    part_folder,
    read_manifest,
)
from vectra_bot.store.remote.address import RemoteStore, parse_store
from vectra_bot.store.remote.objects import Objects

AT_ONCE: Final = 8
"""Folders of a session that are mirrored in parallel."""

_LOCK: Final = "uploading"
_TRIES: Final = 5

Progress = Callable[[str, int, int], None]
"""Called with a session's id, how many sessions are done, and how many there are."""


@attrs.frozen
class Uploaded:
    """Result of an upload.

    Attributes:
        parts: objects written, without manifests.
        bytes: their size.
        removed: objects removed because a compaction replaced them.
    """

    session_id: str
    parts: int = 0
    bytes: int = 0
    removed: int = 0

    def with_more(self, other: Uploaded) -> Uploaded:
        """Return the sum of two results for one session."""
        return Uploaded(
            self.session_id,
            self.parts + other.parts,
            self.bytes + other.bytes,
            self.removed + other.removed,
        )


class Uploader:
    """Mirrors the parts of a spool's sessions into a remote store."""

    def __init__(
        self, spool: Path, remote: RemoteStore | str, *, stop: threading.Event | None = None
    ) -> None:
        """Prepare; no request is made.

        Args:
            spool: the local store.
            remote: the remote store or its address.
            stop: once set, failed requests are not retried.

        Raises:
            InputError: *remote* is not the address of a remote store.
        """
        self._spool = Path(spool)
        self._objects = Objects(_remote(remote), stop=stop)
        self._known: set[str] = set()

    def upload(self, session_id: str) -> Uploaded:
        """Upload what the remote store lacks of one session; blocks until it is done.

        Raises:
            UnknownNameError: the spool has no such session.
            StoreError: the upload is incomplete; the message lists the rest. Nothing local is lost, and
                a retry uploads the rest.
        """
        journal = self._spool / "journals" / session_id
        if not journal.is_dir():
            raise UnknownNameError("session", session_id, list_sessions(self._spool))
        folders = [part_folder(self._spool, doc_type, session_id) for doc_type in DocType]
        folders = [folder for folder in folders if (folder / MANIFEST).exists()]
        if not folders:
            return Uploaded(session_id)
        with upload_lock(journal):
            self._claim(session_id, msgspec.json.encode(read_header(journal)), folders)
            return self._mirror_all(session_id, folders)

    def _claim(self, session_id: str, header: bytes, folders: list[Path]) -> None:
        """Write the session's header if there is none; refuse another session's folders."""
        if session_id in self._known:
            return
        name = f"journals/{session_id}/header.json"
        try:
            found = self._objects.read(name)
            if found is None:
                self._objects.write(name, header)
        except StoreError as error:
            raise self._left(session_id, [_kind(folder) for folder in folders], error) from error
        if found is not None and _json(found) != _json(header):
            raise StoreError(
                f"{self._objects.store.url}: session {session_id!r} there has another header and comes from "
                "another recorder; nothing was uploaded: record with another session id"
            )
        self._known.add(session_id)

    def _mirror_all(self, session_id: str, folders: list[Path]) -> Uploaded:
        done, failed = Uploaded(session_id), []
        with ThreadPoolExecutor(AT_ONCE, "upload") as pool:
            waiting = [pool.submit(self._mirror, session_id, folder) for folder in folders]
            for folder, future in zip(folders, waiting, strict=True):
                try:
                    done = done.with_more(future.result())
                except (StoreError, OSError) as error:
                    failed.append((_kind(folder), error))
        if failed:
            raise self._left(session_id, [name for name, _ in failed], failed[0][1])
        return done

    def _left(self, session_id: str, names: list[str], why: Exception) -> StoreError:
        return StoreError(
            f"{why}; not uploaded yet of session {session_id!r}: {', '.join(names)}; nothing is lost, "
            f"`vectra-bot store recover --store {quoted(self._objects.store)}` uploads it"
        )

    def _mirror(self, session_id: str, folder: Path) -> Uploaded:
        for attempt in range(_TRIES):
            listed = read_manifest(folder)
            try:
                return _Mirror(self._objects, self._spool, folder, listed).run(session_id)
            except _LocalChangedError as error:
                # A compaction may have replaced the folder meanwhile.
                if read_manifest(folder) == listed or attempt + 1 == _TRIES:
                    raise StoreError(str(error)) from None
        raise AssertionError("the last attempt returns or raises")


class _LocalChangedError(Exception):
    """A local part differs from the manifest that was read."""


class _Mirror:
    """The mirroring of one folder."""

    def __init__(self, objects: Objects, spool: Path, folder: Path, listed: list[Part]) -> None:
        self._objects = objects
        self._spool = spool
        self._folder = folder.relative_to(spool).as_posix()
        self._listed = listed

    def run(self, session_id: str) -> Uploaded:
        there = {name: stat.size for name, stat in self._objects.listing(self._folder).items()}
        name = f"{self._folder}/{MANIFEST}"
        remote = self._remote_parts() if name in there else []
        intact = [part for part in remote if there.get(part.path) == part.bytes]
        if _holds(remote, self._listed) and _rows(remote) > _rows(self._listed):
            return Uploaded(session_id)  # pruned here, kept there
        self._refuse_to_shrink(remote)
        names = _Names(intact)
        mirrored, sent = [], []
        for part in self._listed:
            path = names.of(part)
            if path is None:
                path = names.new(part)
                self._send(part, path)
                sent.append(part)
            mirrored.append(attrs.evolve(part, path=path))
        if mirrored != remote:
            if not remote:
                self._objects.make_folder(self._folder)
            self._objects.write(name, encode_lines(mirrored))
        kept = {part.path for part in mirrored}
        extra = [path for path in there if path.endswith(".parquet") and path not in kept]
        for path in extra:
            self._objects.delete(path)
        return Uploaded(session_id, len(sent), sum(part.bytes for part in sent), len(extra))

    def _remote_parts(self) -> list[Part]:
        try:
            return read_remote_manifest(self._objects, self._folder)
        except CorruptManifestError:
            return []  # everything is uploaded again

    def _send(self, part: Part, path: str) -> None:
        local = self._spool / part.path
        try:
            found = self._objects.send(path, local)
        except FileNotFoundError:
            raise _LocalChangedError(
                f"{local} is missing: rebuild it with `vectra-bot store recover --store {self._spool}`"
            ) from None
        if found != (part.bytes, part.crc32, part.sha256):
            raise _LocalChangedError(
                f"{local} is corrupt, it differs from its manifest: "
                f"rebuild it with `vectra-bot store recover --store {self._spool}`"
            )

    def _refuse_to_shrink(self, remote: list[Part]) -> None:
        """Refuse to replace a manifest by one with fewer rows: no operation on a store removes rows."""
        if _rows(remote) > _rows(self._listed):
            raise StoreError(
                f"{self._objects.store.url}: {self._folder} has {_rows(remote)} rows there and "
                f"{_rows(self._listed)} in {self._spool}; nothing was changed: is this the spool that "
                "recorded the session?"
            )


class _Names:
    """The names of parts in the remote folder."""

    def __init__(self, intact: list[Part]) -> None:
        self._taken = {part.path for part in intact}
        self._free: dict[str, list[str]] = {}
        for part in intact:
            self._free.setdefault(part.sha256, []).append(part.path)

    def of(self, part: Part) -> str | None:
        """Return the name of an object that already has the bytes of *part*, each for one part only."""
        free = self._free.get(part.sha256)
        if not free:
            return None
        return free.pop(free.index(part.path) if part.path in free else 0)

    def new(self, part: Part) -> str:
        """Return a name for *part* that is not listed in the remote manifest."""
        if part.path not in self._taken:
            return part.path
        return f"{part.path.removesuffix('.parquet')}-{part.sha256[:12]}.parquet"


class CorruptManifestError(StoreError):
    """A remote manifest is corrupt."""


def read_remote_manifest(objects: Objects, folder: str) -> list[Part]:
    """Return the parts that the manifest of a remote folder lists, none if there is no manifest.

    Raises:
        CorruptManifestError: it is corrupt. An object is written whole, so its end cannot be incomplete.
        StoreError: it cannot be read.
    """
    name = f"{folder}/{MANIFEST}"
    data = objects.read(name)
    if data is None:
        return []
    where = f"{objects.store.url}: {name}"
    with contextlib.suppress(StoreError):
        return decode_lines(data, where, whole=True)
    raise CorruptManifestError(
        f"{where} is corrupt: write it again with `vectra-bot store recover --store "
        f"{quoted(objects.store)}` on the machine that recorded the session"
    )


def quoted(store: RemoteStore) -> str:
    """Return a store's address quoted for a shell."""
    return shlex.quote(store.url)


def _kind(folder: Path) -> str:
    return folder.parent.name.removeprefix("doc_type=")


def _rows(parts: list[Part]) -> int:
    return sum(part.rows for part in parts)


def _holds(remote: list[Part], parts: list[Part]) -> bool:
    known = {part.sha256 for part in remote}
    return all(part.sha256 in known for part in parts)


def _remote(remote: RemoteStore | str) -> RemoteStore:
    store = parse_store(remote) if isinstance(remote, str) else remote
    if not isinstance(store, RemoteStore):
        raise InputError(
            f"{str(store.path)!r} is a folder: give the s3:// or gs:// address to upload to"
        )
    return store


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return None


@contextlib.contextmanager
def upload_lock(journal: Path) -> Iterator[None]:
    """Lock the upload of a session; the system releases the lock if the process dies."""
    with files.store_errors(f"cannot lock {journal}"):
        lock = FileLock(files.open_file(journal / _LOCK))
    try:
        with files.store_errors(f"cannot lock {journal}"):
            taken = lock.take()
        if not taken:
            raise StoreError(
                f"session {journal.name!r} is being uploaded by another process: wait for it to end"
            )
        yield
    finally:
        lock.release()


# ------------------------------------------------------------------------------------ whole spools


@attrs.frozen
class Recovery:
    """Result of :func:`upload_all`.

    Attributes:
        uploaded: a result for each session that is complete in the remote store now.
        failed: why sessions could not be uploaded, one line each.
        running: sessions that are being recorded, whose own process uploads them.
    """

    uploaded: tuple[Uploaded, ...]
    failed: tuple[str, ...]
    running: tuple[str, ...]


def upload_all(
    spool: Path,
    remote: RemoteStore | str,
    *,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Recovery:
    """Upload what the remote store lacks of all sessions of a spool that are not running.

    Missing parts of closed segments are built by ``repair_store`` before. A session that fails does not
    block the others.

    Raises:
        InputError: *remote* is not the address of a remote store.
    """
    uploader = Uploader(spool, remote, stop=stop)
    uploaded, failed, running = [], [], []
    sessions = list_sessions(spool)
    for number, session_id in enumerate(sessions):
        if progress is not None:
            progress(session_id, number, len(sessions))
        if is_running(Path(spool) / "journals" / session_id):
            running.append(session_id)
            continue
        try:
            uploaded.append(uploader.upload(session_id))
        except (VectraError, OSError) as error:
            failed.append(" ".join(str(error).split()))
    if progress is not None:
        progress("", len(sessions), len(sessions))
    return Recovery(tuple(uploaded), tuple(failed), tuple(running))
