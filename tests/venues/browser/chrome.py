"""The browser of the tests: whether there is one, how it runs without a display, and its processes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from vectra_bot.venues.browser.profile import BrowserProfile

FLAGS = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage"
_PROC = Path("/proc")
_CLOSE_S = 10.0


def stand_in(folder: Path) -> Path:
    """Return a program in place of a browser: it answers calls, and shows nothing."""
    program = folder / "browser"
    script = Path(__file__).with_name("echo_browser.py")
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return program


def keeper_of(profile: BrowserProfile) -> int | None:
    """Return the process that keeps the profile's browser open, None if it is closed."""
    if not profile.is_open:
        return None
    words = profile.keeper_lock.read_text().split()
    return int(words[0]) if words else None


def children(pid: int) -> list[int]:
    """Return the processes that *pid* started and that still run."""
    found = []
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(folder.name))
    return found


def descendants(pid: int) -> list[int]:
    """Return *pid* and everything below it."""
    found = [pid]
    for each in found:
        found += children(each)
    return found


def listening(pids: list[int]) -> list[str]:
    """Return the addresses of TCP ports that the processes listen on."""
    open_sockets = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for fd in (_PROC / str(pid) / "fd").iterdir():
                with contextlib.suppress(OSError):
                    open_sockets.add(str(fd.readlink()))
    found = []
    for table in ("tcp", "tcp6"):
        for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in open_sockets:
                found.append(fields[1])
    return found


def browser_of(profile: BrowserProfile) -> int | None:
    """Return the first process of the profile's browser, None if it is closed."""
    keeper = keeper_of(profile)
    return None if keeper is None else next(iter(children(keeper)), None)


@contextlib.contextmanager
def closed(profile: BrowserProfile) -> Iterator[None]:
    """Close the profile's browser after the block."""
    try:
        yield
    finally:
        pid = browser_of(profile)
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
        last_s = time.monotonic() + _CLOSE_S
        while profile.is_open and time.monotonic() < last_s:
            time.sleep(0.05)
