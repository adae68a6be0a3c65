"""What hangs in `stopping.py`: a strategy and a plugin that do not return, and a disk that does not sync.

`$HANG` names the kind, `$HANG_MARK` a file that is created when it hangs. As a program it is the command line
with a disk on which a sync does not return once the file exists:

    HANG_MARK=now python benchmarks/stopping_hangs.py run watch
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path

from vectra_bot import GameView, Plugin, Strategy, hookimpl
from vectra_bot.fsio import files
from vectra_bot.models import GameTick, SessionInfo, SessionSummary

HOUR_S = 3600
BUY_TICK = 1
HANG_TICK = 3
_kind = os.environ.get("HANG", "")


def mark() -> None:
    """Say that it hangs now."""
    Path(os.environ["HANG_MARK"]).touch()


def loop() -> None:
    """Run Python code without end."""
    mark()
    while True:
        pass


def sleep() -> None:
    """Wait in a system call."""
    mark()
    time.sleep(HOUR_S)


def swallow() -> None:
    """Catch whatever is raised."""
    mark()
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(HOUR_S)


def native() -> None:
    """Run native code that keeps the interpreter lock."""
    mark()
    collections.deque(itertools.count(), maxlen=0)


def native_lock() -> None:
    """Wait in native code without the interpreter lock; no signal ends the wait."""
    libc, lock = ctypes.CDLL(None), ctypes.create_string_buffer(64)
    libc.pthread_mutex_lock(lock)
    mark()
    libc.pthread_mutex_lock(lock)


def thread() -> None:
    """Leave a thread that the interpreter would wait for."""
    threading.Thread(target=time.sleep, args=(HOUR_S,)).start()
    mark()


def _child() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for descriptor in (1, 2):
        os.close(descriptor)  # who reads them waits for the session alone
    end = time.monotonic() + 20
    while os.getppid() != 1 and time.monotonic() < end:
        time.sleep(0.1)


def child() -> None:
    """Leave a process that the interpreter would wait for."""
    multiprocessing.get_context("fork").Process(target=_child).start()
    mark()


class Hanging(Strategy):
    """Buys at the first tick of a game and hangs two ticks later."""

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Buy, or hang."""
        if game.tick == BUY_TICK:
            self.actions.buy("0.01")
        if game.tick == HANG_TICK and _kind in HANGS and not Path(os.environ["HANG_MARK"]).exists():
            HANGS[_kind]()


class HangingPlugin(Plugin):
    """Hangs in a hook."""

    enabled_by_default = False

    @hookimpl
    def on_game_tick(self, tick: GameTick) -> None:
        """Hang at a tick."""
        if _kind == "plugin" and tick.tick == HANG_TICK:
            sleep()

    @hookimpl
    def session_finished(self, info: SessionInfo, report: SessionSummary) -> None:
        """Hang at the end."""
        if _kind == "plugin-end":
            sleep()


HANGS = {
    each.__name__.replace("_", "-"): each
    for each in (loop, sleep, swallow, native, native_lock, thread, child)
}

if _kind == "import":
    loop()


def _block(operation: files.Op) -> None:
    if operation.kind == "sync" and Path(os.environ["HANG_MARK"]).exists():
        Path(f"{os.environ['HANG_MARK']}.sync").touch()
        threading.Event().wait()


if __name__ == "__main__":
    from vectra_bot.cli.main import main

    with files.observing(_block):
        sys.exit(main())
