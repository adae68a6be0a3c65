"""Building parts in a process of its own, so that a session never waits for Parquet.

Parsing entries and packing rows is Python's work and would hold the interpreter's lock of the process that
reads the feed. The child is told over a pipe which segments are closed and answers when their parts stand.
It dies with its parent: the pipe's end without a word of farewell ends it at once, so that whoever finishes
a killed session next is the only one who writes. Whatever the child did not do, the parent does at the end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Final

from vectra_bot.errors import VectraError
from vectra_bot.store.compaction import compact_session
from vectra_bot.store.parquet import build_parts

_END: Final = "end"
_NICE: Final = 5  # the session's own process comes first where cores are scarce
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
        self._done = 0
        self._child: subprocess.Popen[str] | None = None
        self._ended = False

    @property
    def lag(self) -> int:
        """How many closed segments have no parts yet, as far as the child has said."""
        return 0 if self._ended else self._told - self._done

    def closed(self, segment: int) -> None:
        """Note that all segments up to number *segment* are closed; does not wait."""
        if self._ended or segment <= self._told:
            return
        self._told = segment
        if self._child is None:
            self._start()
        if self._child is not None:
            self._tell(self._child, str(segment))

    def wait(self) -> None:
        """Block until the child has said something; harmless if it has nothing to do."""
        child = self._child
        if child is None or child.stdout is None or not self.lag:
            return
        word, _, rest = child.stdout.readline().strip().partition(" ")
        if word == "built":
            self._done = max(self._done, int(rest))
        elif word == "failed":
            self._done, self.failed = self._told, rest
        else:
            self._leave(child)

    @property
    def unbuilt(self) -> bool:
        """Whether closed segments may lack parts that no child will build."""
        return self._ended or bool(self.failed)

    def build_here(self) -> None:
        """Build in this process what a child did not.

        Raises:
            JournalError: a closed segment is damaged.
            StoreError: a file cannot be written, or not be uploaded.
        """
        build(self._journal_dir, self._store, self._remote)
        self.failed = ""

    def finish(self, *, compact: bool = False) -> None:
        """Build what is left and let the child go; harmless if called twice.

        Args:
            compact: also merge many small parts; the journal must be closed.

        Raises:
            JournalError: a closed segment is damaged.
            StoreError: a file cannot be written, or not be uploaded.
        """
        child, self._child = self._child, None
        if child is not None:
            self._tell(child, _END)
            self._leave(child)
        self._ended = True
        build_parts(self._journal_dir, self._store)
        if compact:
            compact_session(self._journal_dir, self._store)
        upload(self._journal_dir, self._store, self._remote)

    def abandon(self) -> None:
        """End the child as a kill would; what it did not build is built by the next repair."""
        child, self._child = self._child, None
        self._ended = True
        if child is not None:
            child.kill()
            self._leave(child)

    def _start(self) -> None:
        arguments = [str(self._journal_dir), str(self._store), self._remote]
        try:
            self._child = subprocess.Popen(  # noqa: S603 - our own module, no shell
                [sys.executable, "-P", "-m", __name__, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                bufsize=1,
            )
        except (OSError, ValueError) as error:
            # No room for a process, or no interpreter to start: the end of the session builds the parts.
            self.failed, self._ended = f"no process for the parts: {error}", True

    def _tell(self, child: subprocess.Popen[str], word: str) -> None:
        try:
            assert child.stdin is not None
            child.stdin.write(f"{word}\n")
            child.stdin.flush()
        except OSError:
            self._leave(child)

    def _leave(self, child: subprocess.Popen[str]) -> None:
        self._ended, self._child = True, None
        # Reads the rest of its output, so that it cannot block on a full pipe, and closes the pipes.
        try:
            child.communicate(timeout=_GOODBYE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
        except (OSError, ValueError):
            child.kill()
            child.wait()


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
        from vectra_bot.store.uploading import Uploader

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
    _work(Path(argv[0]), Path(argv[1]), argv[2], sys.stdin, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
