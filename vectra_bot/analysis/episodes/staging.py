"""A folder that appears whole or not at all, and replaces another one only if that was asked for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from vectra_bot.errors import UsageError
from vectra_bot.fsio import files
from vectra_bot.fsio.locks import lock_file

LOCK: Final = ".lock"
_OLD: Final = ".replaced"
_THREADS: Final = 8


@contextlib.contextmanager
def staged(target: Path, *, force: bool, replaceable: Callable[[Path], bool]) -> Iterator[Path]:
    """Yield an empty folder to write to; afterwards it becomes *target*, synced and atomically.

    What a killed process left is removed first.

    Args:
        target: the folder.
        force: whether it may replace an existing one.
        replaceable: whether an existing folder is one that may be replaced.

    Raises:
        UsageError: *target* exists and may not be replaced, or another process is writing it.
        StoreError: a write fails.
    """
    target = target.absolute()
    _refuse(target, force=force, replaceable=replaceable)
    files.make_directories(target.parent)
    work = target.with_name(f".{target.name}{files.TEMPORARY}")
    failed = f"cannot write {target}"
    with _locked(work):
        try:
            folder = work / "new"
            with files.store_errors(failed):
                folder.mkdir(0o700)
            yield folder
            _refuse(target, force=force, replaceable=replaceable)
            with files.store_errors(failed):
                _sync(folder)
                _place(folder, target, work / _OLD)
        finally:
            with contextlib.suppress(OSError):  # the next export to the folder removes it
                files.remove_tree(work)


def _place(folder: Path, target: Path, old: Path) -> None:
    """Give a folder its name; what has that name is at *old* or in place of the folder afterwards."""
    if target.exists() and not files.exchange(folder, target):
        files.rename(target, old)
    if not target.exists():
        files.rename(folder, target)
    files.sync_directory(target.parent)


def _refuse(target: Path, *, force: bool, replaceable: Callable[[Path], bool]) -> None:
    if not (target.exists() or target.is_symlink()):
        return
    if not force:
        raise UsageError(f"{target} exists: give another folder, or --force to replace it")
    if target.is_symlink() or not target.is_dir() or not replaceable(target):
        raise UsageError(f"{target} is not a dataset that was exported: give another folder")


@contextlib.contextmanager
def _locked(work: Path) -> Iterator[None]:
    """Lock the folder that is written to for this process, without what another one left in it."""
    with files.store_errors(f"cannot create {work}"):
        work.mkdir(0o700, exist_ok=True)
        fd = os.open(work / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not lock_file(fd):
            raise UsageError(f"{work} is being written by another process: wait until it has ended")
        with files.store_errors(f"cannot remove what is left in {work}"):
            for name in ("new", _OLD):
                files.remove_tree(work / name)
        yield
    finally:
        os.close(fd)


def _sync(folder: Path) -> None:
    """Sync a folder and everything in it to the disk, several at once: Minari writes two files an episode."""
    found = sorted(folder.rglob("*"))
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(files.sync_path, [path for path in found if path.is_file()]))
        list(pool.map(files.sync_directory, [path for path in found if path.is_dir()]))
    files.sync_directory(folder)
