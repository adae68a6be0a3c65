"""The seam between the store and the disk: every change of a file or a name goes through here.

Each function notifies the observer, if there is one, before it acts. An observer may record the
operation (to simulate power loss), raise ``OSError`` (to simulate a full or broken disk: the operation
is then not done and its caller gets the error), or end the process. Without an observer a call costs one
comparison.

On top of that: atomic file replacement. After a crash, readers see the old file or the new one, never a part.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal

import attrs

from vectra_bot.errors import StoreError
from vectra_bot.fsio import disk
from vectra_bot.fsio.modes import file_mode, folder_mode

TEMPORARY: Final = ".tmp"
"""Suffix of files that are being written; no reader and no ``*.parquet`` glob matches it."""

OpKind = Literal[
    "create",
    "write",
    "truncate",
    "allocate",
    "sync",
    "sync_directory",
    "rename",
    "exchange",
    "unlink",
    "mkdir",
    "rmdir",
]

_ZEROS: Final = bytes(1 << 20)
_COPIED: Final = 1 << 20  # bytes of a copy in memory at a time
_NOT_COPIED: Final = "lock"


@attrs.frozen
class Op:
    """One operation on the disk, reported before it is done.

    Attributes:
        kind: ``create`` makes an empty file, ``truncate`` sets its size to *offset*, ``allocate`` makes
            it at least *offset* bytes long, filled with zeros; ``sync`` is an fsync of a file,
            ``sync_directory`` of the names in a directory.
        path: the file or directory, absolute.
        target: the other name of ``rename`` and ``exchange``.
        offset: where *data* is written, or the new size.
        data: the bytes of a ``write``.
    """

    kind: OpKind
    path: Path
    target: Path | None = None
    offset: int = 0
    data: bytes = b""


_observer: Callable[[Op], None] | None = None
_told: set[Path] = set()


@contextlib.contextmanager
def observing(observer: Callable[[Op], None]) -> Iterator[None]:
    """Call *observer* with every operation of this process, in all its threads, before it is done."""
    global _observer  # noqa: PLW0603 - the one switch of the seam
    before = _observer
    _observer = observer
    try:
        yield
    finally:
        _observer = before
        if before is None:
            _told.clear()


def _report(
    kind: OpKind, path: Path, target: Path | None = None, offset: int = 0, data: Any = b""
) -> None:
    observer = _observer
    if observer is not None:
        where = None if target is None else target.absolute()
        observer(Op(kind, path.absolute(), where, offset, bytes(data)))


def _path_of(fd: int) -> Path:
    """Return the name that an open file has now; called only while there is an observer."""
    if sys.platform == "darwin":
        import fcntl

        name = fcntl.fcntl(fd, fcntl.F_GETPATH, bytes(1024))
        return Path(os.fsdecode(name.split(b"\0", 1)[0]))
    return Path(os.readlink(f"/proc/self/fd/{fd}"))  # noqa: PTH115 - the text unchanged


# ---------------------------------------------------------------------------------------------- files


def open_file(
    path: Path, *, append: bool = False, fresh: bool = False, exclusive: bool = False
) -> int:
    """Open *path* for reading and writing, created if missing; return its descriptor.

    A new file has the mode of :mod:`~vectra_bot.fsio.modes`.

    Args:
        path: the file.
        append: every write goes to the end of the file.
        fresh: truncate the file first.
        exclusive: an existing file is an error.

    Raises:
        OSError: the operating system refuses.
    """
    if _observer is not None:
        if not path.exists():
            _report("create", path)
        elif fresh and not exclusive:
            _report("truncate", path)
        _told.add(path.absolute())
    flags = os.O_RDWR | os.O_CREAT | (os.O_APPEND if append else 0)
    flags |= (os.O_TRUNC if fresh else 0) | (os.O_EXCL if exclusive else 0)
    return os.open(path, flags, file_mode(path))


def create(path: Path) -> int:
    """Create or empty a file that another library then writes; return its descriptor.

    The observer is not notified: :func:`sync_path` reports the finished file.

    Raises:
        OSError: the operating system refuses.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, file_mode(path))


def write_all(fd: int, data: bytes) -> None:
    """Write all of *data*; a short write is continued, an error is raised."""
    if _observer is not None:
        _report("write", _path_of(fd), None, _next_offset(fd), data)
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def _next_offset(fd: int) -> int:
    import fcntl

    if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND:
        return os.fstat(fd).st_size
    return os.lseek(fd, 0, os.SEEK_CUR)


def report_write(path: Path, offset: int, data: Any) -> None:
    """Notify the observer of bytes that are about to be stored into a mapped file.

    A store into memory is not a system call, so code that maps a file of the store reports its stores here.
    """
    if _observer is not None:
        _report("write", path, None, offset, data)


def truncate(fd: int, size: int) -> None:
    """Set the size of an open file."""
    if _observer is not None:
        _report("truncate", _path_of(fd), None, size)
    os.ftruncate(fd, size)


def allocate(fd: int, size: int) -> None:
    """Make an open file *size* bytes long and reserve the disk space; new bytes are zero.

    Later stores into a mapping of it then cannot fail on a full disk.

    Raises:
        OSError: there is not enough space.
    """
    if _observer is not None:
        _report("allocate", _path_of(fd), None, size)
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
        else:
            return
    at = os.fstat(fd).st_size
    while at < size:
        at += os.pwrite(fd, _ZEROS[: size - at], at)


def sync_file(fd: int) -> None:
    """Flush the bytes written to *fd* to the disk (fsync)."""
    if _observer is not None:
        _report("sync", _path_of(fd))
    if sys.platform == "darwin":
        import fcntl

        # There fsync leaves the bytes in the drive's cache.
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            return
    # Looked up on the module at each call: macOS has no fdatasync.
    getattr(os, "fdatasync", os.fsync)(fd)


# ---------------------------------------------------------------------------------------------- names


def sync_directory(directory: Path) -> None:
    """Flush the names in *directory* to the disk (fsync)."""
    _report("sync_directory", directory)
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def rename(source: Path, target: Path) -> None:
    """Rename *source* to *target* atomically, replacing an existing file."""
    _report("rename", source, target)
    source.replace(target)


def exchange(one: Path, other: Path) -> bool:
    """Swap two names atomically; return False if the system or the file system cannot.

    Raises:
        OSError: a name is missing, or they are not on one disk; nothing was changed.
    """
    swap = disk.exchange_call()
    if swap is None:
        return False
    _report("exchange", one, other)
    if swap(os.fsencode(one), os.fsencode(other)) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))


def unlink(path: Path, *, missing_ok: bool = True) -> None:
    """Remove a file."""
    _report("unlink", path)
    path.unlink(missing_ok=missing_ok)


def rmdir(directory: Path) -> None:
    """Remove an empty directory."""
    _report("rmdir", directory)
    directory.rmdir()


def remove_tree(directory: Path) -> None:
    """Remove *directory* and everything in it, without following links; harmless if it is missing.

    If it is a link itself, the link is removed.
    """
    if directory.is_symlink():
        unlink(directory)
        return
    if not directory.is_dir():
        return
    for path in sorted(directory.iterdir()):
        if path.is_dir() and not path.is_symlink():
            remove_tree(path)
        else:
            unlink(path)
    rmdir(directory)


def make_directories(directory: Path, *, mode: int | None = None) -> None:
    """Create *directory* and its parents, and sync each name to the disk.

    Args:
        directory: the folder.
        mode: of new folders, before the umask; that of :mod:`~vectra_bot.fsio.modes` if None.

    Raises:
        StoreError: it cannot be created.
    """
    with store_errors(f"cannot create {directory}"):
        missing = []
        current = directory
        while not current.is_dir():
            missing.append(current)
            current = current.parent
        # A killed process may have created the innermost existing folder without syncing it. A parent
        # that belongs to another user and cannot be read is not ours to sync.
        with contextlib.suppress(PermissionError):
            sync_directory(current.parent)
        for new in reversed(missing):
            _report("mkdir", new)
            new.mkdir(folder_mode(new) if mode is None else mode, exist_ok=True)
            sync_directory(new.parent)


# --------------------------------------------------------------------------------------- whole files


def write_durably(path: Path, data: bytes) -> None:
    """Write *path* by temporary file, fsync, rename and directory fsync.

    Raises:
        StoreError: the file cannot be written; nothing is left under its name.
    """
    with replacing(path) as temporary:
        fd = open_file(temporary, fresh=True)
        try:
            write_all(fd, data)
        finally:
            os.close(fd)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; afterwards it replaces *path* atomically.

    Raises:
        StoreError: the file cannot be written; an existing *path* is unchanged.
    """
    temporary = path.with_name(f".{path.name}{TEMPORARY}")
    with store_errors(f"cannot write {path}"):
        try:
            yield temporary
            _keep_mode(temporary, path)
            sync_path(temporary)
            rename(temporary, path)
            sync_directory(path.parent)
        except BaseException:
            # Not through the observer: an injected failure must not also hit the cleanup.
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def _keep_mode(new: Path, old: Path) -> None:
    """Give a file the mode of the one that it replaces, if there is one."""
    with contextlib.suppress(FileNotFoundError):
        mode = stat.S_IMODE(old.stat().st_mode)
        if mode != stat.S_IMODE(new.stat().st_mode):
            new.chmod(mode)


def sync_path(path: Path) -> None:
    """Sync a whole file, which another library may have written, to the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        if _observer is not None and path.suffix == TEMPORARY and path.absolute() not in _told:
            _report("create", path)
            _report("write", path, None, 0, path.read_bytes())
        _told.discard(path.absolute())
        sync_file(fd)
    finally:
        os.close(fd)


def append_line(path: Path, line: bytes, *, keep: int | None = None) -> None:
    """Append *line*, which ends in a line feed, to *path* and sync it to the disk.

    Bytes after the last line feed, left by a crash, are truncated first, so that *line* starts a new line.

    Args:
        path: the file, created if missing.
        line: the bytes to add, in one write.
        keep: number of valid bytes in the file; the rest is truncated. Up to its last line feed if None.

    Raises:
        StoreError: the file cannot be written.
    """
    with store_errors(f"cannot write {path}"):
        fd = open_file(path, append=True)
        try:
            size = os.fstat(fd).st_size
            whole = _whole_lines(fd, size) if keep is None else keep
            if whole < size:
                truncate(fd, whole)
            write_all(fd, line)
            sync_file(fd)
        finally:
            os.close(fd)
        # Always: a killed process may have created the file without syncing its name.
        sync_directory(path.parent)


def _whole_lines(fd: int, size: int) -> int:
    """Return where the last whole line of an open file ends."""
    end = size
    while end > 0:
        begin = max(0, end - (1 << 16))
        found = os.pread(fd, end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


@contextlib.contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Turn an operating system error into a StoreError that says what failed (*what*) and why."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{what}: {error.strerror or error}; check free space and permissions"
        ) from error


# ------------------------------------------------------------------------------------------ copies


def copy_file(source: Path, target: Path) -> None:
    """Copy *source* to *target* in bounded chunks; an existing file is replaced.

    Raises:
        StoreError: it cannot be read or written.
    """
    with (
        store_errors(f"cannot copy {source}"),
        source.open("rb") as file,
        replacing(target) as temporary,
    ):
        fd = open_file(temporary, fresh=True)
        try:
            while block := file.read(_COPIED):
                write_all(fd, block)
        finally:
            os.close(fd)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder and everything below it except locks and temporary files.

    Raises:
        StoreError: something cannot be read or written.
    """
    make_directories(target)
    for path in sorted(source.iterdir()):
        if path.is_dir():
            copy_folder(path, target / path.name)
        elif path.is_file() and not _is_excluded(path):
            copy_file(path, target / path.name)


def _is_excluded(path: Path) -> bool:
    return path.name == _NOT_COPIED or path.name.endswith(TEMPORARY)
