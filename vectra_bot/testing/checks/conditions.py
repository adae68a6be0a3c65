"""Conditions that must not change a decision: another clock, other chance, environment, pace and hash order.

Applied in a separate process before the strategy is imported, so that names which it imports
(``from time import time``) are those of the condition. Imports nothing of this package.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import time
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from functools import partial, wraps
from types import MappingProxyType
from typing import Any

from attrs import frozen

_NS_PER_S = 1_000_000_000
# Variables that Python, its libraries and the system need.
_KEPT = (
    "PATH",
    "HOME",
    "TMPDIR",
    "USER",
    "LANG",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "SHELL",
    "TERM",
)
_KEPT_PREFIXES = ("LC_", "PYTHON", "VECTRA", "XDG_", "DYLD_", "COV", "CONDA")
_CLOCKS = ("time", "monotonic", "perf_counter", "process_time", "thread_time")
_FORMATTED = ("gmtime", "localtime", "ctime")
_SIZES = range(16, 512, 16)
_SLOW_S = 0.002
_SLOW_MESSAGES = 600


_ballast: list[bytes] = []


class Condition(StrEnum):
    """What is changed around a play."""

    PROCESS = "another process"
    HASH = "another order of hashes"
    CLOCK_OTHER = "a clock at another time of another day"
    CLOCK_FAST = "a clock that passes a day within the play"
    CLOCK_FASTER = "a clock that passes months within the play"
    CHANCE_LOW = "random numbers that are low"
    CHANCE_HIGH = "random numbers that are high"
    ENVIRONMENT = "other environment variables"
    SLOW = "a slower machine"


WORDS: Mapping[Condition, str] = MappingProxyType(
    {
        Condition.PROCESS: "it draws random numbers, or reads what differs from process to process",
        Condition.HASH: "it depends on the order of a set, on hash() or on id()",
        Condition.CLOCK_OTHER: "it reads the clock: ticks and phases are the clock of a strategy",
        Condition.CLOCK_FAST: "it reads the clock: ticks and phases are the clock of a strategy",
        Condition.CLOCK_FASTER: "it reads the clock: ticks and phases are the clock of a strategy",
        Condition.CHANCE_LOW: "it draws random numbers that are not seeded",
        Condition.CHANCE_HIGH: "it draws random numbers that are not seeded",
        Condition.ENVIRONMENT: "it reads the environment: declare a parameter",
        Condition.SLOW: "it depends on how fast the machine is, as threads and timers do",
    }
)
"""Why a decision that changes with a condition changes, most likely."""


@frozen
class Applied:
    """A condition in force.

    Attributes:
        on_message: to be called before each message, with the number of those before it; None for nothing.
    """

    on_message: Callable[[int], None] | None = None


def apply(condition: Condition, kept: Collection[str] = ()) -> Applied:
    """Change this process as *condition* says; it cannot be undone.

    Args:
        condition: what to change.
        kept: environment variables to keep, because parameters refer to them.
    """
    match condition:
        case Condition.CLOCK_OTHER:
            return _move_clock(0, ahead_s=3 * 86_400 + 43_019)
        case Condition.CLOCK_FAST:
            return _move_clock(37)
        case Condition.CLOCK_FASTER:
            return _move_clock(5 * 3600 + 421)
        case Condition.CHANCE_LOW:
            _lean_chance(high=False)
        case Condition.CHANCE_HIGH:
            _lean_chance(high=True)
        case Condition.ENVIRONMENT:
            _clear_environment(kept)
        case Condition.HASH:
            _move_addresses(int(os.environ.get("PYTHONHASHSEED") or 1))
        case Condition.SLOW:
            return Applied(partial(_pause, time.sleep))
        case _:
            pass
    return Applied()


def reorder_addresses(namespace: dict[str, Any]) -> None:
    """Let the module with *namespace* see other addresses of objects: ``id`` in another order."""
    namespace.setdefault("id", lambda thing: id(thing) ^ 0x5A5A5A50)


def _move_addresses(number: int) -> None:
    """Use up memory of every small size, so that objects have other addresses, which order sets."""
    for size in _SIZES:
        _ballast.extend(bytes(size - 8) for _ in range(number))


def _pause(sleep: Callable[[float], None], messages: int) -> None:
    if messages < _SLOW_MESSAGES:
        sleep(_SLOW_S)


def _clear_environment(kept: Collection[str]) -> None:
    for name in set(os.environ).difference(_KEPT, kept):
        if not name.startswith(_KEPT_PREFIXES):
            del os.environ[name]
    os.environ["USER"] = "somebody"


class _Generator(random.Random):
    """A generator that leans to one side until it is seeded; seeded, it is an ordinary one."""

    high = False
    leaning = True

    def __init__(self, x: Any = None) -> None:
        super().__init__(x)

    def seed(self, a: Any = None, version: int = 2) -> None:
        self.leaning = a is None
        super().seed(a, version)

    def random(self) -> float:
        drawn = super().random()
        if not self.leaning:
            return drawn
        return 1 - drawn * 1e-6 - 1e-12 if self.high else drawn * 1e-6

    def getrandbits(self, k: int, /) -> int:
        drawn = super().getrandbits(k)
        # Never all ones: a choice below n draws again until it is below n.
        return drawn >> max(1, k - 2) if self.leaning and not self.high else drawn


def _lean_chance(*, high: bool) -> None:
    """Make chance that is not seeded lean to one side: ``random``, ``secrets``, ``uuid4``, ``urandom``."""
    _Generator.high = high
    shared = _Generator()
    for name, value in list(vars(random).items()):
        if getattr(value, "__self__", None) is random._inst:  # noqa: SLF001
            setattr(random, name, getattr(shared, name))
    vars(random)["Random"] = _Generator
    if not high:
        low: Callable[[int], bytes] = bytes  # zeros
        os.urandom = low
        random._urandom = low  # type: ignore[attr-defined]  # noqa: SLF001
        random.SystemRandom.random = _nothing  # type: ignore[assignment, method-assign]


def _nothing(_generator: random.Random) -> float:
    return 0.0


class _Clock:
    """Time that passes by messages, in addition to real time."""

    def __init__(self, step_s: int, ahead_s: int) -> None:
        self._step_ns = step_s * _NS_PER_S
        self._first_ns = self.ahead_ns = ahead_s * _NS_PER_S

    def advance(self, messages: int) -> None:
        self.ahead_ns = self._first_ns + messages * self._step_ns


def _move_clock(step_s: int, *, ahead_s: int = 0) -> Applied:
    """Put every clock of Python's standard library ahead, by *step_s* seconds more with each message."""
    clock = _Clock(step_s, ahead_s)
    for name in _CLOCKS:
        setattr(time, name, _ahead(getattr(time, name), clock, 1 / _NS_PER_S))
        in_ns = f"{name}_ns"
        setattr(time, in_ns, _ahead(getattr(time, in_ns), clock, 1))
    for name in _FORMATTED:
        setattr(time, name, _of_now(getattr(time, name), 0))
    time.strftime = _of_now(time.strftime, 1)
    time.clock_gettime = _ahead(time.clock_gettime, clock, 1 / _NS_PER_S)
    time.clock_gettime_ns = _ahead(time.clock_gettime_ns, clock, 1)
    _move_dates(clock)
    return Applied(clock.advance)


def _ahead(real: Callable[..., Any], clock: _Clock, unit: float) -> Callable[..., Any]:
    @wraps(real)
    def read(*args: Any) -> Any:
        return real(*args) + clock.ahead_ns * unit

    return read


def _of_now(real: Callable[..., Any], given: int) -> Callable[..., Any]:
    """Return *real* with the moved time for its argument after the first *given*, if that is missing."""

    @wraps(real)
    def read(*args: Any) -> Any:
        if len(args) > given and args[given] is not None:
            return real(*args)
        now = time.time()
        return real(*args[:given], time.localtime(now) if given else now)

    return read


def _move_dates(clock: _Clock) -> None:
    """Replace ``datetime`` and ``date`` by classes whose ``now`` and ``today`` are moved."""
    real, real_date = dt.datetime, dt.date

    def ahead() -> dt.timedelta:
        return dt.timedelta(microseconds=clock.ahead_ns // 1000)

    class Same(type):
        """Instances of the real class are instances of this one."""

        def __instancecheck__(cls, thing: object) -> bool:
            return isinstance(thing, cls.__mro__[1])

        def __subclasscheck__(cls, sub: type) -> bool:
            return issubclass(sub, cls.__mro__[1])

    class Moved(real, metaclass=Same):  # type: ignore[valid-type, misc]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return real.now(tz) + ahead()

        @classmethod
        def utcnow(cls) -> Any:
            return real.now(dt.UTC).replace(tzinfo=None) + ahead()

        @classmethod
        def today(cls) -> Any:
            return cls.now()

    class MovedDate(real_date, metaclass=Same):  # type: ignore[valid-type, misc]
        @classmethod
        def today(cls) -> Any:
            return Moved.now().date()

    vars(dt).update(datetime=Moved, date=MovedDate)
