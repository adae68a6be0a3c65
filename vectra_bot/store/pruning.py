"""Local parts of a spool are dropped once they stand in the remote store; journals are never touched."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs

from vectra_bot.errors import StoreError, VectraError
from vectra_bot.fsio import files
from vectra_bot.models import DocType
from vectra_bot.store.maintenance.sessions import is_running, list_sessions, was_closed
from vectra_bot.store.parquet.manifest import MANIFEST, Part, part_folder, read_manifest
from vectra_bot.store.remote.address import RemoteStore
from vectra_bot.store.remote.objects import Objects
from vectra_bot.store.remote.upload import read_remote_manifest, upload_lock

PRUNED: Final = "pruned"
"""Name of the file in a journal's folder that says where the session's parts went."""

_STAGING: Final = "pruning"


@attrs.frozen
class Pruned:
    """What :func:`prune` did.

    Attributes:
        sessions: whose parts were dropped.
        files, bytes: how much that was.
        kept: sessions that kept their parts, each with the reason.
    """

    sessions: tuple[str, ...]
    files: int
    bytes: int
    kept: tuple[tuple[str, str], ...]


def prune(spool: Path, remote: RemoteStore) -> Pruned:
    """Drop the local parts of closed sessions that stand whole in the remote store.

    Every part must be listed there, with the same SHA-256, and its object be there in full size. A folder
    leaves the ``doc_type=`` tree in one step, so that readers of the spool never meet a half of it.

    Raises:
        InputError: the remote store cannot be reached from here at all.
        StoreError: the disk refuses.
    """
    root, objects = Path(spool), Objects(remote)
    _clear(root / _STAGING)  # what a kill left
    pruned: list[str] = []
    kept: list[tuple[str, str]] = []
    dropped: list[Part] = []
    for session_id in list_sessions(root):
        journal = root / "journals" / session_id
        try:
            if is_running(journal) or not was_closed(journal):
                raise StoreError("it is not closed")
            with upload_lock(journal):
                parts = _prune_session(root, objects, session_id)
        except (VectraError, OSError) as error:
            kept.append((session_id, " ".join(str(error).split())))
        else:
            dropped += parts
            if parts:
                pruned.append(session_id)
    return Pruned(tuple(pruned), len(dropped), sum(part.bytes for part in dropped), tuple(kept))


def _prune_session(root: Path, objects: Objects, session_id: str) -> list[Part]:
    folders = [part_folder(root, doc_type, session_id) for doc_type in DocType]
    folders = [folder for folder in folders if (folder / MANIFEST).exists()]
    dropped = [part for folder in folders for part in _mirrored(root, objects, folder)]
    if folders:
        files.write_durably(
            root / "journals" / session_id / PRUNED, f"{objects.store.url}\n".encode()
        )
        files.make_directories(root / _STAGING)
    for folder in folders:
        away = root / _STAGING / f"{folder.parent.name}-{session_id}"
        with files.store_errors(f"cannot drop {folder}"):
            files.rename(folder, away)
            files.sync_directory(away.parent)
            files.sync_directory(folder.parent)
    _clear(root / _STAGING)
    return dropped


def _clear(staging: Path) -> None:
    if staging.is_dir():
        with files.store_errors(f"cannot remove {staging}"):
            files.remove_tree(staging)
            files.sync_directory(staging.parent)


def _mirrored(root: Path, objects: Objects, folder: Path) -> list[Part]:
    """Return the parts of *folder*, all of which stand in the remote store."""
    name = folder.relative_to(root).as_posix()
    sizes = {path: stat.size for path, stat in objects.listing(name).items()}
    there = {part.sha256: part for part in read_remote_manifest(objects, name)}
    listed = read_manifest(folder)
    for part in listed:
        copy = there.get(part.sha256)
        if copy is None or sizes.get(copy.path) != part.bytes:
            raise StoreError(f"{part.path} is not in {objects.store.url} yet: upload it first")
    return listed
