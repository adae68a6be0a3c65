"""Building parts in a process of its own, so that a session never waits for Parquet.

Parsing entries and packing rows is Python's work and would hold the interpreter's lock of the process that
reads the feed. The child is told over a pipe which segments are closed and answers when their parts stand.
It dies with its parent: the pipe's end without a word of farewell ends it at once, so that whoever finishes
a killed session next is the only one who writes. Whatever the child did not do, the parent does at the end.
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
from vectra_bot.store.parquet.builder import build_parts
from vectra_bot.store.parquet.compaction import compact_session

_END: Final = "end"
_NICE: Final = 10  # the session's own process comes first where cores are scarce
_GOODBYE_S: Final = 600


class PartsWorker:
    """Has the parts of one session's closed segments built; the child starts with the first of them.

    Attributes:
        failed: what kept the child from building, "" if nothing did.
    """

    def __init__(self, journal_dir: Path, store: Path, remote: str = "") -> None:
        """Prepare a worker.

        Args:
            journal_dir: the session's journal.
            store: root of the store.
            remote: address of the object store that parts are uploaded to, "" for none.
        """
        self.failed = ""
        self._journal_dir = journal_dir
        self._store = store
        self._remote = remote
        self._told = 0
        self._built = 0
        self._child: subprocess.Popen[str] | None = None
        self._hearer: threading.Thread | None = None
        self._over = False  # no child is begun any more
        self._died = False
        self._news = threading.Condition()

    @property
    def lag(self) -> int:
        """How many closed segments the child has still to build; 0 if there is no child (any more)."""
        return 0 if self._over or self.failed else self._told - self._built

    @property
    def built(self) -> int:
        """Up to which segment the child has built the parts."""
        return self._built

    def closed(self, segment: int) -> None:
        """Note that all segments up to number *segment* are closed; does not wait."""
        if self._over or segment <= self._told:
            return
        self._told = segment
        if self._died:
            self._let_go("")
        self.failed = ""  # what failed is tried again
        if self._child is None:
            self._start()
        if self._child is not None:
            self._tell(self._child, str(segment))

    def wait(self) -> None:
        """Block until the child has done something; harmless if it has nothing to do."""
        with self._news:
            before = self.lag
            self._news.wait_for(lambda: self.lag < before or not self.lag)

    def build_here(self) -> None:
        """Build in this process what no child has built or will build.

        Raises:
            JournalError: a closed segment is damaged.
            StoreError: a file cannot be written, or not be uploaded.
        """
        if not self.lag and self._built < self._told:
            build(self._journal_dir, self._store, self._remote)
            self._built, self.failed = self._told, ""

    def finish(self, *, compact: bool = False) -> None:
        """Build what is left and let the child go; harmless if called twice.

        Args:
            compact: also merge many small parts; the journal must be closed.

        Raises:
            JournalError: a closed segment is damaged.
            StoreError: a file cannot be written, or not be uploaded.
        """
        self._end(_END)
        build_parts(self._journal_dir, self._store)
        if compact:
            compact_session(self._journal_dir, self._store)
        upload(self._journal_dir, self._store, self._remote)

    def abandon(self) -> None:
        """End the child as a kill would; what it did not build is built by the next repair."""
        if self._child is not None:
            self._child.kill()
        self._end("")

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
            # No room for a process, or no interpreter to start: the end of the session builds the parts.
            self.failed, self._over = f"no process for the parts: {error}", True
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
            # Whatever ended it, nobody asked it to: it is begun anew with the next segment.
            self._died = True
            self.failed = self.failed or "the process for the parts died"
            self._news.notify_all()

    def _tell(self, child: subprocess.Popen[str], word: str) -> None:
        # A child that died is noticed by who hears it.
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
        JournalError: a closed segment is damaged.
        StoreError: a file cannot be written, or not be uploaded.
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
    told: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(words, told), daemon=True).start()
    while (word := told.get()) != _END:
        while not told.empty() and word != _END:
            word = told.get()  # one round builds all that is closed
        if word == _END:
            break
        try:
            build(journal_dir, store, remote)
        except (VectraError, OSError) as error:
            answers.write(f"failed {' '.join(str(error).split())}\n")
        else:
            answers.write(f"built {word}\n")
        answers.flush()


def _listen(words: IO[str], told: SimpleQueue[str]) -> None:
    for line in words:
        word = line.strip()
        told.put(word)
        if word == _END:
            return
    # The parent died. Another process may finish its session now: not one more file from here.
    os._exit(1)


def main(argv: list[str]) -> int:
    """Serve one session: *argv* is its journal, the store and the remote store's address or ""."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends in order
    os.nice(_NICE)
    if hasattr(os, "SCHED_BATCH"):
        # A core is taken from it at once when the session's process wakes up.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    _work(Path(argv[0]), Path(argv[1]), argv[2], sys.stdin, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
