"""The commands of a store, run one after another on odd stores, also in a separate process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
from pathlib import Path

import attrs

from tests.store.samples import HEADER, small_session, tick_document
from vectra_bot.cli import main as shell
from vectra_bot.journal import Entry, Journal, journal_directory
from vectra_bot.store.parquet.builder import build_parts

TICKS = 20
ROWS = {"closed": TICKS + 1, "killed": TICKS // 2 + 1}
"""Ticks of each session that are in files; the other half of the killed one is in its journal only."""

COMMANDS = {
    "query": [
        "query", "SELECT session_id, count(price) AS n FROM game_tick GROUP BY 1 ORDER BY 1", "--json",
    ],
    "check": ["store", "check"],
    "recover": ["store", "recover"],
    "run": ["run", "watch", "--games", "1", "--seed", "1", "--speed", "max", "--session-id", "new", "--json"],
    "drop": ["store", "drop", "closed", "--yes"],
}  # fmt: skip


@attrs.frozen
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> dict[str, int]:
        """Ticks by session, as a query printed them."""
        return {row["session_id"]: row["n"] for row in json.loads(self.out)}


def ask(command: str, store: Path | str) -> Answer:
    """Run one of the commands on a store."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = shell.main([*COMMANDS[command], "--store", str(store)])
    return Answer(code, out.getvalue(), err.getvalue())


def make_sessions(store: Path) -> None:
    """Make a store with a closed session and a killed one."""
    for name in ROWS:
        journal = Journal.create(
            journal_directory(store, name), {**HEADER, "session_id": name}, segment_bytes=1 << 16
        )
        entries = small_session()[:-1]
        journal.append(entries)
        seq = entries[-1].seq
        for tick in range(TICKS):
            seq += 1
            document = Entry.of_document(seq, tick_document(tick + 10))
            journal.put(seq, "doc", seq, document.payload)
            if tick == TICKS // 2 - 1:
                journal.roll()
        if name == "closed":
            journal.close("done")
        else:
            journal.abandon()
        build_parts(journal.directory, store)


def fork_holder(store: str, how: str) -> None:
    """Open the killed session, leave a forked child behind, and end or die; print the child's id."""
    journal = Journal.resume(journal_directory(store, "killed"), segment_bytes=1 << 16)
    child = os.fork()
    if child == 0:
        os.close(1)  # the reader waits for its end
        signal.pause()
    sys.stdout.write(f"{child}\n")
    sys.stdout.flush()
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    journal.abandon()
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1] == "fork":
        fork_holder(*sys.argv[2:])
    sys.stdout.write(json.dumps([attrs.asdict(ask(name, sys.argv[1])) for name in sys.argv[2:]]))
