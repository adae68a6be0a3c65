"""Sinks for tests: some that behave, some that do not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from vectra_bot import AlertNotice, AlertSink

PATIENCE_S = 30.0


class Kept(AlertSink):
    """Keep what is delivered."""

    name = "kept"
    in_process = True

    def __attrs_post_init__(self) -> None:
        self.notices: list[AlertNotice] = []
        self.closed = False

    def deliver(self, notice: AlertNotice) -> None:
        """Keep *notice*."""
        self.notices.append(notice)

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


class Logged(Kept):
    """Keep what is delivered, and interrupt nobody."""

    name = "logged"
    interrupts = False


class Hangs(Kept):
    """Wait in the system, until a test lets it go."""

    name = "hangs"
    deadline_s = 0.2

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.go = threading.Event()

    def deliver(self, notice: AlertNotice) -> None:
        """Wait."""
        self.go.wait()
        super().deliver(notice)


class Spins(Kept):
    """Keep the interpreter busy in Python code."""

    name = "spins"
    deadline_s = 0.2

    def deliver(self, notice: AlertNotice) -> None:
        """Count without end."""
        while True:
            self.closed = not self.closed


class Raises(Kept):
    """Raise, also what ends a program."""

    name = "raises"

    def deliver(self, notice: AlertNotice) -> None:
        """Raise."""
        raise (SystemExit if "exit" in notice.title else OSError)("no route to host")


def until(reached: Callable[[], bool], limit_s: float = PATIENCE_S) -> None:
    """Wait until *reached* is true."""
    ends = time.monotonic() + limit_s
    while not reached():
        assert time.monotonic() < ends, "not reached in time"
        time.sleep(0.01)
