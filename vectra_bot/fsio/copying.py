"""Copying files and folders of a store into another, each file whole and on the disk or not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from vectra_bot.fsio import files

_BLOCK: Final = 1 << 20
_LEFT_OUT: Final = ("lock",)


def copy_file(source: Path, target: Path) -> None:
    """Copy *source* to *target*, a bounded number of bytes at a time; a file that stands there is replaced.

    Raises:
        StoreError: it cannot be read or written.
    """
    with (
        files.store_errors(f"cannot copy {source}"),
        source.open("rb") as file,
        files.replacing(target) as temporary,
    ):
        fd = files.open_file(temporary, fresh=True)
        try:
            while block := file.read(_BLOCK):
                files.write_all(fd, block)
        finally:
            os.close(fd)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder with all below it but locks and files that were being written when a process died.

    Raises:
        StoreError: something cannot be read or written.
    """
    files.make_directories(target)
    for path in sorted(source.iterdir()):
        if path.is_dir():
            copy_folder(path, target / path.name)
        elif path.is_file() and not _is_left_out(path):
            copy_file(path, target / path.name)


def _is_left_out(path: Path) -> bool:
    return path.name in _LEFT_OUT or path.name.endswith(files.TEMPORARY)


__all__ = ["copy_file", "copy_folder"]
