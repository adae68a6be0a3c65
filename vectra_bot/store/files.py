"""File operations that survive a crash: a reader sees the old file or the new one, never a part."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from vectra_bot.errors import StoreError

TEMPORARY = ".tmp"
"""Suffix of files that are being written; no reader and no ``*.parquet`` glob matches it."""


def sync_file(fd: int) -> None:
    """Force the bytes written to *fd* to the disk."""
    # Looked up on the module at each call: macOS has no fdatasync.
    getattr(os, "fdatasync", os.fsync)(fd)


def sync_directory(directory: Path) -> None:
    """Force the names in *directory* to the disk."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write all of *data*; a short write is continued, an error is raised as it comes."""
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def write_durably(path: Path, data: bytes) -> None:
    """Write *path* by temporary file, fsync, rename and directory fsync.

    Raises:
        StoreError: the file cannot be written; nothing is left under its name.
    """
    with replacing(path) as temporary:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            write_all(fd, data)
        finally:
            os.close(fd)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name to write to; afterwards it takes the place of *path* in one step.

    Raises:
        StoreError: the file cannot be written; what stood under *path* before stands there still.
    """
    temporary = path.with_name(f".{path.name}{TEMPORARY}")
    with store_errors(f"cannot write {path}"):
        try:
            yield temporary
            fd = os.open(temporary, os.O_RDONLY)
            try:
                sync_file(fd)
            finally:
                os.close(fd)
            temporary.replace(path)
            sync_directory(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def make_directories(directory: Path) -> None:
    """Create *directory* and its parents, each name forced to the disk.

    Raises:
        StoreError: it cannot be created.
    """
    with store_errors(f"cannot create {directory}"):
        missing = []
        current = directory
        while not current.is_dir():
            missing.append(current)
            current = current.parent
        for new in reversed(missing):
            new.mkdir(exist_ok=True)
            sync_directory(new.parent)


@contextlib.contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Turn an operating system error into a StoreError that says *what* failed and why."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{what}: {error.strerror or error}; check free space and permissions"
        ) from error
