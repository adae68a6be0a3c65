"""The process that recovers sessions: its limit, its death, a stop, and sessions that cannot be recovered."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vectra_bot
from tests.session.test_recovery import actions, bot, killed
from vectra_bot.errors import StoreError
from vectra_bot.journal import read_journal
from vectra_bot.session import StopFlag
from vectra_bot.session.recovery.killed import recover_store
from vectra_bot.session.recovery.process import RecoveryProcess
from vectra_bot.store.maintenance.sessions import is_running, unfinished_sessions

__all__ = ["bot"]  # the fixture


@pytest.fixture
def store(tmp_path: Path, bot: Path) -> Iterator[Path]:
    """Return a store with the killed sessions A, B and C."""
    for name in ("A", "B", "C"):
        killed(tmp_path, bot, name)
    return tmp_path / "store"


def child_of(process: RecoveryProcess) -> Any:
    """Return the process itself."""
    child = process._child
    assert child is not None
    return child


def is_closed(store: Path, name: str) -> bool:
    """Return whether the journal of session *name* is closed."""
    return list(read_journal(store / "journals" / name))[-1].kind == "close"


def test_a_recovery_that_takes_too_long_is_killed(store: Path) -> None:
    """The session remains unfinished and free, the others are recovered, and so is this one later."""
    with RecoveryProcess() as process:
        process.recover(store / "journals" / "A", store)
        hung = child_of(process)
        os.kill(hung.pid, signal.SIGSTOP)
        process._limit_s = 0.2
        with pytest.raises(StoreError, match=r"took more than 0\.2 s"):
            process.recover(store / "journals" / "B", store)
        assert hung.returncode == -signal.SIGKILL
        process._limit_s = 60
        process.recover(store / "journals" / "C", store)
    assert [is_closed(store, name) for name in ("A", "B", "C")] == [True, False, True]
    assert not is_running(store / "journals" / "B")

    assert recover_store(store) == ["B"]
    assert len(actions(store, "B")) == 3


def test_a_process_that_dies_is_said_and_replaced(store: Path) -> None:
    """Whatever ends the process ends the recovery of one session."""
    with RecoveryProcess() as process:
        process.recover(store / "journals" / "A", store)
        os.kill(child_of(process).pid, signal.SIGKILL)
        with pytest.raises(StoreError, match="ended with exit code -9"):
            process.recover(store / "journals" / "B", store)
        process.recover(store / "journals" / "B", store)
    assert [is_closed(store, name) for name in ("A", "B", "C")] == [True, True, False]


def test_a_stop_ends_a_recovery(store: Path) -> None:
    """A stop kills the process at once; what is left is recovered by the next session."""
    stop = StopFlag()
    with RecoveryProcess(stop) as process:
        process.recover(store / "journals" / "A", store)
        hung = child_of(process)
        os.kill(hung.pid, signal.SIGSTOP)
        timer = threading.Timer(0.2, stop.set, ("SIGINT",))
        timer.start()
        with pytest.raises(StoreError, match="stopped"):
            process.recover(store / "journals" / "B", store)
        timer.join()
        assert hung.returncode == -signal.SIGKILL
    assert recover_store(store, stop=stop) == []
    assert recover_store(store) == ["B", "C"]


def test_a_session_that_cannot_be_recovered_is_named(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One process reports the corrupt session and recovers the others; a run on the store starts."""
    log = store / "journals" / "B" / "000001.log"
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)

    with caplog.at_level(logging.WARNING):
        report = vectra_bot.run("watch", store=store, games=1, seed=1, crowd=0)
    assert report.recovered == ("A", "C")
    (line,) = [r.getMessage() for r in caplog.records if "session=B" in r.getMessage()]
    assert "cannot be recovered" in line
    assert [path.name for path in unfinished_sessions(store)] == ["B"]


def test_a_name_of_two_lines_is_one_session(store: Path) -> None:
    """The answers are those to the session that was asked for, whatever the name of a folder."""
    odd = store / "journals" / "A\nB"
    (store / "journals" / "A").rename(odd)
    with RecoveryProcess() as process:
        process.recover(odd, store)
        assert [is_closed(store, name) for name in (odd.name, "B")] == [True, False]
        process.recover(store / "journals" / "B", store)
    assert [is_closed(store, name) for name in ("B", "C")] == [True, False]


def test_warnings_of_the_process_are_logged_here(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What the process warns of is in the log of the one that asked."""
    with (store / "journals" / "A" / "000001.log").open("ab") as file:
        file.write(b"\0" * 4 + b"half an entry")
    for name in ("B", "C"):
        shutil.rmtree(store / "journals" / name)

    with caplog.at_level(logging.WARNING):
        assert recover_store(store) == ["A"]
    assert "session=A cut" in caplog.text


def test_no_session_to_recover_starts_no_process(tmp_path: Path) -> None:
    """A store without killed sessions costs nothing."""
    vectra_bot.run("watch", store=tmp_path, games=1, seed=1, crowd=0)
    with RecoveryProcess() as process:
        assert recover_store(tmp_path, recover=process.recover) == []
        assert process._child is None


HOSTILE = """
import os, time
from pathlib import Path
from vectra_bot import Strategy

class Hostile(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick == 3:
            self.actions.buy("0.01")
        if game.tick == 6:
            Path(__file__).with_suffix(".reached").touch()
"""
KINDS = {
    "loop": "            while True: pass\n",
    "sleep": "            time.sleep(1e6)\n",
    "fork": (
        "            pid = os.fork()\n"
        "            if pid:\n"
        '                Path(__file__).with_suffix(".child").write_text(str(pid))\n'
        "            time.sleep(1e6)\n"
    ),
    "swallow": (
        "            while True:\n"
        "                try:\n"
        "                    while True: pass\n"
        "                except:\n"
        "                    pass\n"
    ),
}


@pytest.mark.slow
def test_sessions_of_strategies_that_never_return_are_recovered(tmp_path: Path) -> None:
    """Killed in a loop, in a sleep, beside a forked child or with all caught: the next run finishes them."""
    store = tmp_path / "store"
    (store / "journals").mkdir(parents=True)
    try:
        for kind, text in KINDS.items():
            bad = tmp_path / f"{kind}.py"
            bad.write_text(HOSTILE + text)
            command = [sys.executable, "-m", "vectra_bot", "run", str(bad), "--games", "1"]
            command += ["--seed", "7", "--crowd", "0", "--store", str(tmp_path / kind)]
            command += ["--session-id", kind]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
                for _ in range(1200):
                    if bad.with_suffix(".reached").exists():
                        break
                    assert process.poll() is None
                    time.sleep(0.05)
                process.kill()
            # Elsewhere until now: each start would have recovered the one before.
            shutil.move(tmp_path / kind / "journals" / kind, store / "journals" / kind)

        report = vectra_bot.run("watch", store=store, games=1, seed=1, crowd=0)
        assert sorted(report.recovered) == sorted(KINDS)
        assert [state for kind in KINDS for _, state in actions(store, kind)] == ["CONFIRMED"] * 4
    finally:
        for path in tmp_path.glob("*.child"):
            os.kill(int(path.read_text()), signal.SIGKILL)
