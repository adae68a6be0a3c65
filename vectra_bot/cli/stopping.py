"""Signals during a run: Ctrl-C and SIGTERM stop it, a second one forces the exit; SIGUSR1 flushes."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
        self._stop(signal.Signals(number).name)
