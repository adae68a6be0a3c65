"""Signals during a run: Ctrl-C, SIGTERM and SIGHUP stop it, a second one forces the exit; SIGUSR1 flushes."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any, Self

# SIGHUP: the terminal was closed.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopper(AbstractContextManager["Stopper"]):
    """Turns signals into one call of *stop*, which only sets a flag that the session checks.

    The session ends between two events, with a complete store. ``exit_code`` is then 128 plus the signal's
    number, as in the shell.
    """

    def __init__(
        self, stop: Callable[[str], None], flush: Callable[[], None] | None = None
    ) -> None:
        """Prepare the handlers; *flush* is called at SIGUSR1, if given."""
        self.exit_code = 0
        self._stop = stop
        self._flush = flush
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            if signal.getsignal(number) is signal.SIG_IGN:
                continue  # by nohup, or by a shell for a job in the background
            self._before[number] = signal.signal(number, self._on_signal)
        if self._flush is not None:
            self._before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, self._on_flush)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_flush(self, _number: int, _frame: FrameType | None) -> None:
        if self._flush is not None:
            self._flush()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.exit_code:
            raise KeyboardInterrupt
        self.exit_code = 128 + number
        if number == signal.SIGHUP:
            _leave_closed_terminal()
        self._stop(signal.Signals(number).name)


def _leave_closed_terminal() -> None:
    """Redirect output to nothing where the terminal is gone: every write would fail with EIO."""
    for descriptor in (1, 2):
        poll = select.poll()
        poll.register(descriptor, 0)
        if any(events & (select.POLLHUP | select.POLLNVAL) for _, events in poll.poll(0)):
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, descriptor)
            os.close(nothing)
