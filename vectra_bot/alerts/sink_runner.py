"""A sink with its queue: a time limit for each call, and counts of the outcomes of its notices.

Theory of operation. ``put`` never waits: a full queue drops the notice and counts it. A thread takes one
notice after the other and gives it to the sink's process, which it ends if a call lasts too long. A sink that
must be in the session's process is called by the thread itself: :meth:`SinkRunner.look`, called by another
thread several times a second, sees how long the call lasts; past its limit it is interrupted by an exception,
which ends Python code, while one that waits in the system is left behind as it is, and the thread with it.
After five faults within a minute the sink rests for a minute. Nothing here runs in the session's thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from attrs import asdict, define, field

from vectra_bot.alerts.sink import AlertNotice, AlertSink
from vectra_bot.alerts.sink_process import SinkFailed, SinkProcess, SinkTooSlow, can_be_made_again
from vectra_bot.clock import Clock
from vectra_bot.errors import CallInterrupted, safe_error
from vectra_bot.models.times import NS_PER_S
from vectra_bot.plugins import MAX_FAULTS, FaultWindow

MAX_QUEUED: Final = 256
REST_NS: Final = 60 * NS_PER_S
READY_NS: Final = 5 * NS_PER_S // 2
"""A process that is not ready, while an alert waits for so long, is reported."""
REPEAT_NS: Final = 60 * NS_PER_S
"""A fault like the last one is reported again after so long."""

TROUBLES: Final = ("failed", "full", "late", "left")
"""Kinds of trouble: it raised, its queue is full, a call took too long, alerts were left at the end."""

Trouble = Callable[[str, str, str], None]
"""Called with a sink's name, the kind of trouble, and one line about it."""


@define
class SinkCounts:
    """The outcomes of the notices of one sink."""

    delivered: int = 0
    failed: int = 0
    late: int = 0
    dropped: int = 0
    expired: int = 0

    def to_json(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


@define(eq=False)
class SinkRunner:
    """Runs one sink.

    Attributes:
        sink: the sink.
        clock: measures its calls.
        trouble: called with what is wrong with it.
        counts: the outcomes of its notices.
    """

    sink: AlertSink
    clock: Clock
    trouble: Trouble
    counts: SinkCounts = field(factory=SinkCounts)
    _queue: deque[tuple[AlertNotice, float]] = field(factory=deque)
    _lock: threading.Condition = field(factory=threading.Condition)
    _thread: threading.Thread | None = None
    _since_ns: int | None = None  # of the current call
    _is_late: bool = False
    _closing: bool = False
    _done: threading.Event = field(factory=threading.Event)
    _process: SinkProcess | None = None
    _started: bool = False
    _waits_ns: int | None = None  # since when a notice has waited for the process
    _faults: FaultWindow = field(factory=FaultWindow)
    _rests_until_ns: int = 0
    _said: dict[str, int] = field(factory=dict)
    _full: bool = False

    def start(self) -> None:
        """Start the thread."""
        if can_be_made_again(self.sink):
            self._process = SinkProcess(self.sink, self.clock)
        self._thread = threading.Thread(
            target=self._run, name=f"alerts-{self.sink.name}", daemon=True
        )
        self._thread.start()

    def put(self, notice: AlertNotice, last_ns: float) -> None:
        """Queue *notice*, of no interest after *last_ns* on the monotonic clock; never waits.

        A sink that rests, or whose queue is full, drops it.
        """
        with self._lock:
            full = len(self._queue) >= MAX_QUEUED
            if self._closing or full or self.clock.monotonic_ns() < self._rests_until_ns:
                self.counts.dropped += 1
            else:
                self._queue.append((notice, last_ns))
                self._lock.notify()
            newly, self._full = full and not self._full, full
        if newly:
            self.trouble(self.sink.name, "full", f"its queue of {MAX_QUEUED} alerts is full")

    def look(self) -> None:
        """Report the current call if it lasts too long, and interrupt it; called by another thread."""
        if self._process is not None:
            self._look_at_start()
            return
        with self._lock:
            since_ns, thread = self._since_ns, self._thread
            if since_ns is None or self._is_late:
                return
            lasts_ns = self.clock.monotonic_ns() - since_ns
            if lasts_ns < self.sink.deadline_s * NS_PER_S:
                return
            self._is_late = True
            self.counts.late += 1
            if thread is not None and thread.ident is not None:
                _interrupt(thread.ident)
        self._fault("late", self._too_slow)

    def _look_at_start(self) -> None:
        """Report a process that is not ready although an alert waits for it."""
        now_ns = self.clock.monotonic_ns()
        with self._lock:
            if not self._queue or self._started:
                return
            if self._waits_ns is None:
                self._waits_ns = now_ns
            if now_ns - self._waits_ns < READY_NS:
                return
            self._started = True  # it is said once
        self.trouble(self.sink.name, "late", "its process is not ready, and alerts wait for it")

    def close(self) -> None:
        """Take no more notices; the thread ends when its queue is empty."""
        with self._lock:
            self._closing = True
            self._lock.notify()

    def wait(self, timeout_s: float) -> int:
        """Wait until the thread has ended, at most so long; return how many notices it left undelivered."""
        self._done.wait(timeout_s)
        with self._lock:
            left = len(self._queue) + (self._since_ns is not None)
            self.counts.dropped += len(self._queue)
            self._queue.clear()
            return left

    @property
    def queued(self) -> int:
        """Return how many notices wait."""
        return len(self._queue)

    # The thread.

    def _run(self) -> None:
        try:
            self._start_process()
            while self._serve():
                continue
            if self._process is None:
                self.sink.close()
        except BaseException as error:  # noqa: BLE001 - foreign code, or an interruption that came late
            self.counts.failed += 1
            self.trouble(self.sink.name, "failed", safe_error(error))
        finally:
            self._done.set()
            if self._process is not None:
                self._process.close()

    @property
    def _too_slow(self) -> str:
        return f"a call did not return within {self.sink.deadline_s:g} s"

    def _start_process(self) -> None:
        """Start the process before the first notice, which then waits less for it."""
        if self._process is None:
            return
        try:
            self._process.start()
        except SinkTooSlow:
            self._fault("failed", "its process takes too long to make it")
        except SinkFailed as error:
            self._fault("failed", f"its process cannot make it: {error}")
        self._started = True

    def _serve(self) -> bool:
        """Deliver one notice; return False if there are no more."""
        try:
            found = self._next()
            if found is not None:
                self._deliver(*found)
        except CallInterrupted:  # its call had just returned
            self._ended()
            return True
        return found is not None

    def _next(self) -> tuple[AlertNotice, float] | None:
        with self._lock:
            while not self._queue and not self._closing:
                self._lock.wait()
            if not self._queue:
                return None
            found = self._queue.popleft()
            self._since_ns = self.clock.monotonic_ns()
            self._is_late = False
            return found

    def _deliver(self, notice: AlertNotice, last_ns: float) -> None:
        error: BaseException | None = None
        try:
            if self.clock.monotonic_ns() > last_ns:
                self.counts.expired += 1
                return
            (self.sink if self._process is None else self._process).deliver(notice)
        except BaseException as raised:  # noqa: BLE001 - foreign code
            error = raised
        finally:
            was_late = self._ended()
        if error is None:
            self.counts.delivered += 1
        elif isinstance(error, SinkTooSlow):
            self.counts.late += 1
            self._fault("late", self._too_slow)
        elif not was_late:
            self.counts.failed += 1
            self._fault(
                "failed", str(error) if isinstance(error, SinkFailed) else safe_error(error)
            )

    def _ended(self) -> bool:
        """End the current call, and return whether it was too long; no interruption comes after this."""
        while True:
            with contextlib.suppress(CallInterrupted), self._lock:
                self._since_ns = None
                return self._is_late

    def _fault(self, kind: str, line: str) -> None:
        now_ns = self.clock.monotonic_ns()
        with self._lock:
            rests = self._faults.add(now_ns)
            if rests:
                self._faults = FaultWindow()
                self._rests_until_ns = now_ns + REST_NS
            said = self._said.get(kind)
            if said is None or rests or now_ns - said > REPEAT_NS:
                self._said[kind] = now_ns
            else:
                return
        rest = f"; after {MAX_FAULTS} faults it rests for a minute" if rests else ""
        self.trouble(self.sink.name, kind, line + rest)


def _interrupt(thread_id: int) -> None:
    """Raise :class:`CallInterrupted` in a thread at its next step of Python code."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread_id), ctypes.py_object(CallInterrupted)
    )


__all__ = ["MAX_QUEUED", "TROUBLES", "SinkCounts", "SinkRunner", "Trouble"]
