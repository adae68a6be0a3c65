"""Signals: Ctrl-C, SIGTERM and SIGHUP stop a command, a second one ends it at once; SIGUSR1 flushes.

Theory of operation. The handler, which runs in the main thread, sets the flag of the running session, which
then ends in order; where no session runs it raises :class:`StopNow`. That suffices if the main thread gets to
run it. For all other cases a thread sees the same signals through the wakeup socket, which Python's handler
writes to in C:

- the flag is set at once, so that a session sends nothing more although a call keeps the handler waiting;
- after :data:`GRACE_S` a call of a strategy or plugin that has not returned is interrupted, by a signal whose
  handler raises;
- after :data:`CLOSE_S` the session no longer waits for its files, and reports what is left;
- after ``LIMIT_S``, and at a second signal, the process exits. What was appended to a journal is in the
  kernel's pages, so the next recovery finds all of it;
- where native code keeps the interpreter lock no thread runs: a process beside the command kills it then.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

import click

from vectra_bot.cli import guard
from vectra_bot.errors import CallInterrupted, StopNow, VectraError

if TYPE_CHECKING:
    from vectra_bot.session.config import StopFlag

# SIGHUP: the terminal was closed.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Wakes the main thread from a system call; ignored by default, so a program that gets it unexpectedly lives.
_INTERRUPT = signal.SIGURG

GRACE_S = 2.0
"""How long after the first signal a call of a strategy or plugin may take."""

CLOSE_S = 4.0
"""How long after the first signal a session waits for its files."""

_INTERRUPT_EVERY_S = 0.1
# The modules of the package that call foreign code.
_CALLERS = frozenset(
    {"vectra_bot.engine.callbacks", "vectra_bot.loading", "vectra_bot.params.configurable",
     "vectra_bot.plugins"}
)  # fmt: skip


class Stopper(AbstractContextManager["Stopper"]):
    """Handles the signals of a block.

    The session of *flag* ends between two events, with a complete store. ``exit_code`` is then 128 plus the
    signal's number, as in the shell.
    """

    def __init__(
        self,
        flag: StopFlag | None = None,
        flush: Callable[[], None] | None = None,
        *,
        foreign: bool = False,
    ) -> None:
        """Prepare the handlers.

        Args:
            flag: of the session that the block runs; without one a signal raises :class:`StopNow`.
            flush: called at SIGUSR1, if given.
            foreign: whether the block runs strategies or plugins.
        """
        self.exit_code = 0
        self._flag = flag
        self._flush = flush
        self._foreign = foreign
        self._raised = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            if signal.getsignal(number) is signal.SIG_IGN:
                continue  # by nohup, or by a shell for a job in the background
            self._before[number] = signal.signal(number, self._on_signal)
        self._before[_INTERRUPT] = signal.signal(_INTERRUPT, self._on_interrupt)
        if self._flush is not None:
            self._before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, self._on_flush)
        watch = Watch.running
        if watch is not None:
            watch.flag = self._flag
            if self._foreign:
                watch.start_guard()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def caught(self) -> None:
        """Take the first StopNow as received: it is not raised again while the block reports what it has."""
        self._raised = False

    def before(self, number: int) -> Any:
        """Return the handler that signal *number* had before the block."""
        return self._before[number]

    def _on_flush(self, _number: int, _frame: FrameType | None) -> None:
        if self._flush is not None:
            self._flush()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        watch = Watch.running
        if watch is not None and watch.asked:
            return  # it decides whether this is a second request
        if self.exit_code:
            raise StopNow(number)
        self.exit_code = 128 + number
        if watch is not None:
            watch.asked = number
        if number == signal.SIGHUP:
            _leave_closed_terminal()
        if self._flag is None or not self._flag.running:
            self._raised = True
            raise StopNow(number)
        self._flag.signalled(signal.Signals(number).name, CLOSE_S)

    def _on_interrupt(self, _number: int, frame: FrameType | None) -> None:
        """Raise in foreign code that has not returned, or again where a first StopNow was lost."""
        if self._raised:
            raise StopNow(self.exit_code - 128)
        if not self.exit_code or frame is None or self._flag is None or not self._flag.running:
            return
        call = _foreign_call(frame)
        if call is not None:
            where = f"line {call.f_lineno} of {Path(call.f_code.co_filename).name}"
            raise CallInterrupted(
                f"was interrupted in {where}: it had not returned {GRACE_S:g} s after "
                f"{signal.Signals(self.exit_code - 128).name}"
            )


class Watch(AbstractContextManager["Watch"]):
    """Ends this process if a stop signal does not: a thread, and where foreign code runs a process.

    Attributes:
        running: the one of this process.
        flag: of the session that runs, or ran last.
        asked: number of the first stop signal, 0 without one.
    """

    running: ClassVar[Watch | None] = None

    def __init__(self) -> None:
        self.asked = 0
        self.flag: StopFlag | None = None
        self._log, self._signals = socket.socketpair()
        self._requests = guard.Requests(self._log, _SIGNALS)
        self._guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._signals.setblocking(False)
        signal.set_wakeup_fd(self._signals.fileno(), warn_on_full_buffer=False)
        Watch.running = self
        threading.Thread(target=self._act, name="stop-watch", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.forget()
        self._signals.close()
        if self._guard is not None:
            self._guard.kill()
            self._guard.wait()

    def forget(self) -> None:
        """Leave the signals to others; a forked child must, or its signals would stop its parent."""
        Watch.running = None
        signal.set_wakeup_fd(-1)

    def start_guard(self) -> None:
        """Start the process beside this one; without one only native code cannot be ended."""
        if self._guard is not None:
            return
        numbers = [str(int(number)) for number in _SIGNALS]
        arguments = [str(os.getpid()), str(self._log.fileno()), *numbers]
        with suppress(OSError, ValueError):
            self._guard = subprocess.Popen(  # noqa: S603 - our own file, no shell
                [sys.executable, "-I", "-S", guard.__file__, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[self._log.fileno()],
                cwd="/",
                env={},  # it needs none of it, and a token may still be in it
                start_new_session=True,  # Ctrl-C is for the command
            )

    def leave(self, code: int) -> NoReturn:
        """Exit with *code*, without waiting for threads that still run."""
        if (
            self.flag is None or not self.flag.abandoned
        ):  # else a library may wait for the same that we do not
            atexit._run_exitfuncs()  # noqa: SLF001 - what the interpreter would do next
        for stream in (sys.stdout, sys.stderr):
            # A reader that does not read must not keep us: the next interruption ends the flush.
            with suppress(OSError, ValueError, StopNow):
                stream.flush()
        os._exit(code)

    def _act(self) -> None:
        requests, next_s = self._requests, GRACE_S
        main = threading.main_thread().ident
        if main is None or not requests.wait(take=True):
            return
        # A call that does not return keeps the handler from running, and nothing may be sent meanwhile.
        if self.flag is not None and self.flag.running:
            self.flag.signalled(signal.Signals(requests.latest).name, CLOSE_S)
        while not requests.must_exit():
            if requests.age_s >= next_s:
                next_s = requests.age_s + _INTERRUPT_EVERY_S
                signal.pthread_kill(main, _INTERRUPT)
            guard.pause()
            requests.look()
        self._exit_now()

    def _exit_now(self) -> NoReturn:
        if self._guard is not None:
            self._guard.kill()
        number = signal.Signals(self._requests.latest)
        left = "" if self.flag is None else self.flag.unfinished
        if self._requests.repeated:
            text = f"stopped at once by a second {number.name}"
        else:
            text = f"stopped by {number.name}: something did not end within {guard.LIMIT_S:g} s"
        guard.say_if_ready(f"{text}; {left}\n" if left else f"{text}\n")
        os._exit(128 + number)


_forking = threading.local()


def stop_behind(error: BaseException) -> StopNow | None:
    """Return the stop that foreign code, or a library, turned into *error*."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, StopNow):
        cause = cause.__cause__ or cause.__context__
    if cause is not None or isinstance(error, VectraError | click.ClickException):
        return cause
    # A library may raise an error that does not name the stop as its cause.
    asked = Watch.running is not None and Watch.running.asked
    return StopNow(asked) if asked else None


def _before_fork() -> None:
    # A signal for the child must not find the handlers, and the socket, of its parent.
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


def _after_fork() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _after_fork_in_child() -> None:
    """Give a forked child the handlers that the process had before; its signals are not ours."""
    if Watch.running is not None:
        Watch.running.forget()
    for number in (*_SIGNALS, _INTERRUPT):
        handler = signal.getsignal(number)
        while isinstance(owner := getattr(handler, "__self__", None), Stopper):
            handler = owner.before(number)
        signal.signal(number, handler)
    _after_fork()


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child
)


def _foreign_call(frame: FrameType) -> FrameType | None:
    """Return the call of foreign code that *frame* runs for, None if it runs for our own code."""
    call, caller = None, frame
    while (module := caller.f_globals.get("__name__", "")).partition(".")[0] != "vectra_bot":
        call = caller
        if caller.f_back is None:
            return None
        caller = caller.f_back
    return call if module in _CALLERS else None


def _leave_closed_terminal() -> None:
    """Redirect output to nothing where the terminal is gone: every write would fail with EIO."""
    for descriptor in (1, 2):
        poll = select.poll()
        poll.register(descriptor, 0)
        if any(events & (select.POLLHUP | select.POLLNVAL) for _, events in poll.poll(0)):
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, descriptor)
            os.close(nothing)
