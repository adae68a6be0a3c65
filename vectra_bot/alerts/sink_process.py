"""A sink in a separate process: it can keep neither the interpreter nor a thread of its session busy.

The session's side is :class:`SinkProcess`; :func:`main` is the other one, which makes the sink from its class
and parameters. Both speak JSON, one object a line, over pipes, so that no secret is an argument of the
process: first the class, then one notice after the other, each answered before the next is sent. A call that
lasts too long ends with its process. The process ends when its session's does.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from datetime import datetime
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

from attrs import define

from vectra_bot.alerts.sink import AlertNotice, AlertSink
from vectra_bot.clock import Clock
from vectra_bot.errors import safe_error
from vectra_bot.models.times import NS_PER_S
from vectra_bot.params import parameters

START_S: Final = 15.0
"""Time in which the process must have made the sink."""
GOODBYE_S: Final = 1.0
BUSY_S: Final = 0.1
"""A call that lasts longer, and computes for half of this time or more, is one of a greedy sink."""
_NICE: Final = 5
_MOST: Final = 1 << 20


class SinkTooSlow(Exception):
    """A call did not return in time; its process was ended."""


class SinkFailed(Exception):
    """A call raised, or its process ended; the message says why."""


def can_be_made_again(sink: AlertSink) -> bool:
    """Return whether another process finds the class of *sink* by the name of its module."""
    kind = type(sink)
    if sink.in_process or kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        return False
    module = sys.modules.get(kind.__module__)
    try:
        spec = find_spec(kind.__module__)
    except (ImportError, ValueError, AttributeError):
        return False
    return spec is not None and spec.origin == getattr(module, "__file__", None)


@define(eq=False)
class SinkProcess:
    """The session's side; used by one thread."""

    sink: AlertSink
    clock: Clock
    _child: subprocess.Popen[bytes] | None = None
    _rest: bytes = b""
    _started: bool = False  # whether it has made the sink
    _yields: bool = False  # whether it runs only while nobody else wants to

    def start(self) -> None:
        """Start the process and wait until it has made the sink.

        Raises:
            SinkFailed, SinkTooSlow: it did not.
        """
        kind = type(self.sink)
        names = [one.name for one in parameters(kind)]
        first = {
            "path": sys.path,
            "module": kind.__module__,
            "name": kind.__qualname__,
            "parameters": {name: _plain(getattr(self.sink, name)) for name in names},
        }
        try:
            self._child = subprocess.Popen(  # noqa: S603 - our own module, no shell
                [sys.executable, "-P", "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        except OSError as error:
            raise SinkFailed(f"its process cannot be started: {safe_error(error)}") from None
        self._rest = b""
        self._started = self._yields = False
        _lower(self._child.pid)
        self._say(first, START_S)
        self._started = True

    def deliver(self, notice: AlertNotice) -> None:
        """Let the sink deliver *notice*.

        Raises:
            SinkFailed: it raised, or its process ended.
            SinkTooSlow: it did not return in time.
        """
        if self._child is None:
            self.start()
        self._say(notice.to_json(), self.sink.deadline_s)

    def close(self) -> None:
        """Let the process end, and end it if it does not."""
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        assert child.stdout is not None
        with contextlib.suppress(OSError):
            child.stdin.close()
        try:
            child.wait(GOODBYE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()

    def _kill(self) -> None:
        if self._child is not None:
            self._child.kill()
        self.close()

    def _say(self, message: dict[str, Any], limit_s: float) -> None:
        child = self._child
        assert child is not None
        assert child.stdin is not None
        try:
            child.stdin.write(json.dumps(message).encode() + b"\n")
            child.stdin.flush()
            answer = self._answer(child, limit_s)
        except OSError as error:
            self._kill()
            raise SinkFailed(f"its process ended: {safe_error(error)}") from None
        except SinkTooSlow:
            self._kill()
            raise
        if answer is None:
            self._kill()
            raise SinkFailed("its process ended")
        if answer:
            raise SinkFailed(answer)

    def _answer(self, child: subprocess.Popen[bytes], limit_s: float) -> str | None:
        """Return the answer, "" if all is well; None if the process has ended."""
        assert child.stdout is not None
        ends_ns = self.clock.monotonic_ns() + int(limit_s * NS_PER_S)
        descriptor = child.stdout.fileno()
        before_s = cpu_seconds(child.pid)
        while b"\n" not in self._rest:
            left_s = (ends_ns - self.clock.monotonic_ns()) / NS_PER_S
            if left_s <= 0:
                raise SinkTooSlow
            wait_s = left_s if self._yields or not self._started else min(left_s, BUSY_S)
            if not select.select([descriptor], [], [], wait_s)[0]:
                if wait_s < left_s and cpu_seconds(child.pid) - before_s >= BUSY_S / 2:
                    self._yields = True
                    _let_others_first(child.pid)
                continue
            data = os.read(descriptor, 65_536)
            if not data or len(self._rest) > _MOST:
                return None
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return str(json.loads(line)["error"])


def cpu_seconds(pid: int) -> float:
    """Return how long the threads of process *pid* have computed, in seconds; 0 where no /proc says it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # user, system
    except (OSError, ValueError, IndexError):
        return 0.0


def _lower(pid: int) -> None:
    """Give process *pid*, just started, less of a busy processor than the session has."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICE)
        os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))


def _let_others_first(pid: int) -> None:
    """Let process *pid* compute only while nobody else wants to, as long as it lives.

    Only an administrator can take this back: it is done to a sink that computes for long, and not to one that
    waits for a network.
    """
    with contextlib.suppress(OSError, AttributeError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setscheduler(int(thread.name), os.SCHED_IDLE, os.sched_param(0))


def _plain(value: Any) -> Any:
    """Return a parameter as JSON has it: a declaration converts text back."""
    return str(value) if isinstance(value, Decimal | str) else value


# The process.


def main() -> None:
    """Make the sink, deliver what comes, and answer each with its result."""
    # Ctrl-C and a closed terminal are for the session, which ends in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a sink prints is not an answer
    lines: SimpleQueue[str | None] = SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    sink: AlertSink | None = None
    while (line := lines.get()) is not None:
        error = ""
        try:
            if sink is None:
                sink = _made(json.loads(line))
            else:
                sink.deliver(notice_of(json.loads(line)))
        except BaseException as raised:  # noqa: BLE001 - foreign code
            error = safe_error(raised)
        answers.write(json.dumps({"error": error}) + "\n")
        answers.flush()
    if sink is not None:
        with contextlib.suppress(Exception):
            sink.close()


def _listen(lines: SimpleQueue[str | None]) -> None:
    for line in sys.stdin:
        lines.put(line)
    lines.put(None)
    # The session has ended: a call that does not return must not outlive it.
    threading.Event().wait(GOODBYE_S)
    os._exit(1)


def _made(first: dict[str, Any]) -> AlertSink:
    sys.path[:] = first["path"]
    kind: Any = import_module(first["module"])
    for name in first["name"].split("."):
        kind = getattr(kind, name)
    sink: AlertSink = kind(**first["parameters"])
    return sink


def notice_of(message: dict[str, Any]) -> AlertNotice:
    """Return the notice whose ``to_json()`` is *message*."""
    given = {**message, "kind": message["type"]}
    del given["type"]
    given["triggered_at"] = datetime.fromisoformat(given["triggered_at"])
    return AlertNotice(**given)


if __name__ == "__main__":
    main()


__all__ = ["SinkFailed", "SinkProcess", "SinkTooSlow", "can_be_made_again", "notice_of"]
