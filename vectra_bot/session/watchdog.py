"""A limit on how long foreign code may run where nobody watches: a strategy that is replayed after a crash.

A strategy that hung its session once would hang every recovery. The limit works by a timer signal, so in
the main thread of a system that has one; elsewhere there is none.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from vectra_bot.engine import Engine
from vectra_bot.errors import StrategyError

INPUT_LIMIT_S = 5.0


class TimeLimitExceeded(BaseException):
    """Raised inside code that ran too long; not an Exception, so that it is not taken for one of its own."""


def ran_too_long(engine: Engine) -> bool:
    """Return whether *engine* met the limit inside its strategy, whose exceptions it keeps to itself."""
    failure = engine.failure
    return failure is not None and isinstance(failure.exception, TimeLimitExceeded)


@contextmanager
def time_limit(seconds: float | None = None) -> Iterator[None]:
    """Let the block run for *seconds* at most, :data:`INPUT_LIMIT_S` by default.

    Raises:
        StrategyError: it ran longer.
    """
    limit = INPUT_LIMIT_S if seconds is None else seconds
    if threading.current_thread() is not threading.main_thread() or not hasattr(
        signal, "setitimer"
    ):
        yield
        return

    def expire(_number: int, _frame: FrameType | None) -> None:
        raise TimeLimitExceeded

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    except TimeLimitExceeded:
        raise StrategyError(
            f"the strategy took more than {limit:g} s for one input: it is not replayed"
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
