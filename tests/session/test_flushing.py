"""Documents reach the parts while a session runs: on request, by age, and with the child killed."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.session.test_record import recorded, resume_when_joined, rows, serve
from tests.store.samples import HEADER, tick_document
from vectra_bot.errors import ConfigError
from vectra_bot.journal import Entry, Journal, journal_directory, read_journal
from vectra_bot.session.config import FlushFlag, RecordConfig, StopFlag
from vectra_bot.session.recorder import RecordReport
from vectra_bot.store.parquet.builder import begin_session
from vectra_bot.store.parquet.worker import PartsWorker

SEED_SQL = "SELECT count(*) FROM '{}/doc_type=player_action/**/*.parquet'"


def documents(store: Path, upto: int) -> list[int]:
    """Return the numbers of the journaled documents up to entry *upto*, without frames."""
    journal = journal_directory(store, "R")
    return [e.seq for e in read_journal(journal) if e.kind == "doc" and e.seq <= upto]


def stored(store: Path) -> list[int]:
    """Return the numbers of all documents in parts, without frames."""
    glob = f"{store}/doc_type=*/**/*.parquet"
    sql = f"SELECT seq FROM read_parquet('{glob}', union_by_name=true) WHERE doc_type <> 'ws_event'"
    return sorted(row[0] for row in duckdb.sql(sql).fetchall())


async def test_a_flush_brings_every_document_so_far_into_the_parts(tmp_path: Path) -> None:
    flag, stop = FlushFlag(), StopFlag()
    heard: list[tuple[int, list[int], list[int], int]] = []

    def flushed(last: int) -> None:
        seen = stored(tmp_path)
        ((actions,),) = duckdb.sql(SEED_SQL.format(tmp_path)).fetchall()
        heard.append((last, documents(tmp_path, last), seen, actions))
        if len(heard) == 3:
            stop.set("enough")
        else:
            flag.ask()

    async def ask() -> RecordReport:
        async with serve(speed=30.0, paused=True) as server, asyncio.TaskGroup() as group:
            group.create_task(resume_when_joined(server))
            flag.ask()
            task = group.create_task(
                recorded(server, tmp_path, flush=flag, flushed=flushed, stop=stop, seconds=240)
            )
        return task.result()

    report = await ask()

    assert report.ended == "stopped: enough"
    assert len(heard) == 3
    for last, journaled, seen, actions in heard:
        assert [seq for seq in seen if seq <= last] == journaled
        assert actions == 0
    assert heard[0][0] < heard[1][0] < heard[2][0]
    assert stored(tmp_path) == documents(tmp_path, 2**62)


@pytest.mark.slow
async def test_documents_reach_the_parts_by_age(tmp_path: Path) -> None:
    async with serve(games=5, paused=True) as server, asyncio.TaskGroup() as group:
        group.create_task(resume_when_joined(server))
        group.create_task(recorded(server, tmp_path, games=4, flush_seconds=0.2))
    assert len(list((tmp_path / "journals" / "R").glob("*.parts.json"))) > 1
    assert stored(tmp_path) == documents(tmp_path, 2**62)
    assert len(set(stored(tmp_path))) == len(rows(tmp_path, "*", "seq", "doc_type <> 'ws_event'"))


def a_journal(store: Path, segments: int) -> Journal:
    """Return a running journal with closed segments of ticks."""
    journal = Journal.create(journal_directory(store, HEADER["session_id"]), HEADER)
    begin_session(store, HEADER["session_id"])
    for number in range(1, segments + 1):
        journal.append([Entry.of_document(number, tick_document(number))])
        journal.roll()
    return journal


def test_a_killed_child_leaves_its_work_to_the_end_of_the_session(tmp_path: Path) -> None:
    journal = a_journal(tmp_path, 3)
    worker = PartsWorker(journal.directory, tmp_path)
    worker.closed(3)
    assert worker._child is not None
    os.kill(worker._child.pid, signal.SIGKILL)
    while worker.lag:
        worker.wait()
    worker.build_here()
    assert stored(tmp_path) == [1, 2, 3]
    journal.close("done")
    worker.finish()
    worker.finish()
    assert stored(tmp_path) == [1, 2, 3]


def test_a_killed_child_is_told_of_and_begun_anew(tmp_path: Path) -> None:
    journal = a_journal(tmp_path, 3)
    worker = PartsWorker(journal.directory, tmp_path)
    worker.closed(1)
    while worker.lag:
        worker.wait()
    assert (worker.built, worker.failed) == (1, "")
    assert worker._child is not None
    assert worker._hearer is not None
    os.kill(worker._child.pid, signal.SIGKILL)
    worker._hearer.join()
    assert "died" in worker.failed
    worker.closed(3)
    while worker.lag:
        worker.wait()
    assert (worker.built, worker.failed) == (3, "")
    assert stored(tmp_path) == [1, 2, 3]
    worker.abandon()
    journal.abandon()


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    journal = a_journal(tmp_path, 1)
    journal.abandon()
    code = (
        "import os, sys; from pathlib import Path; from vectra_bot.store.parquet.worker import PartsWorker\n"
        "worker = PartsWorker(Path(sys.argv[1]), Path(sys.argv[2])); worker.closed(1)\n"
        "while worker.lag: worker.wait()\n"
        "print(worker._child.pid, worker.built, flush=True); os.kill(os.getpid(), 9)\n"
    )
    parent = subprocess.run(
        [sys.executable, "-c", code, str(journal.directory), str(tmp_path)],
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    child, built = map(int, parent.stdout.split())
    assert (parent.returncode, built) == (-9, 1)
    try:
        handle = os.pidfd_open(child)
    except ProcessLookupError:
        return
    # Readable when the process has ended, regardless of who reaps it.
    assert select.select([handle], [], [], 30)[0]
    os.close(handle)


def test_a_failure_of_the_child_is_told_and_comes_again_at_the_end(tmp_path: Path) -> None:
    journal = a_journal(tmp_path, 1)
    blocked = tmp_path / "doc_type=game_tick"
    blocked.write_text("no folder")
    worker = PartsWorker(journal.directory, tmp_path)
    worker.closed(1)
    while worker.lag:
        worker.wait()
    assert "doc_type=game_tick" in worker.failed
    blocked.unlink()
    worker.build_here()
    assert stored(tmp_path) == [1]
    journal.close("done")
    worker.finish()


def test_a_flush_interval_is_positive() -> None:
    with pytest.raises(ConfigError, match="flush_seconds was 0"):
        RecordConfig(venue="http://127.0.0.1:1", flush_seconds=0)
