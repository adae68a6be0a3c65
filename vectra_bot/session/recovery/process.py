"""Recovery of killed sessions in a separate process, which is killed if a session takes too long.

No code that a session names runs in it (:mod:`~vectra_bot.session.recovery.killed`): the limit is for a
journal or a disk that nobody foresaw. The parent writes the name of a session; the process answers when its
journal is closed, and when its files are built. A kill leaves what a kill of any recovery leaves: a session
for the next one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

from vectra_bot.clock import Clock, WallClock
from vectra_bot.errors import StoreError, VectraError, safe_error
from vectra_bot.models.times import NS_PER_S
from vectra_bot.session.config import StopFlag
from vectra_bot.store.maintenance.sessions import one_line

LIMIT_S: Final = 5.0
"""How long it may take to close the journal of a session; its files take as long as their size needs."""

PATIENT_LIMIT_S: Final = 60.0
"""The same for ``store recover``, which a person asks for and waits for."""

_START_LIMIT_S: Final = 60.0
_LOOK_S: Final = 0.1

log = logging.getLogger(__name__)


class RecoveryProcess:
    """Recovers sessions in a process that starts with the first of them and ends with the block."""

    def __init__(
        self, stop: StopFlag | None = None, *, limit_s: float = LIMIT_S, clock: Clock | None = None
    ) -> None:
        """Start nothing yet.

        Args:
            stop: the process is killed when it is set.
            limit_s: how long it may take to close a journal, in seconds.
            clock: measures that time; the machine's if None.
        """
        self._stop = stop or StopFlag()
        self._limit_s = limit_s
        self._clock = clock or WallClock()
        self._child: subprocess.Popen[bytes] | None = None
        self._answers = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def recover(self, directory: Path, store: Path) -> None:
        """Recover the session with the journal *directory* in *store*.

        Raises:
            StoreError: it cannot be recovered, it takes too long, or the stop flag was set.
        """
        try:
            child = self._child or self._started(store)
            self._ask(child, directory.name)
            why = self._await(child, "closed", self._limit_s) or self._await(child, "done", None)
        except BaseException:
            self._end()
            raise
        if why:
            raise StoreError(why)

    def _started(self, store: Path) -> subprocess.Popen[bytes]:
        try:
            self._child = child = subprocess.Popen(  # noqa: S603 - our own module, no shell
                [sys.executable, "-P", "-m", __name__, str(store)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except (OSError, ValueError) as error:
            raise StoreError(
                f"cannot start the process that recovers sessions: {safe_error(error)}"
            ) from error
        self._await(child, "ready", _START_LIMIT_S)
        return child

    def _ask(self, child: subprocess.Popen[bytes], name: str) -> None:
        assert child.stdin is not None
        with contextlib.suppress(OSError):  # a dead child is noticed when its answers are read
            child.stdin.write(json.dumps(name).encode() + b"\n")
            child.stdin.flush()

    def _await(self, child: subprocess.Popen[bytes], word: str, limit_s: float | None) -> str:
        """Return "" when the child answers *word*, or why it cannot.

        Raises:
            StoreError: it does not answer within *limit_s*, died, or is to be stopped.
        """
        start_ns = self._clock.monotonic_ns()
        while True:
            while b"\n" in self._answers:
                line, _, self._answers = self._answers.partition(b"\n")
                known, _, text = line.decode(errors="replace").partition(" ")
                if known == word:
                    return ""
                if known == "failed":
                    return text or known
                log.warning("%s", text)
            if self._stop.reason is not None:
                raise StoreError("the recovery was stopped; the next one finishes the session")
            if limit_s is not None and self._clock.monotonic_ns() - start_ns > limit_s * NS_PER_S:
                raise StoreError(
                    f"its recovery took more than {limit_s:g} s and was ended; its entries are kept, and "
                    f"`vectra-bot store recover` gives it {PATIENT_LIMIT_S:g} s"
                )
            self._read(child)

    def _read(self, child: subprocess.Popen[bytes]) -> None:
        """Read answers, if there are any soon."""
        assert child.stdout is not None
        poll = select.poll()
        poll.register(child.stdout.fileno(), select.POLLIN)
        if not poll.poll(_LOOK_S * 1000):
            return
        data = os.read(child.stdout.fileno(), 1 << 16)
        if not data:
            raise StoreError(f"the process that recovers it ended with exit code {child.wait()}")
        self._answers += data

    def _end(self) -> None:
        child, self._child, self._answers = self._child, None, b""
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()


class _Answers(logging.Handler):
    """Answers the parent, and passes warnings on to its log."""

    def __init__(self, out: BinaryIO) -> None:
        super().__init__(logging.WARNING)
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on a warning."""
        self.say("warning", record.getMessage())

    def say(self, word: str, text: str = "") -> None:
        """Answer *word*."""
        line = " ".join(f"{word} {text}".split())
        self._out.write(line.encode(errors="backslashreplace") + b"\n")
        self._out.flush()


def main(store: Path, names: Any, out: BinaryIO) -> None:
    """Recover the sessions of *store* that are asked for by *names*, one JSON string a line."""
    from vectra_bot.session.recovery.killed import recover_session

    answers = _Answers(out)
    logging.getLogger("vectra_bot").addHandler(answers)
    answers.say("ready")
    for line in names:
        directory = store / "journals" / json.loads(line)
        try:
            recover_session(directory, store, closed=lambda: answers.say("closed"))
        except (VectraError, OSError) as error:
            answers.say("failed", one_line(error))
        except Exception as error:  # noqa: BLE001 - an error of one session must not affect the others
            answers.say("failed", safe_error(error))
        else:
            answers.say("done")


if __name__ == "__main__":
    # Ctrl-C and a closed terminal are for the parent, which ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    main(Path(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
