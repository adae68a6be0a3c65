"""A time limit for foreign code that runs unattended: a strategy that is replayed after a crash.

A strategy that hung its session once would hang every recovery. The limit uses a timer signal, so it works in
the main thread of a system that has one; elsewhere there is no limit.
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
    """Raised inside code that ran too long; not an Exception, so that the code does not catch it."""


def ran_too_long(engine: Engine) -> bool:
    """Return whether *engine* hit the limit inside its strategy, whose exceptions it stores."""
    failure = engine.failure
    return failure is not None and isinstance(failure.exception, TimeLimitExceeded)


@contextmanager
def time_limit(seconds: float | None = None) -> Iterator[None]:
    """Limit the block to *seconds*, :data:`INPUT_LIMIT_S` by default.

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
