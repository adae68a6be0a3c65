"""Stops of commands that hang: real processes, real signals; `benchmarks/stopping.py` has the times."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.mutants.trees import ROOT
from vectra_bot.cli import guard
from vectra_bot.cli.main import main
from vectra_bot.errors import InputError
from vectra_bot.journal import journal_directory, read_journal

HANGS = f"{ROOT / 'benchmarks' / 'stopping_hangs.py'}"
RUN = ["run", f"{HANGS}:Hanging", "--games", "50", "--seed", "7", "--session-id", "hung", "--json"]
WAIT_S = 60


def started(
    arguments: list[str],
    store: Path,
    *,
    hang: str = "",
    output: int = subprocess.PIPE,
    **named: Any,
) -> subprocess.Popen[str]:
    """Start the command line; `store/../mark` is there when the strategy hangs."""
    return subprocess.Popen(
        [sys.executable, "-m", "vectra_bot", *arguments],
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HANG": hang, "HANG_MARK": str(mark_of(store))},
        **named,
    )


def mark_of(store: Path) -> Path:
    """Return the file by which a hang says that it is one."""
    return store.parent / "mark"


def wait_for(check: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until *check* is true, while the process lives."""
    end = time.monotonic() + WAIT_S
    while not check():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def hung(arguments: list[str], store: Path, hang: str) -> subprocess.Popen[str]:
    """Return a process that hangs."""
    process = started(arguments, store, hang=hang)
    wait_for(mark_of(store).exists, process)
    return process


def entries(store: Path) -> int:
    """Return the number of entries of the session's journal."""
    try:
        return sum(1 for _ in read_journal(journal_directory(store, "hung")))
    except InputError:
        return 0


def column(store: Path, doc_type: str, name: str) -> list[Any]:
    """Return a column of the stored documents of a type."""
    return [
        value
        for path in sorted(store.glob(f"doc_type={doc_type}/**/*.parquet"))
        for value in pq.ParquetFile(path).read(columns=[name]).column(name).to_pylist()
    ]


def twice(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """Send a signal two times, as a person would; return what was printed on stderr."""
    process.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(number)
    return process.communicate(timeout=WAIT_S)[1]


@pytest.mark.parametrize(
    ("hang", "number"),
    [
        ("swallow", signal.SIGINT),
        ("native-lock", signal.SIGTERM),
        pytest.param("loop", signal.SIGHUP, marks=pytest.mark.slow),
        pytest.param("sleep", signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_a_second_signal_ends_a_hung_session_that_is_then_recovered(
    hang: str, number: signal.Signals, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The code is the shell's, the last line names the session, and its action is not lost."""
    process = hung(RUN, store, hang)

    error = twice(process, number)

    assert process.returncode == 128 + number
    assert error == (
        f"stopped at once by a second {number.name}; session hung in {store} is not finished: "
        "the next session in its store, or `vectra-bot store recover`, finishes it\n"
    )
    assert main(["store", "recover", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["finished"] == ["hung"]
    assert len(column(store, "player_action", "action_id")) == 1


def test_native_code_that_keeps_the_interpreter_is_killed(store: Path) -> None:
    """No thread of the command can run: the process beside it ends it, and says so."""
    process = hung(RUN, store, "native")

    error = twice(process, signal.SIGINT)

    assert process.returncode == -signal.SIGKILL
    assert error.startswith("stopped in native code that did not return;")
    assert len(error.splitlines()) == 1


def test_a_strategy_that_does_not_return_is_interrupted_and_its_session_complete(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It raised nothing, so it gets no blame: a stopped session, which says where the strategy was."""
    process = hung(RUN, store, "sleep")

    process.send_signal(signal.SIGTERM)
    out, error = process.communicate(timeout=WAIT_S)

    assert process.returncode == 143
    assert error.startswith("Hanging.on_game_tick took ")  # a line for a callback above a tick
    assert len(error.splitlines()) == 1
    report = json.loads(out)
    assert report["ended"] == "stopped: SIGTERM"
    assert report["error"] is None
    assert report["unfinished"][0].startswith("Hanging.on_game_tick was interrupted in line ")
    assert report["unfinished"][0].endswith(" it had not returned 2 s after SIGTERM")
    # On a busy machine the files may not be built in time: then the report says so.
    assert main(["store", "recover", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["finished"] == []
    kinds = column(store, "system_event", "kind")
    assert "strategy.interrupted" in kinds
    assert "strategy.error" not in kinds


@pytest.mark.slow
@pytest.mark.parametrize("hang", ["swallow", "native", "native-lock"])
def test_the_first_signal_is_enough_whatever_hangs(hang: str, store: Path) -> None:
    """The process is gone soon, and says what it left."""
    process = hung(RUN, store, hang)

    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=WAIT_S)[1]

    assert process.returncode == (-signal.SIGKILL if hang == "native" else 130)
    assert "`vectra-bot store recover`" in error


@pytest.mark.slow
def test_a_strategys_child_and_thread_do_not_keep_a_stopped_session(store: Path) -> None:
    """The report is printed; what the interpreter would wait for at its end is left."""
    for hang in ("thread", "child"):
        process = hung([*RUN[:-3], "--json"], store, hang)
        process.send_signal(signal.SIGINT)
        out = process.communicate(timeout=WAIT_S)[0]

        assert process.returncode == 130
        assert json.loads(out)["ended"] == "stopped: SIGINT"
        mark_of(store).unlink()


def test_a_strategy_that_hangs_while_it_is_imported_is_stopped_at_once(store: Path) -> None:
    """Nothing was begun, so nothing is left, and the strategy is not accused of an error."""
    process = hung(RUN, store, "import")

    process.send_signal(signal.SIGHUP)
    out, error = process.communicate(timeout=WAIT_S)

    assert (process.returncode, out, error) == (129, "", "stopped\n")
    assert not (store / "journals").exists()


def test_a_check_is_stopped_and_gives_no_verdict(store: Path) -> None:
    """A journal whose strategy hangs while it is checked is not said to differ."""
    done = started([*RUN[:2], "--games", "1", *RUN[4:]], store)
    assert done.wait(WAIT_S) == 0
    done.communicate()
    journal = str(store / "journals" / "hung")
    process = hung(["replay", journal, "--check", "--strategy", RUN[1], "--json"], store, "loop")

    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=WAIT_S)

    assert (process.returncode, out, error) == (130, "", "stopped\n")


@pytest.mark.slow
def test_a_long_query_is_stopped(store: Path) -> None:
    """The library that runs it raises an error that does not name the stop; it is one nevertheless."""
    done = started([*RUN[:2], "--games", "1", *RUN[4:]], store)
    done.communicate(timeout=WAIT_S)
    numbers = ", ".join(f"range(99999) {name}" for name in "abc")
    sql = f"SELECT count(*) FROM {numbers} WHERE a.range * b.range % 7 = c.range"
    process = started(["query", sql], store)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(8)

    process.send_signal(signal.SIGTERM)
    out, error = process.communicate(timeout=WAIT_S)

    assert (process.returncode, out) == (143, "")
    assert error.startswith("stopped")


def test_a_pace_that_takes_years_is_stopped_in_order(store: Path) -> None:
    """The wait for a message that is not due ends with the signal; the store is complete."""
    process = started([*RUN, "--speed", "1e-9"], store)
    wait_for(lambda: entries(store) > 1, process)

    process.send_signal(signal.SIGTERM)
    out, error = process.communicate(timeout=WAIT_S)

    assert (process.returncode, error) == (143, "")
    report = json.loads(out)
    assert (report["ended"], report["unfinished"]) == ("stopped: SIGTERM", [])


def test_two_signals_at_once_are_one_request(store: Path) -> None:
    """`timeout`, shells and service managers send theirs twice: the session still ends in order."""
    process = started([*RUN, "--games", "100000"], store)
    wait_for(lambda: entries(store) > 100, process)

    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGHUP)
    out, error = process.communicate(timeout=WAIT_S)

    assert process.returncode in (129, 143), error
    assert json.loads(out)["ended"].startswith("stopped: SIG")


FORKING = """
import multiprocessing, time
from vectra_bot import Strategy

class Forking(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick == 1:
            child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(3600,))
            child.start()
            child.terminate()
            child.join()
            assert child.exitcode == -15
"""


def test_a_signal_for_a_forked_child_of_a_strategy_ends_the_child_alone(
    store: Path, tmp_path: Path
) -> None:
    """The child has the handlers of a separate program: `terminate` ends it, and not the session."""
    (tmp_path / "forking.py").write_text(FORKING)
    process = started(["run", f"{tmp_path}/forking.py", "--games", "2", "--json"], store)

    out, error = process.communicate(timeout=WAIT_S)

    assert (process.returncode, json.loads(out)["ended"]) == (0, "games played"), error


def test_a_request_is_counted_once_within_a_tenth_of_a_second() -> None:
    """Two readers see the same signals; others' signals count for neither."""
    reading, writing = socket.socketpair()
    with reading, writing:
        thread, process = (guard.Requests(reading, [2, 15]) for _ in range(2))
        writing.send(bytes([10, 2]))
        assert thread.wait(take=True)
        assert process.wait()
        writing.send(bytes([15]))
        thread.look()
        assert (thread.latest, thread.repeated, thread.must_exit()) == (15, False, False)
        time.sleep(guard.REPEAT_S)
        writing.send(bytes([10, 2]))
        for requests in (thread, process):
            requests.look()
        assert (thread.repeated, thread.must_exit(), thread.must_exit(60)) == (True, True, False)
        assert (process.repeated, process.latest) == (True, 2)


@pytest.mark.slow
def test_an_output_that_nobody_reads_keeps_no_stopped_command(store: Path) -> None:
    """The report cannot be written; the session is stored, and the signal ends the process."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 1024)
    os.set_blocking(writing, True)
    arguments = ["run", "watch", "--games", "1", "--seed", "7", "--session-id", "S", "--json"]
    process = started([*arguments, "--store", str(store)], store, output=writing)
    wait_for(lambda: ended(store, "S"), process)
    time.sleep(1)  # nothing is left but the report, which blocks
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=WAIT_S)
    for end in (reading, writing):
        os.close(end)

    assert (process.returncode, error) == (143, "stopped\n")


def ended(store: Path, session: str) -> bool:
    """Return whether a session is closed and its process has nothing left but its report."""
    folder = store / "journals" / session
    return folder.is_dir() and not (folder / "lock").exists() and any(folder.glob("*.log*"))
