"""The process beside a command that runs foreign code: it ends the command if nothing in it can.

A thread of the command acts on its stop signals, and cannot where native code keeps the interpreter lock.
The C part of a signal handler still writes the signal's number to a socket; this process reads it there too.
It is run as a file, without the package, so that it starts at once.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

REPEAT_S = 0.1
"""A signal this soon after another is the same request: `timeout` and shells send theirs twice."""

LIMIT_S = 4.4
"""How long after the first signal a command is ended in whatever state it is."""

# The command's own thread is first, and a process on a busy machine takes its time to exit.
_AFTER_SECOND_S = 0.08
_AFTER_LIMIT_S = 0.3
_LOOK_S = 0.02


def pause() -> None:
    """Wait until it is worth to look at the socket again."""
    time.sleep(_LOOK_S)


def say_if_ready(text: str) -> None:
    """Write *text* to stderr, unless that would block or fails."""
    poll = select.poll()
    with suppress(OSError):
        poll.register(2, select.POLLOUT)
        if any(events & select.POLLOUT for _, events in poll.poll(0)):
            os.write(2, text.encode())


class Requests:
    """The stop signals of a process, as its handlers write them to a socket.

    They are read without being taken, so that several readers see all of them.

    Attributes:
        latest: number of the latest stop signal, 0 without one.
    """

    def __init__(self, log: socket.socket, numbers: Sequence[int]) -> None:
        self.latest = 0
        self._log = log
        self._numbers = frozenset(numbers)
        self._seen = 0
        self._first_s = self._last_s = self._again_s = 0.0

    def wait(self, *, take: bool = False) -> bool:
        """Return when there is a stop signal; False if the process is over.

        Args:
            take: remove other signals from the socket; one reader does.
        """
        while True:
            waiting = self._log.recv(4096, socket.MSG_PEEK)
            if not waiting or self._count(waiting):
                return bool(waiting)
            if take:
                self._log.recv(len(waiting))
            else:
                pause()

    def look(self) -> None:
        """Read what came since the last call."""
        self._count(self._log.recv(4096, socket.MSG_PEEK))

    def _count(self, waiting: bytes) -> int:
        stops = [number for number in waiting if number in self._numbers]
        now = time.monotonic()
        if len(stops) > self._seen:
            if not self._seen:
                self._first_s = now
            elif now - self._last_s > REPEAT_S and not self._again_s:
                self._again_s = now
            self._seen, self._last_s, self.latest = len(stops), now, stops[-1]
        return len(stops)

    @property
    def age_s(self) -> float:
        """Seconds since the first stop signal."""
        return time.monotonic() - self._first_s

    @property
    def repeated(self) -> bool:
        """Whether a second request came."""
        return bool(self._again_s)

    def must_exit(self, after_second_s: float = 0.0, after_limit_s: float = 0.0) -> bool:
        """Return whether a second request came, or the time is over, so many seconds ago."""
        if self._again_s and time.monotonic() - self._again_s >= after_second_s:
            return True
        return self.age_s >= LIMIT_S + after_limit_s


def main(argv: Sequence[str]) -> int:
    """Watch a process: *argv* is its id, the socket's descriptor, and the numbers of its stop signals."""
    process, descriptor, *numbers = map(int, argv)
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)  # meant for the command, which decides
    requests = Requests(socket.socket(fileno=descriptor), numbers)
    if not requests.wait():
        return 0
    while os.getppid() == process and not requests.must_exit(_AFTER_SECOND_S, _AFTER_LIMIT_S):
        pause()
        requests.look()
    if os.getppid() == process:
        os.kill(process, signal.SIGKILL)
        say_if_ready(
            "stopped in native code that did not return; a session that was running is finished by the next "
            "one in its store, or by `vectra-bot store recover`\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
