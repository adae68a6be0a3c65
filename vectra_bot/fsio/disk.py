"""The type of file system a store is on, and what it supports."""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

_UNSAFE: Final = frozenset(
    {"9p", "afs", "ceph", "cifs", "davfs", "fuseblk", "lustre", "ncpfs", "nfs", "nfs4", "prl_fs"}
    | {"smb2", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs"}
)
"""Network and user-space file systems: fsync and locks may not be as reliable there as on a local disk."""

MOUNTS: Final = Path("/proc/self/mountinfo")


def filesystem_of(path: Path, mounts: str | None = None) -> str | None:
    """Return the type of the file system that *path* is or will be on, None if unknown.

    Args:
        path: a path, existing or not.
        mounts: text in the form of Linux's ``/proc/self/mountinfo``; the system's own if None.
    """
    if mounts is None:
        if not sys.platform.startswith("linux"):
            return None
        try:
            mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return None
    where = Path(os.path.realpath(path))  # unlike resolve(), also for a loop of links
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        before, found, after = line.partition(" - ")
        fields = before.split()
        if not found or len(fields) < 5 or not after.split():
            continue
        point = Path(_unescaped(fields[4]))
        # Of two mounts at one path the later one is visible.
        if where.is_relative_to(point) and (best is None or len(point.parts) >= best[0]):
            best = len(point.parts), after.split()[0]
    return None if best is None else best[1]


def _unescaped(text: str) -> str:
    for code, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, plain)
    return text


def is_unsafe(filesystem: str | None) -> bool:
    """Return whether data synced to a file system of this type may still be lost."""
    return filesystem is not None and (filesystem in _UNSAFE or filesystem.startswith("fuse."))


@functools.cache
def _warn(filesystem: str, path: Path) -> str:
    text = (
        f"the store {path} is on a {filesystem} file system, which may lose synced data: "
        "record to a local disk, and copy or upload the store afterwards"
    )
    log.warning("%s", text)
    return text


def warn_if_unsafe(path: Path) -> str | None:
    """Log a warning, once for each store, if it is on a network or user-space file system.

    Returns:
        The warning, None if there is none.
    """
    filesystem = filesystem_of(path)
    if filesystem is None or not is_unsafe(filesystem):
        return None
    return _warn(filesystem, path.absolute())


@functools.cache
def exchange_call() -> Callable[[bytes, bytes], int] | None:
    """Return the system call that swaps two names, None if there is none."""
    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        call = getattr(library, "renamex_np", None)
        return None if call is None else lambda a, b: int(call(a, b, ctypes.c_uint(2)))
    call = getattr(library, "renameat2", None)
    if call is None:
        return None
    here = ctypes.c_int(-100)  # AT_FDCWD
    return lambda a, b: int(call(here, a, here, b, ctypes.c_uint(2)))


__all__ = ["exchange_call", "filesystem_of", "is_unsafe", "warn_if_unsafe"]
