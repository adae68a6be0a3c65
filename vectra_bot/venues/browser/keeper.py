"""The process that starts a browser and keeps it open: ``python -m vectra_bot.venues.browser.keeper``.

A browser that is controlled by a pipe closes when nobody has the other end. So this process has it while the
browser runs: a session that stops, or is killed, leaves the page and the person alone, and the next one
opens the pipes again by their names. Nobody can connect to it: it listens on nothing, and the pipes are in a
folder that only its owner may enter. While no session reads, it discards what the browser says.

It ends with the browser.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from select import select
from typing import Final

from vectra_bot.fsio.locks import FileLock
from vectra_bot.venues.browser.profile import BrowserProfile

BUSY: Final = 75
"""Exit code if the browser of this profile runs already."""
ENDED: Final = 76
"""Exit code if the browser ended at once, without an error."""
_LOOK_S: Final = 0.25
_SETTLED_S: Final = 0.4
_READ_BYTES: Final = 1 << 18
_CHILD_FDS: Final = (3, 4)
_ABOVE: Final = 16


def _fresh_pipe(path: Path) -> tuple[int, int]:
    """Create a named pipe; return its read end, which does not block, and its write end."""
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    read = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    return read, os.open(path, os.O_WRONLY | os.O_CLOEXEC)


def _start(command: Sequence[str], read: int, write: int) -> subprocess.Popen[bytes]:
    """Start the browser with *read* and *write* as its descriptors 3 and 4."""
    os.set_blocking(read, True)
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _ABOVE) for fd in (read, write)]

    def place() -> None:
        for ours, theirs in zip(high, _CHILD_FDS, strict=True):
            os.dup2(ours, theirs)

    try:
        return subprocess.Popen(  # noqa: S603 - the command is our caller's
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=place,  # noqa: PLW1509 - this process has one thread
            close_fds=False,  # every other descriptor closes itself
        )
    finally:
        for fd in (read, write, *high):
            os.close(fd)


def keep(profile: BrowserProfile, command: Sequence[str], ready: int = -1) -> int:
    """Run the browser until it ends; return its exit code.

    Args:
        profile: its folder.
        command: its command.
        ready: a descriptor that gets a byte when the browser runs, and is closed then.
    """
    lock = FileLock.of(profile.keeper_lock)
    if lock is None:
        return BUSY
    try:
        lock.sign()
        child_read, inward = _fresh_pipe(profile.inward)
        outward, child_write = _fresh_pipe(profile.outward)
        browser = _start(command, child_read, child_write)
        with contextlib.suppress(subprocess.TimeoutExpired):
            browser.wait(_SETTLED_S)
        if browser.returncode is None and ready >= 0:
            os.write(ready, b"1")
            os.close(ready)
        while browser.poll() is None:
            if profile.is_used:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    browser.wait(_LOOK_S)
            else:
                _discard(outward, profile)
        os.close(inward)
        return browser.returncode
    finally:
        for path in (profile.inward, profile.outward):
            path.unlink(missing_ok=True)
        lock.release()


def _discard(fd: int, profile: BrowserProfile) -> None:
    """Read away what no session waits for; returns after a moment."""
    ready, _, _ = select([fd], [], [], _LOOK_S)
    if ready and not profile.is_used:
        with contextlib.suppress(BlockingIOError):
            os.read(fd, _READ_BYTES)


def main(arguments: Sequence[str]) -> int:
    """Keep the browser of the profile in the first argument; the others are its command.

    Returns when the browser runs, while another process keeps it open, or with the code that it ended with.
    """
    profile, command = BrowserProfile(Path(arguments[0])), arguments[1:]
    result, ready = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(result)
        os.setsid()  # Ctrl-C in the terminal is not for the browser
        os._exit(keep(profile, command, ready) & 0xFF)
    os.close(ready)
    if os.read(result, 1):
        return 0
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or ENDED


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
