"""Building parts in a separate process, so that a session never waits for Parquet.

Decoding entries and packing rows is Python code and would keep the interpreter lock of the process that
reads the feed. The child receives the numbers of closed segments over a pipe and answers when their
parts are built. It dies with its parent: if the pipe ends without an end command it exits at once, so
that a process that recovers the session is the only writer. The parent builds at the end what the child
did not.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Final

from vectra_bot.errors import VectraError
from vectra_bot.fsio import forks
from vectra_bot.store.parquet.builder import build_parts
from vectra_bot.store.parquet.compaction import compact_session

_END: Final = "end"
_NICE: Final = 10  # the session's process has priority if cores are scarce
_GOODBYE_S: Final = 600


class PartsWorker:
    """Has the parts of one session's closed segments built; the child starts with the first of them.

    Attributes:
        failed: why the child could not build, "" if it could.
        step: what :meth:`finish` is doing.
    """

    def __init__(self, journal_dir: Path, store: Path, remote: str = "") -> None:
        """Prepare a worker.

        Args:
            journal_dir: the session's journal.
            store: root of the store.
            remote: address of the object store that parts are uploaded to, "" for none.
        """
        self.failed = ""
        self.step = ""
        self._journal_dir = journal_dir
        self._store = store
        self._remote = remote
        self._told = 0
        self._built = 0
        self._child: subprocess.Popen[str] | None = None
        self._leaving: subprocess.Popen[str] | None = None
        self._hearer: threading.Thread | None = None
        self._over = False  # no further child is started
        self._died = False
        self._news = threading.Condition()
        forks.left_by_children(self)

    @property
    def lag(self) -> int:
        """How many closed segments the child has yet to build; 0 without a child."""
        return 0 if self._over or self.failed else self._told - self._built

    @property
    def built(self) -> int:
        """The last segment whose parts the child has built."""
        return self._built

    def closed(self, segment: int) -> None:
        """Record that all segments up to number *segment* are closed; does not wait."""
        if self._over or segment <= self._told:
            return
        self._told = segment
        if self._died:
            self._let_go("")
        self.failed = ""  # failed work is retried
        if self._child is None:
            self._start()
        if self._child is not None:
            self._tell(self._child, str(segment))

    def wait(self, timeout_s: float | None = None) -> None:
        """Block until the child has finished something or has nothing to do, at most *timeout_s*."""
        with self._news:
            before = self.lag
            self._news.wait_for(lambda: self.lag < before or not self.lag, timeout_s)

    def build_here(self) -> None:
        """Build in this process what no child has built or will build.

        Raises:
            JournalError: a closed segment is corrupt.
            StoreError: a file cannot be written or uploaded.
        """
        if not self.lag and self._built < self._told:
            build(self._journal_dir, self._store, self._remote)
            self._built, self.failed = self._told, ""

    def finish(self, *, compact: bool = False) -> None:
        """Build the rest and end the child; harmless if called twice.

        Args:
            compact: also merge many small parts; the journal must be closed.

        Raises:
            JournalError: a closed segment is corrupt.
            StoreError: a file cannot be written or uploaded.
        """
        self.step = "building the files"
        self._end(_END)
        build_parts(self._journal_dir, self._store)
        if compact:
            self.step = "merging the files"
            compact_session(self._journal_dir, self._store)
        self.step = "uploading the files"
        upload(self._journal_dir, self._store, self._remote)

    def kill(self) -> None:
        """Kill the child, also one that :meth:`finish` waits for; does not wait."""
        for child in (self._child, self._leaving):
            if child is not None:
                child.kill()

    def abandon(self) -> None:
        """End the child as a kill would; the next repair builds what it did not."""
        self.kill()
        self._end("")

    def leave(self) -> None:
        """Let a forked child of the session neither command the process nor keep it alive."""
        child, self._child, self._over = self._child, None, True
        if child is not None and child.stdin is not None and not child.stdin.closed:
            forks.close_copy(child.stdin.fileno())

    def _start(self) -> None:
        arguments = [str(self._journal_dir), str(self._store), self._remote]
        try:
            child = subprocess.Popen(  # noqa: S603 - our own module, no shell
                [sys.executable, "-P", "-m", __name__, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                bufsize=1,
            )
        except (OSError, ValueError) as error:
            # No memory for a process, or no interpreter to start: the end of the session builds the
            # parts.
            self.failed, self._over = f"cannot start the process that builds parts: {error}", True
            return
        self._child, self._died = child, False
        self._hearer = threading.Thread(target=self._hear, args=(child,), daemon=True)
        self._hearer.start()

    def _hear(self, child: subprocess.Popen[str]) -> None:
        assert child.stdout is not None
        for line in child.stdout:
            word, _, rest = line.strip().partition(" ")
            with self._news:
                if word == "built":
                    self._built = max(self._built, int(rest))
                else:
                    self.failed = rest or word
                self._news.notify_all()
        with self._news:
            # It ended without a request: the next segment starts a new one.
            self._died = True
            self.failed = self.failed or "the process that builds parts died"
            self._news.notify_all()

    def _tell(self, child: subprocess.Popen[str], word: str) -> None:
        # A dead child is noticed when its answers are read.
        with contextlib.suppress(OSError, ValueError):
            assert child.stdin is not None
            child.stdin.write(f"{word}\n")
            child.stdin.flush()

    def _end(self, word: str) -> None:
        self._over = True
        self._let_go(word)
        self.failed = ""

    def _let_go(self, word: str) -> None:
        child, self._child = self._child, None
        self._leaving = child
        if child is None:
            return
        if word:
            self._tell(child, word)
        with contextlib.suppress(OSError, ValueError):
            assert child.stdin is not None
            child.stdin.close()
        try:
            child.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if self._hearer is not None:
            self._hearer.join()
        if child.stdout is not None:
            child.stdout.close()


def build(journal_dir: Path, store: Path, remote: str = "") -> None:
    """Build the parts of all closed segments that lack them, and upload what a remote store lacks.

    Raises:
        JournalError: a closed segment is corrupt.
        StoreError: a file cannot be written or uploaded.
    """
    build_parts(journal_dir, store)
    upload(journal_dir, store, remote)


def upload(journal_dir: Path, store: Path, remote: str) -> None:
    """Upload what the remote store lacks of a session; does nothing without a remote store.

    Raises:
        StoreError: a file cannot be uploaded.
    """
    if remote:
        from vectra_bot.store.remote.upload import Uploader

        Uploader(store, remote).upload(journal_dir.name)


def _work(journal_dir: Path, store: Path, remote: str, words: IO[str], answers: IO[str]) -> None:
    received: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(words, received), daemon=True).start()
    while (word := received.get()) != _END:
        while not received.empty() and word != _END:
            word = received.get()  # one round builds all closed segments
        if word == _END:
            break
        try:
            build(journal_dir, store, remote)
        except (VectraError, OSError) as error:
            answers.write(f"failed {' '.join(str(error).split())}\n")
        else:
            answers.write(f"built {word}\n")
        answers.flush()


def _listen(words: IO[str], received: SimpleQueue[str]) -> None:
    for line in words:
        word = line.strip()
        received.put(word)
        if word == _END:
            return
    # The parent died. Another process may recover its session now: write nothing more.
    os._exit(1)


def main(argv: list[str]) -> int:
    """Serve one session: *argv* is its journal, the store and the remote store's address or ""."""
    # Ctrl-C and a closed terminal are for the parent, which shuts down in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.nice(_NICE)
    if hasattr(os, "SCHED_BATCH"):
        # The session's process preempts it at once when it wakes up.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    _work(Path(argv[0]), Path(argv[1]), argv[2], sys.stdin, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
