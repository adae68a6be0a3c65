"""Processes to be killed, and the folders in memory that they write to."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

FORKS = multiprocessing.get_context("forkserver")
# Loaded once, by the process from which the others are forked.
FORKS.set_forkserver_preload(
    [
        "vectra_bot.cli.main",
        "vectra_bot.cli.run",
        "vectra_bot.testing.faults.compaction_race",
        "vectra_bot.testing.faults.disk_faults",
    ]
)


def memory() -> Path:
    """Return a folder for stores that need no disk."""
    shm = Path("/dev/shm")
    return shm if os.access(shm, os.W_OK) else Path(tempfile.gettempdir())


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Yield a folder in memory; it is removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix="vectra-faults-", dir=memory()))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def start(target: Callable[..., None], *arguments: Any) -> tuple[ForkServerProcess, Connection]:
    """Start *target* in a separate process; its last argument is the writing end of the returned pipe."""
    ours, theirs = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=target, args=(*arguments, theirs))
    process.start()
    theirs.close()
    return process, ours


def read_all(pipe: Connection) -> bytes:
    """Return what a process writes until it ends or closes its end, and close ours."""
    written = b""
    while piece := os.read(pipe.fileno(), 1 << 16):
        written += piece
    pipe.close()
    return written
